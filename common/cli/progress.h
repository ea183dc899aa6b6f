/*  progress.h - a progress bar with speed and time left on a terminal, one line elsewhere
 *
 *      mlx_progress_t *bar = mlx_progress_new(&(mlx_progress_options_t){
 *          .label = "model.gguf", .total = 4700000000, .fd = STDERR_FILENO, .term = &term});
 *      mlx_progress_update(bar, done);      as often as you like
 *      mlx_progress_finish(&bar, true);
 *
 *      model.gguf   45%  [========>           ]  2.1 GB of 4.7 GB  85.3 MB/s  30s left
 */
#ifndef MLX_COMMON_CLI_PROGRESS_H
#define MLX_COMMON_CLI_PROGRESS_H

#include "common/cli/term.h"

typedef struct mlx_progress mlx_progress_t;

typedef struct {
    const char *label;       /* copied */
    int64_t total;           /* bytes; 0: not known */
    int64_t start;           /* bytes that were there before: no part of the speed */
    int fd;                  /* stderr */
    const mlx_term_t *term;  /* of FD; copied */
    int64_t (*now_us)(void); /* monotonic clock; NULL: the system's */
} mlx_progress_options_t;

mlx_progress_t *mlx_progress_new(const mlx_progress_options_t *options);

/*  DONE bytes of the total are there, START included. Draws at most ten times a second. */
void mlx_progress_update(mlx_progress_t *self, int64_t done);

/*  Speed (bytes a second) and time left (seconds) as whoever does the work knows them, shown
 *  instead of what is measured here. NaN: not known. */
void mlx_progress_told(mlx_progress_t *self, double speed, double left_s);

/*  Say in one line how it ended; frees and resets. COMPLETE false: take the bar away, say nothing.
 */
void mlx_progress_finish(mlx_progress_t **self, bool complete);

#endif
