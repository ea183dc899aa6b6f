/*  Getting again what went bad. Apart from verify.c: who only looks needs no network. */
#include "services/cache/commands/internal.h"

#include "services/cache/store/store.h"

#include <string.h>

static int set_bad_aside(mlx_cache_t *self, const mlx_value_t *bad, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(bad); i++) {
        const char *sha256 = mlx_value_str(mlx_value_at(bad, i), "sha256");
        mlx_blob_t blob =
            mlx_cache_store_check(&self->engine, self->home, sha256, MLX_BLOB_ANY, err);
        if (blob == MLX_BLOB_FAILED ||
            (blob == MLX_BLOB_DAMAGED &&
             mlx_cache_store_set_aside(&self->engine, self->home, sha256, err)))
            return -1;
    }
    return 0;
}

static bool is_repeated(const mlx_value_t *bad, size_t index, const char *model)
{
    for (size_t i = 0; i < index; i++) {
        const char *other = mlx_value_str(mlx_value_at(bad, i), "model");
        if (other && strcmp(other, model) == 0)
            return true;
    }
    return false;
}

/*  One that cannot be obtained again does not keep the others from repair. */
static int bring_again(mlx_cache_t *self, const mlx_value_t *bad,
                       const mlx_cache_transfer_t *transfer, mlx_value_t *repaired,
                       mlx_value_t *problems, mlx_error_t *err)
{
    for (size_t i = 0; i < mlx_value_size(bad); i++) {
        const char *name = mlx_value_str(mlx_value_at(bad, i), "model");
        mlx_error_t why = {0};
        if (!name || is_repeated(bad, i, name))
            continue;
        MLX_CLEANUP(mlx_model_destroy)
        mlx_model_t *model = mlx_registry_get_model(self->db, name, &why);
        if (model && mlx_cache_bring_model(self, model, transfer, repaired, &why) == 0)
            continue;
        if (why.code == MLX_ERR_INTERRUPTED || why.code == MLX_ERR_BUSY) {
            if (err)
                *err = why;
            return -1;
        }
        mlx_value_t *problem = mlx_value_append(problems, mlx_value_map());
        mlx_value_set_str(problem, "app", "cache");
        mlx_value_set_str(problem, "path", name);
        mlx_value_set_str(problem, "text", why.text);
        mlx_value_set_str(problem, "hint", why.hint);
    }
    return 0;
}

mlx_value_t *mlx_cache_repair(mlx_cache_t *self, const char *name, bool full,
                              const mlx_cache_transfer_t *transfer, mlx_error_t *err)
{
    static const mlx_cache_transfer_t defaults;
    transfer = transfer ? transfer : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *before = mlx_cache_verify(self, name, full, err);
    const mlx_value_t *bad = mlx_value_get(before, "bad");
    if (!before || !mlx_value_size(bad)) {
        mlx_value_t *report = before;
        before = NULL;
        return report;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *repaired = mlx_value_list();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *problems = mlx_value_list();
    if (set_bad_aside(self, bad, err) || bring_again(self, bad, transfer, repaired, problems, err))
        return NULL;
    mlx_value_t *report = mlx_cache_verify(self, name, false, err);
    if (!report)
        return NULL;
    mlx_value_set(report, "found", mlx_value_copy(bad));
    mlx_value_set(report, "repaired", mlx_value_copy(repaired));
    mlx_value_set(report, "problems", mlx_value_copy(problems));
    return report;
}
