#include "services/cache/model/tree.h"

#include "common/base/json.h"
#include "services/cache/model/names.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_FILES = 200000
};

#define MAX_FILE_BYTES (1ll << 50)

mlx_tree_t *mlx_tree_new(void)
{
    return mlx_alloc(1, sizeof(mlx_tree_t));
}

void mlx_tree_destroy(mlx_tree_t **self)
{
    mlx_tree_t *tree = *self;
    *self = NULL;
    if (!tree)
        return;
    for (size_t i = 0; i < tree->count; i++)
        free(tree->files[i].file.path);
    free(tree->files);
    free(tree);
}

static mlx_tree_file_t *push(mlx_tree_t *self)
{
    self->files = mlx_grow(self->files, self->count, sizeof *self->files);
    mlx_tree_file_t *file = &self->files[self->count++];
    *file = (mlx_tree_file_t){0};
    return file;
}

static void find_fault(mlx_tree_file_t *file)
{
    mlx_error_t why = {0};
    if (mlx_name_path(file->file.path, &why) || mlx_name_etag(file->file.etag, &why))
        snprintf(file->fault, sizeof file->fault, "%.150s", why.text);
}

static int add_file(mlx_tree_t *self, const mlx_value_t *entry, mlx_error_t *err)
{
    size_t path_len;
    const char *path = mlx_value_as_str(mlx_value_get(entry, "path"), &path_len);
    const mlx_value_t *lfs = mlx_value_get(entry, "lfs");
    const char *etag = mlx_value_str(lfs, "oid");
    bool is_lfs = etag != NULL;
    int64_t size;
    if (!etag)
        etag = mlx_value_str(entry, "oid");
    if (!path || !etag)
        return mlx_error_set(err, MLX_ERR_FAILED, "file list: an entry has no path or oid");
    /* No pattern could tell whether such a file is wanted. */
    if (strlen(path) != path_len)
        return mlx_error_set(err, MLX_ERR_FAILED, "file list: the name \"%.100s\" contains a NUL",
                             path);
    if ((!mlx_value_int(lfs, "size", &size) && !mlx_value_int(entry, "size", &size)) || size < 0 ||
        size > MAX_FILE_BYTES)
        return mlx_error_set(err, MLX_ERR_FAILED, "file list: \"%.100s\" has an impossible size",
                             path);
    if (self->count == MAX_FILES)
        return mlx_error_set(err, MLX_ERR_FAILED, "file list: more than %d files", MAX_FILES);
    mlx_tree_file_t *file = push(self);
    file->file.path = mlx_strdup(path);
    file->file.size = (uint64_t)size;
    snprintf(file->file.etag, sizeof file->file.etag, "%s", etag);
    find_fault(file);
    if (!file->fault[0] && is_lfs && strlen(etag) == MLX_SHA256_HEX)
        memcpy(file->file.sha256, file->file.etag, sizeof file->file.sha256);
    return 0;
}

int mlx_tree_add_page(mlx_tree_t *self, const char *json, size_t len, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *page = mlx_json_parse(json, len, err);
    if (!page)
        return mlx_error_prefix(err, "file list");
    if (mlx_value_type(page) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_FAILED, "file list: not a JSON array");
    for (size_t i = 0; i < mlx_value_size(page); i++) {
        const mlx_value_t *entry = mlx_value_at(page, i);
        const char *type = mlx_value_str(entry, "type");
        if (type && strcmp(type, "file") == 0 && add_file(self, entry, err))
            return -1;
    }
    return 0;
}

bool mlx_tree_has(const mlx_tree_t *self, const char *pattern)
{
    for (size_t i = 0; i < self->count; i++)
        if (mlx_name_match(pattern, self->files[i].file.path))
            return true;
    return false;
}
