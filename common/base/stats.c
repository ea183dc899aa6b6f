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

/*  Third standardised moment. 0 where all are equal. */
static double skewness(const double *values, size_t count)
{
    double mean = mean_of(values, count), squares = 0, cubes = 0;
    for (size_t i = 0; i < count; i++) {
        double off = values[i] - mean;
        squares += off * off;
        cubes += off * off * off;
    }
    double spread = sqrt(squares / (double)count);
    return squares > 0 ? cubes / (double)count / (spread * spread * spread) : 0;
}

typedef struct {
    double low, high;
} ends_t;

/*  Student's t with Hall's correction of its skewness: exact for what is symmetric. */
static ends_t corrected_ends(const double *values, size_t count, double skew)
{
    double mean = mean_of(values, count), half = half_width(values, count, mean);
    double t = mlx_stats_t95(count - 1), k = skew / sqrt((double)count);
    if (fabs(k) < 1e-9)
        return (ends_t){mean - half, mean + half};
    double up = 3 / k * (cbrt(1 + k * (t - k / 6)) - 1);
    double down = 3 / k * (cbrt(1 + k * (-t - k / 6)) - 1);
    return (ends_t){mean - up * half / t, mean - down * half / t};
}

/*  Cox's interval of the mean of what is normal on the logarithm, with Student's t. */
static ends_t log_ends(const double *logs, size_t count)
{
    double mean = mean_of(logs, count), n = (double)count;
    double half_mean = half_width(logs, count, mean), t = mlx_stats_t95(count - 1);
    double variance = half_mean / t * (half_mean / t) * n;
    double half = t * sqrt(variance / n + variance * variance / (2 * (n - 1)));
    return (ends_t){exp(mean + variance / 2 - half), exp(mean + variance / 2 + half)};
}

/*  Of positive values: as far as they look normal on the logarithm (where their skewness is small
 *  against its own error) Cox's interval, else Hall's; their ends are mixed on the logarithm, so
 *  that none is below zero. */
static ends_t positive_ends(const double *values, size_t count, double mean)
{
    MLX_CLEANUP(mlx_free_p) double *logs = mlx_alloc(count, sizeof *logs);
    for (size_t i = 0; i < count; i++)
        logs[i] = log(values[i]);
    double skew = skewness(values, count);
    double doubt = fabs(skewness(logs, count)) / sqrt(6 / (double)count);
    double part = fmax(0, 1 - 0.55 * doubt) * fmin(fmax(6 * skew, 0), 1);
    ends_t hall = corrected_ends(values, count, skew), cox = log_ends(logs, count);
    double low = hall.low > 0 ? fmin(hall.low, mean) : fmin(cox.low, mean);
    return (ends_t){
        exp((1 - part) * log(low) + part * log(fmin(cox.low, mean))),
        exp((1 - part) * log(fmax(hall.high, mean)) + part * log(fmax(cox.high, mean)))};
}

/*  Do the values lie in two heaps? Cut where the two parts, of two values at least, are each as
 *  close together as can be: these then have next to nothing of the spread of all. */
static bool is_two_heaps(const double *sorted, size_t count)
{
    enum {
        LEAST = 2
    };
    const double part_of_spread = 0.08;
    double mean = mean_of(sorted, count), all = 0, between = 0, sum = 0;
    for (size_t i = 0; i < count; i++)
        all += (sorted[i] - mean) * (sorted[i] - mean);
    for (size_t below = 1; below + LEAST <= count; below++) {
        double above = (double)(count - below);
        sum += sorted[below - 1] - mean;
        if (below >= LEAST)
            between = fmax(between, sum * sum / (double)below + sum * sum / above);
    }
    return all - between < part_of_spread * all;
}

/*  SORTED has at least two values. */
static void set_interval(mlx_summary_t *out, const double *sorted, size_t count)
{
    ends_t ends = {sorted[0], sorted[count - 1]};
    out->range = count < MLX_STATS_INTERVAL_MIN || is_two_heaps(sorted, count);
    if (!out->range && sorted[0] > 0)
        ends = positive_ends(sorted, count, out->mean);
    else if (!out->range)
        ends = corrected_ends(sorted, count, skewness(sorted, count));
    if (sorted[0] >= 0)
        ends.low = fmax(ends.low, 0);
    out->low = fmin(ends.low, out->mean);
    out->high = fmax(ends.high, out->mean);
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
    qsort(finite, out.count, sizeof *finite, by_value);
    if (out.count > 1)
        set_interval(&out, finite, out.count);
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
    mlx_value_set_int(map, "count", (int64_t)summary->count);
    if (summary->range)
        mlx_value_set_bool(map, "range", true);
    mlx_value_set_real(map, "median", summary->median);
    mlx_value_set_real(map, "mean", summary->mean);
    mlx_value_set_real(map, "low", summary->low);
    mlx_value_set_real(map, "high", summary->high);
    mlx_value_set_real(map, "p10", summary->p10);
    mlx_value_set_real(map, "p90", summary->p90);
    return map;
}
