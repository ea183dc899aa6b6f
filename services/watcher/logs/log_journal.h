/*  log_journal.h - follow the journal of a systemd unit, by a journalctl of our own
 *
 *      mlx_log_journal_t *journal = mlx_log_journal_new(&options, &err);
 *      mlx_log_journal_destroy(&journal);           ends the child
 *
 *  journalctl needs no privilege that the user does not have, and says itself what is missing. Of a
 *  flood the rest of the pipe waits; when that is too much the child is ended, and its user begins
 *  again with what is written then.
 */
#ifndef MLX_WATCHER_LOGS_LOG_JOURNAL_H
#define MLX_WATCHER_LOGS_LOG_JOURNAL_H

#include "common/bus/loop.h"
#include "log_tail.h"

typedef struct mlx_log_journal mlx_log_journal_t;

typedef struct {
    mlx_loop_t *loop;
    const char *unit; /* borrowed during the call */
    bool user_unit;
    mlx_log_line_fn line; /* each line of its output, of its errors too */
    void *arg;
} mlx_log_journal_options_t;

/*  Caller owns it. NULL with ERR when journalctl cannot be run. */
mlx_log_journal_t *mlx_log_journal_new(const mlx_log_journal_options_t *options, mlx_error_t *err);
void mlx_log_journal_destroy(mlx_log_journal_t **self);

/*  It has ended by itself. */
bool mlx_log_journal_ended(const mlx_log_journal_t *self);

/*  Let it read on; a few times a second. False: it is too far behind and was stopped. */
bool mlx_log_journal_turn(mlx_log_journal_t *self);

#endif
