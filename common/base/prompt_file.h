/*  prompt_file.h - a person's own prompts for a benchmark: a text file with one prompt a line
 *
 *  Empty lines, and lines that begin with #, are passed over; "\n" in a line stands for a new line
 *  and "\\" for a backslash.
 *
 *      MLX_CLEANUP(mlx_value_destroy) mlx_value_t *prompts = mlx_prompt_file_read(path, &err);
 */
#ifndef MLX_COMMON_BASE_PROMPT_FILE_H
#define MLX_COMMON_BASE_PROMPT_FILE_H

#include "proto/error.h"
#include "proto/value.h"

enum {
    MLX_PROMPT_FILE_MAX_BYTES = 4 << 20
};

/*  The prompts as a list of strings, at least one. Caller owns it. NULL with ERR. */
mlx_value_t *mlx_prompt_file_read(const char *path, mlx_error_t *err);

#endif
