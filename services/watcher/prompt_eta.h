/*  prompt_eta.h - how long prompts still take, as estimates that never go back
 *
 *      mlx_prompt_eta_t eta = {0};
 *      mlx_prompt_eta_join(&activity, &log_activity);     what a log knows of the same requests
 *      mlx_prompt_eta_update(&eta, &activity, now_us);    fills prompt_eta_s
 *
 *  Slots tell how much of a prompt is read and not how long it is; a log tells both, every few
 *  seconds.
 */
#ifndef MLX_WATCHER_PROMPT_ETA_H
#define MLX_WATCHER_PROMPT_ETA_H

#include "activity.h"

typedef struct {
    struct {
        int64_t key; /* the server's number of the request, or its place */
        double done;
        int64_t done_us; /* since when it is so far */
        double left_s;   /* as told last */
        int64_t seen_us;
    } entries[MLX_ACTIVITY_REQUESTS_MAX];
} mlx_prompt_eta_t;

/*  Give the requests of SEEN the length of the prompt, and what was cached, by LOG. */
void mlx_prompt_eta_join(mlx_activity_t *seen, const mlx_activity_t *log);

void mlx_prompt_eta_update(mlx_prompt_eta_t *self, mlx_activity_t *seen, int64_t now_us);

#endif
