#include "sketch.h"

#include <math.h>
#include <stdlib.h>

#include "ints.h"

enum {
    LEAST = -231, /* the exponent of the first bucket: up to about 0.0001 */
    BUCKETS = 808 /* the last one reaches beyond 1e10 */
};

static const double growth = (1 + MLX_SKETCH_ERROR) / (1 - MLX_SKETCH_ERROR);
static const double largest = 1e10, milli = 1000;

struct mlx_sketch {
    int64_t count;
    int64_t sum, min, max; /* thousandths */
    int64_t counts[BUCKETS];
};

mlx_sketch_t *mlx_sketch_new(void)
{
    return mlx_alloc(1, sizeof(mlx_sketch_t));
}

void mlx_sketch_destroy(mlx_sketch_t **self)
{
    mlx_free_p(self);
}

static size_t bucket_of(double value)
{
    if (value <= pow(growth, LEAST))
        return 0;
    double exponent = ceil(log(value) / log(growth));
    size_t at = (size_t)(exponent - (double)LEAST);
    return at < BUCKETS ? at : BUCKETS - 1;
}

/*  COUNT values in all, whose least and largest are MIN and MAX. */
static void add_figures(mlx_sketch_t *self, int64_t count, int64_t sum, int64_t min, int64_t max)
{
    if (count == 0)
        return;
    self->min = self->count == 0 || min < self->min ? min : self->min;
    self->max = self->count == 0 || max > self->max ? max : self->max;
    self->sum = self->sum > INT64_MAX - sum ? INT64_MAX : self->sum + sum;
    self->count += count;
}

void mlx_sketch_put(mlx_sketch_t *self, double value)
{
    if (!(value >= 0 && value <= largest))
        return;
    int64_t fixed = llround(value * milli);
    add_figures(self, 1, fixed, fixed, fixed);
    self->counts[bucket_of(value)]++;
}

void mlx_sketch_merge(mlx_sketch_t *self, const mlx_sketch_t *other)
{
    add_figures(self, other->count, other->sum, other->min, other->max);
    for (size_t i = 0; i < BUCKETS; i++)
        self->counts[i] += other->counts[i];
}

int64_t mlx_sketch_count(const mlx_sketch_t *self)
{
    return self->count;
}

double mlx_sketch_min(const mlx_sketch_t *self)
{
    return self->count ? (double)self->min / milli : NAN;
}

double mlx_sketch_max(const mlx_sketch_t *self)
{
    return self->count ? (double)self->max / milli : NAN;
}

double mlx_sketch_mean(const mlx_sketch_t *self)
{
    return self->count ? (double)self->sum / milli / (double)self->count : NAN;
}

static double edge(size_t bucket)
{
    return pow(growth, (double)bucket + (double)LEAST);
}

double mlx_sketch_quantile(const mlx_sketch_t *self, double share)
{
    double rank = share * (double)(self->count - 1);
    size_t at = 0;
    if (self->count == 0)
        return NAN;
    for (int64_t below = self->counts[0]; at + 1 < BUCKETS && (double)below <= rank;)
        below += self->counts[++at];
    /* In the middle, measured by the error that either end would have. */
    double value = at == 0 ? 0 : 2 * edge(at) / (growth + 1);
    return fmin(fmax(value, mlx_sketch_min(self)), mlx_sketch_max(self));
}

bool mlx_sketch_next(const mlx_sketch_t *self, size_t *at, mlx_sketch_bucket_t *bucket)
{
    while (*at < BUCKETS && self->counts[*at] == 0)
        ++*at;
    if (*at == BUCKETS)
        return false;
    *bucket = (mlx_sketch_bucket_t){
        .above = *at ? edge(*at - 1) : 0, .upto = edge(*at), .count = self->counts[*at]};
    ++*at;
    return true;
}

void mlx_sketch_pack(const mlx_sketch_t *self, mlx_buf_t *out)
{
    const int64_t figures[] = {self->count, self->sum, self->min, self->max};
    uint64_t used = 0;
    size_t last = 0;
    for (size_t i = 0; i < MLX_COUNT(figures); i++)
        mlx_varint_put(out, (uint64_t)figures[i]);
    for (size_t i = 0; i < BUCKETS; i++)
        used += self->counts[i] > 0;
    mlx_varint_put(out, used);
    for (size_t i = 0; i < BUCKETS; i++) {
        if (self->counts[i] == 0)
            continue;
        mlx_varint_put(out, i - last);
        mlx_varint_put(out, (uint64_t)self->counts[i]);
        last = i;
    }
}

/*  A number that is not above MOST. */
static bool get(const void *data, size_t len, size_t *pos, uint64_t most, int64_t *value)
{
    uint64_t stored;
    if (!mlx_varint_get(data, len, pos, &stored) || stored > most)
        return false;
    *value = (int64_t)stored;
    return true;
}

static bool unpack(mlx_sketch_t *self, const void *data, size_t len, size_t *pos)
{
    int64_t used, step, count, sum = 0, at = 0;
    const uint64_t most = (uint64_t)INT64_MAX >> 8;
    if (!get(data, len, pos, most, &self->count) || !get(data, len, pos, INT64_MAX, &self->sum) ||
        !get(data, len, pos, most, &self->min) || !get(data, len, pos, most, &self->max) ||
        !get(data, len, pos, BUCKETS, &used))
        return false;
    for (int64_t i = 0; i < used; i++) {
        if (!get(data, len, pos, BUCKETS, &step) || !get(data, len, pos, most, &count) ||
            at + step >= BUCKETS || (i > 0 && step == 0))
            return false;
        at += step;
        self->counts[at] = count;
        sum += count;
        if (sum > self->count)
            return false;
    }
    return sum == self->count;
}

bool mlx_sketch_merge_packed(mlx_sketch_t *self, const void *data, size_t len, size_t *pos)
{
    mlx_sketch_t *other = mlx_sketch_new();
    bool whole = unpack(other, data, len, pos);
    if (whole)
        mlx_sketch_merge(self, other);
    mlx_sketch_destroy(&other);
    return whole;
}
