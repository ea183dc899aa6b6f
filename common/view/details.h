/*  details.h - what there is to say of a machine beside its headline, in words
 *
 *  Memory bandwidth, the kinds of cores, each GPU's engines and bus, why clocks are held down, who
 *  uses the GPUs, NPUs, fans, the battery: one line each, only what the machine has. status, top
 *  and the page show the same lines.
 */
#ifndef MLX_COMMON_VIEW_DETAILS_H
#define MLX_COMMON_VIEW_DETAILS_H

#include "common/view/overview.h"

/*  The lines for the overview's host: a list of {name, text}. What is stale or whose source is
 *  silent is left out. Names and texts come partly from outside. Caller owns it. */
mlx_value_t *mlx_details(const mlx_overview_t *overview, int64_t now_us);

#endif
