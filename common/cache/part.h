/*  part.h - one file on its way into partial/, fetched by one or several threads
 *
 *  Used by download.c only, which owns the threads and says who works on what. A file larger than a
 * piece is set aside on the disk in its whole length and filled by pieces (pieces.h); a smaller one
 * grows from its beginning.
 *
 *      mlx_part_t *part = mlx_part_new(&(mlx_part_options_t){.run = run, .file = file, ...});
 *      mlx_part_open(part);
 *      while (mlx_part_take(part, &index))          in as many threads as it lets
 *          if (mlx_part_fetch(part, index) != MLX_PART_MORE)
 *              break;
 *      mlx_part_destroy(&part);
 */
#ifndef MLX_COMMON_CACHE_PART_H
#define MLX_COMMON_CACHE_PART_H

#include "common/cache/download.h"

typedef struct mlx_part mlx_part_t;

typedef struct {
    const mlx_downloads_t *run;
    mlx_download_t *file;
    bool (*ending)(void *arg);
    void (*pause)(void *arg, int64_t ms); /* returns early when all ends */
    void (*slow_down)(void *arg);         /* the server wants one stream in all */
    void *arg;
} mlx_part_options_t;

typedef enum {
    MLX_PART_MORE,   /* something is left, of this thread or another */
    MLX_PART_WHOLE,  /* complete and verified */
    MLX_PART_FAILED, /* with the file's error */
} mlx_part_end_t;

mlx_part_t *mlx_part_new(const mlx_part_options_t *options); /* touches no disk; never NULL */
void mlx_part_destroy(mlx_part_t **self);                    /* says how much is on the disk */

/*  Take what an earlier run left. -1 with the file's error. */
int mlx_part_open(mlx_part_t *self);

/*  Streams that work on it, and a piece for one more: false when there is none now. */
unsigned mlx_part_busy(mlx_part_t *self);
bool mlx_part_take(mlx_part_t *self, size_t *index);
mlx_part_end_t mlx_part_fetch(mlx_part_t *self, size_t index);

#endif
