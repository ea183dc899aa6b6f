/*  Models that lack files which they name themselves: found in the apps and in the cache. */
#include "services/cache/commands/internal.h"

#include "services/cache/content/onnx.h"
#include "services/cache/model/complete.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TEXT_MAX = 16 * 1024 * 1024
};

static char *read_text(const mlx_root_t *root, const char *path, size_t *len)
{
    MLX_CLEANUP(mlx_close_p) int fd = root ? mlx_fs_open(root, path, NULL) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0 || st.st_size > TEXT_MAX)
        return NULL;
    char *text = mlx_alloc((size_t)st.st_size + 1, 1);
    ssize_t got = pread(fd, text, (size_t)st.st_size, 0);
    *len = got > 0 ? (size_t)got : 0;
    return text;
}

typedef struct {
    const char *name;
    void (*fn)(void *to, const char *path);
    void *to;
} data_t;

static void on_location(void *arg, const char *location)
{
    const data_t *data = arg;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_onnx_data_path(data->name, location);
    if (path)
        data->fn(data->to, path);
}

/*  The files in which the graph NAME, which lies at PATH, keeps tensors. */
static void tell_data(const mlx_root_t *root, const char *path, data_t data)
{
    MLX_CLEANUP(mlx_close_p) int fd = root ? mlx_fs_open(root, path, NULL) : -1;
    struct stat st;
    if (fd < 0 || fstat(fd, &st) != 0)
        return;
    const mlx_source_t source = mlx_source_fd(fd, (uint64_t)st.st_size);
    mlx_onnx_walk(&source, &(mlx_onnx_visitor_t){.location = on_location, .arg = &data});
}

/* ---- in the apps ---- */

typedef struct {
    mlx_cache_t *cache;
    const mlx_seen_t **files; /* of one model, as one app has it */
    size_t count;
} tree_t;

static int compare_seen(const void *a, const void *b)
{
    const mlx_seen_t *x = *(const mlx_seen_t *const *)a, *y = *(const mlx_seen_t *const *)b;
    int order = strcmp(x->app, y->app);
    order = order ? order : strcmp(x->root, y->root);
    order = order ? order : strcmp(x->model, y->model);
    return order ? order : strcmp(x->revision, y->revision);
}

static char *read_seen(void *arg, const char *name, size_t *len)
{
    const tree_t *tree = arg;
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->files[i]->name, name) == 0 && *tree->files[i]->path)
            return read_text(mlx_roots_get(tree->cache->roots, tree->files[i]->root, NULL),
                             tree->files[i]->path, len);
    return NULL;
}

static void data_of_seen(void *arg, const char *name, void (*fn)(void *to, const char *path),
                         void *to)
{
    const tree_t *tree = arg;
    for (size_t i = 0; i < tree->count; i++)
        if (strcmp(tree->files[i]->name, name) == 0 && *tree->files[i]->path)
            tell_data(mlx_roots_get(tree->cache->roots, tree->files[i]->root, NULL),
                      tree->files[i]->path, (data_t){.name = name, .fn = fn, .to = to});
}

/*  An older revision may be anything: nobody is given it. */
static bool is_current(const tree_t *tree, const mlx_root_t *root)
{
    const mlx_seen_t *head = tree->files[0];
    MLX_CLEANUP(mlx_free_p)
    char *commit = *head->revision ? mlx_hf_current(root, head->model) : NULL;
    return !commit || strcmp(commit, head->revision) == 0;
}

