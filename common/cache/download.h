/*  download.h - files from the network into partial/, several at once, resumed and verified
 *
 *  A file is named by its content (etag), so that what an earlier run left is its beginning
 * whatever happened in between. Bytes are written in order and hashed in the same pass; a resumed
 * beginning is read once for its hash. Beside each part lies how much of it is known to be on the
 * disk: after a power cut only that much is taken.
 *
 *      mlx_download_t files[2] = {{.url = .., .etag = .., .size = ..}, ...};
 *      mlx_download_run(&(mlx_downloads_t){.home = home, .files = files, .count = 2}, &err);
 *
 *  Expired addresses (403 behind a redirect) are resolved again, 429 waits as long as it is told
 * and goes on with one stream, 5xx and broken connections are tried again with growing pauses.
 */
#ifndef MLX_COMMON_CACHE_DOWNLOAD_H
#define MLX_COMMON_CACHE_DOWNLOAD_H

#include "common/cache/fsops.h"
#include "common/digest.h"

#include <stdatomic.h>

typedef struct {
    const char *name;   /* for messages */
    const char *url;    /* asked anew at each try; redirects lead on */
    const char *auth;   /* Authorization for the URL's own host; NULL: none */
    const char *accept; /* NULL: anything */
    const char *etag;   /* 64 hex: SHA-256 of the content; 40: git's blob SHA-1 */
    uint64_t size;
    bool compressible; /* a small file that a server may send gzip'd: never resumed */

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
    bool (*stop)(void *arg);
    void (*tick)(void *arg); /* five times a second, in the caller's thread (may be NULL) */

    /*  In the caller's thread, as soon as a file is complete and verified: take it away from
     *  partial/. -1 with ERR ends all. */
    int (*complete)(void *arg, mlx_download_t *file, mlx_error_t *err);
    void *arg;
} mlx_downloads_t;

/*  Run until every file is complete or one fails: its error is ERR then, the others' parts are
 * kept. Code data_loss: the server has other bytes than it announced. */
int mlx_download_run(const mlx_downloads_t *self, mlx_error_t *err);

/*  "partial/<etag>.part". Caller owns it and must free it. */
char *mlx_download_part(const char *etag);

/*  Bytes of FILE that an earlier run left. */
uint64_t mlx_download_left(const mlx_root_t *home, const char *etag);

#endif
