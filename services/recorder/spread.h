/*  spread.h - how long requests took and how much they generated: percentiles over any time
 *
 *  Requests themselves are kept for some time (request_log.h); besides, each day of UTC and model
 *  has a sketch of each measure (table spread), for ever. A range is put together from the days
 *  that are wholly in it, or whose requests are gone, and from requests at its ends.
 *
 *      mlx_spread_t *spread = mlx_spread_new();
 *      mlx_spread_put(spread, db, d, &err);              a request that is being written
 *      mlx_spread_write(spread, db, &err);               at the end of the same transaction
 *      mlx_value_t *result = mlx_spread_list(db, log, args, now_us, &err);
 */
#ifndef MLX_RECORDER_SPREAD_H
#define MLX_RECORDER_SPREAD_H

#include "common/base/db.h"
#include "request_log.h"

typedef struct mlx_spread mlx_spread_t;

/*  Caller owns it and must destroy it. */
mlx_spread_t *mlx_spread_new(void);
void mlx_spread_destroy(mlx_spread_t **self);

/*  D has "end" (microseconds). Only requests that went well are counted. 0, or -1 with ERR. */
int mlx_spread_put(mlx_spread_t *self, mlx_db_t *db, const mlx_value_t *d, mlx_error_t *err);

/*  Add what was put to the database, or (DB is NULL) forget it. 0, or -1 with ERR; in any case
 *  nothing waits any more. */
int mlx_spread_write(mlx_spread_t *self, mlx_db_t *db, mlx_error_t *err);

/*  The result of requests.spread for ARGS. Caller owns it; NULL with ERR. */
mlx_value_t *mlx_spread_list(mlx_db_t *db, mlx_request_log_t *log, const mlx_value_t *args,
                             int64_t now_us, mlx_error_t *err);

#endif
