/*  The commands that only look: they need neither the network nor the bus, and start in a few
 *  ms. */
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

static mlx_cache_t *open_cache(const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *home = cli_home(args, err);
    const mlx_cache_options_t options = {
        .home = home, .env = {.get = cli_variable}, .now_s = cli_seconds};
    return home ? mlx_cache_open(&options, err) : NULL;
}

/*  What a view made, fit for a terminal: the names in it come from outside. */
static void make_clean(mlx_buf_t *text)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t clean = {0};
    char *rest = text->data;
    for (char *line; rest && (line = strsep(&rest, "\n")) && (rest || *line);) {
        MLX_CLEANUP(mlx_free_p) char *fit = mlx_term_clean(line, 0);
        mlx_buf_printf(&clean, "%s%s", fit, rest ? "\n" : "");
    }
    mlx_buf_reset(text);
    mlx_buf_append(text, mlx_buf_str(&clean), clean.len);
}

int cli_fail(const mlx_args_t *args, const mlx_error_t *err)
{
    if (!mlx_args_count(args, "json"))
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

int cli_status(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = open_cache(args, &err);
    return cli_finish(args, cache ? mlx_cache_status(cache, &err) : NULL, &err, cli_view_status);
}

int cli_stats(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = open_cache(args, &err);
    return cli_finish(args, cache ? mlx_cache_status(cache, &err) : NULL, &err, cli_view_stats);
}

int cli_apps(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = open_cache(args, &err);
    return cli_finish(args, cache ? mlx_cache_apps(cache, &err) : NULL, &err, cli_view_apps);
}

int cli_doctor(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = open_cache(args, &err);
    mlx_value_t *report = cache ? mlx_cache_doctor(cache, &err) : NULL;
    const mlx_value_t *checks = mlx_value_get(report, "checks");
    bool well = true;
    for (size_t i = 0; i < mlx_value_size(checks); i++) {
        bool ok = false;
        mlx_value_bool(mlx_value_at(checks, i), "ok", &ok);
        well = well && ok;
    }
    int status = cli_finish(args, report, &err, cli_view_doctor);
    return status ? status : (well ? MLX_OK : MLX_ERR_FAILED);
}

/*  Only what concerns the cache; mlxctl config shows all. */
int cli_show_config(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(&err);
    mlx_value_t *report = config ? mlx_value_map() : NULL;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *all = config ? mlx_config_describe(config) : NULL;
    mlx_value_t *settings = report ? mlx_value_set(report, "settings", mlx_value_list()) : NULL;
    for (size_t i = 0; i < mlx_value_size(all); i++) {
        const mlx_value_t *setting = mlx_value_at(all, i);
        if (strncmp(mlx_value_str(setting, "key"), "cache.", 6) != 0)
            continue;
        mlx_value_t *one = mlx_value_append(settings, mlx_value_copy(setting));
        /* Where nothing is set: where the cache is all the same. */
        if (strcmp(mlx_value_str(one, "key"), "cache.dir") != 0 || mlx_value_str(one, "value"))
            continue;
        MLX_CLEANUP(mlx_free_p) char *home = cli_home(args, NULL);
        mlx_value_set_str(one, "value", home);
    }
    return cli_finish(args, report, &err, cli_view_config);
}

void cli_names(const char *kind, mlx_buf_t *out)
{
    if (strcmp(kind, "app") == 0) {
        for (size_t i = 0; mlx_adapters[i]; i++)
            mlx_buf_printf(out, "%s\n", mlx_adapters[i]->name);
        return;
    }
    if (strcmp(kind, "model") != 0)
        return;
    /* Completion makes nothing: no cache, no names. */
    MLX_CLEANUP(mlx_free_p) char *home = mlx_paths_cache_dir(NULL, NULL);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/registry.db", home ? home : "");
    MLX_CLEANUP(mlx_db_destroy)
    mlx_db_t *db = access(path, R_OK) == 0 ? mlx_registry_open(path, true, NULL) : NULL;
    size_t count = 0;
    mlx_model_t *models = db ? mlx_registry_models(db, &count, NULL) : NULL;
    for (size_t i = 0; i < count; i++)
        mlx_buf_printf(out, "%s\n", models[i].name);
    mlx_models_free(&models, count);
}
