/*  log_grammar.h - the formats of model servers' logs, one file each
 *
 *      const mlx_log_grammar_t *format = mlx_log_grammar("ollama");
 *      format->read(line, &fact);
 *
 *  A format is one file, log_<name>.c, and one line in log_grammar.c.
 */
#ifndef MLX_WATCHER_LOGS_LOG_GRAMMAR_H
#define MLX_WATCHER_LOGS_LOG_GRAMMAR_H

#include "log_fact.h"

typedef struct {
    const char *kind;    /* of the runtime that writes it (proto/runtimes.h) */
    const char *program; /* how the names of its processes begin; NULL: it has no process to find */
    const char *word;    /* one of its arguments contains this; NULL: any will do */

    /*  Folders below the user's home where it writes by itself; NULL ends the list. With a '/' at
     *  its end: the newest .log file in the newest folder of it. */
    const char *files[3];

    /*  Lines do not say which of several models they are about. */
    bool nameless;

    /*  What LINE, terminated and without its line end, says; *OUT is cleared. */
    void (*read)(const char *line, mlx_log_fact_t *out);
} mlx_log_grammar_t;

extern const mlx_log_grammar_t mlx_log_llama, mlx_log_ollama, mlx_log_lmstudio, mlx_log_omlx,
    mlx_log_mlxlm;

/*  NULL: the logs of that kind of runtime are not known. */
const mlx_log_grammar_t *mlx_log_grammar(const char *kind);

/*  All of them; for tests. */
const mlx_log_grammar_t *const *mlx_log_grammars(size_t *count);

#endif
