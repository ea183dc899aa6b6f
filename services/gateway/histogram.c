#include "histogram.h"

#include <math.h>
#include <stdlib.h>

typedef struct {
    double bound; /* upper, inclusive */
    uint64_t count;
    mlx_exemplar_t exemplar;
} bucket_t;

struct mlx_histogram {
    bucket_t *buckets; /* rising; the last one's bound is infinite */
    size_t bucket_count;
    uint64_t count;
    double sum;
};

static int by_bound(const void *a, const void *b)
{
    double x = ((const bucket_t *)a)->bound, y = ((const bucket_t *)b)->bound;
    return (x > y) - (x < y);
}

static void add_bounds(mlx_histogram_t *self, const double *bounds)
{
    for (; bounds && *bounds > 0; bounds++) {
        self->buckets = mlx_grow(self->buckets, self->bucket_count, sizeof *self->buckets);
        self->buckets[self->bucket_count++] = (bucket_t){.bound = *bounds};
    }
}

static void unite(mlx_histogram_t *self)
{
    size_t kept = 0;
    qsort(self->buckets, self->bucket_count, sizeof *self->buckets, by_bound);
    for (size_t i = 0; i < self->bucket_count; i++)
        if (kept == 0 || self->buckets[i].bound > self->buckets[kept - 1].bound)
            self->buckets[kept++] = self->buckets[i];
    self->bucket_count = kept;
}

mlx_histogram_t *mlx_histogram_new(const mlx_measure_t *measure)
{
    static const double rest[] = {INFINITY, 0};
    mlx_histogram_t *self = mlx_alloc(1, sizeof *self);
    add_bounds(self, measure->bounds);
    for (size_t i = 0; i < MLX_MEASURE_NAMES; i++) {
        add_bounds(self, measure->vllm[i].bounds);
        add_bounds(self, measure->otel[i].bounds);
    }
    add_bounds(self, rest);
    unite(self);
    return self;
}

void mlx_histogram_destroy(mlx_histogram_t **self)
{
    if (*self)
        free((*self)->buckets);
    mlx_free_p(self);
}

void mlx_histogram_put(mlx_histogram_t *self, double value, uint64_t weight,
                       const mlx_exemplar_t *exemplar)
{
    bucket_t *bucket = self->buckets;
    while (value > bucket->bound)
        bucket++;
    bucket->count += weight;
    bucket->exemplar = *exemplar;
    bucket->exemplar.value = value;
    self->count += weight;
    self->sum += value * (double)weight;
}

uint64_t mlx_histogram_count(const mlx_histogram_t *self)
{
    return self->count;
}

double mlx_histogram_sum(const mlx_histogram_t *self)
{
    return self->sum;
}

uint64_t mlx_histogram_upto(const mlx_histogram_t *self, double bound)
{
    uint64_t count = 0;
    for (size_t i = 0; i < self->bucket_count && self->buckets[i].bound <= bound; i++)
        count += self->buckets[i].count;
    return count;
}

const mlx_exemplar_t *mlx_histogram_exemplar(const mlx_histogram_t *self, double below,
                                             double bound)
{
    const mlx_exemplar_t *newest = NULL;
    for (size_t i = 0; i < self->bucket_count && self->buckets[i].bound <= bound; i++) {
        const bucket_t *bucket = &self->buckets[i];
        if (bucket->bound > below && bucket->exemplar.trace[0] != 0 &&
            (!newest || bucket->exemplar.t > newest->t))
            newest = &bucket->exemplar;
    }
    return newest;
}
