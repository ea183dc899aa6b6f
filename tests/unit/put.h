/*  put.h - a message into an overview, at a time that stands still */
#ifndef MLX_TESTS_UNIT_PUT_H
#define MLX_TESTS_UNIT_PUT_H

#include "common/view/overview.h"

#define NOW 1795000000000000LL

/*  D, which is destroyed, as the machine "vm" said it on TOPIC so long before NOW. */
static inline void put(mlx_overview_t *overview, const char *topic, mlx_value_t *d, int64_t age_us)
{
    mlx_message_t message = {.topic = (char *)topic,
                             .host = "vm",
                             .src = "test",
                             .boot = "0",
                             .seq = 1,
                             .t = NOW - age_us,
                             .d = d};
    mlx_overview_put(overview, &message);
    mlx_value_destroy(&d);
}

#endif
