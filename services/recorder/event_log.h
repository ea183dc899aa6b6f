/*  event_log.h - what happened while series were recorded, to be seen on their plots
 *
 *  Models loaded and freed, runtimes of another version, alerts, and times in which nothing ran (a
 *  machine that slept) are kept in table event; findings and benchmarks have tables of their own.
 *
 *      mlx_event_log_t *log = mlx_event_log_new();
 *      mlx_event_log_message(log, message);                   of this machine
 *      mlx_event_log_alert(log, "hot", d, now_us);
 *      mlx_event_log_flush(log, db, now_us, &err);            every few seconds
 *      mlx_value_t *list = mlx_event_log_list(db, since_us, until_us, &err);
 *      mlx_event_log_destroy(&log);
 */
#ifndef MLX_RECORDER_EVENT_LOG_H
#define MLX_RECORDER_EVENT_LOG_H

#include "common/base/db.h"
#include "proto/message.h"

typedef struct mlx_event_log mlx_event_log_t;

enum {
    MLX_EVENT_LOG_KEPT = 5000, /* the newest */
    MLX_EVENT_LOG_MAX = 100,   /* in one list: the newest */
};

/*  Caller owns it and must destroy it. */
mlx_event_log_t *mlx_event_log_new(void);
void mlx_event_log_destroy(mlx_event_log_t **self);

void mlx_event_log_message(mlx_event_log_t *self, const mlx_message_t *message);
void mlx_event_log_alert(mlx_event_log_t *self, const char *rule, const mlx_value_t *d,
                         int64_t now_us);

/*  Write what waits. 0, or -1 with ERR: it waits on, up to some hundred. */
int mlx_event_log_flush(mlx_event_log_t *self, mlx_db_t *db, int64_t now_us, mlx_error_t *err);

/*  By time; each has t, kind (model, runtime, alert, gap, finding or benchmark) and text. Caller
 *  owns the list; NULL with ERR. */
mlx_value_t *mlx_event_log_list(mlx_db_t *db, int64_t since_us, int64_t until_us, mlx_error_t *err);

#endif
