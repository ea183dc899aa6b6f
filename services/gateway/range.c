#include "range.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"

enum {
    POINTS_DEFAULT = 600,
    NUMBER_MAX_LEN = 32
};

/*  Longest distance from now, and the moment after which no time is taken (the year 2200). */
static const double distance_max_s = 100 * 366 * 86400.0;
static const double moment_max_s = 7258118400.0;

static bool is_number(const char *text)
{
    size_t len = strlen(text);
    return len > 0 && len <= NUMBER_MAX_LEN && strspn(text, "0123456789.") == len;
}

/*  NAME's value TEXT as microseconds since 1970. */
static int parse_time(const char *name, const char *text, int64_t now_us, int64_t *us,
                      mlx_error_t *err)
{
    double seconds;
    char *end = NULL;
    if (is_number(text)) {
        seconds = strtod(text, &end);
        if (*end || seconds > moment_max_s)
            return mlx_error_set(err, MLX_ERR_USAGE, "%s is not a time: %.40s", name, text);
        *us = llround(seconds * 1e6);
        return 0;
    }
    if (mlx_parse_duration(text, &seconds, NULL) || !(seconds >= 0) || seconds > distance_max_s) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is not a time: %.40s", name, text);
        return mlx_error_hint(err, "give seconds since 1970, or how long ago: 30s, 24h, 7d");
    }
    *us = now_us - llround(seconds * 1e6);
    return 0;
}

static int parse_points(const char *text, int64_t *points, mlx_error_t *err)
{
    size_t len = strlen(text);
    if (len == 0 || len > 6 || strspn(text, "0123456789") != len)
        return mlx_error_set(err, MLX_ERR_USAGE, "points is not a number: %.40s", text);
    *points = strtol(text, NULL, 10);
    if (*points < 2 || *points > MLX_RANGE_POINTS_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "points must be from 2 to %d",
                             MLX_RANGE_POINTS_MAX);
    return 0;
}

/*  As history.series names them: host, topic, field; names of models in it are anyone's choice. */
static int parse_series(const char *text, char *series, mlx_error_t *err)
{
    size_t len = text ? strlen(text) : 0;
    if (len == 0) {
        mlx_error_set(err, MLX_ERR_USAGE, "series is missing");
        return mlx_error_hint(err, "give series=host/topic/field; /api/series lists them");
    }
    if (len > MLX_RANGE_SERIES_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE, "series is longer than %d bytes",
                             MLX_RANGE_SERIES_MAX);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            return mlx_error_set(err, MLX_ERR_USAGE, "series contains an invalid byte");
    memcpy(series, text, len + 1);
    return 0;
}

int mlx_range_parse(mlx_range_t *range, const mlx_range_text_t *text, int64_t now_us,
                    mlx_error_t *err)
{
    *range = (mlx_range_t){.until_us = now_us, .points = POINTS_DEFAULT};
    if (parse_series(text->series, range->series, err) ||
        parse_time("since", text->since ? text->since : "1h", now_us, &range->since_us, err) ||
        (text->until && parse_time("until", text->until, now_us, &range->until_us, err)) ||
        (text->points && parse_points(text->points, &range->points, err)))
        return -1;
    if (range->since_us >= range->until_us)
        return mlx_error_set(err, MLX_ERR_USAGE, "'since' must be before 'until'");
    return 0;
}

mlx_value_t *mlx_range_args(const mlx_range_t *range)
{
    mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "series", range->series);
    mlx_value_set_int(args, "since", range->since_us);
    mlx_value_set_int(args, "until", range->until_us);
    mlx_value_set_int(args, "points", range->points);
    return args;
}
