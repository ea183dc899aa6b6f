/*  config_man.h - mlx-config(5): the page of every setting, from the table of settings */
#ifndef MLX_TOOLS_MLXCTL_CONFIG_MAN_H
#define MLX_TOOLS_MLXCTL_CONFIG_MAN_H

#include "proto/buf.h"

/*  Append the page, in roff. */
void mlx_config_man(mlx_buf_t *out);

#endif
