/*  What there is, who uses it, and what sharing saves: counted by inode and by shared blocks. */
#include "services/cache/store/inodes.h"

#include "services/cache/commands/report.h"
#include "services/cache/model/header.h"
#include "services/cache/store/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    mlx_cache_t *cache;
    mlx_inodes_t *inodes;
    mlx_value_t *rows;
    mlx_value_t *problems;
    int64_t duplicates_avoided;
    bool *counted; /* leaders whose copies are in duplicates_avoided already */
} report_t;

static const mlx_group_t *leader_of(const mlx_inodes_t *inodes, const mlx_group_t *group)
{
    return &inodes->groups[group->leader];
}

/*  How an app has the bytes of the cache's blob GROUP. */
static const char *method_of(const mlx_inodes_t *inodes, const mlx_group_t *group, unsigned app)
{
    for (size_t i = group->first; i < group->first + group->count; i++)
        if (inodes->refs[i].seen && mlx_app_bit(inodes->refs[i].seen->app) == app)
            return inodes->refs[i].seen->by_symlink ? "symlink" : "hardlink";
    return leader_of(inodes, group)->apps & app ? "clone" : "copy";
}

static void set_used_by(mlx_value_t *row, const mlx_inodes_t *inodes, const mlx_group_t *group,
                        unsigned apps)
{
    mlx_value_t *list = mlx_value_set(row, "used_by", mlx_value_list());
    for (size_t i = 0; mlx_adapters[i]; i++) {
        if (!(apps & 1u << i))
            continue;
        mlx_value_t *use = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(use, "app", mlx_adapters[i]->name);
        if (group)
            mlx_value_set_str(use, "method", method_of(inodes, group, 1u << i));
    }
}

/*  Two models may be the same file under two names: the copies that it saves are counted once. */
static void count_avoided(report_t *r, const mlx_group_t *most)
{
    if (!most || most->places < 2 || r->counted[most->leader])
        return;
    r->counted[most->leader] = true;
    r->duplicates_avoided += (int64_t)most->places - 1;
}

/*  Is the blob known to have other bytes than its name says. */
static bool is_damaged(const report_t *r, const char *sha256)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    char hex[MLX_HEX_MAX];
    struct stat st;
    if (mlx_fs_stat(r->cache->home, path, &st, NULL) <= 0)
        return false;
    mlx_identity_t id = mlx_identity_of(&st);
    return mlx_registry_get_hash(r->cache->db, &id, hex, NULL) > 0 && strcmp(hex, sha256) != 0;
}

static void note_damage(report_t *r, mlx_value_t *row, const mlx_model_t *model)
{
    int64_t count = 0;
    for (size_t i = 0; i < model->count; i++) {
        if (!is_damaged(r, model->files[i].sha256))
            continue;
        count++;
        mlx_value_t *problem = mlx_value_append(r->problems, mlx_value_map());
        MLX_CLEANUP(mlx_free_p)
        char *text = mlx_format("%s of %s is damaged", model->files[i].path, model->name);
        MLX_CLEANUP(mlx_free_p)
        char *hint = mlx_format("mlx-cache verify --repair %s", model->name);
        MLX_CLEANUP(mlx_free_p)
        char *path = mlx_format("%s/models/%s/%s", mlx_root_path(r->cache->home), model->view,
                                model->files[i].path);
        mlx_value_set_str(problem, "app", "cache");
        mlx_value_set_str(problem, "path", path);
        mlx_value_set_str(problem, "text", text);
        mlx_value_set_str(problem, "hint", hint);
    }
    if (count)
        mlx_value_set_int(row, "damaged_files", count);
}

/*  The group of a file of a cached model, or NULL when its blob is missing. */
static const mlx_group_t *blob_group(const report_t *r, const char *sha256)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(sha256);
    struct stat st;
    if (mlx_fs_stat(r->cache->home, path, &st, NULL) <= 0)
        return NULL;
    mlx_identity_t id = mlx_identity_of(&st);
    size_t g = mlx_inodes_find(r->inodes, &id);
    return g == SIZE_MAX ? NULL : &r->inodes->groups[g];
}

