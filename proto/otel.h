/*  otel.h - what OpenTelemetry's conventions call the readings of a machine, beside the catalogue
 *
 *  One row a reading: the field of the catalogue, its name there, and the attributes that tell it
 *  from others of that name. Units and descriptions are those of the catalogue's field; readings
 *  that the conventions have no name for are not here. The figures of requests are in measures.h.
 */
#ifndef MLX_PROTO_OTEL_H
#define MLX_PROTO_OTEL_H

#include "proto/catalogue.h"

typedef struct {
    const char *topic; /* pattern of the catalogue */
    const char *list;  /* field whose items have KEY; NULL: the message itself has it */
    const char *key;
    const char *name;  /* "hw.gpu.utilization" */
    bool adds_up;      /* an amount, whose sum over its attributes means something */
    const char *fixed; /* attributes: "hw.type=gpu hw.gpu.task=general"; NULL: none */
    const char *taken; /* the same, from fields beside KEY: "hw.id=id hw.name=name"; NULL: none */
} mlx_otel_name_t;

/*  All of them; rows of one name stand together. Static storage. */
const mlx_otel_name_t *mlx_otel_names(size_t *count);

/*  "By", "1", "W", ...: a unit of the catalogue as the conventions write it. */
const char *mlx_otel_unit(mlx_unit_t unit);

#endif
