#include "speed_test.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    TERMS = 4, /* one, depth, and the day's sine and cosine */
    ROUNDS = 8,
};

static const double tolerance = 0.02; /* a loss that nobody would notice */
static const double z_alarm = 4.1;    /* one in fifty thousand, one side */
static const double clip = 2.5;       /* in standard deviations: farther off counts as that */
static const double day_us = 86400e6;
static const int64_t session_us = INT64_C(3600000000);

typedef struct {
    double weight[TERMS];
    double sigma;
} fit_t;

static void terms_of(const mlx_speed_t *one, double x[TERMS])
{
    double angle = 2 * M_PI * fmod((double)one->t_us, day_us) / day_us;
    x[0] = 1;
    x[1] = (double)one->depth - 10;
    x[2] = sin(angle);
    x[3] = cos(angle);
}

static double residual(const fit_t *fit, const mlx_speed_t *one)
{
    double x[TERMS], sum = 0;
    terms_of(one, x);
    for (int i = 0; i < TERMS; i++)
        sum += fit->weight[i] * x[i];
    return (double)one->log_speed - sum;
}

/*  Solve the normal equations A w = B in place, by elimination; A is positive definite. */
static void solve(double a[TERMS][TERMS], double b[TERMS], double w[TERMS])
{
    for (int k = 0; k < TERMS; k++)
        for (int i = k + 1; i < TERMS; i++) {
            double factor = a[i][k] / a[k][k];
            for (int j = k; j < TERMS; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    for (int k = TERMS; k-- > 0;) {
        w[k] = b[k];
        for (int j = k + 1; j < TERMS; j++)
            w[k] -= a[k][j] * w[j];
        w[k] /= a[k][k];
    }
}

static int by_value(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

/*  By the median of the distances from zero, as large as a normal distribution's would be. */
static double spread(const fit_t *fit, const mlx_speed_t *all, size_t n)
{
    MLX_CLEANUP(mlx_free_p) double *far = mlx_alloc(n, sizeof *far);
    for (size_t i = 0; i < n; i++)
        far[i] = fabs(residual(fit, &all[i]));
    qsort(far, n, sizeof *far, by_value);
    return fmax(1.4826 * far[n / 2], 1e-4);
}

/*  Least squares in which what lies far off weighs little (Huber). */
static void make_fit(fit_t *fit, const mlx_speed_t *all, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (double)all[i].log_speed;
    *fit = (fit_t){.weight = {sum / (double)n}};
    fit->sigma = spread(fit, all, n);
    for (int round = 0; round < ROUNDS; round++) {
        double a[TERMS][TERMS] = {{0}}, b[TERMS] = {0}, x[TERMS];
        for (size_t i = 0; i < n; i++) {
            double off = fabs(residual(fit, &all[i])) / fit->sigma;
            double weight = off > 1.5 ? 1.5 / off : 1;
            terms_of(&all[i], x);
            for (int j = 0; j < TERMS; j++) {
                b[j] += weight * x[j] * (double)all[i].log_speed;
                for (int k = 0; k < TERMS; k++)
                    a[j][k] += weight * x[j] * x[k];
            }
        }
        for (int j = 1; j < TERMS; j++) /* all of one depth, or of one hour: no effect of it */
            a[j][j] += 1;
        solve(a, b, fit->weight);
        fit->sigma = spread(fit, all, n);
    }
}

static double mean_of(const fit_t *fit, const mlx_speed_t *all, size_t n)
{
    double sum = 0, limit = clip * fit->sigma;
    for (size_t i = 0; i < n; i++)
        sum += fmax(fmin(residual(fit, &all[i]), limit), -limit);
    return sum / (double)n;
}

/*  How far the mean of M consecutive ones strays, and from how many windows that is known. */
static double stray(const fit_t *fit, const mlx_speed_t *all, size_t n, size_t m, double *freedom)
{
    double sum = 0, floor = fit->sigma / sqrt((double)m);
    size_t windows = 0;
    for (size_t from = 0; from + m <= n; from += m, windows++) {
        double mean = mean_of(fit, all + from, m);
        sum += mean * mean;
    }
    *freedom = windows > 3 ? (double)windows - 1 : 2;
    return fmax(windows ? sqrt(sum / (double)windows) : 0, floor);
}

/* ---- sessions ---- */

/*  The end of the session that begins at FROM. */
static size_t session_end(const mlx_speed_t *all, size_t n, size_t from)
{
    size_t end = from + 1;
    while (end < n && all[end].t_us - all[from].t_us < session_us)
        end++;
    return end;
}

/*  Variance that the residuals of one session have in common, and another session has not; by
 *  analysis of variance. *FREEDOM: how many sessions tell it. */
static double common_variance(const fit_t *fit, const mlx_speed_t *all, size_t n, double *freedom)
{
    double within = 0, between = 0, squares = 0, limit = clip * fit->sigma;
    size_t sessions = 0, end;
    for (size_t from = 0; from < n; from = end, sessions++) {
        end = session_end(all, n, from);
        double count = (double)(end - from), mean = mean_of(fit, all + from, end - from);
        for (size_t i = from; i < end; i++) {
            double off = fmax(fmin(residual(fit, &all[i]), limit), -limit) - mean;
            within += off * off;
        }
        between += count * mean * mean;
        squares += count * count;
    }
    *freedom = fmax((double)sessions - 1, 2);
    if (sessions < 3 || n <= sessions)
        return 0;
    double typical = ((double)n - squares / (double)n) / *freedom;
    double spare = between / *freedom - within / (double)(n - sessions);
    return fmax(spare / typical, 0);
}

/*  How far the mean of AFTER strays when all of it falls into few sessions: what these have in
 *  common does not get less with more requests. */
static double stray_of_sessions(const fit_t *fit, double common, const mlx_speed_t *after, size_t m)
{
    double squares = 0, count = (double)m;
    size_t end;
    for (size_t from = 0; from < m; from = end) {
        end = session_end(after, m, from);
        squares += (double)(end - from) * (double)(end - from);
    }
    return sqrt(common * squares / (count * count) + fit->sigma * fit->sigma / count);
}

/*  The quantile of Student's t that belongs to Z of the normal one (Fisher's expansion). */
static double t_of(double z, double freedom)
{
    double z3 = z * z * z, z5 = z3 * z * z;
    return z + (z3 + z) / (4 * freedom) + (5 * z5 + 16 * z3 + 3 * z) / (96 * freedom * freedom);
}

bool mlx_speed_is_look(size_t after)
{
    static const size_t looks[] = {MLX_SPEED_AFTER_MIN, 12, 16, 20, 30, 45, MLX_SPEED_AFTER_MAX};
    for (size_t i = 0; i < MLX_COUNT(looks); i++)
        if (looks[i] == after)
            return true;
    return false;
}

bool mlx_speed_lost(const mlx_speed_t *before, size_t n, const mlx_speed_t *after, size_t m,
                    mlx_speed_loss_t *loss)
{
    fit_t fit;
    double freedom;
    if (n < MLX_SPEED_BEFORE_MIN || m < MLX_SPEED_AFTER_MIN ||
        before[n - 1].t_us - before[0].t_us < MLX_SPEED_BEFORE_US)
        return false;
    make_fit(&fit, before, n);
    double off = stray(&fit, before, n, m, &freedom), sum = 0, sessions;
    double common = common_variance(&fit, before, n, &sessions);
    double crowd = stray_of_sessions(&fit, common, after, m);
    double limit = clip * fit.sigma;
    /* Clipped around the middle of the new ones, which may lie far from the old. */
    MLX_CLEANUP(mlx_free_p) double *sorted = mlx_alloc(m, sizeof *sorted);
    for (size_t i = 0; i < m; i++)
        sorted[i] = residual(&fit, &after[i]);
    qsort(sorted, m, sizeof *sorted, by_value);
    double middle = (sorted[m / 2] + sorted[(m - 1) / 2]) / 2;
    for (size_t i = 0; i < m; i++)
        sum += fmax(fmin(sorted[i] - middle, limit), -limit);
    double mean = middle + sum / (double)m;
    off = sqrt(off * off * (1 + (double)m / (double)n));
    if (t_of(z_alarm, sessions) * crowd > t_of(z_alarm, freedom) * off) {
        off = crowd;
        freedom = sessions;
    }
    *loss = (mlx_speed_loss_t){.ratio = exp(mean),
                               .low = exp(mean - t_of(1.96, freedom) * off),
                               .high = exp(mean + t_of(1.96, freedom) * off)};
    return mean + t_of(z_alarm, freedom) * off < -tolerance;
}
