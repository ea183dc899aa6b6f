/*  config_yaml.h - YAML as a tree of nodes that know their place, for config.c
 *
 *  Plain YAML only: one document of maps, lists and scalars. Anchors, aliases and tags are refused,
 *  so that nothing can grow in memory beyond its text; keys are unique scalars.
 *
 *      mlx_yaml_t *root = mlx_yaml_parse(text, len, "config.yaml", &err);
 */
#ifndef MLX_COMMON_BASE_CONFIG_YAML_H
#define MLX_COMMON_BASE_CONFIG_YAML_H

#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_YAML_MAX_BYTES = 1024 * 1024,
    MLX_YAML_MAX_DEPTH = 8,
    MLX_YAML_MAX_ENTRIES = 1000, /* of one map or list */
};

typedef struct mlx_yaml mlx_yaml_t;

struct mlx_yaml {
    mlx_type_t type; /* MLX_STR, MLX_LIST, MLX_MAP; MLX_NULL: nothing, ~ or null */
    char *text;      /* of a scalar */
    size_t line;     /* from 1; 0: the text is not a file */
    size_t column;
    size_t count; /* items; those of a map are key, value, key, value */
    mlx_yaml_t **items;
};

/*  Parse LEN bytes. NAME stands before line and column in ERR. Caller owns the result. */
mlx_yaml_t *mlx_yaml_parse(const char *text, size_t len, const char *name, mlx_error_t *err);
void mlx_yaml_destroy(mlx_yaml_t **self);

/*  Set ERR to "NAME:LINE:COLUMN: text" with the place of NODE, or "NAME: text" when it has none;
 *  returns -1. */
int mlx_yaml_error(mlx_error_t *err, const char *name, const mlx_yaml_t *node, const char *fmt, ...)
    MLX_PRINTF(4, 5);

#endif
