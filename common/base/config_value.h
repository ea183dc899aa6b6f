/*  config_value.h - one setting from text or YAML to a checked value, for config.c */
#ifndef MLX_COMMON_BASE_CONFIG_VALUE_H
#define MLX_COMMON_BASE_CONFIG_VALUE_H

#include "common/base/config_table.h"
#include "common/base/config_yaml.h"
#include "common/base/env.h"

/*  The value that NODE gives SETTING. NAME stands before the place in ERR; ENV knows the home
 *  directory. Caller owns the result; NULL with ERR when the type or the range does not fit. */
mlx_value_t *mlx_config_convert(const mlx_setting_t *setting, const mlx_yaml_t *node,
                                const char *name, const mlx_env_t *env, mlx_error_t *err);

/*  The same from a text outside of any file (environment, flag): a scalar as it is, a list as
 *  "a,b,c" or as YAML, maps as YAML. */
mlx_value_t *mlx_config_convert_text(const mlx_setting_t *setting, const char *text,
                                     const char *name, const mlx_env_t *env, mlx_error_t *err);

#endif
