/*  sketch.h - how values are spread, in few bytes: percentiles to within 2 %
 *
 *  Values are counted in buckets each of which is 4 % wider than the one below (DDSketch's idea),
 *  so that what a percentile is said to be is off by at most MLX_SKETCH_ERROR of itself, however
 *  the values are spread. Two sketches add up to the sketch of all their values.
 *
 *      mlx_sketch_t *sketch = mlx_sketch_new();
 *      mlx_sketch_put(sketch, 0.42);
 *      mlx_sketch_merge(sketch, other);
 *      double median = mlx_sketch_quantile(sketch, 0.5);
 *      mlx_sketch_destroy(&sketch);
 *
 *  Packed: varints of count, sum, least and largest value (the last three times 1000), the number
 *  of buckets that are not empty, then for each the distance to the one before and its count.
 */
#ifndef MLX_RECORDER_SKETCH_H
#define MLX_RECORDER_SKETCH_H

#include "proto/buf.h"

#define MLX_SKETCH_ERROR 0.02

typedef struct mlx_sketch mlx_sketch_t;

/*  Empty. Caller owns it and must destroy it. */
mlx_sketch_t *mlx_sketch_new(void);
void mlx_sketch_destroy(mlx_sketch_t **self);

/*  VALUE: 0 to 1e10; anything else is not counted. Below 0.0001 all are one bucket. */
void mlx_sketch_put(mlx_sketch_t *self, double value);
void mlx_sketch_merge(mlx_sketch_t *self, const mlx_sketch_t *other);

int64_t mlx_sketch_count(const mlx_sketch_t *self);

/*  NaN of an empty one. Least and largest value are exact to 0.001. */
double mlx_sketch_min(const mlx_sketch_t *self);
double mlx_sketch_max(const mlx_sketch_t *self);
double mlx_sketch_mean(const mlx_sketch_t *self);

/*  The value below which the share SHARE (0 to 1) of all is; NaN of an empty one. */
double mlx_sketch_quantile(const mlx_sketch_t *self, double share);

/*  The first bucket from number *AT on that is not empty; *AT is moved behind it. False: none. */
typedef struct {
    double above, upto;
    int64_t count;
} mlx_sketch_bucket_t;
bool mlx_sketch_next(const mlx_sketch_t *self, size_t *at, mlx_sketch_bucket_t *bucket);

void mlx_sketch_pack(const mlx_sketch_t *self, mlx_buf_t *out);

/*  Add the sketch packed at DATA + *POS, and move *POS behind it. False: damaged, and SELF is as
 *  it was. */
bool mlx_sketch_merge_packed(mlx_sketch_t *self, const void *data, size_t len, size_t *pos);

#endif
