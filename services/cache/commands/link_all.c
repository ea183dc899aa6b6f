/*  Every model of the cache into one app. */
#include "services/cache/commands/internal.h"

#include <string.h>

/*  Does the app have the very bytes of this model of a status, under whatever name. */
static bool app_has(const mlx_value_t *model, const char *app)
{
    const mlx_value_t *uses = mlx_value_get(model, "used_by");
    for (size_t i = 0; i < mlx_value_size(uses); i++)
        if (strcmp(mlx_value_str(mlx_value_at(uses, i), "app"), app) == 0)
            return true;
    return false;
}

static void add_refused(mlx_value_t *list, const char *name, const mlx_error_t *why)
{
    mlx_value_t *one = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(one, "model", name);
    mlx_value_set_str(one, "text", why->text);
    mlx_value_set_str(one, "hint", why->hint);
}

mlx_value_t *mlx_cache_link_all(mlx_cache_t *self, const char *app,
                                const mlx_cache_link_options_t *options, mlx_error_t *err)
{
    if (!mlx_adapter_find(app, err) || mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(self, err);
    if (!status)
        return NULL;
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    mlx_value_t *refused = mlx_value_set(report, "refused", mlx_value_list());
    mlx_value_set_str(report, "app", app);
    mlx_value_set_bool(report, "dry_run", options && options->dry_run);
    const mlx_value_t *models = mlx_value_get(status, "models");
    int64_t has = 0;
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const mlx_value_t *model = mlx_value_at(models, i);
        const char *name = mlx_value_str(model, "name");
        bool cached = false;
        mlx_error_t why = {0};
        if (!mlx_value_bool(model, "cached", &cached) || !cached || !name)
            continue;
        if (!(options && options->store) && app_has(model, app)) {
            has++;
            continue;
        }
        mlx_value_t *result = mlx_cache_link(self, app, name, options, &why);
        if (result)
            mlx_value_append(results, result);
        else
            add_refused(refused, name, &why);
    }
    mlx_value_set_int(report, "has", has);
    return report;
}
