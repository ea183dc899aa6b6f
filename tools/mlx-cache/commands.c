#include "tools/mlx-cache/cli.h"

#include "common/paths.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static int64_t clock_seconds(void)
{
    return (int64_t)time(NULL);
}

static const char *real_variable(void *arg, const char *name)
{
    (void)arg;
    return getenv(name);
}

mlx_cache_t *cli_open(const mlx_args_t *args, bool write, mlx_error_t *err)
{
    const char *dir = args ? mlx_args_value(args, "dir") : NULL;
    MLX_CLEANUP(mlx_free_p)
    char *home = dir ? mlx_strdup(dir) : mlx_paths_cache_dir(NULL, err);
    if (!home)
        return NULL;
    return mlx_cache_open(
        &(mlx_cache_options_t){
            .home = home, .env = {.get = real_variable}, .now_s = clock_seconds, .write = write},
        err);
}

int cli_finish(const mlx_args_t *args, mlx_value_t *report, const mlx_error_t *err,
               void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    if (!report)
        return mlx_error_report("mlx-cache", err);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    if (mlx_args_count(args, "json")) {
        mlx_json_write(&out, report, isatty(STDOUT_FILENO) == 1);
        mlx_buf_putc(&out, '\n');
    } else {
        view(report, &out);
    }
    mlx_value_destroy(&report);
    bool written = fwrite(mlx_buf_str(&out), 1, out.len, stdout) == out.len && fflush(stdout) == 0;
    return written ? MLX_OK : MLX_ERR_FAILED;
}

int cli_status(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    return cli_finish(args, cache ? mlx_cache_status(cache, &err) : NULL, &err, cli_view_status);
}

int cli_stats(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    return cli_finish(args, cache ? mlx_cache_status(cache, &err) : NULL, &err, cli_view_stats);
}

int cli_apps(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    return cli_finish(args, cache ? mlx_cache_apps(cache, &err) : NULL, &err, cli_view_apps);
}

/*  One report for several operands: {"results": [..]}. The first error ends it. */
static int each_operand(const mlx_args_t *args, size_t first,
                        mlx_value_t *(*run)(mlx_cache_t *cache, const mlx_args_t *args,
                                            const char *operand, mlx_error_t *err),
                        void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    for (size_t i = first; i < mlx_args_operands(args); i++) {
        mlx_value_t *result = cache ? run(cache, args, mlx_args_operand(args, i), &err) : NULL;
        if (!result) {
            mlx_value_destroy(&report);
            break;
        }
        mlx_value_append(results, result);
    }
    return cli_finish(args, report, &err, view);
}

static mlx_cache_how_t how_of(const mlx_args_t *args, bool has_copy)
{
    return (mlx_cache_how_t){
        .dry_run = mlx_args_count(args, "dry-run") > 0,
        .copy = has_copy && mlx_args_count(args, "copy") > 0,
        .as = has_copy ? mlx_args_value(args, "as") : NULL,
        .older_s = -1,
    };
}

static mlx_value_t *add_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                            mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, true);
    return mlx_cache_add_path(cache, operand, &how, err);
}

int cli_add(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return each_operand(args, 0, add_one, cli_view_models);
}

int cli_adopt(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, true);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_adopt(cache, mlx_args_operand(args, 0),
                                                  mlx_args_operand(args, 1), &how, &err)
                                : NULL;
    return cli_finish(args, report, &err, cli_view_models);
}

static mlx_value_t *link_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                             mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, true);
    return mlx_cache_link(cache, mlx_args_operand(args, 0), mlx_args_value(args, "store"), operand,
                          &how, err);
}

int cli_link(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return each_operand(args, 1, link_one, cli_view_plan);
}

static mlx_value_t *unlink_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, false);
    return mlx_cache_unlink(cache, mlx_args_operand(args, 0), operand, &how, err);
}

int cli_unlink(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return each_operand(args, 1, unlink_one, cli_view_plan);
}

static mlx_value_t *remove_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, false);
    return mlx_cache_remove(cache, operand, &how, err);
}

int cli_remove(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return each_operand(args, 0, remove_one, cli_view_plan);
}

/*  A number of the user's in LOW .. HIGH. */
static int read_number(const char *text, int64_t low, int64_t high, int64_t *out, mlx_error_t *err)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < low || value > high)
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%s\" is no number from %lld to %lld", text,
                             (long long)low, (long long)high);
    *out = value;
    return 0;
}

int cli_clean(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    const char *days = mlx_args_value(args, "older-than");
    if (days) {
        int64_t number;
        if (read_number(days, 0, 36500, &number, &err))
            return mlx_error_report("mlx-cache", &err);
        how.older_s = number * 24 * 3600;
    }
    /* A person sees the plan first; a script said what it wants. */
    if (isatty(STDOUT_FILENO) && !mlx_args_count(args, "yes"))
        how.dry_run = true;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    return cli_finish(args, cache ? mlx_cache_clean(cache, &how, &err) : NULL, &err, cli_view_plan);
}

int cli_dedup(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    bool apply = mlx_args_count(args, "apply") && !mlx_args_count(args, "dry-run");
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    return cli_finish(args, cache ? mlx_cache_dedup(cache, apply, &err) : NULL, &err,
                      cli_view_plan);
}

int cli_undo(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    int64_t id = 0;
    const char *operand = mlx_args_operand(args, 0);
    if (operand && read_number(operand, 1, INT64_MAX, &id, &err))
        return mlx_error_report("mlx-cache", &err);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    return cli_finish(args, cache ? mlx_cache_undo(cache, id, &how, &err) : NULL, &err,
                      cli_view_plan);
}

int cli_verify(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    mlx_value_t *report = cache ? mlx_cache_verify(cache, mlx_args_operand(args, 0),
                                                   mlx_args_count(args, "full") > 0, &err)
                                : NULL;
    bool bad = mlx_value_size(mlx_value_get(report, "bad")) > 0;
    int status = cli_finish(args, report, &err, cli_view_verify);
    return status ? status : (bad ? MLX_ERR_FAILED : MLX_OK);
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
