/*  file.h - reading whole small files from outside, bounded
 *
 *      size_t len;
 *      MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, 65536, &len, &err);
 */
#ifndef MLX_COMMON_BASE_FILE_H
#define MLX_COMMON_BASE_FILE_H

#include "proto/error.h"

/*  Content of the regular file PATH, at most MAX bytes, with a NUL behind it that LEN (may be NULL)
 *  does not count. Works for /proc and /sys, whose sizes are not known beforehand; a pipe, socket,
 *  device or directory is refused instead of waited for. Caller owns the result and must free it.
 *  NULL with ERR: not_found when there is no such file, usage when it is too large or no file,
 *  failed otherwise. */
char *mlx_file_read(const char *path, size_t max, size_t *len, mlx_error_t *err);

/*  The same of a file that holds a secret: usage when it belongs to neither this user nor root, or
 *  when its mode lets anybody else read or change it. */
char *mlx_file_read_private(const char *path, size_t max, size_t *len, mlx_error_t *err);

#endif
