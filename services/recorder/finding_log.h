/*  finding_log.h - what was found, kept: each time that a finding began or ended
 *
 *      mlx_finding_log_put(db, host, t_us, "swapping", d, &err);
 *      mlx_value_t *list = mlx_finding_log_list(db, 50, &err);
 */
#ifndef MLX_RECORDER_FINDING_LOG_H
#define MLX_RECORDER_FINDING_LOG_H

#include "common/base/db.h"
#include "proto/value.h"

enum {
    MLX_FINDING_LOG_KEPT = 10000, /* the newest */
    MLX_FINDING_LOG_MAX = 500,    /* in one list */
};

/*  Make its table where there is none yet. 0, or -1 with ERR. */
int mlx_finding_log_prepare(mlx_db_t *db, mlx_error_t *err);

/*  Keep D, the data of finding.RULE. 0, or -1 with ERR. */
int mlx_finding_log_put(mlx_db_t *db, const char *host, int64_t t_us, const char *rule,
                        const mlx_value_t *d, mlx_error_t *err);

/*  The newest first, each as published with "rule", "host" and "t" added. Caller owns the list;
 *  NULL with ERR (usage: a LIMIT that is not from 1 to MLX_FINDING_LOG_MAX). */
mlx_value_t *mlx_finding_log_list(mlx_db_t *db, int64_t limit, mlx_error_t *err);

#endif