static bool used_by_one_model(const report_t *r, const char *sha256)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(r->cache->db, NULL, "SELECT count(DISTINCT model) FROM files WHERE sha256 = ?",
                     "s", sha256);
    return mlx_stmt_step(q, NULL) > 0 && mlx_stmt_int(q, 0) == 1;
}

/*  Two files of a model may be the same bytes: they are freed once. */
static bool is_counted(const mlx_group_t **counted, size_t *count, const mlx_group_t *leader)
{
    for (size_t i = 0; i < *count; i++)
        if (counted[i] == leader)
            return true;
    counted[(*count)++] = leader;
    return false;
}

static void add_cached_row(report_t *r, const mlx_model_t *model)
{
    mlx_value_t *row = mlx_value_append(r->rows, mlx_value_map());
    uint64_t disk = 0, frees = 0;
    int64_t missing = 0;
    unsigned apps = 0;
    const mlx_group_t *weights = NULL, *most = NULL;
    size_t counts = 0;
    MLX_CLEANUP(mlx_free_p)
    const mlx_group_t **counted = mlx_alloc(model->count + 1, sizeof *counted);
    for (size_t i = 0; i < model->count; i++) {
        const mlx_model_file_t *file = &model->files[i];
        const mlx_group_t *group = blob_group(r, file->sha256);
        if (!group) {
            missing++;
            continue;
        }
        const mlx_group_t *leader = leader_of(r->inodes, group);
        disk += group->disk_bytes;
        if (used_by_one_model(r, file->sha256) && !is_counted(counted, &counts, leader))
            frees += leader->cache_only;
        if (!mlx_file_is_weights(file->path))
            continue;
        weights = weights ? weights : group;
        apps |= group->content_apps;
        if (!most || leader->places > most->places)
            most = leader;
    }
    count_avoided(r, most);
    mlx_value_set_str(row, "name", model->name);
    mlx_value_set_str(row, "source", model->source);
    mlx_value_set_str(row, "view", model->view);
    mlx_value_set_bool(row, "cached", true);
    mlx_value_set_int(row, "size", (int64_t)mlx_model_size(model));
    mlx_value_set_int(row, "disk", (int64_t)disk);
    mlx_value_set_int(row, "frees", (int64_t)frees);
    mlx_value_set_int(row, "added_at", model->added_at);
    if (missing)
        mlx_value_set_int(row, "missing_files", missing);
    note_damage(r, row, model);
    set_used_by(row, r->inodes, weights, apps);
    mlx_volumes_add_users(r->cache, model, mlx_value_get(row, "used_by"));
}

static int add_cached(report_t *r, mlx_error_t *err)
{
    size_t count;
    mlx_error_t why = {0};
    mlx_model_t *models = mlx_registry_models(r->cache->db, &count, &why);
    for (size_t i = 0; i < count; i++)
        add_cached_row(r, &models[i]);
    mlx_models_free(&models, count);
    if (why.code && err)
        *err = why;
    return why.code ? -1 : 0;
}

/* ---- what only the apps have ---- */

typedef struct {
    const char *model;
    size_t group;
    uint64_t size;
    unsigned app;
    bool weights;
} use_t;

static int compare_uses(const void *a, const void *b)
{
    const use_t *x = a, *y = b;
    int order = strcmp(x->model, y->model);
    if (order)
        return order;
    return (x->group > y->group) - (x->group < y->group);
}

static size_t collect_uses(const report_t *r, use_t *uses)
{
    size_t count = 0;
    const mlx_inodes_t *inodes = r->inodes;
    for (size_t g = 0; g < inodes->group_count; g++) {
        const mlx_group_t *group = &inodes->groups[g];
        if (leader_of(inodes, group)->in_cache || group->content_in_cache)
            continue;
        for (size_t i = group->first; i < group->first + group->count; i++) {
            const mlx_seen_t *seen = inodes->refs[i].seen;
            uses[count++] = (use_t){.model = seen->model,
                                    .group = group->leader,
                                    .size = seen->id.size,
                                    .app = mlx_app_bit(seen->app),
                                    .weights = seen->weights};
        }
    }
    qsort(uses, count, sizeof *uses, compare_uses);
    return count;
}

