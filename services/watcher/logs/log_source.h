/*  log_source.h - a model server's own log as a source of what it does
 *
 *      mlx_log_source_t *source = mlx_log_source_new(&options);    NULL: no such log is known
 *      mlx_log_source_models(source, 1);               after each look at what is loaded
 *      mlx_log_source_activity(source, now_us, &activity);
 *      const char *why = mlx_log_source_reason(source);       when it is not available
 *
 *  Finds the log (log_place.h), follows it (log_tail.h, log_journal.h), reads its lines
 *  (log_grammar.h) and makes requests of them (log_story.h). It looks four times a second and reads
 *  no more than 2 MB in that second; of what is more it says that it was skipped.
 */
#ifndef MLX_WATCHER_LOGS_LOG_SOURCE_H
#define MLX_WATCHER_LOGS_LOG_SOURCE_H

#include "common/bus/loop.h"
#include "services/watcher/activity.h"
#include "services/watcher/ended.h"

typedef struct mlx_log_source mlx_log_source_t;

typedef struct {
    mlx_loop_t *loop;
    const char *kind; /* of the runtime; borrowed */
    uint16_t port;    /* where it listens on this machine */
    const char *proc_root;
    mlx_ended_sink_t ended;
    void (*changed)(void *arg); /* it told something new */
    void (*problem)(void *arg, const char *text);
    void *arg;
} mlx_log_source_options_t;

/*  NULL when the logs of that kind of runtime are not known. Caller owns it. */
mlx_log_source_t *mlx_log_source_new(const mlx_log_source_options_t *options);
void mlx_log_source_destroy(mlx_log_source_t **self);

/*  So many models are loaded. With none nothing runs; lines that do not name theirs are only of use
 *  with one. */
void mlx_log_source_models(mlx_log_source_t *self, size_t loaded);

/*  It is being read, and what it says is understood. */
bool mlx_log_source_reading(const mlx_log_source_t *self);

bool mlx_log_source_busy(const mlx_log_source_t *self);

/*  It says that the server loads a model. */
bool mlx_log_source_loading(const mlx_log_source_t *self);

/*  Fill OUT (cleared first). */
void mlx_log_source_activity(const mlx_log_source_t *self, int64_t now_us, mlx_activity_t *out);

/*  NULL when there is nothing to say. */
const char *mlx_log_source_reason(const mlx_log_source_t *self);

#endif
