/*  Where a model lies: the stores that have it, with the paths of its files. */
#include "services/cache/model/header.h"
#include "services/cache/store/inodes.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MODELS_MAX = 20, /* that a part of a name may mean */
    FILES_MAX = 64   /* told one by one of each place */
};

typedef struct {
    mlx_cache_t *cache;
    const mlx_inodes_t *inodes;
    const mlx_seen_t **seen; /* of all stores, those of one tree together */
    size_t count;
} where_t;

/*  Is the model of ROW called NAME by anyone; with PART also where NAME is a part of what it is
 *  called. */
static bool is_called(const mlx_value_t *row, const char *name, bool part)
{
    const mlx_value_t *names = mlx_value_get(row, "names");
    const char *own = mlx_value_str(row, "name");
    bool found = part ? strcasestr(own, name) != NULL : strcasecmp(own, name) == 0;
    for (size_t i = 0; i < mlx_value_size(names) && !found; i++) {
        const char *other = mlx_value_as_str(mlx_value_at(names, i), NULL);
        found = part ? strcasestr(other, name) != NULL : strcasecmp(other, name) == 0;
    }
    return found;
}

/* ---- files ---- */

static int compare_seen(const void *a, const void *b)
{
    const mlx_seen_t *const *x = a, *const *y = b;
    int order = mlx_seen_compare_trees(*x, *y);
    return order ? order : strcmp((*x)->name, (*y)->name);
}

static void add_file(mlx_value_t *place, const char *name, const char *path, uint64_t size)
{
    mlx_value_t *files = mlx_value_get(place, "files");
    int64_t count = 0, sum = 0;
    mlx_value_int(place, "files_count", &count);
    mlx_value_int(place, "size", &sum);
    mlx_value_set_int(place, "files_count", count + 1);
    mlx_value_set_int(place, "size", sum + (int64_t)size);
    if (mlx_value_size(files) >= FILES_MAX)
        return;
    mlx_value_t *file = mlx_value_append(files, mlx_value_map());
    mlx_value_set_str(file, "name", name);
    mlx_value_set_int(file, "size", (int64_t)size);
    mlx_value_set_str(file, "path", path);
}

static mlx_value_t *add_place(mlx_value_t *row, const char *app, const char *store,
                              const char *model)
{
    mlx_value_t *places = mlx_value_get(row, "places");
    mlx_value_t *place = mlx_value_append(places, mlx_value_map());
    mlx_value_set_str(place, "app", app);
    mlx_value_set_str(place, "store", store);
    mlx_value_set_str(place, "name", model);
    mlx_value_set_bool(place, "complete", true);
    mlx_value_set(place, "files", mlx_value_list());
    return place;
}

/*  The cache's own view of MODEL. */
static void add_view(const where_t *w, const mlx_model_t *model, mlx_value_t *row)
{
    MLX_CLEANUP(mlx_free_p)
    char *view = mlx_format("%s/models/%s", mlx_root_path(w->cache->home), model->view);
    mlx_value_t *place = add_place(row, "mlx-cache", view, model->name);
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", view, model->files[i].path);
        add_file(place, model->files[i].path, path, model->files[i].size);
    }
    bool complete = true;
    mlx_value_bool(row, "complete", &complete);
    mlx_value_set_bool(place, "complete",
                       complete && !mlx_value_get(row, "missing_files") &&
                           !mlx_value_get(row, "damaged_files"));
}

/* ---- what the apps have ---- */

static bool has_hash(const mlx_model_t *model, const char *sha256)
{
    for (size_t i = 0; model && *sha256 && i < model->count; i++)
        if (strcmp(model->files[i].sha256, sha256) == 0)
            return true;
    return false;
}

/*  Is SEEN weights of the model of ROW: by the name that its app has for it, or, whatever the app
 *  calls it, by its bytes. */
static bool is_of(const where_t *w, const mlx_seen_t *seen, const mlx_value_t *row,
                  const mlx_model_t *model)
{
    if (!seen->weights)
        return false;
    MLX_CLEANUP(mlx_free_p) char *local = mlx_format("local/%s", seen->model);
    if (is_called(row, seen->model, false) || (model && strcmp(model->name, local) == 0))
        return true;
    size_t group = mlx_inodes_find(w->inodes, &seen->id);
    return group != SIZE_MAX &&
           has_hash(model, mlx_group_sha256(w->inodes, &w->inodes->groups[group]));
}

