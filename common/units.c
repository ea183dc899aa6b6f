#include "common/units.h"

#include <math.h>

/*  VALUE in the largest step of 1000 that keeps it at 1 or more, one decimal, no decimal for the
 * bare unit. 999.95 would print as "1000.0": it belongs to the next step. */
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
    case MLX_UNIT_NONE:
    case MLX_UNIT_MICROSECONDS_EPOCH:
        break;
    }
    return mlx_format("%g", value);
}
