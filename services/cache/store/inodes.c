#include "services/cache/store/inodes.h"

#include "services/cache/store/extents.h"
#include "services/cache/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
    mlx_cache_t *cache;
    mlx_inodes_t *inodes;
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
    self->refs = mlx_grow(self->refs, self->count, sizeof *self->refs);
    mlx_ref_t *ref = &self->refs[self->count++];
    *ref = (mlx_ref_t){0};
    return ref;
}

static int add_blob(void *arg, const char *sha256, const struct stat *st)
{
    mlx_ref_t *ref = push(arg);
    ref->id = mlx_identity_of(st);
    ref->disk_bytes = (uint64_t)st->st_blocks * 512;
    ref->names = (uint64_t)st->st_nlink;
    ref->blob = true;
    snprintf(ref->sha256, sizeof ref->sha256, "%s", sha256);
    return 0;
}

static void add_views(build_t *b)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(b->cache->home, "models");
    const mlx_root_t *root = mlx_roots_get(b->cache->roots, path, NULL);
    mlx_scan_t *views = b->inodes->views = mlx_scan_new();
    if (root)
        mlx_scan_folder(views, "", root, 1);
    for (size_t i = 0; i < views->count; i++) {
        mlx_ref_t *ref = push(b);
        ref->view = views->files[i].path;
        ref->id = views->files[i].id;
        ref->disk_bytes = views->files[i].disk_bytes;
        ref->names = views->files[i].names;
    }
}

static int add_seen(build_t *b, const mlx_seen_t *seen, mlx_error_t *err)
{
    mlx_ref_t *ref = push(b);
    ref->id = seen->id;
    ref->seen = seen;
    ref->disk_bytes = seen->disk_bytes;
    ref->names = seen->names;
    memcpy(ref->sha256, seen->claim, sizeof ref->sha256);
    if (ref->sha256[0] || !seen->shared)
        return 0;
    int known = mlx_registry_get_hash(b->cache->db, &seen->id, ref->sha256, err);
    if (known == 0)
        known = mlx_registry_placed(b->cache->db, &seen->id, ref->sha256, err);
    return known < 0 ? -1 : 0;
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
            group->own_apps |= mlx_app_bit(ref->seen->app);
        else
            group->in_cache = true;
    }
}

/*  The same file of an app, seen twice: by two apps that keep their models in one folder, or by
 *  several models of one app. A link of an app is a place of its own. */
static bool is_same_place(const mlx_seen_t *a, const mlx_seen_t *b)
{
    if (!*a->path || !*b->path)
        return !*a->path && !*b->path && strcmp(a->root, b->root) == 0 &&
               strcmp(a->model, b->model) == 0 && strcmp(a->name, b->name) == 0;
    size_t x = strlen(a->root), y = strlen(b->root);
    if (x == y)
        return strcmp(a->root, b->root) == 0 && strcmp(a->path, b->path) == 0;
    MLX_CLEANUP(mlx_free_p) char *one = mlx_format("%s/%s", a->root, a->path);
    MLX_CLEANUP(mlx_free_p) char *other = mlx_format("%s/%s", b->root, b->path);
    return strcmp(one, other) == 0;
}

