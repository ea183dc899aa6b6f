/*  results.h - benchmark results, stored whole
 *
 *      mlx_results_put(db, host, t_us, d, &err);
 *      mlx_value_t *list = mlx_results_list(db, "qwen3:8b", NULL, 50, &err);
 */
#ifndef MLX_RECORDER_RESULTS_H
#define MLX_RECORDER_RESULTS_H

#include "common/base/db.h"
#include "proto/value.h"

enum {
    MLX_RESULTS_MAX = 100 /* in one list */
};

/*  Store D, the data of a bench.result. One that is stored already (same host and id) is left as it
 *  is. 0, or -1 with ERR. */
int mlx_results_put(mlx_db_t *db, const char *host, int64_t t_us, const mlx_value_t *d,
                    mlx_error_t *err);

/*  The newest results first, each as published with "host" added; MODEL NULL: of all models;
 *  ID NULL: of any id, else those whose id begins with it. Caller owns the list; NULL with ERR. */
mlx_value_t *mlx_results_list(mlx_db_t *db, const char *model, const char *id, int64_t limit,
                              mlx_error_t *err);

#endif
