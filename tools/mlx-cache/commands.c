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

/*  One report for several operands: {"results": [..]}. The first error ends it. A model that came
 *  without some of its files is an error as well, in the exit code. */
static int each_operand(const mlx_args_t *args, size_t first,
                        mlx_value_t *(*run)(mlx_cache_t *cache, const mlx_args_t *args,
                                            const char *operand, mlx_error_t *err),
                        void (*view)(const mlx_value_t *report, mlx_buf_t *out))
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    bool whole = true;
    for (size_t i = first; i < mlx_args_operands(args); i++) {
        mlx_value_t *result = cache ? run(cache, args, mlx_args_operand(args, i), &err) : NULL;
        if (!result) {
            mlx_value_destroy(&report);
            break;
        }
        whole = whole && !mlx_value_str(result, "incomplete");
        mlx_value_append(results, result);
    }
    int status = finish(args, report, &err, view);
    return status || whole ? status : MLX_ERR_FAILED;
}

static bool has(const mlx_args_t *args, const char *flag)
{
    return mlx_args_count(args, flag) > 0;
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
    int64_t streams = 0;
    const char *wanted = mlx_args_value(args, "streams");
    if (wanted && cli_number(wanted, 1, 16, &streams, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p) const char **include = all_values(args, "include");
    MLX_CLEANUP(mlx_free_p) const char **exclude = all_values(args, "exclude");
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(err);
    if (!config)
        return NULL;
    MLX_CLEANUP(mlx_free_p) const char **mirrors = mirror_list(config);
    if (!streams)
        streams = mlx_config_int(config, "cache.streams");
    if (isatty(STDERR_FILENO) == 1 && !has(args, "json") && access(operand, F_OK) != 0)
        cli_tell_fits(cache, operand);
    return mlx_cache_add(cache, operand,
                         &(mlx_cache_add_options_t){.dry_run = has(args, "dry-run"),
                                                    .copy = has(args, "copy"),
                                                    .as = mlx_args_value(args, "as"),
                                                    .revision = mlx_args_value(args, "revision"),
                                                    .include = include,
                                                    .exclude = exclude,
                                                    .mirrors = mirrors,
                                                    .transfer.streams = (unsigned)streams},
                         err);
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
    const mlx_cache_adopt_options_t options = {.dry_run = has(args, "dry-run"),
                                               .copy = has(args, "copy")};
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_adopt(cache, mlx_args_operand(args, 0),
                                                  mlx_args_operand(args, 1), &options, &err)
                                : NULL;
    bool whole = mlx_value_size(mlx_value_get(report, "problems")) == 0;
    if (report && whole && !mlx_value_size(mlx_value_get(report, "models")))
        fputs("mlx-cache: no app has a model to adopt; mlx-cache apps lists where they are looked "
              "for\n",
              stderr);
    int status = finish(args, report, &err, cli_view_models);
    return status || whole ? status : MLX_ERR_FAILED;
}

static mlx_cache_link_options_t link_options(const mlx_args_t *args)
{
    return (mlx_cache_link_options_t){.dry_run = has(args, "dry-run"),
                                      .copy = has(args, "copy"),
                                      .as = mlx_args_value(args, "as"),
                                      .store = mlx_args_value(args, "store")};
}

static mlx_value_t *link_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                             mlx_error_t *err)
{
    const mlx_cache_link_options_t options = link_options(args);
    return mlx_cache_link(cache, mlx_args_operand(args, 0), operand, &options, err);
}

/*  Say what the app did not take. An error when there was something to link and none of it could
 *  be. */
static int check_linked(const mlx_value_t *report, mlx_error_t *err)
{
    const mlx_value_t *refused = mlx_value_get(report, "refused");
    int64_t had = 0;
    for (size_t i = 0; i < mlx_value_size(refused); i++) {
        const mlx_value_t *one = mlx_value_at(refused, i);
        mlx_error_t why = {0};
        mlx_error_set(&why, MLX_ERR_FAILED, "%s", mlx_value_str(one, "text"));
        mlx_error_hint(&why, "%s", mlx_value_str(one, "hint"));
        mlx_error_report("mlx-cache", &why);
    }
    mlx_value_int(report, "has", &had);
    if (!mlx_value_size(refused) || mlx_value_size(mlx_value_get(report, "results")) || had)
        return 0;
    return mlx_error_set(err, MLX_ERR_FAILED, "none of the %zu models could be linked to %s",
                         mlx_value_size(refused), mlx_value_str(report, "app"));
}

