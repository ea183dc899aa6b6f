/*  cmd_bench.h - the parts of `mlxctl bench` that need no run: stored results, files, checking */
#ifndef MLX_TOOLS_MLXCTL_CMD_BENCH_H
#define MLX_TOOLS_MLXCTL_CMD_BENCH_H

#include "ctl.h"

/*  The recorder's results, newest first, of MODEL or with ids that begin with ID (NULL: any).
 *  Caller owns the list; NULL with ERR. */
mlx_value_t *mlx_bench_stored_list(mlx_ctl_t *ctl, const char *model, const char *id,
                                   mlx_error_t *err);

/*  The one whose id begins with ID. Caller owns it; NULL with ERR (not_found, usage when several
 *  begin so). */
mlx_value_t *mlx_bench_stored(mlx_ctl_t *ctl, const char *id, mlx_error_t *err);

/*  Write TEXT to PATH, which is either whole or as it was. 0, or -1 with ERR. */
int mlx_bench_write(const char *path, const char *text, mlx_error_t *err);

/*  Write RESULT sealed with this machine's key (seal.h). 0, or -1 with ERR. */
int mlx_bench_write_sealed(mlx_ctl_t *ctl, const mlx_value_t *result, const char *path,
                           mlx_error_t *err);

/*  --list, --compare ID ID and --check FILE. Each returns the exit status. */
int mlx_bench_list(const mlx_args_t *args);
int mlx_bench_compare_stored(const mlx_args_t *args);
int mlx_bench_check(const mlx_args_t *args);

#endif
