/*  What every command of mlx-cache needs: where the cache is, and how an answer is told. */
#include "cli.h"

#include "common/base/paths.h"
#include "common/cli/term.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

int64_t cli_seconds(void)
{
    return (int64_t)time(NULL);
}

const char *cli_variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

mlx_config_t *cli_config(mlx_error_t *err)
{
    return mlx_config_open(NULL, NULL, err);
}

char *cli_home(const mlx_args_t *args, mlx_error_t *err)
{
    const char *dir = mlx_args_value(args, "dir");
    if (dir)
        return mlx_strdup(dir);
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(err);
    if (!config)
        return NULL;
    const char *chosen = mlx_config_str(config, "cache.dir");
    return chosen ? mlx_paths_expand(NULL, chosen, err) : mlx_paths_cache_dir(NULL, err);
}

/*  What a view made, fit for a terminal: the names in it come from outside. */
static void make_clean(mlx_buf_t *text)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t clean = {0};
    char *rest = text->data;
    for (char *line; rest && (line = strsep(&rest, "\n")) && (rest || *line);) {
        MLX_CLEANUP(mlx_free_p) char *fit = mlx_term_clean(line, 0);
        mlx_buf_puts(&clean, fit);
        if (rest)
            mlx_buf_putc(&clean, '\n');
    }
    mlx_buf_reset(text);
    mlx_buf_append(text, mlx_buf_str(&clean), clean.len);
}

int cli_fail_as(const mlx_error_t *err, bool json)
{
    if (!json)
        return mlx_error_report("mlx-cache", err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *report = mlx_value_map();
    mlx_value_t *error = mlx_value_set(report, "error", mlx_value_map());
    mlx_value_set_int(error, "code", err->code);
    mlx_value_set_str(error, "text", err->text);
    if (*err->hint)
        mlx_value_set_str(error, "hint", err->hint);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_json_write(&out, report, isatty(STDOUT_FILENO) == 1);
    puts(mlx_buf_str(&out));
    return mlx_error_report("mlx-cache", err);
}

int cli_fail(const mlx_args_t *args, const mlx_error_t *err)
{
    return cli_fail_as(err, mlx_args_count(args, "json") > 0);
}

int cli_finish(const mlx_args_t *args, mlx_value_t *report, const mlx_error_t *err,
               void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    if (!report)
        return cli_fail(args, err);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    if (mlx_args_count(args, "json")) {
        mlx_json_write(&out, report, isatty(STDOUT_FILENO) == 1);
        mlx_buf_putc(&out, '\n');
    } else {
        view(report, &out);
        make_clean(&out);
    }
    mlx_value_destroy(&report);
    bool written = fwrite(mlx_buf_str(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    return written ? MLX_OK : MLX_ERR_FAILED;
}
