#include "common/cache/inodes.h"

#include "common/cache/fsys.h"
#include "common/cache/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    mlx_cache_t *cache;
    mlx_inodes_t *inodes;
    size_t capacity;
} build_t;

unsigned mlx_app_bit(const char *app)
{
    for (size_t i = 0; mlx_adapters[i]; i++)
        if (strcmp(mlx_adapters[i]->name, app) == 0)
            return 1u << i;
    return 0;
}

static mlx_ref_t *push(build_t *b)
{
    mlx_inodes_t *self = b->inodes;
    if (self->count == b->capacity) {
        b->capacity = b->capacity ? b->capacity * 2 : 256;
        self->refs = mlx_realloc(self->refs, b->capacity, sizeof *self->refs);
    }
    mlx_ref_t *ref = &self->refs[self->count++];
    *ref = (mlx_ref_t){0};
    return ref;
}

static int add_blob(void *arg, const char *sha256, const struct stat *st)
{
    mlx_ref_t *ref = push(arg);
    ref->id = mlx_identity_of(st);
    ref->disk_bytes = (uint64_t)st->st_blocks * 512;
    ref->blob = true;
    snprintf(ref->sha256, sizeof ref->sha256, "%s", sha256);
    return 0;
}

static void add_views(build_t *b)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(b->cache->home, "models");
    const mlx_root_t *root = mlx_roots_get(b->cache->roots, path, NULL);
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *views = mlx_scan_new();
    if (root)
        mlx_scan_folder(views, "", root, 1);
    for (size_t i = 0; i < views->count; i++) {
        mlx_ref_t *ref = push(b);
        ref->id = views->files[i].id;
        ref->disk_bytes = views->files[i].disk_bytes;
    }
}

static int add_seen(build_t *b, const mlx_seen_t *seen, mlx_error_t *err)
{
    mlx_ref_t *ref = push(b);
    ref->id = seen->id;
    ref->seen = seen;
    ref->disk_bytes = seen->disk_bytes;
    memcpy(ref->sha256, seen->claim, sizeof ref->sha256);
    if (!ref->sha256[0] && seen->weights)
        return mlx_registry_get_hash(b->cache->db, &seen->id, ref->sha256, err) < 0 ? -1 : 0;
    return 0;
}

static int compare_ids(const mlx_identity_t *a, const mlx_identity_t *b)
{
    if (a->dev != b->dev)
        return a->dev < b->dev ? -1 : 1;
    return (a->ino > b->ino) - (a->ino < b->ino);
}

/*  Within an inode the cache's blob comes first: its hash was verified. */
static int compare_refs(const void *a, const void *b)
{
    const mlx_ref_t *x = a, *y = b;
    int order = compare_ids(&x->id, &y->id);
    if (order)
        return order;
    if (x->blob != y->blob)
        return x->blob ? -1 : 1;
    return strcmp(y->sha256, x->sha256); /* one with a hash before one without */
}

static void make_groups(mlx_inodes_t *self)
{
    if (self->count)
        qsort(self->refs, self->count, sizeof *self->refs, compare_refs);
    self->groups = mlx_alloc(self->count + 1, sizeof *self->groups);
    for (size_t i = 0; i < self->count; i++) {
        const mlx_ref_t *ref = &self->refs[i];
        if (i == 0 || compare_ids(&self->refs[i - 1].id, &ref->id) != 0) {
            self->groups[self->group_count] = (mlx_group_t){
                .first = i, .disk_bytes = ref->disk_bytes, .leader = self->group_count};
            self->group_count++;
        }
        mlx_group_t *group = &self->groups[self->group_count - 1];
        group->count++;
        if (ref->seen)
            group->apps |= mlx_app_bit(ref->seen->app);
        else
            group->in_cache = true;
    }
}

const char *mlx_group_sha256(const mlx_inodes_t *self, const mlx_group_t *group)
{
    return self->refs[group->first].sha256;
}

typedef struct {
    const char *sha256;
    size_t group;
} by_sha_t;

static int compare_shas(const void *a, const void *b)
{
    const by_sha_t *x = a, *y = b;
    int order = strcmp(x->sha256, y->sha256);
    return order ? order : (x->group > y->group) - (x->group < y->group);
}

