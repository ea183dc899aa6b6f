/*  catalogue_columns.h - how a row of the catalogue's tables is written, for proto/ alone */
#ifndef MLX_PROTO_CATALOGUE_COLUMNS_H
#define MLX_PROTO_CATALOGUE_COLUMNS_H

#include "proto/catalogue.h"

#define STR(k, h)                                                                                  \
    {                                                                                              \
        .key = (k), .type = MLX_STR, .help = (h)                                                   \
    }
#define ID_AS(k, l, h)                                                                             \
    {                                                                                              \
        .key = (k), .type = MLX_STR, .help = (h), .label = (l)                                     \
    }
#define ID(k, h) ID_AS(k, k, h)
#define STATE(k, v, m, h)                                                                          \
    {                                                                                              \
        .key = (k), .type = MLX_STR, .kind = MLX_METRIC_STATE, .is = (v), .metric = (m),           \
        .help = (h)                                                                                \
    }
#define BOOL(k, h)                                                                                 \
    {                                                                                              \
        .key = (k), .type = MLX_BOOL, .help = (h)                                                  \
    }
#define INT(k, h)                                                                                  \
    {                                                                                              \
        .key = (k), .type = MLX_INT, .help = (h)                                                   \
    }
#define NUM(k, t, u, h)                                                                            \
    {                                                                                              \
        .key = (k), .type = (t), .unit = (u), .help = (h)                                          \
    }
#define GAUGE(k, t, u, m, h)                                                                       \
    {                                                                                              \
        .key = (k), .type = (t), .unit = (u), .kind = MLX_METRIC_GAUGE, .metric = (m), .help = (h) \
    }
#define COUNTER(k, t, u, m, h)                                                                     \
    {                                                                                              \
        .key = (k), .type = (t), .unit = (u), .kind = MLX_METRIC_COUNTER, .metric = (m),           \
        .help = (h)                                                                                \
    }
#define LIST(k, f, h)                                                                              \
    {                                                                                              \
        .key = (k), .type = MLX_LIST, .fields = (f), .help = (h)                                   \
    }
#define INFO(k, f, m, h)                                                                           \
    {                                                                                              \
        .key = (k), .type = MLX_LIST, .fields = (f), .kind = MLX_METRIC_INFO, .metric = (m),       \
        .help = (h)                                                                                \
    }
#define MAP(k, f, h)                                                                               \
    {                                                                                              \
        .key = (k), .type = MLX_MAP, .fields = (f), .help = (h)                                    \
    }
#define TIME(k, h) NUM(k, MLX_INT, MLX_UNIT_MICROSECONDS_EPOCH, h)
#define END                                                                                        \
    {                                                                                              \
        .key = NULL                                                                                \
    }

#endif
