/*  stats.h - what a few measurements say, and how sure one can be: mean, interval, ratio of two
 *  runs
 *
 *  Pure functions for small samples (a benchmark has ten prompts). Speeds and times are positive,
 *  often skewed; the interval of their mean mixes two, by how the values lie: Student's t with
 *  Hall's correction, and Cox's on the logarithm. Neither end is below zero. In simulated runs of
 *  ten to a hundred values, normal, lognormal, exponential, gamma or uniform, it holds the true
 *  mean 93.4 to 96.9 times of a hundred; t alone 84 to 95 times. Fewer values have no such
 *  interval, nor have values in two heaps (with a cold cache and a warm one): how many fall in
 *  either is known too badly. There the summary has their range instead; of the distributions above
 *  0 to 4 times of a hundred. A rare value far off, in one of ten, which ten values hold 65 times
 *  of a hundred, no interval of the other 35 can know of. Two runs are compared by the ratio of
 *  paired values, on the logarithm, so that what one prompt is slower than another drops out.
 *
 *      mlx_summary_t s = mlx_stats_summary(rates, 10);      s.low <= s.mean <= s.high
 *      mlx_ratio_t r = mlx_stats_ratio(rates, earlier, 10); r.low > 1: faster
 */
#ifndef MLX_COMMON_BASE_STATS_H
#define MLX_COMMON_BASE_STATS_H

#include "proto/value.h"

enum {
    MLX_STATS_INTERVAL_MIN = 10 /* values that an interval of the mean needs */
};

/*  NaN: too few values to say. Percentiles interpolate linearly between the sorted values. */
typedef struct {
    size_t count;
    double median;
    double mean;
    double low; /* ends of the 95 % interval of the mean; at least two values */
    double high;
    bool range; /* low and high are the least and the greatest value: too few, or in two heaps */
    double p10;
    double p90;
} mlx_summary_t;

typedef struct {
    size_t pairs;
    double ratio; /* geometric mean of a / b */
    double low;   /* ends of its 95 % interval; at least two pairs */
    double high;
} mlx_ratio_t;

/*  Of the finite values among COUNT. */
mlx_summary_t mlx_stats_summary(const double *values, size_t count);

/*  A as a multiple of B, over the pairs in which both are finite and positive. */
mlx_ratio_t mlx_stats_ratio(const double *a, const double *b, size_t count);

/*  What an interval of a ratio says: 1: above one, -1: below, 0: no evidence of a difference. */
int mlx_stats_verdict(const mlx_ratio_t *ratio);

/*  Two-sided 95 % quantile of Student's t with FREEDOM degrees (at least 1). */
double mlx_stats_t95(size_t freedom);

/*  The summary as the map "median", "mean", "low", ... of the catalogue; what is NaN is absent.
 *  Caller owns it; NULL when there are no values. */
mlx_value_t *mlx_stats_value(const mlx_summary_t *summary);

#endif
