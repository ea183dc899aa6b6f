/*  cli.h - what the commands of mlx-cache share (see main.c for the table) */
#ifndef MLX_TOOLS_MLX_CACHE_CLI_H
#define MLX_TOOLS_MLX_CACHE_CLI_H

#include "common/base/config.h"
#include "common/cli/args.h"
#include "services/cache/cache.h"

/*  The settings; NULL with ERR (code usage). Caller owns them. */
mlx_config_t *cli_config(mlx_error_t *err);

/*  Folder of the cache: --dir, else MLX_CACHE_DIR, else cache.dir, else ~/.mlx-cache. Caller owns
 *  it; NULL with ERR. */
char *cli_home(const mlx_args_t *args, mlx_error_t *err);

/*  The environment and the clock of this process, for mlx_cache_options_t. */
const char *cli_variable(void *arg, const char *name);
int64_t cli_seconds(void);

/*  Say ERR, with --json as {"error": {code, text, hint}} on stdout, and return its exit status. */
int cli_fail(const mlx_args_t *args, const mlx_error_t *err);
int cli_fail_as(const mlx_error_t *err, bool json);

/*  Print REPORT as JSON or through VIEW, destroy it and return the exit status; a NULL report
 *  prints the error instead. */
int cli_finish(const mlx_args_t *args, mlx_value_t *report, const mlx_error_t *err,
               void (*view)(const mlx_value_t *report, mlx_buf_t *out));

/*  What is asked most: the program that people type answers from what the registry keeps. */
int cli_status(void *arg, const mlx_args_t *args);
int cli_stats(void *arg, const mlx_args_t *args);

/*  All others, in the worker. The program that people type hands them over instead: ARG is its
 *  argument vector. */
int cli_apps(void *arg, const mlx_args_t *args);
int cli_doctor(void *arg, const mlx_args_t *args);
int cli_show_config(void *arg, const mlx_args_t *args);
int cli_add(void *arg, const mlx_args_t *args);
int cli_adopt(void *arg, const mlx_args_t *args);
int cli_link(void *arg, const mlx_args_t *args);
int cli_unlink(void *arg, const mlx_args_t *args);
int cli_push(void *arg, const mlx_args_t *args);
int cli_remove(void *arg, const mlx_args_t *args);
int cli_clean(void *arg, const mlx_args_t *args);
int cli_dedup(void *arg, const mlx_args_t *args);
int cli_fits(void *arg, const mlx_args_t *args);
int cli_pick(void *arg, const mlx_args_t *args); /* the list on a terminal */
int cli_undo(void *arg, const mlx_args_t *args);
int cli_verify(void *arg, const mlx_args_t *args);
int cli_hand_over(void *arg, const mlx_args_t *args);

#ifdef MLX_CACHE_WORKER
#define CLI_WORKER(run) run
#else
#define CLI_WORKER(run) cli_hand_over
#endif

/*  What a command shows while it works: a bar on a terminal, one line at its end elsewhere. */
void cli_progress(void *arg, const mlx_value_t *event);
void cli_progress_end(void);

/*  Let the bus hear how far this command is as well (cache.progress of the source "mlx-cache"), if
 *  one runs; never waits for it. For commands that change something. */
void cli_tell_bus(void);

/*  Would the model fit in what is free here now: 0 when it does, with the REPORT. */
int cli_ask_fits(const mlx_args_t *args, mlx_cache_t *cache, mlx_value_t **report,
                 mlx_error_t *err);

/*  The same of MODEL in one line on stderr, before a download; nothing where it is not known. */
void cli_tell_fits(mlx_cache_t *cache, const char *model);

/*  The cache that ARGS mean, for a command that may be interrupted; with WRITE the bus hears how
 *  far it is. NULL with ERR. */
mlx_cache_t *cli_open(const mlx_args_t *args, bool write, mlx_error_t *err);

/*  Did the user press Ctrl-C. The first one ends in order, the second at once. */
void cli_watch_interrupt(void);
bool cli_interrupted(void *arg);

/*  A number of the user's in LOW .. HIGH. */
int cli_number(const char *text, int64_t low, int64_t high, int64_t *out, mlx_error_t *err);

/*  Model and app names, for completion. */
void cli_names(const char *kind, mlx_buf_t *out);

/*  The tables. */
void cli_view_status(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_stats(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_plan(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_models(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_fits(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_push(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_verify(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_doctor(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_config(const mlx_value_t *report, mlx_buf_t *out);
void cli_view_apps(const mlx_value_t *report, mlx_buf_t *out);

#endif
