/*  error.h - one error: what failed, where, and the hint
 *
 *  Every fallible function takes an mlx_error_t * as its last argument (NULL: not interested) and
 *  returns 0/-1 or a pointer/NULL. Codes are the programs' exit codes, so that main() can return
 *  them as they are; on the bus they travel by name (mlx_error_name).
 *
 *      mlx_error_t err = {0};
 *      if (mlx_config_load(cfg, path, &err))
 *          return mlx_error_report("mlx-bus", &err);
 */
#ifndef MLX_PROTO_ERROR_H
#define MLX_PROTO_ERROR_H

#include "proto/base.h"

typedef enum {
    MLX_OK = 0,
    MLX_ERR_FAILED = 1,
    MLX_ERR_USAGE = 2,         /* bad argument, config or message */
    MLX_ERR_NOT_FOUND = 3,     /* no such model, service, topic, file */
    MLX_ERR_UNAVAILABLE = 4,   /* bus or service unreachable, deadline passed */
    MLX_ERR_DATA_LOSS = 5,     /* refused because it would lose data */
    MLX_ERR_BUSY = 75,         /* locked by another process */
    MLX_ERR_INTERRUPTED = 130, /* cancelled */
} mlx_code_t;

typedef struct {
    mlx_code_t code;
    char text[512]; /* what and where, one line */
    char hint[256]; /* what to do about it; may be empty */
} mlx_error_t;

/*  Fill ERR (may be NULL). Always returns -1, so that a caller can `return mlx_error_set(...)`. */
int mlx_error_set(mlx_error_t *err, mlx_code_t code, const char *fmt, ...) MLX_PRINTF(3, 4);

/*  Add the hint to an error just set. Always returns -1. */
int mlx_error_hint(mlx_error_t *err, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Put "CONTEXT: " before the text of ERR. Always returns -1. */
int mlx_error_prefix(mlx_error_t *err, const char *fmt, ...) MLX_PRINTF(2, 3);

/*  Print "PROGRAM: TEXT; MEND" on stderr, control characters replaced. Returns the code as exit
 *  status. */
int mlx_error_report(const char *program, const mlx_error_t *err);

/*  Name of CODE on the bus ("failed", "usage", "not_found", ...), and back (unknown:
 *  MLX_ERR_FAILED). */
const char *mlx_error_name(mlx_code_t code);
mlx_code_t mlx_error_code(const char *name);

#endif
