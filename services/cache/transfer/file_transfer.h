/*  file_transfer.h - one file on its way into partial/, fetched by one or several threads
 *
 *  Used by download.c only, which owns the threads and says who works on what. A file larger than a
 *  piece is set aside on the disk in its whole length and filled by pieces (range_map.h); a smaller
 *  one grows from its beginning.
 *
 *      mlx_file_transfer_options_t options = {.run = run, .download = download, ...};
 *      mlx_file_transfer_t *part = mlx_file_transfer_new(&options);
 *      mlx_file_transfer_open(part);
 *      while (mlx_file_transfer_take(part, &index))          in as many threads as it lets
 *          if (mlx_file_transfer_fetch(part, index) != MLX_PART_MORE)
 *              break;
 *      mlx_file_transfer_destroy(&part);
 */
#ifndef MLX_CACHE_TRANSFER_FILE_TRANSFER_H
#define MLX_CACHE_TRANSFER_FILE_TRANSFER_H

#include "services/cache/transfer/download.h"

typedef struct mlx_file_transfer mlx_file_transfer_t;

typedef struct {
    const mlx_downloads_t *run;
    mlx_download_t *download;
    bool (*ending)(void *arg);
    void (*pause)(void *arg, int64_t ms, const mlx_error_t *why); /* returns early when all ends */
    bool (*answered)(void *arg, bool now); /* did any server answer in this run; NOW: one did */
    void (*slow_down)(void *arg);          /* the server wants one stream in all */
    void (*widen)(void *arg);              /* there may be work for more streams now */
    void *arg;
} mlx_file_transfer_options_t;

typedef enum {
    MLX_PART_MORE,   /* something is left, of this thread or another */
    MLX_PART_WHOLE,  /* complete and verified */
    MLX_PART_FAILED, /* with the download's error */
} mlx_file_transfer_end_t;

mlx_file_transfer_t *
mlx_file_transfer_new(const mlx_file_transfer_options_t *options); /* touches no disk; never NULL */
void mlx_file_transfer_destroy(mlx_file_transfer_t **self); /* says how much is on the disk */

/*  Take what an earlier run left. -1 with the download's error. */
int mlx_file_transfer_open(mlx_file_transfer_t *self);

/*  Streams that work on it, and a piece for one more: false when there is none now. */
unsigned mlx_file_transfer_busy(mlx_file_transfer_t *self);
bool mlx_file_transfer_take(mlx_file_transfer_t *self, size_t *index);
mlx_file_transfer_end_t mlx_file_transfer_fetch(mlx_file_transfer_t *self, size_t index);

#endif