static void add_tree(const where_t *w, size_t from, size_t to, mlx_value_t *row)
{
    const mlx_seen_t *first = w->seen[from];
    mlx_value_t *place = add_place(row, first->app, first->root, first->model);
    for (size_t i = from; i < to; i++) {
        const mlx_seen_t *seen = w->seen[i];
        MLX_CLEANUP(mlx_free_p)
        char *path = *seen->path ? mlx_format("%s/%s", seen->root, seen->path) : NULL;
        add_file(place, seen->name, path, seen->id.size);
        if (seen->incomplete)
            mlx_value_set_bool(place, "complete", false);
    }
}

static void add_places(const where_t *w, mlx_value_t *row)
{
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model = mlx_registry_get_model(w->cache->db, mlx_value_str(row, "name"), NULL);
    mlx_value_set(row, "places", mlx_value_list());
    if (model)
        add_view(w, model, row);
    for (size_t from = 0, to; from < w->count; from = to) {
        bool found = false;
        for (to = from; to < w->count && mlx_seen_compare_trees(w->seen[from], w->seen[to]) == 0;
             to++)
            found = found || is_of(w, w->seen[to], row, model);
        if (found)
            add_tree(w, from, to, row);
    }
}

static void add_all_places(mlx_cache_t *self, const mlx_scan_t *scan, const mlx_inodes_t *inodes,
                           mlx_value_t *rows)
{
    MLX_CLEANUP(mlx_free_p)
    const mlx_seen_t **seen = mlx_alloc(scan->count + 1, sizeof *seen);
    for (size_t i = 0; i < scan->count; i++)
        seen[i] = &scan->files[i];
    qsort(seen, scan->count, sizeof *seen, compare_seen);
    const where_t w = {.cache = self, .inodes = inodes, .seen = seen, .count = scan->count};
    for (size_t i = 0; i < mlx_value_size(rows); i++)
        add_places(&w, mlx_value_at(rows, i));
}

/* ---- the answer ---- */

static void add_row(mlx_value_t *rows, const mlx_value_t *row)
{
    static const char *const kept[] = {"name",          "names",        "source",  "cached",
                                       "size",          "disk",         "used_by", "complete",
                                       "missing_files", "damaged_files"};
    mlx_value_t *copy = mlx_value_append(rows, mlx_value_map());
    mlx_value_set_bool(copy, "complete", true);
    for (size_t i = 0; i < MLX_COUNT(kept); i++)
        if (mlx_value_get(row, kept[i]))
            mlx_value_set(copy, kept[i], mlx_value_copy(mlx_value_get(row, kept[i])));
    if (mlx_value_get(copy, "missing_files") || mlx_value_get(copy, "damaged_files"))
        mlx_value_set_bool(copy, "complete", false);
}

/*  Models with that very name, else those whose name has it as a part. */
static void choose(const mlx_value_t *status, const char *name, mlx_value_t *rows)
{
    const mlx_value_t *all = mlx_value_get(status, "models");
    for (int part = 0; part < 2 && !mlx_value_size(rows); part++)
        for (size_t i = 0; i < mlx_value_size(all) && mlx_value_size(rows) < MODELS_MAX; i++)
            if (is_called(mlx_value_at(all, i), name, part))
                add_row(rows, mlx_value_at(all, i));
}

mlx_value_t *mlx_cache_where(mlx_cache_t *self, const char *name, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(self, err);
    if (!status)
        return NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *rows = mlx_value_list();
    choose(status, name, rows);
    if (!mlx_value_size(rows)) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "no store of this machine has a model named %.200s",
                      name);
        mlx_error_hint(err, "mlx-cache status lists all that there are");
        return NULL;
    }
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    if (scan)
        mlx_cache_find_gaps(self, scan);
    MLX_CLEANUP(mlx_inodes_destroy)
    mlx_inodes_t *inodes = scan ? mlx_inodes_new(self, scan, err) : NULL;
    if (!inodes)
        return NULL;
    add_all_places(self, scan, inodes, rows);
    mlx_value_t *report = mlx_value_map();
    mlx_value_set(report, "models", rows);
    rows = NULL;
    return report;
}
