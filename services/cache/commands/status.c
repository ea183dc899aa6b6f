/*  What there is, who uses it, and what sharing saves: counted by inode and by shared blocks. */
#include "services/cache/commands/dedup.h"
#include "services/cache/commands/recall.h"
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
    if (mlx_cache_need_whole(r->cache, model, NULL))
        mlx_value_set_bool(row, "complete", false);
    note_damage(r, row, model);
    mlx_cache_add_notes(r->cache, model->name, row);
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
    const mlx_seen_t *seen;
    size_t group;   /* its leader */
    size_t content; /* the first group of its hash, else its leader: the same for the same bytes */
    uint64_t key;   /* of its model: what its weights are; 0: not known yet */
} use_t;

static int compare_uses(const void *a, const void *b)
{
    const use_t *x = a, *y = b;
    if (x->key != y->key)
        return x->key < y->key ? -1 : 1;
    int order = mlx_seen_compare_trees(x->seen, y->seen);
    return order ? order : (x->group > y->group) - (x->group < y->group);
}

/*  Groups in order of their hash: the first of each is its content. */
static size_t *list_contents(const mlx_inodes_t *inodes)
{
    size_t *content = mlx_alloc(inodes->group_count + 1, sizeof *content);
    size_t first = 0;
    for (size_t i = 0; i < inodes->group_count; i++) {
        size_t g = inodes->by_sha256[i];
        const char *sha = mlx_group_sha256(inodes, &inodes->groups[g]);
        if (i == 0 || !*sha ||
            strcmp(sha, mlx_group_sha256(inodes, &inodes->groups[inodes->by_sha256[first]])) != 0)
            first = i;
        content[g] = *sha ? inodes->by_sha256[first] : inodes->groups[g].leader;
    }
    return content;
}

static size_t collect_uses(const report_t *r, use_t *uses)
{
    size_t count = 0;
    const mlx_inodes_t *inodes = r->inodes;
    MLX_CLEANUP(mlx_free_p) size_t *content = list_contents(inodes);
    for (size_t g = 0; g < inodes->group_count; g++) {
        const mlx_group_t *group = &inodes->groups[g];
        if (leader_of(inodes, group)->in_cache || group->content_in_cache)
            continue;
        for (size_t i = group->first; i < group->first + group->count; i++)
            uses[count++] = (use_t){
                .seen = inodes->refs[i].seen, .group = group->leader, .content = content[g]};
    }
    qsort(uses, count, sizeof *uses, compare_uses);
    return count;
}

static uint64_t mix(uint64_t x)
{
    x = (x + 1) * 0x9e3779b97f4a7c15u;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
    return x ^ (x >> 29);
}

/*  Models whose weights are the same bytes are one, with all its users. MARKS: one for each group.
 */
static void join_names(use_t *uses, size_t count, size_t *marks)
{
    for (size_t from = 0, to; from < count; from = to) {
        uint64_t key = 0;
        for (to = from; to < count && strcmp(uses[to].seen->model, uses[from].seen->model) == 0;
             to++) {
            if (!uses[to].seen->weights || marks[uses[to].content] == from + 1)
                continue;
            marks[uses[to].content] = from + 1;
            key += mix(uses[to].content);
        }
        for (size_t i = from; i < to; i++)
            uses[i].key = key;
    }
    qsort(uses, count, sizeof *uses, compare_uses);
}

/*  The largest tree: another app, another folder of the same app or an older revision does not make
 *  a model larger. */
static uint64_t largest_tree(const use_t *uses, size_t count)
{
    uint64_t largest = 0, size = 0;
    for (size_t i = 0; i < count; i++) {
        bool same = i && mlx_seen_compare_trees(uses[i - 1].seen, uses[i].seen) == 0;
        size = same ? size : 0;
        if (!same || uses[i - 1].group != uses[i].group)
            size += uses[i].seen->id.size;
        largest = size > largest ? size : largest;
    }
    return largest;
}

static void set_names(mlx_value_t *row, const use_t *uses, size_t count)
{
    mlx_value_set_str(row, "name", uses[0].seen->model);
    if (strcmp(uses[0].seen->model, uses[count - 1].seen->model) == 0)
        return;
    mlx_value_t *names = mlx_value_set(row, "names", mlx_value_list());
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(uses[i - 1].seen->model, uses[i].seen->model) != 0)
            mlx_value_append(names, mlx_value_new_str(uses[i].seen->model));
}

/*  MARK: of this row, in MARKS. */
static void add_app_row(report_t *r, const use_t *uses, size_t count, size_t *marks, size_t mark)
{
    uint64_t disk = 0;
    unsigned apps = 0;
    const mlx_group_t *most = NULL;
    bool incomplete = true;
    for (size_t i = 0; i < count; i++) {
        const mlx_group_t *group = &r->inodes->groups[uses[i].group];
        incomplete = incomplete && uses[i].seen->incomplete;
        apps |= mlx_app_bit(uses[i].seen->app);
        if (marks[uses[i].group] != mark)
            disk += group->disk_bytes;
        marks[uses[i].group] = mark;
        if (uses[i].seen->weights && (!most || group->places > most->places))
            most = group;
    }
    if (!most)
        return;
    count_avoided(r, most);
    mlx_value_t *row = mlx_value_append(r->rows, mlx_value_map());
    set_names(row, uses, count);
    mlx_value_set_bool(row, "cached", false);
    mlx_value_set_int(row, "size", (int64_t)largest_tree(uses, count));
    mlx_value_set_int(row, "disk", (int64_t)disk);
    if (incomplete)
        mlx_value_set_bool(row, "complete", false);
    set_used_by(row, r->inodes, NULL, apps);
}