/*  An app's own files of a model: two apps with a copy each do not make it twice as large. */
static uint64_t size_in_app(const use_t *uses, size_t count, unsigned app)
{
    uint64_t sum = 0;
    const use_t *last = NULL;
    for (size_t i = 0; i < count; i++) {
        if (uses[i].app != app || (last && last->group == uses[i].group))
            continue;
        sum += uses[i].size;
        last = &uses[i];
    }
    return sum;
}

static void add_app_row(report_t *r, const use_t *uses, size_t count)
{
    uint64_t size = 0, disk = 0;
    unsigned apps = 0;
    const mlx_group_t *most = NULL;
    bool weights = false;
    for (size_t i = 0; i < count; i++) {
        apps |= uses[i].app;
        weights |= uses[i].weights;
        if (i && uses[i].group == uses[i - 1].group)
            continue;
        const mlx_group_t *group = &r->inodes->groups[uses[i].group];
        disk += group->disk_bytes;
        if (uses[i].weights && (!most || group->places > most->places))
            most = group;
    }
    for (size_t i = 0; mlx_adapters[i]; i++) {
        uint64_t one = size_in_app(uses, count, 1u << i);
        size = one > size ? one : size;
    }
    if (!weights)
        return;
    count_avoided(r, most);
    mlx_value_t *row = mlx_value_append(r->rows, mlx_value_map());
    mlx_value_set_str(row, "name", uses[0].model);
    mlx_value_set_bool(row, "cached", false);
    mlx_value_set_int(row, "size", (int64_t)size);
    mlx_value_set_int(row, "disk", (int64_t)disk);
    set_used_by(row, r->inodes, NULL, apps);
}

static void add_uncached(report_t *r)
{
    MLX_CLEANUP(mlx_free_p) use_t *uses = mlx_alloc(r->inodes->count + 1, sizeof *uses);
    size_t count = collect_uses(r, uses);
    for (size_t from = 0; from < count;) {
        size_t to = from + 1;
        while (to < count && strcmp(uses[to].model, uses[from].model) == 0)
            to++;
        add_app_row(r, uses + from, to - from);
        from = to;
    }
}

/* ---- sums ---- */

/*  Bytes held twice or more in one file system though their content is the same. */
static uint64_t duplicate_bytes(const mlx_inodes_t *inodes)
{
    uint64_t sum = 0;
    const mlx_group_t *kept = NULL;
    for (size_t i = 0; i < inodes->group_count; i++) {
        const mlx_group_t *group = &inodes->groups[inodes->by_sha256[i]];
        const mlx_ref_t *ref = &inodes->refs[group->first];
        if (!ref->sha256[0] || group->leader != inodes->by_sha256[i])
            continue;
        const mlx_ref_t *other = kept ? &inodes->refs[kept->first] : NULL;
        if (other && strcmp(other->sha256, ref->sha256) == 0 && other->id.dev == ref->id.dev)
            sum += group->exclusive;
        else
            kept = group;
    }
    return sum;
}

typedef struct {
    uint64_t dev, size, disk_bytes;
    bool known; /* its hash */
} weights_t;

static int compare_weights(const void *a, const void *b)
{
    const weights_t *x = a, *y = b;
    if (x->dev != y->dev)
        return x->dev < y->dev ? -1 : 1;
    if (x->size != y->size)
        return x->size < y->size ? -1 : 1;
    return y->known - x->known;
}

static size_t collect_weights(const mlx_inodes_t *inodes, weights_t *all)
{
    size_t count = 0;
    for (size_t g = 0; g < inodes->group_count; g++) {
        const mlx_group_t *group = &inodes->groups[g];
        const mlx_ref_t *ref = &inodes->refs[group->first];
        if (group->leader == g && ref->id.size > 0 && (ref->seen ? ref->seen->shared : ref->blob))
            all[count++] = (weights_t){.dev = ref->id.dev,
                                       .size = ref->id.size,
                                       .disk_bytes = group->disk_bytes,
                                       .known = ref->sha256[0] != 0};
    }
    qsort(all, count, sizeof *all, compare_weights);
    return count;
}

