/*  log_tail.h - follow a file that others write: what is appended, line by line
 *
 *      mlx_log_tail_t *tail = mlx_log_tail_new("/home/ann/.ollama/logs/server.log", uid);
 *      mlx_log_tail_read(tail, on_line, self);          a few times a second
 *      mlx_log_tail_skipped(tail)
 *
 *  Reading begins at the end that the file has when it is found; what is rotated in later is read
 *  from its beginning: another file under the name, or the same one cut and written again.
 *  A line is given when its end is there, and cut to MLX_LOG_LINE_MAX - 1 bytes. Of a flood at most
 *  MLX_LOG_TURN_BYTES are read at a time; with more than MLX_LOG_BEHIND_MAX to read, what is older
 *  is skipped and counted.
 */
#ifndef MLX_WATCHER_LOGS_LOG_TAIL_H
#define MLX_WATCHER_LOGS_LOG_TAIL_H

#include <sys/types.h>

#include "log_fact.h"
#include "proto/error.h"

enum {
    MLX_LOG_TURN_BYTES = 512 * 1024,
    MLX_LOG_BEHIND_MAX = 1024 * 1024,
};

typedef struct mlx_log_tail mlx_log_tail_t;

/*  LINE: terminated, without its end, valid during the call. */
typedef void (*mlx_log_line_fn)(void *arg, const char *line);

/*  OWNER: whose file it may be; (uid_t)-1: anybody's that can be read. Caller owns it. */
mlx_log_tail_t *mlx_log_tail_new(const char *path, uid_t owner);
void mlx_log_tail_destroy(mlx_log_tail_t **self);

/*  Another name from now on, of a file that follows the one before. */
void mlx_log_tail_path(mlx_log_tail_t *self, const char *path);

/*  Call FN for each line that was completed since. Returns how many bytes were read; -1 with ERR
 *  (MLX_ERR_NOT_FOUND, MLX_ERR_UNAVAILABLE) when there is no such file, it is not a regular one, or
 *  not to be read. */
ssize_t mlx_log_tail_read(mlx_log_tail_t *self, mlx_log_line_fn fn, void *arg, mlx_error_t *err);

/*  Bytes that were skipped so far. */
uint64_t mlx_log_tail_skipped(const mlx_log_tail_t *self);

#endif
