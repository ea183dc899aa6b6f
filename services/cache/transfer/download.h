/*  download.h - files from the network into partial/, several at once, resumed and verified
 *
 *  A file is named by its content (etag), so that what an earlier run left is of it whatever
 *  happened in between. Large files are fetched in pieces by several connections, whose number
 *  counts over all files; the hash follows the beginning that is complete, in the same pass. Beside
 *  each part lies what of it is known to be on the disk (partial_file.h): after a power cut only
 *  that is taken.
 *
 *      mlx_download_t files[2] = {{.file = &wanted, .url = ..}, ...};
 *      mlx_download_run(&(mlx_downloads_t){.home = home, .files = files, .count = 2}, &err);
 *
 *  Where redirects led is asked once for a file, and again when that address has expired (403). A
 *  server that refuses a second connection (403, 429) or a range (200) gets one; 429 waits as long
 *  as it is told; 5xx, stalled and broken connections are tried again with growing pauses.
 */
#ifndef MLX_CACHE_TRANSFER_DOWNLOAD_H
#define MLX_CACHE_TRANSFER_DOWNLOAD_H

#include "services/cache/model/file.h"
#include "services/cache/plan/fsops.h"

#include <stdatomic.h>

typedef struct {
    const mlx_model_file_t *file; /* ETAG: 64 hex, SHA-256 of the content; 40: git's SHA-1 */
    const char *url;              /* asked again at each try; redirects lead on */
    const char *auth;             /* Authorization for the URL's own host; NULL: none */
    bool compressible;            /* a small file that a server may send gzip'd: never resumed */

    atomic_ullong done;       /* bytes there */
    char sha256[MLX_HEX_MAX]; /* out: of what is in the part now, "" until it is complete */
    mlx_error_t error;        /* out */
    bool finished;            /* out: complete or given up */
    long status;              /* out: of the last answer */
    char *error_code;         /* out: the hub's; owned by the file */
} mlx_download_t;

typedef struct {
    const mlx_root_t *home;
    const mlx_fs_t *fs;
    mlx_download_t *files;
    size_t count;
    unsigned streams; /* 0: 4 */
    int64_t pause_ms; /* first pause between tries; 0: 1 s */
    unsigned tries;   /* 0: 6 */
    int64_t stall_ms; /* a connection that brings nothing for so long is given up; 0: 30 s */
    uint64_t piece;   /* bytes; 0: 32 MiB */
    bool (*stop)(void *arg);
    void (*tick)(void *arg); /* five times a second, in the caller's thread (may be NULL) */

    /*  In the caller's thread: it is tried again in MS, because of WHY (may be NULL). */
    void (*waiting)(void *arg, int64_t ms, const mlx_error_t *why);

    /*  In the caller's thread, as soon as a file is complete and verified: take it away from
     *  partial/. -1 with ERR ends all. */
    int (*complete)(void *arg, mlx_download_t *file, mlx_error_t *err);
    void *arg;
} mlx_downloads_t;

/*  Run until every file is complete or one fails: its error is ERR then, the others' parts are
 *  kept. Code data_loss: the server has other bytes than it announced. */
int mlx_download_run(const mlx_downloads_t *self, mlx_error_t *err);

/*  "partial/<etag>.part". Caller owns it and must free it. */
char *mlx_download_part(const char *etag);

/*  Bytes of the disk that an earlier run set aside for it. */
uint64_t mlx_download_held(const mlx_root_t *home, const char *etag);

/*  Remove what lies beside the part of a file that was taken away. */
int mlx_download_clear(const mlx_fs_t *fs, const mlx_root_t *home, const char *etag,
                       mlx_error_t *err);

#endif
