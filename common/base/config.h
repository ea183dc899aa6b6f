/*  config.h - the settings of the suite: flag over MLX_* environment over file over default
 *
 *      mlx_config_t *config = mlx_config_open(NULL, NULL, &err);
 *      double rate = mlx_config_real(config, "sampler.rate_hz");
 *      mlx_config_destroy(&config);
 *
 *  The keys are those of config_table.h; asking for another, or with the wrong type, is a bug and
 *  aborts. The environment's name of sampler.rate_hz is MLX_SAMPLER_RATE_HZ. The file is YAML, and
 *  a mistake in it is one error that names the line, the column and the hint.
 */
#ifndef MLX_COMMON_BASE_CONFIG_H
#define MLX_COMMON_BASE_CONFIG_H

#include "common/base/env.h"
#include "proto/buf.h"
#include "proto/error.h"
#include "proto/value.h"

typedef struct mlx_config mlx_config_t;

/*  Defaults only. ENV (NULL: the real one) must live as long as the object. */
mlx_config_t *mlx_config_new(const mlx_env_t *env);
void mlx_config_destroy(mlx_config_t **self);

/*  The usual way: defaults, the file, the environment. PATH NULL: the usual place, where no file at
 *  all is fine unless MLX_CONFIG names it. NULL with ERR (code usage) on the first mistake. */
mlx_config_t *mlx_config_open(const mlx_env_t *env, const char *path, mlx_error_t *err);

/*  The parts of it. The order of calls does not matter: a value from a weaker source never replaces
 *  one from a stronger. After an error the object may hold some of the new values. */
int mlx_config_load_file(mlx_config_t *self, const char *path, mlx_error_t *err);
int mlx_config_load_text(mlx_config_t *self, const char *text, size_t len, const char *name,
                         mlx_error_t *err);
int mlx_config_load_env(mlx_config_t *self, mlx_error_t *err);
int mlx_config_set(mlx_config_t *self, const char *key, const char *text, mlx_error_t *err);

/*  Values. str and value are borrowed, and NULL when not set and without default; a list is never
 *  NULL, but may be empty. */
bool mlx_config_bool(const mlx_config_t *self, const char *key);
int64_t mlx_config_int(const mlx_config_t *self, const char *key);
double mlx_config_real(const mlx_config_t *self, const char *key);
const char *mlx_config_str(const mlx_config_t *self, const char *key);
const mlx_value_t *mlx_config_value(const mlx_config_t *self, const char *key);

/*  A list of maps, one per setting: key, value (absent when not set), source ("flag",
 *  "environment", "file" or "default"), place ("FILE:LINE" or the variable; absent for others),
 *  used_by, help. Caller owns it. */
mlx_value_t *mlx_config_describe(const mlx_config_t *self);

/*  The keys of what PROGRAM ("mlx-sampler") uses and what is not alike in A and B, with commas;
 *  NULL when there are none. Caller frees it. */
char *mlx_config_difference(const mlx_config_t *a, const mlx_config_t *b, const char *program);

/*  The path of the file that was read, or NULL. */
const char *mlx_config_path(const mlx_config_t *self);

/*  Append a file that says everything and changes nothing: each setting as a comment with its
 *  default. */
void mlx_config_write_example(mlx_buf_t *out);

#endif
