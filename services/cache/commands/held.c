/*  What is held on the disk, and what would be freed: as the file system counts it. */
#include "services/cache/store/inodes.h"

#include "services/cache/apps/adapter.h"

#include <stdlib.h>
#include <string.h>

bool mlx_cache_can_clone(mlx_cache_t *self)
{
    static const char probe[] = "tmp/probe", twin[] = "tmp/probe.clone";
    static const mlx_fs_t fs = {0};
    char bytes[4096] = {1};
    if (self->clones || self->lock < 0)
        return self->clones > 0;
    mlx_fs_unlink(&fs, self->home, probe, NULL, NULL);
    mlx_fs_unlink(&fs, self->home, twin, NULL, NULL);
    bool can = mlx_fs_write_file(&fs, self->home, probe, bytes, sizeof bytes, 0600, NULL) == 0 &&
               mlx_fs_clone(&fs, self->home, probe, self->home, twin, NULL) == 0;
    mlx_fs_unlink(&fs, self->home, probe, NULL, NULL);
    mlx_fs_unlink(&fs, self->home, twin, NULL, NULL);
    self->clones = can ? 1 : -1;
    return can;
}

int mlx_cache_held(mlx_cache_t *self, uint64_t *bytes, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    MLX_CLEANUP(mlx_inodes_destroy)
    mlx_inodes_t *inodes = scan ? mlx_inodes_new(self, scan, err) : NULL;
    *bytes = inodes ? mlx_inodes_freeable(inodes) : 0;
    return inodes ? 0 : -1;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/*  Is every name of a group among the COUNT sorted PATHS of the home. */
static bool goes(const mlx_inodes_t *inodes, const mlx_group_t *group, char *const *paths,
                 size_t count)
{
    if (group->outside)
        return false;
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const mlx_ref_t *ref = &inodes->refs[i];
        if (ref->seen)
            return false;
        MLX_CLEANUP(mlx_free_p)
        char *path = ref->view ? mlx_format("models/%s", ref->view) : mlx_blob_path(ref->sha256);
        if (!count || !bsearch(&path, paths, count, sizeof *paths, compare_paths))
            return false;
    }
    return true;
}

static char **list_paths(const mlx_cache_plan_t *plan, mlx_model_t *const *models,
                         size_t model_count, size_t *count)
{
    size_t capacity = plan->count + 1;
    for (size_t m = 0; m < model_count; m++)
        capacity += models[m]->count;
    char **paths = mlx_alloc(capacity, sizeof *paths);
    *count = 0;
    for (size_t i = 0; i < plan->count; i++)
        paths[(*count)++] = mlx_strdup(plan->steps[i].path);
    for (size_t m = 0; m < model_count; m++)
        for (size_t i = 0; i < models[m]->count; i++)
            paths[(*count)++] =
                mlx_format("models/%s/%s", models[m]->view, models[m]->files[i].path);
    qsort(paths, *count, sizeof *paths, compare_paths);
    return paths;
}

int mlx_cache_would_free(mlx_cache_t *self, const mlx_cache_plan_t *plan,
                         mlx_model_t *const *models, size_t model_count, uint64_t *bytes,
                         mlx_error_t *err)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    MLX_CLEANUP(mlx_inodes_destroy)
    mlx_inodes_t *inodes = scan ? mlx_inodes_new(self, scan, err) : NULL;
    if (!inodes)
        return -1;
    size_t count;
    char **paths = list_paths(plan, models, model_count, &count);
    MLX_CLEANUP(mlx_free_p) bool *gone = mlx_alloc(inodes->group_count + 1, sizeof *gone);
    for (size_t g = 0; g < inodes->group_count; g++)
        gone[g] = goes(inodes, &inodes->groups[g], paths, count);
    *bytes = inodes->total - mlx_inodes_without(inodes, gone);
    for (size_t i = 0; i < count; i++)
        free(paths[i]);
    free(paths);
    return 0;
}
