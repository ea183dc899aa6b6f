#include "services/cache/store/roots.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    char *asked; /* the path it was asked for by; the root knows the resolved one */
    mlx_root_t *root;
} entry_t;

struct mlx_roots {
    entry_t *entries;
    size_t count;
};

mlx_roots_t *mlx_roots_new(void)
{
    return mlx_alloc(1, sizeof(mlx_roots_t));
}

void mlx_roots_destroy(mlx_roots_t **self)
{
    mlx_roots_t *roots = *self;
    *self = NULL;
    if (!roots)
        return;
    for (size_t i = 0; i < roots->count; i++) {
        free(roots->entries[i].asked);
        mlx_root_destroy(&roots->entries[i].root);
    }
    free(roots->entries);
    free(roots);
}

/*  A folder may be moved away and another put in its place while we run. */
static bool is_current(const entry_t *entry)
{
    struct stat st;
    return stat(entry->asked, &st) == 0 && mlx_root_is(entry->root, &st);
}

mlx_root_t *mlx_roots_get(mlx_roots_t *self, const char *path, mlx_error_t *err)
{
    for (size_t i = 0; i < self->count; i++)
        if (strcmp(self->entries[i].asked, path) == 0 && is_current(&self->entries[i]))
            return self->entries[i].root;
    mlx_root_t *root = mlx_root_open(path, err);
    if (!root)
        return NULL;
    self->entries = mlx_grow(self->entries, self->count, sizeof *self->entries);
    self->entries[self->count++] = (entry_t){.asked = mlx_strdup(path), .root = root};
    return root;
}
