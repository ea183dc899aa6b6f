/*  The commands that change something, or talk to others. */
#include "cli.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/*  The commands that take models in have --trust. */
static mlx_cache_safety_t safety_of(const mlx_args_t *args)
{
    const char *name = mlx_args_command(args)->name;
    bool takes = strcmp(name, "add") == 0 || strcmp(name, "adopt") == 0;
    return (mlx_cache_safety_t){.trust = takes && mlx_args_count(args, "trust") > 0};
}

mlx_cache_t *cli_open(const mlx_args_t *args, bool write, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *home = cli_home(args, err);
    if (!home)
        return NULL;
    cli_watch_interrupt();
    if (write)
        cli_tell_bus();
    return mlx_cache_open(&(mlx_cache_options_t){.home = home,
                                                 .env = {.get = cli_variable},
                                                 .now_s = cli_seconds,
                                                 .write = write,
                                                 .safety = safety_of(args),
                                                 .one_command = true,
                                                 .stop = cli_interrupted,
                                                 .progress = cli_progress},
                          err);
}

static int finish(const mlx_args_t *args, mlx_value_t *report, const mlx_error_t *err,
                  void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    cli_progress_end();
    return cli_finish(args, report, err, view);
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
    return finish(args, report, &err, view);
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
    if (isatty(STDERR_FILENO) == 1 && !mlx_args_count(args, "json") && access(operand, F_OK) != 0)
        cli_tell_fits(cache, operand);
    return mlx_cache_add(cache, operand, &how, err);
}

static int run_add(const mlx_args_t *args)
{
    return each_operand(args, 0, add_one, cli_view_models);
}

static int run_adopt(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, true);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_adopt(cache, mlx_args_operand(args, 0),
                                                  mlx_args_operand(args, 1), &how, &err)
                                : NULL;
    bool whole = mlx_value_size(mlx_value_get(report, "problems")) == 0;
    int status = finish(args, report, &err, cli_view_models);
    return status || whole ? status : MLX_ERR_FAILED;
}

static mlx_value_t *link_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                             mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, true);
    how.as = mlx_args_value(args, "as");
    return mlx_cache_link(cache, mlx_args_operand(args, 0), mlx_args_value(args, "store"), operand,
                          &how, err);
}

static void add_refused(mlx_value_t *list, const char *name, const mlx_error_t *why)
{
    mlx_value_t *one = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(one, "model", name);
    mlx_value_set_str(one, "text", why->text);
    mlx_value_set_str(one, "hint", why->hint);
}

/*  Does the app have the very bytes of this model of a status, under whatever name. */
static bool app_has(const mlx_value_t *model, const char *app)
{
    const mlx_value_t *uses = mlx_value_get(model, "used_by");
    for (size_t i = 0; i < mlx_value_size(uses); i++)
        if (strcmp(mlx_value_str(mlx_value_at(uses, i), "app"), app) == 0)
            return true;
    return false;
}

/*  Every model of the cache that the app does not have; what the app cannot take is said and does
 *  not stop the others. An error when there was something to link and none of it could be. */
static mlx_value_t *link_all(mlx_cache_t *cache, const mlx_args_t *args, mlx_error_t *err)
{
    if (!mlx_adapter_find(mlx_args_operand(args, 0), err))
        return NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, err);
    if (!status)
        return NULL;
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    mlx_value_t *refused = mlx_value_set(report, "refused", mlx_value_list());
    mlx_value_set_str(report, "app", mlx_args_operand(args, 0));
    mlx_value_set_bool(report, "dry_run", mlx_args_count(args, "dry-run") > 0);
    const mlx_value_t *models = mlx_value_get(status, "models");
    int64_t has = 0;
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        const char *name = mlx_value_str(model, "name");
        bool cached = false;
        mlx_error_t why = {0};
        if (!mlx_value_bool(model, "cached", &cached) || !cached || !name)
            continue;
        if (!mlx_args_value(args, "store") && app_has(model, mlx_args_operand(args, 0))) {
            has++;
            continue;
        }
        mlx_value_t *result = link_one(cache, args, name, &why);
        if (result) {
            mlx_value_append(results, result);
            continue;
        }
        add_refused(refused, name, &why);
        mlx_error_report("mlx-cache", &why);
    }
    mlx_value_set_int(report, "has", has);
    if (mlx_value_size(refused) && !mlx_value_size(results) && !has) {
        mlx_error_set(err, MLX_ERR_FAILED, "none of the %zu models could be linked to %s",
                      mlx_value_size(refused), mlx_value_str(report, "app"));
        mlx_value_destroy(&report);
    }
    return report;
}

static int run_link(const mlx_args_t *args)
{
    if (mlx_args_operands(args) > 1)
        return each_operand(args, 1, link_one, cli_view_plan);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? link_all(cache, args, &err) : NULL;
    return finish(args, report, &err, cli_view_plan);
}

static mlx_value_t *unlink_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, false);
    return mlx_cache_unlink(cache, mlx_args_operand(args, 0), operand, &how, err);
}

