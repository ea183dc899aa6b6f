/*  log.h - one line on stderr per event, in the form that its reader wants
 *
 *  The object is made once in main() and passed to what logs; there is no global logger. It may be
 *  used from several threads. Control characters are escaped, so that nothing from outside can
 *  forge a line or move a terminal's cursor.
 *
 *      mlx_log_t *log = mlx_log_new(&(mlx_log_options_t){.name = "watcher"});
 *      mlx_log(log, MLX_LOG_INFO, "found Ollama %s at %s", version, url);
 *      mlx_log_repeated(log, MLX_LOG_WARNING, "bad reply", "%s: %s", url, err.text);
 *      mlx_log_destroy(&log);
 *
 *  form      line                                                      used when
 *  journal   <4>text                                                   stderr is the journal
 *  plain     2026-11-25T07:31:50.123Z warning watcher: text            otherwise
 *  json      {"time":…,"level":…,"name":…,"kind":…,"repeats":…,"text":…}   log.format asks for it
 */
#ifndef MLX_COMMON_BASE_LOG_H
#define MLX_COMMON_BASE_LOG_H

#include "common/base/env.h"
#include "proto/error.h"

typedef struct mlx_log mlx_log_t;

typedef enum {
    MLX_LOG_ERROR,
    MLX_LOG_WARNING,
    MLX_LOG_INFO,
    MLX_LOG_DEBUG,
} mlx_log_level_t;

typedef enum {
    MLX_LOG_AUTO,
    MLX_LOG_PLAIN,
    MLX_LOG_JOURNAL,
    MLX_LOG_JSON,
} mlx_log_format_t;

enum {
    MLX_LOG_REPEAT_S = 60
};

typedef struct {
    const char *name;   /* of the program; copied */
    const char *level;  /* as in log.level; NULL: info */
    const char *format; /* as in log.format; NULL: auto */
    int fd;             /* where lines go; 0: stderr */
    const mlx_env_t *env;
    int64_t (*wall_us)(void); /* the clock; NULL: the system's */
} mlx_log_options_t;

/*  An unknown level or format is a bug: config.h has checked them. */
mlx_log_t *mlx_log_new(const mlx_log_options_t *options);

/*  Sums up what was held back, then frees. */
void mlx_log_destroy(mlx_log_t **self);

void mlx_log(mlx_log_t *self, mlx_log_level_t level, const char *fmt, ...) MLX_PRINTF(3, 4);

/*  For what a hostile or broken outside can cause at will: the first event of KIND (a short fixed
 *  text) is written, further ones within MLX_LOG_REPEAT_S are only counted. */
void mlx_log_repeated(mlx_log_t *self, mlx_log_level_t level, const char *kind, const char *fmt,
                      ...) MLX_PRINTF(4, 5);

/*  Write "KIND: N more" for each kind whose time is up; call it now and then from a timer. */
void mlx_log_sum_up(mlx_log_t *self);

/*  Whether a line of LEVEL would be written: to spare the work of making it. */
bool mlx_log_wants(const mlx_log_t *self, mlx_log_level_t level);

/*  The form that AUTO means for FD. */
mlx_log_format_t mlx_log_detect(int fd, const mlx_env_t *env);

#endif
