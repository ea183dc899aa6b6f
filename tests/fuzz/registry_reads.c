#include "tests/fuzz/registry_reads.h"

#include "proto/buf.h"
#include "services/cache/commands/recall.h"
#include "services/cache/commands/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_ONLY = 30 /* an errno */
};

static const char *no_variable(void *arg, const char *name)
{
    (void)arg;
    (void)name;
    return NULL;
}

static int64_t a_moment(void)
{
    return 1764061200;
}

/*  No change is made to the disk, and none may be asked for outside of a root. */
static int refuse_changes(void *arg, const char *operation, const char *path)
{
    (void)arg;
    if (strcmp(operation, "commit") == 0)
        return 0;
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("%s/", path);
    if (path[0] != '/' || strstr(whole, "/../"))
        mlx_panic("%s of \"%s\"", operation, path);
    return READ_ONLY;
}

mlx_cache_t mlx_reading_cache(mlx_db_t *db)
{
    mlx_roots_t *roots = mlx_roots_new();
    return (mlx_cache_t){
        .lock = -1,
        .db = db,
        .roots = roots,
        .options = {.env = {.get = no_variable}, .now_s = a_moment},
        .engine = {.fs = {.gate = refuse_changes}, .db = db, .roots = roots, .now_s = a_moment}};
}

static void check_path(const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_format("/%s/", path);
    if (path[0] == '/' || strstr(whole, "//") || strstr(whole, "/../") || strstr(whole, "/./"))
        mlx_panic("accepted \"%s\"", path);
}

static void check_model(const mlx_model_t *model)
{
    check_path(model->view);
    for (size_t i = 0; i < model->count; i++)
        check_path(model->files[i].path);
    mlx_value_t *value = mlx_cache_model_value(model);
    mlx_value_destroy(&value);
}

void mlx_read_models(mlx_cache_t *cache)
{
    size_t count;
    char hex[MLX_HEX_MAX];
    mlx_model_t *models = mlx_registry_models(cache->db, &count, NULL);
    for (size_t i = 0; i < count; i++) {
        check_model(&models[i]);
        for (size_t k = 0; k < models[i].count && k < 2; k++)
            mlx_registry_by_etag(cache->db, models[i].files[k].etag, hex, NULL);
    }
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *one = mlx_registry_get_model(cache->db, count ? models[0].name : "m", NULL);
    if (one)
        check_model(one);
    mlx_models_free(&models, count);
}

void mlx_read_hashes(mlx_cache_t *cache)
{
    char hex[MLX_HEX_MAX] = "";
    const mlx_identity_t id = {.dev = 1, .ino = 2, .size = 3, .mtime_ns = 4, .ctime_ns = 5};
    if (mlx_registry_get_hash(cache->db, &id, hex, NULL) > 0 && !mlx_is_hex(hex, MLX_SHA256_HEX))
        mlx_panic("\"%s\" is no hash", hex);
}

static void check_plan(const mlx_cache_plan_t *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        check_path(step->path);
        if (step->source_root)
            check_path(step->source);
        MLX_CLEANUP(mlx_free_p) char *temporary = mlx_cache_step_temporary(plan->id, i, step);
        check_path(temporary);
    }
    mlx_value_t *value = mlx_cache_plan_value(plan);
    mlx_value_destroy(&value);
}

void mlx_read_journal(mlx_cache_t *cache)
{
    size_t count;
    MLX_CLEANUP(mlx_free_p)
    int64_t *ids = mlx_journal_find(cache->db, "done", NULL, NULL, NULL, &count, NULL);
    for (size_t i = 0; ids && i < count && i < 4; i++) {
        MLX_CLEANUP(mlx_cache_plan_destroy)
        mlx_cache_plan_t *plan = mlx_journal_load(cache->db, ids[i], NULL);
        if (plan)
            check_plan(plan);
    }
    mlx_engine_recover(&cache->engine, NULL, NULL);
    mlx_roots_destroy(&cache->roots);
    cache->roots = cache->engine.roots = mlx_roots_new();
}

void mlx_read_report(mlx_cache_t *cache)
{
    size_t count;
    mlx_value_t *report = mlx_recall_status(cache->db, &cache->options.env);
    mlx_value_destroy(&report);
    char **paths = mlx_cache_watched(cache, &count);
    while (count)
        free(paths[--count]);
    free(paths);
}
