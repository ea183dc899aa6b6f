/*  paths.h - where the suite keeps its sockets, configuration, state and models
 *
 *      MLX_CLEANUP(mlx_free_p) char *run_dir = mlx_paths_run_dir(NULL, &err);
 *
 *  what        first of
 *  run         $MLX_RUNTIME_DIR, $XDG_RUNTIME_DIR/mlx, $TMPDIR/mlx-<uid>, /tmp/mlx-<uid>
 *  config      $MLX_CONFIG, $XDG_CONFIG_HOME/mlx/config.yaml, ~/.config/mlx/config.yaml
 *  state       $MLX_STATE_DIR, $XDG_STATE_HOME/mlx, ~/.local/state/mlx
 *  cache       $MLX_CACHE_DIR, ~/.mlx-cache
 *
 *  On macOS the home directory's part of config and state is ~/Library/Application Support/mlx.
 *  A relative path in a variable is refused: services start in another directory than a shell.
 *  Caller owns each string and must free it; NULL with ERR otherwise. ENV NULL: the real one.
 */
#ifndef MLX_COMMON_BASE_PATHS_H
#define MLX_COMMON_BASE_PATHS_H

#include "common/base/env.h"
#include "proto/error.h"

/*  The run directory, made if it is missing: ours, no symbolic link, mode 0700; refused otherwise.
 */
char *mlx_paths_run_dir(const mlx_env_t *env, mlx_error_t *err);

/*  The configuration file; it need not exist. */
char *mlx_paths_config_file(const mlx_env_t *env, mlx_error_t *err);

/*  Databases, keys, last known values: made if it is missing, as strictly as the run directory. */
char *mlx_paths_state_dir(const mlx_env_t *env, mlx_error_t *err);

/*  The model cache; its owner makes it. */
char *mlx_paths_cache_dir(const mlx_env_t *env, mlx_error_t *err);

/*  PATH with a leading "~" or "~/" replaced by the home directory. */
char *mlx_paths_expand(const mlx_env_t *env, const char *path, mlx_error_t *err);

/*  Make PATH a directory of ours with mode 0700, with the parents it lacks: 0, or -1 with ERR when
 *  it is a symbolic link, no directory or another user's. */
int mlx_paths_make_private(const char *path, mlx_error_t *err);

#endif
