/*  range.h - the question a page asks about history: which series, from when to when, how many
 *  points
 *
 *      mlx_range_t range;
 *      if (mlx_range_parse(&range, &(mlx_range_text_t){.series = s, .since = "24h"}, now_us, &err))
 *          say what is wrong
 *
 *  A time is seconds since 1970 ("1764061200.5") or a distance from now ("30s", "24h", "7d"; see
 *  mlx_parse_duration). All of it comes from outside and is bounded here.
 */
#ifndef MLX_GATEWAY_RANGE_H
#define MLX_GATEWAY_RANGE_H

#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_RANGE_POINTS_MAX = 4000, /* five numbers each must fit into a message */
    MLX_RANGE_SERIES_MAX = 1024,
};

typedef struct {
    const char *series; /* each may be NULL: not given */
    const char *since;
    const char *until;
    const char *points;
} mlx_range_text_t;

typedef struct {
    char series[MLX_RANGE_SERIES_MAX + 1];
    int64_t since_us; /* since 1970 */
    int64_t until_us; /* after since */
    int64_t points;
} mlx_range_t;

/*  0 and *RANGE filled, or -1 with ERR (usage). Not given: the last hour, 600 points. */
int mlx_range_parse(mlx_range_t *range, const mlx_range_text_t *text, int64_t now_us,
                    mlx_error_t *err);

/*  The arguments of the command history.query. Caller owns them. */
mlx_value_t *mlx_range_args(const mlx_range_t *range);

#endif