int cli_link(void *arg, const mlx_args_t *args)
{
    (void)arg;
    if (mlx_args_operands(args) > 1)
        return each_operand(args, 1, link_one, cli_view_plan);
    mlx_error_t err = {0};
    const mlx_cache_link_options_t options = link_options(args);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report =
        cache ? mlx_cache_link_all(cache, mlx_args_operand(args, 0), &options, &err) : NULL;
    if (report && check_linked(report, &err))
        mlx_value_destroy(&report);
    return finish(args, report, &err, cli_view_plan);
}

static mlx_value_t *unlink_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    return mlx_cache_unlink(cache, mlx_args_operand(args, 0), operand, has(args, "dry-run"), err);
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
    cli_tell_bus();
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    mlx_value_t *report =
        cache ? mlx_cache_push(cache, mlx_args_operand(args, 0), mlx_args_operand(args, 1),
                               has(args, "dry-run"), &err)
              : NULL;
    return finish(args, report, &err, cli_view_push);
}

static mlx_value_t *remove_one(mlx_cache_t *cache, const mlx_args_t *args, const char *operand,
                               mlx_error_t *err)
{
    return mlx_cache_remove(cache, operand, has(args, "dry-run"), err);
}

int cli_remove(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return each_operand(args, 0, remove_one, cli_view_plan);
}

/*  What the program chose is only shown until the user agrees, be the output a terminal or not. */
static bool is_agreed(const mlx_args_t *args)
{
    return (has(args, "yes") || has(args, "apply")) && !has(args, "dry-run");
}

static bool has_work(const mlx_value_t *report)
{
    return mlx_value_size(mlx_value_get(report, "steps")) ||
           mlx_value_size(mlx_value_get(report, "models"));
}

static void say_how(const mlx_args_t *args)
{
    if (!is_agreed(args) && !has(args, "dry-run"))
        fprintf(stderr, "mlx-cache: nothing was changed; to do it: mlx-cache %s --yes\n",
                mlx_args_command(args)->name);
}

int cli_clean(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_cache_clean_options_t options = {.dry_run = !is_agreed(args)};
    const char *days = mlx_args_value(args, "older-than");
    if (days) {
        int64_t number;
        if (cli_number(days, 0, 36500, &number, &err))
            return cli_fail(args, &err);
        options.older_s = number ? number * 24 * 3600 : MLX_CACHE_ANY_AGE;
    }
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_clean(cache, &options, &err) : NULL;
    bool work = has_work(report);
    int status = finish(args, report, &err, cli_view_plan);
    if (!status && work)
        say_how(args);
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

int cli_dedup(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    bool apply = is_agreed(args);
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    mlx_value_t *report = cache ? mlx_cache_dedup(cache, apply, &err) : NULL;
    bool failed = apply && nothing_done(mlx_value_get(report, "steps")), work = has_work(report);
    int status = finish(args, report, &err, cli_view_plan);
    if (!status && work)
        say_how(args);
    return status ? status : (failed ? MLX_ERR_FAILED : MLX_OK);
}

int cli_undo(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    const mlx_cache_undo_options_t options = {.dry_run = has(args, "dry-run"),
                                              .forget = has(args, "forget")};
    int64_t id = 0;
    const char *operand = mlx_args_operand(args, 0);
    if (operand && cli_number(operand, 1, INT64_MAX, &id, &err))
        return cli_fail(args, &err);
    if (options.forget && !id) {
        mlx_error_set(&err, MLX_ERR_USAGE, "undo --forget needs the number of an operation");
        mlx_error_hint(&err, "mlx-cache doctor lists those that are set aside");
        return cli_fail(args, &err);
    }
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, true, &err);
    return finish(args, cache ? mlx_cache_undo(cache, id, &options, &err) : NULL, &err,
                  cli_view_plan);
}

int cli_verify(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    const char *model = mlx_args_operand(args, 0);
    bool full = has(args, "full"), repair = has(args, "repair");
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, repair, &err);
    mlx_value_t *report = NULL;
    if (cache)
        report = repair ? mlx_cache_repair(cache, model, full, NULL, &err)
                        : mlx_cache_verify(cache, model, full, &err);
    bool bad = mlx_value_size(mlx_value_get(report, "bad")) > 0;
    int status = finish(args, report, &err, cli_view_verify);
    return status ? status : (bad ? MLX_ERR_FAILED : MLX_OK);
}

/*  0 when it fits, failed when it does not: a script asks before it loads. */
int cli_fits(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    mlx_value_t *report = NULL;
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(args, false, &err);
    bool fits = cache && cli_ask_fits(args, cache, &report, &err) == 0;
    int status = finish(args, report, &err, cli_view_fits);
    return status || fits ? status : MLX_ERR_FAILED;
}
