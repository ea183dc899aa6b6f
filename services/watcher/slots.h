/*  slots.h - tokens per second from a llama-server's GET /slots, polled while others generate
 *
 *      mlx_slot_list_t seen;
 *      if (mlx_slots_parse(body, len, &seen, &err) == 0)
 *          mlx_slots_update(slots, &seen, now_us, wall_us);
 *      mlx_slots_activity(slots, mlx_slots_changed_us(slots), now_us, &activity);
 *
 *  A slot that has become idle still holds the tokens of its last request: what was generated after
 *  the last look at it is known exactly where its prompt is, that is if it was seen generating.
 *  What came and went between two looks is left out, not guessed: rates are right and totals lower
 *  bounds.
 */
#ifndef MLX_WATCHER_SLOTS_H
#define MLX_WATCHER_SLOTS_H

#include "activity.h"
#include "common/runtime/slot_list.h"

typedef struct mlx_slots mlx_slots_t;

mlx_slots_t *mlx_slots_new(void);
void mlx_slots_destroy(mlx_slots_t **self);

/*  A look at the server: NOW_US monotonic when the reply came, WALL_US since the epoch. */
void mlx_slots_update(mlx_slots_t *self, const mlx_slot_list_t *seen, int64_t now_us,
                      int64_t wall_us);

/*  Whether the last look found a request. */
bool mlx_slots_busy(const mlx_slots_t *self);

/*  How many requests have ended since the first look; NaN before it. */
double mlx_slots_requests(const mlx_slots_t *self);

/*  When a request began or ceased to generate, by the looks; 0: never. */
int64_t mlx_slots_changed_us(const mlx_slots_t *self);

/*  Fill OUT (cleared first); not available until the first look, rates unknown when the last look
 *  is more than 3 s old. The caller adds model and source names. Rates are of the time since
 *  SINCE_US (rate.h), which is mlx_slots_changed_us unless others are added up with it. */
void mlx_slots_activity(const mlx_slots_t *self, int64_t since_us, int64_t now_us,
                        mlx_activity_t *out);

#endif
