/*  The commands that only look, in the worker. */
#include "cli.h"

#include "common/base/paths.h"

#include <string.h>
#include <unistd.h>

static mlx_cache_t *open_cache(const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *home = cli_home(args, err);
    const mlx_cache_options_t options = {
        .home = home, .env = {.get = cli_variable}, .now_s = cli_seconds};
    return home ? mlx_cache_open(&options, err) : NULL;
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
