/*  measures.h - what is measured of each request, beside the catalogue's topic of requests
 *
 *  One row a histogram: its OpenMetrics family, where its value comes from in a message of
 *  runtime.<kind>.<endpoint>.request, and what vLLM and OpenTelemetry's conventions for generative
 *  AI call the same figure, with the boundaries that each of them prescribes.
 *
 *      size_t count;
 *      const mlx_measure_t *measures = mlx_measures(&count);
 *      double value;
 *      if (measures[0].read(message->d, &value)) ...
 *
 *  Boundaries are upper bounds, inclusive, rising, and end with 0; they never change while a
 *  series lives.
 */
#ifndef MLX_PROTO_MEASURES_H
#define MLX_PROTO_MEASURES_H

#include "proto/catalogue.h"

enum {
    MLX_MEASURE_COUNT = 7,
    MLX_MEASURE_NAMES = 2 /* at most, elsewhere, each */
};

/*  The same figure under another name. */
typedef struct {
    const char *name; /* NULL: no more */
    const double *bounds;
    const char *token_type; /* OpenTelemetry: attribute gen_ai.token.type; else NULL */
} mlx_measure_name_t;

typedef struct {
    const char *metric; /* OpenMetrics family; NULL: only under the other names */
    const char *help;
    const double *bounds;

    /*  False where D, the data of a request, does not have it. */
    bool (*read)(const mlx_value_t *d, double *value);

    /*  How often the value counts; NULL: once. */
    bool (*weight)(const mlx_value_t *d, double *weight);

    mlx_measure_name_t vllm[MLX_MEASURE_NAMES];
    mlx_measure_name_t otel[MLX_MEASURE_NAMES];
    mlx_unit_t unit; /* seconds, or none: tokens */
    bool ok_only;    /* of requests that succeeded */
} mlx_measure_t;

/*  All of them, MLX_MEASURE_COUNT. Static storage. */
const mlx_measure_t *mlx_measures(size_t *count);

/*  The topic whose messages are measured. */
#define MLX_MEASURED_TOPIC "runtime.<kind>.<endpoint>.request"

#endif
