/*  config_watch.h - a configuration file that changes while its reader runs
 *
 *      mlx_config_watch_t *watch = mlx_config_watch_new(config, "mlx-sampler", path, reopen, self);
 *      if (mlx_config_watch_look(watch))       every 2 s: true when there is something new to tell
 *          tell(mlx_config_watch_reason(watch));
 *
 *  A running daemon keeps the settings that it started with, all of them: nothing is half
 *  applied. It says what a restart would change, or why the new file would not let it start.
 */
#ifndef MLX_COMMON_BUS_CONFIG_WATCH_H
#define MLX_COMMON_BUS_CONFIG_WATCH_H

#include <stdbool.h>

#include "common/base/config.h"

typedef struct mlx_config_watch mlx_config_watch_t;

/*  Reads all settings again, as at the start; caller owns the result. NULL with ERR. */
typedef mlx_config_t *(*mlx_config_reopen_fn)(void *arg, mlx_error_t *err);

/*  RUNNING are the settings in use (borrowed), PROGRAM is who uses them, SERVICE its name on the
 *  bus, PATH the file (NULL: the usual place); PROGRAM and SERVICE are borrowed. */
mlx_config_watch_t *mlx_config_watch_new(const mlx_config_t *running, const char *program,
                                         const char *service, const char *path,
                                         mlx_config_reopen_fn reopen, void *arg);
void mlx_config_watch_destroy(mlx_config_watch_t **self);

/*  Look at the file; reads it only when it is not the one of the last look. True when the reason is
 *  another one now. */
bool mlx_config_watch_look(mlx_config_watch_t *self);

/*  What is not in use and how to apply it, one line; NULL: file and settings agree. Borrowed
 *  until the next look. */
const char *mlx_config_watch_reason(const mlx_config_watch_t *self);

#endif
