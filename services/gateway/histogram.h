/*  histogram.h - one histogram, seen through any of the boundaries of its measure
 *
 *  Values are counted once, between the boundaries of all names that the measure has; what each
 *  name shows is summed up from that. A count never falls.
 *
 *      mlx_histogram_t *histogram = mlx_histogram_new(measure);
 *      mlx_histogram_put(histogram, 0.42, 1, &exemplar);
 *      uint64_t below_half = mlx_histogram_upto(histogram, 0.5);
 */
#ifndef MLX_GATEWAY_HISTOGRAM_H
#define MLX_GATEWAY_HISTOGRAM_H

#include "proto/measures.h"

typedef struct mlx_histogram mlx_histogram_t;

/*  A request that a value came from. */
typedef struct {
    uint64_t trace[2]; /* id of its trace; 0: no exemplar */
    uint64_t span;     /* id of its span in it */
    double value;
    int64_t t; /* wall clock, microseconds */
} mlx_exemplar_t;

/*  MEASURE is borrowed for good. */
mlx_histogram_t *mlx_histogram_new(const mlx_measure_t *measure);
void mlx_histogram_destroy(mlx_histogram_t **self);

/*  VALUE, finite and not negative, counts WEIGHT times; EXEMPLAR is copied, with VALUE. */
void mlx_histogram_put(mlx_histogram_t *self, double value, uint64_t weight,
                       const mlx_exemplar_t *exemplar);

uint64_t mlx_histogram_count(const mlx_histogram_t *self);
double mlx_histogram_sum(const mlx_histogram_t *self);

/*  How many values are at most BOUND, one of the measure's boundaries. */
uint64_t mlx_histogram_upto(const mlx_histogram_t *self, double bound);

/*  The newest exemplar above BELOW and up to BOUND (boundaries, 0 and INFINITY); NULL: none. */
const mlx_exemplar_t *mlx_histogram_exemplar(const mlx_histogram_t *self, double below,
                                             double bound);

#endif