/*  Bytes of weights that nobody has hashed yet and that are as long, to the byte, as others of that
 *  file system: most likely held twice, which dedup finds out. */
static uint64_t lookalike_bytes(const mlx_inodes_t *inodes)
{
    MLX_CLEANUP(mlx_free_p) weights_t *all = mlx_alloc(inodes->group_count + 1, sizeof *all);
    size_t count = collect_weights(inodes, all);
    uint64_t sum = 0;
    for (size_t i = 1; i < count; i++)
        if (!all[i].known && all[i].dev == all[i - 1].dev && all[i].size == all[i - 1].size)
            sum += all[i].disk_bytes;
    return sum;
}

static void add_sums(const report_t *r, mlx_value_t *report)
{
    mlx_value_set_int(report, "total", (int64_t)r->inodes->total);
    mlx_value_set_int(report, "saved", (int64_t)r->inodes->saved);
    mlx_value_set_int(report, "duplicates_avoided", r->duplicates_avoided);
    mlx_value_set_int(report, "duplicate_bytes", (int64_t)duplicate_bytes(r->inodes));
    mlx_value_set_int(report, "lookalike_bytes", (int64_t)lookalike_bytes(r->inodes));
}

static void add_problems(const mlx_scan_t *scan, mlx_value_t *report)
{
    mlx_value_t *list = mlx_value_get(report, "problems");
    for (size_t i = 0; i < scan->problem_count; i++) {
        mlx_value_t *problem = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(problem, "app", scan->problems[i].app);
        mlx_value_set_str(problem, "path", scan->problems[i].path);
        mlx_value_set_str(problem, "text", scan->problems[i].text);
    }
}

/*  A clone that is written to in its place takes blocks of its own, and no folder shows it. */
static void watch_clones(const mlx_inodes_t *inodes, mlx_scan_t *scan)
{
    for (size_t g = 0; g < inodes->group_count; g++) {
        const mlx_group_t *group = &inodes->groups[g];
        const mlx_ref_t *ref = &inodes->refs[group->first];
        if (!group->runs.count || !ref->seen || !ref->seen->shared || !*ref->seen->path ||
            group->exclusive == group->disk_bytes)
            continue;
        mlx_scan_watch_file(scan, &ref->id, mlx_format("%s/%s", ref->seen->root, ref->seen->path));
    }
}

static mlx_value_t *make_report(mlx_cache_t *self, mlx_scan_t *scan, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_inodes_destroy) mlx_inodes_t *inodes = mlx_inodes_new(self, scan, err);
    if (!inodes)
        return NULL;
    MLX_CLEANUP(mlx_free_p) bool *counted = mlx_alloc(inodes->group_count + 1, sizeof *counted);
    mlx_value_t *report = mlx_value_map();
    report_t r = {.cache = self,
                  .inodes = inodes,
                  .rows = mlx_value_set(report, "models", mlx_value_list()),
                  .problems = mlx_value_set(report, "problems", mlx_value_list()),
                  .counted = counted};
    if (add_cached(&r, err)) {
        mlx_value_destroy(&report);
        return NULL;
    }
    add_uncached(&r);
    add_sums(&r, report);
    add_problems(scan, report);
    watch_clones(inodes, scan);
    mlx_volumes_list(self, mlx_value_get(report, "problems"));
    mlx_cache_list_aside(self, mlx_value_get(report, "problems"));
    return report;
}

mlx_value_t *mlx_cache_refresh(mlx_cache_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *basis = mlx_report_basis(self);
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    mlx_value_t *report = scan ? make_report(self, scan, err) : NULL;
    if (report)
        mlx_report_keep(self, basis, scan, report);
    return report;
}

mlx_value_t *mlx_cache_status(mlx_cache_t *self, mlx_error_t *err)
{
    mlx_value_t *kept = mlx_report_recall(self);
    return kept ? kept : mlx_cache_refresh(self, err);
}