static void count_places(mlx_inodes_t *self)
{
    for (size_t g = 0; g < self->group_count; g++) {
        mlx_group_t *group = &self->groups[g];
        const mlx_ref_t *refs = &self->refs[group->first];
        uint64_t known = 0;
        for (size_t i = 0; i < group->count; i++) {
            const mlx_seen_t *seen = refs[i].seen;
            bool again = !seen;
            for (size_t k = 0; !again && k < i; k++)
                again = refs[k].seen && is_same_place(refs[k].seen, seen);
            group->own_places += !again;
            known += !seen || (!again && *seen->path);
        }
        group->outside = refs[0].names > known;
        group->apps = group->own_apps;
        group->places = group->own_places;
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

/* ---- clones ---- */

/*  A name by which the file of a group can be opened; NULL: none. Caller owns *PATH. */
static const mlx_root_t *open_by(mlx_cache_t *cache, const mlx_inodes_t *self,
                                 const mlx_group_t *group, char **path)
{
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const mlx_ref_t *ref = &self->refs[i];
        if (ref->seen && !*ref->seen->path)
            continue;
        *path = ref->seen   ? mlx_strdup(ref->seen->path)
                : ref->blob ? mlx_blob_path(ref->sha256)
                            : mlx_format("models/%s", ref->view);
        return ref->seen ? mlx_roots_get(cache->roots, ref->seen->root, NULL) : cache->home;
    }
    return NULL;
}

static void find_runs(mlx_cache_t *cache, mlx_inodes_t *self)
{
    MLX_CLEANUP(mlx_extents_destroy)
    mlx_extents_t *extents = mlx_extents_new(cache->db, cache->options.now_s());
    for (size_t g = 0; g < self->group_count; g++) {
        mlx_group_t *group = &self->groups[g];
        MLX_CLEANUP(mlx_free_p) char *path = NULL;
        const mlx_identity_t *id = &self->refs[group->first].id;
        if (!group->disk_bytes || !mlx_extents_wanted(extents, id->dev))
            continue;
        const mlx_root_t *root = open_by(cache, self, group, &path);
        if (root)
            mlx_extents_get(extents, root, path, id, &group->runs);
    }
}

typedef struct {
    const mlx_inodes_t *inodes;
    size_t group;
} place_t;

/*  Groups with the same bytes come together, the cache's own first. */
static int compare_places(const void *a, const void *b)
{
    const place_t *x = a, *y = b;
    const mlx_group_t *f = &x->inodes->groups[x->group], *g = &y->inodes->groups[y->group];
    uint64_t dev_f = x->inodes->refs[f->first].id.dev, dev_g = y->inodes->refs[g->first].id.dev;
    if (dev_f != dev_g)
        return dev_f < dev_g ? -1 : 1;
    if (f->runs.count != g->runs.count)
        return f->runs.count < g->runs.count ? -1 : 1;
    int order = memcmp(f->runs.runs, g->runs.runs, f->runs.count * sizeof *f->runs.runs);
    if (order || f->in_cache != g->in_cache)
        return order ? order : g->in_cache - f->in_cache;
    return (x->group > y->group) - (x->group < y->group);
}

/*  What is the same bytes has the same hash, whoever knows it. */
static void follow(mlx_inodes_t *self, size_t group, size_t leader)
{
    mlx_ref_t *ours = &self->refs[self->groups[group].first];
    mlx_ref_t *theirs = &self->refs[self->groups[leader].first];
    mlx_group_t *head = &self->groups[leader];
    self->groups[group].leader = leader;
    head->apps |= self->groups[group].apps;
    head->places += self->groups[group].places;
    head->in_cache |= self->groups[group].in_cache;
    if (!ours->sha256[0] && theirs->sha256[0])
        memcpy(ours->sha256, theirs->sha256, sizeof ours->sha256);
    if (!theirs->sha256[0] && ours->sha256[0])
        memcpy(theirs->sha256, ours->sha256, sizeof theirs->sha256);
}

static void join_clones(mlx_inodes_t *self)
{
    MLX_CLEANUP(mlx_free_p) place_t *order = mlx_alloc(self->group_count + 1, sizeof *order);
    size_t count = 0;
    for (size_t g = 0; g < self->group_count; g++)
        if (self->groups[g].runs.whole && self->groups[g].runs.count)
            order[count++] = (place_t){self, g};
    qsort(order, count, sizeof *order, compare_places);
    for (size_t i = 1; i < count; i++) {
        size_t leader = self->groups[order[i - 1].group].leader;
        const mlx_ref_t *a = &self->refs[self->groups[leader].first];
        const mlx_ref_t *b = &self->refs[self->groups[order[i].group].first];
        if (a->id.dev == b->id.dev && a->id.size == b->id.size &&
            mlx_runs_same(&self->groups[leader].runs, &self->groups[order[i].group].runs))
            follow(self, order[i].group, leader);
    }
}

/*  Copies of what the cache has are not models of their own. */
static void join_content(mlx_inodes_t *self)
{
    for (size_t from = 0, to; from < self->group_count; from = to) {
        const char *sha = mlx_group_sha256(self, &self->groups[self->by_sha256[from]]);
        bool in_cache = false;
        unsigned apps = 0;
        for (to = from; to < self->group_count; to++) {
            const mlx_group_t *group = &self->groups[self->by_sha256[to]];
            if ((to > from && !*sha) || strcmp(mlx_group_sha256(self, group), sha) != 0)
                break;
            in_cache |= self->groups[group->leader].in_cache;
            apps |= self->groups[group->leader].apps;
        }
        for (size_t i = from; i < to; i++) {
            self->groups[self->by_sha256[i]].content_in_cache = in_cache;
            self->groups[self->by_sha256[i]].content_apps = apps;
        }
    }
}

mlx_inodes_t *mlx_inodes_new(mlx_cache_t *cache, const mlx_scan_t *scan, mlx_error_t *err)
{
    mlx_inodes_t *self = mlx_alloc(1, sizeof *self);
    build_t b = {.cache = cache, .inodes = self};
    mlx_cache_store_each(cache->home, add_blob, &b);
    add_views(&b);
    for (size_t i = 0; i < scan->count; i++)
        if (add_seen(&b, &scan->files[i], err)) {
            mlx_inodes_destroy(&self);
            return NULL;
        }
    make_groups(self);
    count_places(self);
    find_runs(cache, self);
    join_clones(self);
    order_by_sha256(self);
    join_content(self);
    mlx_inodes_sum(self);
    return self;
}

void mlx_inodes_destroy(mlx_inodes_t **self)
{
    if (*self) {
        for (size_t g = 0; g < (*self)->group_count; g++)
            mlx_runs_clear(&(*self)->groups[g].runs);
        mlx_scan_destroy(&(*self)->views);
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