static bool check_tree(tree_t *tree, mlx_missing_t *missing)
{
    const mlx_seen_t *head = tree->files[0];
    const mlx_root_t *root = mlx_roots_get(tree->cache->roots, head->root, NULL);
    if (!root || strcmp(head->app, "ollama") == 0 || !is_current(tree, root))
        return false;
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(tree->count, sizeof *names);
    for (size_t i = 0; i < tree->count; i++)
        names[i] = tree->files[i]->name;
    MLX_CLEANUP(mlx_free_p)
    char *path = *head->revision ? mlx_hf_listing(head->model, head->revision) : NULL;
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *listing = path ? read_text(root, path, &len) : NULL;
    return mlx_complete_check(&(mlx_file_set_t){.names = names,
                                                .count = tree->count,
                                                .read = read_seen,
                                                .each_data = data_of_seen,
                                                .arg = tree,
                                                .listing = listing,
                                                .listing_len = len},
                              missing);
}

void mlx_cache_find_gaps(mlx_cache_t *self, mlx_scan_t *scan)
{
    MLX_CLEANUP(mlx_free_p)
    const mlx_seen_t **order = mlx_alloc(scan->count + 1, sizeof *order);
    for (size_t i = 0; i < scan->count; i++)
        order[i] = &scan->files[i];
    qsort(order, scan->count, sizeof *order, compare_seen);
    for (size_t from = 0, to; from < scan->count; from = to) {
        for (to = from + 1; to < scan->count && !compare_seen(&order[from], &order[to]); to++)
            ;
        tree_t tree = {.cache = self, .files = order + from, .count = to - from};
        mlx_missing_t missing;
        if (!check_tree(&tree, &missing))
            continue;
        for (size_t i = from; i < to; i++)
            scan->files[order[i] - scan->files].incomplete = true;
        mlx_scan_problem(scan, order[from]->app, order[from]->model, "is incomplete: %s",
                         missing.text);
    }
}

/* ---- in the cache, and on the way there ---- */

typedef struct {
    const mlx_cache_t *cache;
    const mlx_model_t *model;
} cached_t;

static char *read_cached(void *arg, const char *name, size_t *len)
{
    const cached_t *c = arg;
    for (size_t i = 0; i < c->model->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(c->model->files[i].sha256);
        if (strcmp(c->model->files[i].path, name) == 0)
            return read_text(c->cache->home, blob, len);
    }
    return NULL;
}

static void data_of_cached(void *arg, const char *name, void (*fn)(void *to, const char *path),
                           void *to)
{
    const cached_t *c = arg;
    for (size_t i = 0; i < c->model->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *blob = mlx_blob_path(c->model->files[i].sha256);
        if (strcmp(c->model->files[i].path, name) == 0)
            tell_data(c->cache->home, blob, (data_t){.name = name, .fn = fn, .to = to});
    }
}

static int say_incomplete(const char *model, const mlx_missing_t *missing, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_FAILED, "%.100s is incomplete: %s", model, missing->text);
    return mlx_error_hint(err, "mlx-cache add %.100s fetches what is missing from its source",
                          model);
}

int mlx_cache_need_whole(mlx_cache_t *self, const mlx_model_t *model, mlx_error_t *err)
{
    cached_t c = {.cache = self, .model = model};
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(model->count + 1, sizeof *names);
    for (size_t i = 0; i < model->count; i++)
        names[i] = model->files[i].path;
    mlx_missing_t missing;
    return strcmp(model->source, "ollama") != 0 &&
                   mlx_complete_check(&(mlx_file_set_t){.names = names,
                                                        .count = model->count,
                                                        .read = read_cached,
                                                        .each_data = data_of_cached,
                                                        .arg = &c},
                                      &missing)
               ? say_incomplete(model->name, &missing, err)
               : 0;
}

int mlx_cache_need_whole_files(mlx_cache_t *self, const char *model, const mlx_seen_t *files,
                               const size_t *chosen, size_t count, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const mlx_seen_t **order = mlx_alloc(count + 1, sizeof *order);
    for (size_t i = 0; i < count; i++)
        order[i] = &files[chosen[i]];
    tree_t tree = {.cache = self, .files = order, .count = count};
    mlx_missing_t missing;
    return count && check_tree(&tree, &missing) ? say_incomplete(model, &missing, err) : 0;
}
