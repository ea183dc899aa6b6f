#include "services/cache/model/complete.h"

#include "common/base/json.h"
#include "proto/buf.h"
#include "proto/json.h"
#include "services/cache/model/names.h"
#include "services/cache/model/tree.h"
#include "services/cache/model/weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SHARDS_MAX = 10000,
    SHARD_TAIL = 15 /* "-00001-of-00002" */
};

typedef struct {
    const mlx_file_set_t *set;
    mlx_missing_t *missing;
} check_t;

static bool has(const check_t *c, const char *name)
{
    for (size_t i = 0; i < c->set->count; i++)
        if (strcmp(c->set->names[i], name) == 0)
            return true;
    return false;
}

static void note(const check_t *c, const char *name)
{
    if (c->missing->count++ == 0)
        snprintf(c->missing->text, sizeof c->missing->text, "%.150s is missing", name);
}

static size_t folder_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/*  Other weights than those of NAME's index in its folder. */
static bool has_others(const check_t *c, const char *name)
{
    size_t len = folder_length(name);
    for (size_t i = 0; i < c->set->count; i++)
        if (mlx_weights_format(c->set->names[i]) != MLX_WEIGHTS_NONE &&
            folder_length(c->set->names[i]) == len && strncmp(c->set->names[i], name, len) == 0)
            return true;
    return false;
}

/* ---- the index of sharded weights ---- */

/*  The index names a shard once for each tensor, mostly one after the other. */
static bool listed_before(const mlx_value_t *map, size_t index)
{
    const char *shard = mlx_value_as_str(mlx_value_at(map, index), NULL);
    const char *before = index ? mlx_value_as_str(mlx_value_at(map, index - 1), NULL) : NULL;
    return shard && before && strcmp(before, shard) == 0;
}

/*  Its missing shards into WITHOUT, each once; those that exist are counted in FOUND. */
static void list_shards(const check_t *c, const char *index, const mlx_value_t *map,
                        mlx_value_t *without, size_t *found)
{
    *found = 0;
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const char *shard = mlx_value_as_str(mlx_value_at(map, i), NULL);
        if (!shard || !*shard || listed_before(map, i) || strchr(shard, '\n'))
            continue;
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%.*s%.512s", (int)folder_length(index), index, shard);
        if (has(c, path))
            (*found)++;
        else if (!mlx_value_get(without, path) && mlx_value_size(without) < SHARDS_MAX)
            mlx_value_set(without, path, mlx_value_new_str(""));
    }
}

static void check_index(const check_t *c, const char *index)
{
    static const char tail[] = ".index.json";
    size_t len = strlen(index), end = sizeof tail - 1;
    if (len <= end || strcmp(index + len - end, tail) != 0)
        return;
    MLX_CLEANUP(mlx_free_p) char *whole = mlx_strndup(index, len - end);
    if (mlx_weights_format(whole) == MLX_WEIGHTS_NONE || has(c, whole))
        return;
    size_t size = 0, found;
    MLX_CLEANUP(mlx_free_p)
    char *text = c->set->read ? c->set->read(c->set->arg, index, &size) : NULL;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *json = text ? mlx_json_parse(text, size, NULL) : NULL;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *without = mlx_value_map();
    list_shards(c, index, mlx_value_get(json, "weight_map"), without, &found);
    /* An index alone, beside weights in another form, is of those that nobody wanted. */
    if (!found && has_others(c, index))
        return;
    for (size_t i = 0; i < mlx_value_size(without); i++)
        note(c, mlx_value_key(without, i));
}

/* ---- x-00001-of-00002 ---- */

/*  Where the numbers begin; NULL: it is not a shard. */
static const char *shard_numbers(const char *name, unsigned *total)
{
    const char *dot = strrchr(name, '.');
    unsigned number;
    int end = 0;
    if (!dot || dot - name < SHARD_TAIL)
        return NULL;
    const char *at = dot - SHARD_TAIL;
    if (sscanf(at, "-%5u-of-%5u%n", &number, total, &end) != 2 || end != SHARD_TAIL || number < 1 ||
        number > *total || *total > SHARDS_MAX)
        return NULL;
    return at;
}

/*  The first of its shards that is there speaks for all. */
static bool speaks(const check_t *c, size_t index, const char *at, unsigned total)
{
    const char *name = c->set->names[index];
    size_t len = (size_t)(at - name);
    for (size_t i = 0; i < index; i++) {
        unsigned other;
        const char *there = shard_numbers(c->set->names[i], &other);
        if (there && other == total && (size_t)(there - c->set->names[i]) == len &&
            strncmp(c->set->names[i], name, len) == 0 &&
            strcmp(there + SHARD_TAIL, at + SHARD_TAIL) == 0)
            return false;
    }
    return true;
}

