#include "common/base/units.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

/*  VALUE in the largest step of 1000 that keeps it at 1 or more, one decimal, no decimal for the
 *  bare unit. 999.95 would print as "1000.0": it belongs to the next step. */
static char *scaled(double value, const char *unit)
{
    static const char *const steps[] = {"", "k", "M", "G", "T", "P", "E"};
    double magnitude = fabs(value);
    size_t step = 0;
    while (step + 1 < MLX_COUNT(steps) && magnitude >= (step ? 999.95 : 999.5)) {
        magnitude /= 1000;
        value /= 1000;
        step++;
    }
    return mlx_format(step ? "%.1f %s%s" : "%.0f %s%s", value, steps[step], unit);
}

static char *duration(double seconds)
{
    if (seconds < 0)
        return mlx_strdup("0s");
    if (seconds < 1)
        return mlx_format("%.0f ms", seconds * 1e3);
    if (seconds < 9.95)
        return mlx_format("%.1fs", seconds);
    long long whole = llround(fmin(seconds, 1e15));
    if (whole < 60)
        return mlx_format("%llds", whole);
    if (whole < 3600)
        return mlx_format("%lldm %llds", whole / 60, whole % 60);
    if (whole < 86400)
        return mlx_format("%lldh %lldm", whole / 3600, whole % 3600 / 60);
    return mlx_format("%lldd %lldh", whole / 86400, whole % 86400 / 3600);
}

char *mlx_format_unit(double value, mlx_unit_t unit)
{
    if (!isfinite(value))
        return mlx_strdup("n/a");
    switch (unit) {
    case MLX_UNIT_BYTES:
        return scaled(value, "B");
    case MLX_UNIT_SECONDS:
        return duration(value);
    case MLX_UNIT_WATTS:
        return mlx_format(fabs(value) < 9.95 ? "%.1f W" : "%.0f W", value);
    case MLX_UNIT_JOULES:
        return scaled(value, "J");
    case MLX_UNIT_CELSIUS:
        return mlx_format("%.0f\u00b0C", value);
    case MLX_UNIT_RATIO:
        return mlx_format("%.0f%%", value * 100);
    case MLX_UNIT_HERTZ:
        return scaled(value, "Hz");
    case MLX_UNIT_TOKENS_PER_SECOND:
        return mlx_format("%.1f tok/s", value);
    case MLX_UNIT_RPM:
        return mlx_format("%.0f rpm", value);
    case MLX_UNIT_BYTES_PER_SECOND:
        return scaled(value, "B/s");
    case MLX_UNIT_NONE:
    case MLX_UNIT_MICROSECONDS_EPOCH:
        break;
    }
    return mlx_format("%g", value);
}

/*  A number of zero or more at *TEXT; *TEXT moves behind it and the spaces that follow. */
static bool take_number(const char **text, double *number)
{
    char *end;
    if (!isdigit((unsigned char)**text) && **text != '.')
        return false;
    *number = strtod(*text, &end);
    *text = end + strspn(end, " ");
    return isfinite(*number);
}

/*  Seconds of the unit at *TEXT, which moves behind it and the spaces that follow; 0: none. */
static double take_duration_unit(const char **text)
{
    static const struct {
        const char *name;
        double seconds;
    } units[] = {{"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    size_t len = strspn(*text, "abcdefghijklmnopqrstuvwxyz");
    for (size_t i = 0; i < MLX_COUNT(units); i++)
        if (strlen(units[i].name) == len && strncmp(units[i].name, *text, len) == 0) {
            *text += len;
            *text += strspn(*text, " ");
            return units[i].seconds;
        }
    return 0;
}

int mlx_parse_duration(const char *text, double *seconds, mlx_error_t *err)
{
    const char *rest = text;
    double sum = 0, number = 0;
    bool valid = *rest != '\0';
    while (valid && *rest) {
        bool first = rest == text;
        valid = take_number(&rest, &number);
        /* A bare number is seconds, but only alone. */
        double unit = valid && first && !*rest ? 1 : take_duration_unit(&rest);
        valid = valid && unit > 0;
        sum += valid ? number * unit : 0;
    }
    if (!valid || !isfinite(sum)) {
        mlx_error_set(err, MLX_ERR_USAGE, "\"%.64s\" is not a duration", text);
        return mlx_error_hint(err, "write it as 30s, 5m or 1h 30m");
    }
    *seconds = sum;
    return 0;
}

bool mlx_format_minute(int64_t t_us, char *text, size_t size)
{
    struct tm tm;
    time_t seconds = (time_t)(t_us / 1000000);
    return localtime_r(&seconds, &tm) && strftime(text, size, "%Y-%m-%d %H:%M", &tm) > 0;
}