static int run_unlink(const mlx_args_t *args)
{
    return each_operand(args, 1, unlink_one, cli_view_plan);
}

static int run_push(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    cli_tell_bus();
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    mlx_value_t *report = cache ? mlx_cache_push(cache, mlx_args_operand(args, 0),
                                                 mlx_args_operand(args, 1), &how, &err)
                                : NULL;
    return finish(args, report, &err, cli_view_push);
}

static mlx_value_t *remove_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    mlx_cache_how_t how = how_of(args, false);
    return mlx_cache_remove(cache, operand, &how, err);
}

static int run_remove(const mlx_args_t *args)
{
    return each_operand(args, 0, remove_one, cli_view_plan);
}

/*  What the program chose is only shown until the user agrees, be the output a terminal or not. */
static bool is_agreed(const mlx_args_t *args)
{
    return (mlx_args_count(args, "yes") || mlx_args_count(args, "apply")) &&
           !mlx_args_count(args, "dry-run");
}

static void say_how(const mlx_args_t *args, const char *command)
{
    if (!is_agreed(args) && !mlx_args_count(args, "dry-run"))
        fprintf(stderr, "mlx-cache: nothing was changed; to do it: mlx-cache %s --yes\n", command);
}

static int run_clean(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    const char *days = mlx_args_value(args, "older-than");
    if (days) {
        int64_t number;
        if (cli_number(days, 0, 36500, &number, &err))
            return cli_fail(args, &err);
        how.older_s = number * 24 * 3600;
    }
    how.dry_run = !is_agreed(args);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    int status =
        finish(args, cache ? mlx_cache_clean(cache, &how, &err) : NULL, &err, cli_view_plan);
    if (!status)
        say_how(args, "clean");
    return status;
}

/*  There were steps, and each of them was passed over. */
static bool nothing_done(const mlx_value_t *steps)
{
    for (size_t i = 0; i < mlx_value_size(steps); i++)
        if (strcmp(mlx_value_str(mlx_value_at(steps, i), "state"), "done") == 0)
            return false;
    return mlx_value_size(steps) > 0;
}

static int run_dedup(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    bool apply = is_agreed(args);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_dedup(cache, apply, &err) : NULL;
    bool failed = apply && nothing_done(mlx_value_get(report, "steps"));
    int status = finish(args, report, &err, cli_view_plan);
    if (!status)
        say_how(args, "dedup");
    return status ? status : (failed ? MLX_ERR_FAILED : MLX_OK);
}

static int run_undo(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    mlx_cache_how_t how = how_of(args, false);
    int64_t id = 0;
    const char *operand = mlx_args_operand(args, 0);
    how.forget = mlx_args_count(args, "forget") > 0;
    if (operand && cli_number(operand, 1, INT64_MAX, &id, &err))
        return cli_fail(args, &err);
    if (how.forget && !id) {
        mlx_error_set(&err, MLX_ERR_USAGE, "undo --forget needs the number of an operation");
        mlx_error_hint(&err, "mlx-cache doctor lists those that are set aside");
        return cli_fail(args, &err);
    }
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    return finish(args, cache ? mlx_cache_undo(cache, id, &how, &err) : NULL, &err, cli_view_plan);
}

static int run_verify(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    const mlx_cache_how_t how = {0};
    const char *model = mlx_args_operand(args, 0);
    bool full = mlx_args_count(args, "full") > 0, repair = mlx_args_count(args, "repair") > 0;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, repair, &err);
    mlx_value_t *report = NULL;
    if (cache)
        report = repair ? mlx_cache_repair(cache, model, full, &how, &err)
                        : mlx_cache_verify(cache, model, full, &err);
    bool bad = mlx_value_size(mlx_value_get(report, "bad")) > 0;
    int status = finish(args, report, &err, cli_view_verify);
    return status ? status : (bad ? MLX_ERR_FAILED : MLX_OK);
}

/*  0 when it fits, failed when it does not: a script asks before it loads. */
static int run_fits(const mlx_args_t *args)
{
    mlx_error_t err = {0};
    mlx_value_t *report = NULL;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    bool fits = cache && cli_fits(args, cache, &report, &err) == 0;
    int status = finish(args, report, &err, cli_view_fits);
    return status || fits ? status : MLX_ERR_FAILED;
}

static const struct {
    const char *name;
    int (*run)(const mlx_args_t *args);
} changes[] = {
    {"add", run_add},   {"adopt", run_adopt},   {"link", run_link},   {"unlink", run_unlink},
    {"push", run_push}, {"remove", run_remove}, {"clean", run_clean}, {"dedup", run_dedup},
    {"fits", run_fits}, {"pick", cli_pick},     {"undo", run_undo},   {"verify", run_verify},
};

int cli_change(void *arg, const mlx_args_t *args)
{
    (void)arg;
    for (size_t i = 0; i < MLX_COUNT(changes); i++)
        if (strcmp(changes[i].name, mlx_args_command(args)->name) == 0)
            return changes[i].run(args);
    return MLX_ERR_USAGE;
}
