#include "common/base/stats.h"

#include <math.h>
#include <stdlib.h>

double mlx_stats_t95(size_t freedom)
{
    static const double table[] = {
        12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281,
        2.2010,  2.1788, 2.1604, 2.1448, 2.1314, 2.1199, 2.1098, 2.1009, 2.0930, 2.0860,
    };
    if (freedom <= MLX_COUNT(table))
        return table[freedom ? freedom - 1 : 0];
    /* Cornish-Fisher around the normal quantile: exact to four digits from here on. */
    const double z = 1.959964, n = (double)freedom;
    return z + (pow(z, 3) + z) / (4 * n) + (5 * pow(z, 5) + 16 * pow(z, 3) + 3 * z) / (96 * n * n);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double percentile(const double *sorted, size_t count, double part)
{
    double at = part * (double)(count - 1);
    size_t below = (size_t)at;
    size_t above = below + 1 < count ? below + 1 : below;
    return sorted[below] + (at - (double)below) * (sorted[above] - sorted[below]);
}

/*  Half the width of the interval of the mean; NaN for one value. */
static double half_width(const double *values, size_t count, double mean)
{
    double squares = 0;
    if (count < 2)
        return (double)NAN;
    for (size_t i = 0; i < count; i++)
        squares += (values[i] - mean) * (values[i] - mean);
    double deviation = sqrt(squares / (double)(count - 1));
    return mlx_stats_t95(count - 1) * deviation / sqrt((double)count);
}

static double mean_of(const double *values, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += values[i];
    return sum / (double)count;
}

mlx_summary_t mlx_stats_summary(const double *values, size_t count)
{
    const double nan = (double)NAN;
    mlx_summary_t out = {
        .median = nan, .mean = nan, .low = nan, .high = nan, .p10 = nan, .p90 = nan};
    MLX_CLEANUP(mlx_free_p) double *finite = mlx_alloc(count + 1, sizeof *finite);
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i]))
            finite[out.count++] = values[i];
    if (out.count == 0)
        return out;
    out.mean = mean_of(finite, out.count);
    double half = half_width(finite, out.count, out.mean);
    out.low = out.mean - half;
    out.high = out.mean + half;
    qsort(finite, out.count, sizeof *finite, by_value);
    out.median = percentile(finite, out.count, 0.5);
    out.p10 = percentile(finite, out.count, 0.1);
    out.p90 = percentile(finite, out.count, 0.9);
    return out;
}

mlx_ratio_t mlx_stats_ratio(const double *a, const double *b, size_t count)
{
    const double nan = (double)NAN;
    mlx_ratio_t out = {.ratio = nan, .low = nan, .high = nan};
    MLX_CLEANUP(mlx_free_p) double *logs = mlx_alloc(count + 1, sizeof *logs);
    for (size_t i = 0; i < count; i++)
        if (isfinite(a[i]) && isfinite(b[i]) && a[i] > 0 && b[i] > 0)
            logs[out.pairs++] = log(a[i] / b[i]);
    if (out.pairs == 0)
        return out;
    double mean = mean_of(logs, out.pairs);
    double half = half_width(logs, out.pairs, mean);
    out.ratio = exp(mean);
    out.low = exp(mean - half);
    out.high = exp(mean + half);
    return out;
}

int mlx_stats_verdict(const mlx_ratio_t *ratio)
{
    return ratio->low > 1 ? 1 : ratio->high < 1 ? -1 : 0;
}

mlx_value_t *mlx_stats_value(const mlx_summary_t *summary)
{
    if (summary->count == 0)
        return NULL;
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_real(map, "median", summary->median);
    mlx_value_set_real(map, "mean", summary->mean);
    mlx_value_set_real(map, "low", summary->low);
    mlx_value_set_real(map, "high", summary->high);
    mlx_value_set_real(map, "p10", summary->p10);
    mlx_value_set_real(map, "p90", summary->p90);
    return map;
}
