/*  request_log.h - every request that ended, some forty bytes each, for as long as it is kept
 *
 *  table         holds
 *  request       id: when it ended, in microseconds since 1970; data: its fields, packed
 *  request_text  the texts that requests have in common: models, programs, addresses, ...
 *
 *      mlx_request_log_t *log = mlx_request_log_new(90);
 *      mlx_request_log_put(log, message);            runtime.<kind>.<endpoint>.request
 *      mlx_request_log_flush(log, db, now_us, &err); now and then: what waits, and what is too old
 *      mlx_value_t *result = mlx_request_log_list(log, db, args, &err);
 *
 *  Packed: times to a millisecond, speeds to 0.01 tokens per second, energy to 0.1 J. Error codes
 *  as in common/base/db.h.
 */
#ifndef MLX_RECORDER_REQUEST_LOG_H
#define MLX_RECORDER_REQUEST_LOG_H

#include "common/base/db.h"
#include "proto/message.h"

typedef struct mlx_request_log mlx_request_log_t;

enum {
    MLX_REQUEST_LOG_WAITING = 50000, /* until a flush; those beyond are lost */
    MLX_REQUEST_LOG_TEXTS = 4096,    /* different ones; a request is kept without those beyond */
    MLX_REQUEST_LOG_LIST = 500,      /* in one answer */
};

/*  Caller owns it and must destroy it. */
mlx_request_log_t *mlx_request_log_new(int64_t days);
void mlx_request_log_destroy(mlx_request_log_t **self);

/*  Another database is used from now on. */
void mlx_request_log_reset(mlx_request_log_t *self);

void mlx_request_log_put(mlx_request_log_t *self, const mlx_message_t *message);

/*  Write what waits and drop what is older than it is kept. 0, or -1 with ERR: it waits on. */
int mlx_request_log_flush(mlx_request_log_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err);

/*  The result of requests.list for ARGS; what waits is not in it. Caller owns it; NULL with ERR. */
mlx_value_t *mlx_request_log_list(mlx_request_log_t *self, mlx_db_t *db, const mlx_value_t *args,
                                  mlx_error_t *err);

/*  Give those that ended in SINCE..UNTIL to FN, newest first, until it returns false. What waits
 *  is not among them. 0, or -1 with ERR. */
typedef bool (*mlx_request_log_fn)(void *arg, const mlx_value_t *d);
int mlx_request_log_each(mlx_request_log_t *self, mlx_db_t *db, int64_t since_us, int64_t until_us,
                         mlx_request_log_fn fn, void *arg, mlx_error_t *err);

#endif