static void check_shards(const check_t *c, size_t index)
{
    const char *name = c->set->names[index];
    unsigned total;
    const char *at =
        mlx_weights_format(name) == MLX_WEIGHTS_NONE ? NULL : shard_numbers(name, &total);
    if (!at || !speaks(c, index, at, total))
        return;
    MLX_CLEANUP(mlx_free_p)
    char *whole = mlx_format("%.*s%s", (int)(at - name), name, at + SHARD_TAIL);
    for (unsigned i = 1; i <= total && !has(c, whole); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *shard =
            mlx_format("%.*s-%05u-of-%05u%s", (int)(at - name), name, i, total, at + SHARD_TAIL);
        if (!has(c, shard))
            note(c, shard);
    }
}

/* ---- the hub client's listing ---- */

/*  As the hub's own pages have it, so that one code chooses what belongs to a model. */
static mlx_tree_t *listed_tree(const mlx_value_t *files)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *page = mlx_value_list();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    for (size_t i = 0; i < mlx_value_size(files); i++) {
        const mlx_value_t *file = mlx_value_at(files, i);
        int64_t size = 0;
        mlx_value_int(file, "size", &size);
        mlx_value_t *one = mlx_value_append(page, mlx_value_map());
        mlx_value_set_str(one, "type", "file");
        mlx_value_set_str(one, "path", mlx_value_key(files, i));
        mlx_value_set_int(one, "size", size);
        mlx_value_set_str(one, "oid", "0000000000000000000000000000000000000000");
    }
    mlx_json_write(&json, page, false);
    mlx_tree_t *tree = mlx_tree_new();
    if (mlx_tree_add_page(tree, mlx_buf_str(&json), json.len, NULL) ||
        mlx_tree_select_model(tree, NULL))
        mlx_tree_destroy(&tree);
    return tree;
}

/*  What the model needs by the listing, in the format of the weights that are here. Files of GGUF
 *  are models of their own: one of many lacks nothing. */
static void check_listing(const check_t *c)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *json = mlx_json_parse(c->set->listing, c->set->listing_len, NULL);
    mlx_tree_t *tree = listed_tree(mlx_value_get(json, "files"));
    unsigned formats = 0;
    for (size_t i = 0; i < c->set->count; i++)
        formats |= 1u << mlx_weights_format(c->set->names[i]);
    for (size_t i = 0; tree && !(formats & 1u << MLX_WEIGHTS_GGUF) && i < tree->count; i++) {
        const mlx_tree_file_t *file = &tree->files[i];
        mlx_weights_t format = mlx_weights_format(file->file.path);
        if (file->selected && format != MLX_WEIGHTS_NONE && (formats & 1u << format) &&
            !has(c, file->file.path))
            note(c, file->file.path);
    }
    mlx_tree_destroy(&tree);
}

/* ---- data files of a graph ---- */

typedef struct {
    const check_t *check;
    char last[200]; /* noted: a graph names a file once for each tensor */
} data_t;

static void on_data(void *to, const char *path)
{
    data_t *data = to;
    if (has(data->check, path) || strncmp(data->last, path, sizeof data->last - 1) == 0)
        return;
    note(data->check, path);
    snprintf(data->last, sizeof data->last, "%s", path);
}

static void check_data(const check_t *c, const char *name)
{
    data_t data = {.check = c};
    if (c->set->each_data && mlx_name_match("*.onnx", name))
        c->set->each_data(c->set->arg, name, on_data, &data);
}

bool mlx_complete_check(const mlx_file_set_t *set, mlx_missing_t *missing)
{
    *missing = (mlx_missing_t){0};
    const check_t c = {.set = set, .missing = missing};
    for (size_t i = 0; i < set->count; i++)
        check_index(&c, set->names[i]);
    for (size_t i = 0; !missing->count && i < set->count; i++)
        check_shards(&c, i);
    for (size_t i = 0; !missing->count && i < set->count; i++)
        check_data(&c, set->names[i]);
    if (!missing->count && set->listing)
        check_listing(&c);
    if (missing->count > 1)
        snprintf(missing->text + strlen(missing->text) - strlen("is missing"),
                 sizeof missing->text - strlen(missing->text) + strlen("is missing"),
                 "and %zu more are missing", missing->count - 1);
    return missing->count > 0;
}
