/*  held.h - values of a message that are older than the message
 *
 *  A slow sensor is asked less often than its topic is published: in between the message carries
 *  its last value and says so in the list "held" of {field, age}, age in seconds before the
 *  message's own time. What is older than MLX_HELD_STALE_S is the past: no front end shows it as
 *  the present.
 */
#ifndef MLX_COMMON_BASE_HELD_H
#define MLX_COMMON_BASE_HELD_H

#include "proto/value.h"

#define MLX_HELD_STALE_S 20

/*  How long before the message FIELD of its data D was measured, in seconds; 0: at its time. */
double mlx_held_age(const mlx_value_t *d, const char *field);

/*  Take the stale fields out of D and note them in its list "missing" with the reason. */
void mlx_held_drop_stale(mlx_value_t *d);

#endif