/*  The row of the cached model that an app calls MODEL, or NULL. */
static mlx_value_t *cached_row(const report_t *r, const char *model)
{
    MLX_CLEANUP(mlx_free_p) char *local = mlx_format("local/%s", model);
    for (size_t i = 0; i < mlx_value_size(r->rows); i++) {
        mlx_value_t *row = mlx_value_at(r->rows, i);
        const char *name = mlx_value_str(row, "name");
        bool cached = false;
        mlx_value_bool(row, "cached", &cached);
        if (cached && (strcmp(name, model) == 0 || strcmp(name, local) == 0))
            return row;
    }
    return NULL;
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/*  Nobody has hashed it, it is as long as the file of MODEL with its name, and it is not what this
 *  cache placed there and somebody wrote to since. */
static bool is_lookalike(const report_t *r, const mlx_model_t *model, const use_t *use)
{
    const mlx_seen_t *seen = use->seen;
    if (*mlx_group_sha256(r->inodes, &r->inodes->groups[use->group]) ||
        mlx_registry_was_placed(r->cache->db, &seen->id))
        return false;
    for (size_t i = 0; i < model->count; i++)
        if (model->files[i].size == seen->id.size &&
            strcmp(last_part(model->files[i].path), last_part(seen->name)) == 0)
            return true;
    return false;
}

/*  Copies that an app keeps of a cached model under its name are in the model's row: as a user of
 *  it, or, where they are something else, in "differs_in". */
static bool join_cached(report_t *r, const use_t *uses, size_t count)
{
    mlx_value_t *row = cached_row(r, uses[0].seen->model);
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model =
        row ? mlx_registry_get_model(r->cache->db, mlx_value_str(row, "name"), NULL) : NULL;
    unsigned like = 0, unlike = 0;
    for (size_t i = 0; model && i < count; i++)
        if (uses[i].seen->weights)
            *(is_lookalike(r, model, &uses[i]) ? &like : &unlike) |= mlx_app_bit(uses[i].seen->app);
    if (!(like | unlike))
        return false;
    for (size_t i = 0; mlx_adapters[i]; i++) {
        if (!((like | unlike) & 1u << i))
            continue;
        const char *key = unlike & 1u << i ? "differs_in" : "used_by";
        mlx_value_t *list = mlx_value_get(row, key);
        if (!list)
            list = mlx_value_set(row, key, mlx_value_list());
        mlx_value_t *use = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(use, "app", mlx_adapters[i]->name);
        if (!(unlike & 1u << i))
            mlx_value_set_str(use, "method", "copy");
    }
    return true;
}

static bool is_one_row(const use_t *a, const use_t *b)
{
    return a->key == b->key && (a->key || strcmp(a->seen->model, b->seen->model) == 0);
}

static void add_uncached(report_t *r)
{
    size_t groups = r->inodes->group_count + 1;
    MLX_CLEANUP(mlx_free_p) use_t *uses = mlx_alloc(r->inodes->count + 1, sizeof *uses);
    MLX_CLEANUP(mlx_free_p) size_t *marks = mlx_alloc(groups, sizeof *marks);
    size_t count = collect_uses(r, uses);
    join_names(uses, count, marks);
    memset(marks, 0, groups * sizeof *marks);
    for (size_t from = 0, to; from < count; from = to) {
        for (to = from + 1; to < count && is_one_row(&uses[from], &uses[to]); to++)
            ;
        if (!join_cached(r, uses + from, to - from))
            add_app_row(r, uses + from, to - from, marks, from + 1);
    }
}

/* ---- sums ---- */

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
    mlx_value_set_int(report, "duplicate_bytes",
                      (int64_t)mlx_dedup_plan(r->cache, r->inodes, NULL));
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
    mlx_cache_list_others(self, scan, report);
    watch_clones(inodes, scan);
    mlx_volumes_list(self, mlx_value_get(report, "problems"));
    mlx_cache_list_aside(self, mlx_value_get(report, "problems"));
    return report;
}

mlx_value_t *mlx_cache_refresh(mlx_cache_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *basis = mlx_report_basis(self);
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    if (scan)
        mlx_cache_find_gaps(self, scan);
    mlx_value_t *report = scan ? make_report(self, scan, err) : NULL;
    if (report)
        mlx_report_keep(self, basis, scan, report);
    return report;
}

mlx_value_t *mlx_cache_status(mlx_cache_t *self, mlx_error_t *err)
{
    mlx_value_t *kept = mlx_recall_status(self->db, &self->options.env);
    return kept ? kept : mlx_cache_refresh(self, err);
}