static void order_by_sha256(mlx_inodes_t *self)
{
    MLX_CLEANUP(mlx_free_p) by_sha_t *order = mlx_alloc(self->group_count + 1, sizeof *order);
    self->by_sha256 = mlx_alloc(self->group_count + 1, sizeof *self->by_sha256);
    for (size_t g = 0; g < self->group_count; g++)
        order[g] = (by_sha_t){mlx_group_sha256(self, &self->groups[g]), g};
    qsort(order, self->group_count, sizeof *order, compare_shas);
    for (size_t i = 0; i < self->group_count; i++)
        self->by_sha256[i] = order[i].group;
}

/*  Where on the disk a group's bytes begin, if they are shared with another file; 0 else. */
static uint64_t shared_extent(mlx_cache_t *cache, const mlx_inodes_t *self,
                              const mlx_group_t *group)
{
    const mlx_ref_t *ref = &self->refs[group->first];
    MLX_CLEANUP(mlx_free_p)
    char *path =
        ref->seen ? mlx_strdup(ref->seen->path) : (ref->blob ? mlx_blob_path(ref->sha256) : NULL);
    const mlx_root_t *root =
        ref->seen ? mlx_roots_get(cache->roots, ref->seen->root, NULL) : cache->home;
    if (!root || !path || !*path)
        return 0;
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(root, path, NULL);
    uint64_t bytes = 0, extent = 0;
    if (fd < 0 || mlx_fsys_shared(fd, &bytes, &extent) != 0 || bytes == 0)
        return 0;
    return extent;
}

static void follow(mlx_inodes_t *self, size_t group, size_t leader)
{
    self->groups[group].leader = leader;
    self->groups[leader].apps |= self->groups[group].apps;
    self->groups[leader].in_cache |= self->groups[group].in_cache;
}

/*  Groups of equal content, from..to of by_sha256: those whose blocks are the same follow the
 * first. */
static void join_clones(mlx_cache_t *cache, mlx_inodes_t *self, size_t from, size_t to)
{
    MLX_CLEANUP(mlx_free_p) uint64_t *extents = mlx_alloc(to - from, sizeof *extents);
    for (size_t i = from; i < to; i++) {
        size_t g = self->by_sha256[i];
        extents[i - from] = shared_extent(cache, self, &self->groups[g]);
        for (size_t k = from; extents[i - from] && k < i; k++)
            if (extents[k - from] == extents[i - from] &&
                self->groups[self->by_sha256[k]].leader == self->by_sha256[k]) {
                follow(self, g, self->by_sha256[k]);
                break;
            }
    }
}

static void find_clones(mlx_cache_t *cache, mlx_inodes_t *self)
{
    for (size_t from = 0; from < self->group_count;) {
        const char *sha = mlx_group_sha256(self, &self->groups[self->by_sha256[from]]);
        size_t to = from + 1;
        while (to < self->group_count &&
               strcmp(mlx_group_sha256(self, &self->groups[self->by_sha256[to]]), sha) == 0)
            to++;
        if (*sha && to - from > 1)
            join_clones(cache, self, from, to);
        from = to;
    }
}

mlx_inodes_t *mlx_inodes_new(mlx_cache_t *cache, const mlx_scan_t *scan, mlx_error_t *err)
{
    mlx_inodes_t *self = mlx_alloc(1, sizeof *self);
    build_t b = {.cache = cache, .inodes = self};
    mlx_store_each(cache->home, add_blob, &b);
    add_views(&b);
    for (size_t i = 0; i < scan->count; i++)
        if (add_seen(&b, &scan->files[i], err)) {
            mlx_inodes_destroy(&self);
            return NULL;
        }
    make_groups(self);
    order_by_sha256(self);
    find_clones(cache, self);
    return self;
}

void mlx_inodes_destroy(mlx_inodes_t **self)
{
    if (*self) {
        free((*self)->refs);
        free((*self)->groups);
        free((*self)->by_sha256);
    }
    free(*self);
    *self = NULL;
}

size_t mlx_inodes_find(const mlx_inodes_t *self, const mlx_identity_t *id)
{
    size_t low = 0, high = self->group_count;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        int order = compare_ids(&self->refs[self->groups[mid].first].id, id);
        if (order == 0)
            return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return SIZE_MAX;
}
