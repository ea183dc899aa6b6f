#include "cli.h"

#include "common/paths.h"
#include "common/term.h"
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

mlx_config_t *cli_config(mlx_error_t *err)
{
    return mlx_config_open(NULL, NULL, err);
}

/*  --dir, else MLX_CACHE_DIR, else cache.dir, else ~/.mlx-cache. */
static char *cache_home(const char *dir, mlx_error_t *err)
{
    if (dir)
        return mlx_strdup(dir);
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(err);
    if (!config)
        return NULL;
    const char *chosen = mlx_config_str(config, "cache.dir");
    return chosen ? mlx_paths_expand(NULL, chosen, err) : mlx_paths_cache_dir(NULL, err);
}

mlx_cache_t *cli_open(const mlx_args_t *args, bool write, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *home = cache_home(mlx_args_value(args, "dir"), err);
    if (!home)
        return NULL;
    cli_watch_interrupt();
    return mlx_cache_open(
        &(mlx_cache_options_t){
            .home = home, .env = {.get = real_variable}, .now_s = clock_seconds, .write = write},
        err);
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

int cli_finish(const mlx_args_t *args, mlx_value_t *report, const mlx_error_t *err,
               void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    cli_progress_end();
    if (!report)
        return mlx_error_report("mlx-cache", err);
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

int cli_doctor(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
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
        if (strncmp(mlx_value_str(setting, "key"), "cache.", 6) == 0)
            mlx_value_append(settings, mlx_value_copy(setting));
    }
    return cli_finish(args, report, &err, cli_view_config);
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
        .older_s = -1,
    };
}

/*  All arguments of a repeatable option, ending with NULL; NULL when there are none. */
static const char **all_values(const mlx_args_t *args, const char *option)
{
    size_t count = mlx_args_count(args, option);
    const char **values = count ? mlx_alloc(count + 1, sizeof *values) : NULL;
    for (size_t i = 0; i < count; i++)
        values[i] = mlx_args_value_at(args, option, i);
    return values;
}

/*  cache.mirrors, ending with NULL. */
static const char **mirror_list(const mlx_config_t *config)
{
    const mlx_value_t *list = mlx_config_value(config, "cache.mirrors");
    const char **mirrors = mlx_alloc(mlx_value_size(list) + 1, sizeof *mirrors);
    for (size_t i = 0; i < mlx_value_size(list); i++)
        mirrors[i] = mlx_value_as_str(mlx_value_at(list, i), NULL);
    return mirrors;
}

static mlx_value_t *add_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                            mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, true);
    int64_t streams = 0;
    const char *wanted = mlx_args_value(args, "streams");
    if (wanted && cli_number(wanted, 1, 16, &streams, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p) const char **include = all_values(args, "include");
    MLX_CLEANUP(mlx_free_p) const char **exclude = all_values(args, "exclude");
    how.include = include;
    how.exclude = exclude;
    how.as = mlx_args_value(args, "as");
    how.revision = mlx_args_value(args, "revision");
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(err);
    if (!config)
        return NULL;
    MLX_CLEANUP(mlx_free_p) const char **mirrors = mirror_list(config);
    how.mirrors = mirrors;
    how.streams = streams ? (unsigned)streams : (unsigned)mlx_config_int(config, "cache.streams");
    return mlx_cache_add(cache, operand, &how, err);
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
    how.as = mlx_args_value(args, "as");
    return mlx_cache_link(cache, mlx_args_operand(args, 0), mlx_args_value(args, "store"), operand,
                          &how, err);
}

/*  Every model of the cache; what the app cannot take is said and does not stop the others. */
static mlx_value_t *link_all(mlx_cache_t *cache, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, err);
    if (!status)
        return NULL;
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    const mlx_value_t *models = mlx_value_get(status, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        const char *name = mlx_value_str(model, "name");
        bool cached = false;
        mlx_error_t why = {0};
        if (!mlx_value_bool(model, "cached", &cached) || !cached || !name)
            continue;
        mlx_value_t *result = link_one(cache, args, name, &why);
        if (result)
            mlx_value_append(results, result);
        else
            mlx_error_report("mlx-cache", &why);
    }
    return report;
}

int cli_link(void *arg, const mlx_args_t *args)
{
    (void)arg;
    if (mlx_args_operands(args) > 1)
        return each_operand(args, 1, link_one, cli_view_plan);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? link_all(cache, args, &err) : NULL;
    return cli_finish(args, report, &err, cli_view_plan);
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

int cli_push(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    mlx_value_t *report = cache ? mlx_cache_push(cache, mlx_args_operand(args, 0),
                                                 mlx_args_operand(args, 1), &how, &err)
                                : NULL;
    return cli_finish(args, report, &err, cli_view_push);
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

int cli_clean(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    const char *days = mlx_args_value(args, "older-than");
    if (days) {
        int64_t number;
        if (cli_number(days, 0, 36500, &number, &err))
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
    if (operand && cli_number(operand, 1, INT64_MAX, &id, &err))
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
