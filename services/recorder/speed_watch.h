/*  speed_watch.h - the speed of each model over time, and what made it slower
 *
 *  A series is a server's model with its options (quantization and context). Its requests that ran
 *  alone and generated enough are kept, the newest of them. When the server's version, the model's
 *  digest, the system or the GPU's driver changes, the requests after are held against those before
 *  (speed_test.h); a loss stands until the next change, or for a week.
 *
 *      mlx_speed_watch_t *watch = mlx_speed_watch_new("Linux 6.1.0", "nvidia 550.54");
 *      mlx_speed_watch_load(watch, db, requests, &err);
 *      mlx_speed_watch_message(watch, message);           of this machine
 *      mlx_speed_watch_flush(watch, db, &err);
 *      const mlx_slower_t *slower = mlx_speed_watch_slower(watch, now_us);
 *      mlx_speed_watch_destroy(&watch);
 *
 *  Only changes are stored, a row each (table speed_change); requests are those of request_log.h.
 */
#ifndef MLX_RECORDER_SPEED_WATCH_H
#define MLX_RECORDER_SPEED_WATCH_H

#include "proto/message.h"
#include "request_log.h"
#include "speed_test.h"

typedef struct mlx_speed_watch mlx_speed_watch_t;

typedef struct {
    char topic[160]; /* "runtime.ollama.127_0_0_1-11434." */
    char model[128], options[64];
    char cause[400];    /* "ollama went from 0.32.14 to 0.32.15" */
    char back[128];     /* what to go back to: "ollama 0.32.14"; "": nothing that has a name */
    int64_t changed_us; /* when that was seen */
    int64_t last_us;    /* newest request before: between these two it became slower */
    int64_t first_us;   /* oldest request after */
    size_t before, after;
    mlx_speed_loss_t loss;
} mlx_slower_t;

/*  SYSTEM and DRIVER ("" for none) as they are now; copied. Caller owns it and must destroy it. */
mlx_speed_watch_t *mlx_speed_watch_new(const char *system, const char *driver);
void mlx_speed_watch_destroy(mlx_speed_watch_t **self);

/*  Take up what the database knows. 0, or -1 with ERR. */
int mlx_speed_watch_load(mlx_speed_watch_t *self, mlx_db_t *db, mlx_request_log_t *requests,
                         mlx_error_t *err);

void mlx_speed_watch_message(mlx_speed_watch_t *self, const mlx_message_t *message);

/*  Write the changes that are new. 0, or -1 with ERR: they wait on. */
int mlx_speed_watch_flush(mlx_speed_watch_t *self, mlx_db_t *db, mlx_error_t *err);

/*  The newest loss that stands, or NULL; borrowed until the next message. */
const mlx_slower_t *mlx_speed_watch_slower(const mlx_speed_watch_t *self, int64_t now_us);

#endif
