/*  log_story.h - requests, out of what the lines of a log say one by one
 *
 *      mlx_log_story_t *story = mlx_log_story_new(format, sink);
 *      mlx_log_story_add(story, &fact, now_us, wall_us);         each line that says something
 *      mlx_log_story_tick(story, now_us);                        a few times a second
 *      mlx_log_story_activity(story, now_us, &activity);
 *
 *  A request is told as it ends, with the server's own counts and times. One whose beginning was
 *  not seen is told but not part of the totals: what it did before is not known to be ours.
 */
#ifndef MLX_WATCHER_LOGS_LOG_STORY_H
#define MLX_WATCHER_LOGS_LOG_STORY_H

#include "log_grammar.h"
#include "services/watcher/activity.h"
#include "services/watcher/ended.h"

typedef struct mlx_log_story mlx_log_story_t;

/*  Caller owns it. */
mlx_log_story_t *mlx_log_story_new(const mlx_log_grammar_t *format, mlx_ended_sink_t sink);
void mlx_log_story_destroy(mlx_log_story_t **self);

/*  NOW_US: monotonic, when the line was read; WALL_US: when it was written, as far as known. */
void mlx_log_story_add(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us,
                       int64_t wall_us);

/*  Tell what has waited for more to be said of it. */
void mlx_log_story_tick(mlx_log_story_t *self, int64_t now_us);

/*  Lines are missing, or the server is another one: nothing is known of what is under way. */
void mlx_log_story_forget(mlx_log_story_t *self);

bool mlx_log_story_busy(const mlx_log_story_t *self);

/*  It has begun to load a model and is not done. */
bool mlx_log_story_loading(const mlx_log_story_t *self);

/*  Lines of a form that is not known were met: nothing is believed until the server begins
 *  again. */
bool mlx_log_story_strange(const mlx_log_story_t *self);

/*  Fill OUT (cleared first). Strings are borrowed until the next fact. */
void mlx_log_story_activity(const mlx_log_story_t *self, int64_t now_us, mlx_activity_t *out);

#endif
