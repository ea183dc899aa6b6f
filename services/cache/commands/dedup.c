/*  Freeing space: one file for all that have the same bytes. */
#include "services/cache/commands/dedup.h"

#include "services/cache/plan/replace.h"
#include "services/cache/store/extents.h"
#include "services/cache/store/hasher.h"

#include <stdlib.h>
#include <string.h>

/* ---- what may be shared with what ---- */

/*  Files in the hub cache's shared store are the clients' own: shared with, never replaced. */
static bool is_hub_store(const mlx_seen_t *seen)
{
    return strncmp(seen->path, "blobs/", 6) == 0 &&
           (strcmp(seen->app, "huggingface") == 0 || strcmp(seen->app, "llamacpp") == 0);
}

/*  The file of an app that stands for a group, if it may be replaced: worth sharing, under names
 *  that are all known, each reached without a link of the app. */
static const mlx_ref_t *replaceable(const mlx_inodes_t *inodes, const mlx_group_t *group)
{
    const mlx_ref_t *ref = &inodes->refs[group->first];
    if (!ref->seen || group->in_cache || group->outside || ref->id.size == 0)
        return NULL;
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const mlx_seen_t *seen = inodes->refs[i].seen;
        if (!seen->shared || seen->by_symlink || !*seen->path || is_hub_store(seen))
            return NULL;
    }
    return ref;
}

/*  A name by which a group's file can be shared, or NULL. */
static const mlx_ref_t *usable(const mlx_inodes_t *inodes, const mlx_group_t *group)
{
    for (size_t i = group->first; i < group->first + group->count; i++) {
        const mlx_ref_t *ref = &inodes->refs[i];
        if (ref->blob || (ref->seen && *ref->seen->path && !ref->seen->by_symlink))
            return ref;
    }
    return NULL;
}

/*  Where nobody knows the extents, blocks cannot be shared: only names can. */
static bool has_clones(const mlx_group_t *group)
{
    return group->runs.count > 0;
}

static const mlx_root_t *root_of(mlx_cache_t *self, const mlx_ref_t *ref)
{
    return ref->seen ? mlx_roots_get(self->roots, ref->seen->root, NULL) : self->home;
}

static bool look_at(mlx_cache_t *self, const mlx_ref_t *ref, struct stat *st)
{
    MLX_CLEANUP(mlx_free_p)
    char *path = ref->seen ? mlx_strdup(ref->seen->path) : mlx_blob_path(ref->sha256);
    const mlx_root_t *root = root_of(self, ref);
    return root && mlx_fs_stat(root, path, st, NULL) > 0 && S_ISREG(st->st_mode);
}

static bool can_share(mlx_cache_t *self, const mlx_inodes_t *inodes, const mlx_group_t *target,
                      const mlx_ref_t *source)
{
    struct stat a, b;
    return has_clones(target) || (look_at(self, &inodes->refs[target->first], &a) &&
                                  look_at(self, source, &b) && mlx_replace_fits(&a, &b));
}

/* ---- planning ---- */

static char *stage_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    /* Odd names in Ollama's blobs/ are pruned at its start: stage in the root of its store. */
    if (strncmp(path, "blobs/sha256-", 13) == 0 || !slash)
        return mlx_strdup("");
    return mlx_strndup(path, (size_t)(slash - path));
}

static void plan_replace(mlx_cache_t *self, mlx_cache_plan_t *plan, const mlx_ref_t *target,
                         const mlx_ref_t *source)
{
    const mlx_seen_t *seen = target->seen;
    struct stat st;
    if (!look_at(self, target, &st))
        return;
    for (size_t i = 0; i < plan->count; i++)
        if (strcmp(plan->steps[i].root, seen->root) == 0 &&
            strcmp(plan->steps[i].path, seen->path) == 0)
            return; /* seen by two apps, or as two models */
    mlx_cache_step_t *step = mlx_cache_plan_add(plan, MLX_STEP_REPLACE, seen->root, seen->path);
    step->stage = stage_of(seen->path);
    step->source_root = mlx_strdup(source->seen ? source->seen->root : mlx_root_path(self->home));
    step->source = source->seen ? mlx_strdup(source->seen->path) : mlx_blob_path(source->sha256);
    memcpy(step->sha256, target->sha256, sizeof step->sha256);
    step->size = target->id.size;
    step->methods = MLX_METHOD_CLONE | MLX_METHOD_HARDLINK;
    step->old = target->id;
    step->old_mode = st.st_mode & 07777;
}

/*  Every name of the group; a file whose blocks are shared where they are has them under all. */
static void plan_group(mlx_cache_t *self, const mlx_inodes_t *inodes, const mlx_group_t *group,
                       const mlx_ref_t *source, mlx_cache_plan_t *plan)
{
    for (size_t i = group->first; i < group->first + group->count; i++) {
        mlx_ref_t target = inodes->refs[i];
        memcpy(target.sha256, mlx_group_sha256(inodes, group), sizeof target.sha256);
        plan_replace(self, plan, &target, source);
        if (has_clones(group))
            break;
    }
}

/*  The one file of a device that all others of the same content are shared with: the cache's own,
 *  else one that cannot be replaced itself, else the one with the most names. */
static const mlx_ref_t *best_source(mlx_cache_t *self, const mlx_inodes_t *inodes, size_t from,
                                    size_t to, const mlx_group_t *target)
{
    const mlx_ref_t *best = NULL;
    size_t best_rank = 0;
    for (size_t i = from; i < to; i++) {
        const mlx_group_t *group = &inodes->groups[inodes->by_sha256[i]];
        const mlx_ref_t *ref = usable(inodes, group);
        if (!ref || ref->id.dev != inodes->refs[target->first].id.dev)
            continue;
        size_t rank =
            ref->blob ? SIZE_MAX : (replaceable(inodes, group) ? group->own_places : SIZE_MAX - 1);
        if (rank > best_rank && (group == target || can_share(self, inodes, target, ref))) {
            best = ref;
            best_rank = rank;
        }
    }
    return best;
}

/*  The groups FROM to TO have one content. PLAN may be NULL: how much it would free. */
static uint64_t plan_same(mlx_cache_t *self, const mlx_inodes_t *inodes, mlx_cache_plan_t *plan,
                          size_t from, size_t to)
{
    uint64_t bytes = 0;
    for (size_t i = from; to - from > 1 && i < to; i++) {
        size_t g = inodes->by_sha256[i];
        const mlx_group_t *group = &inodes->groups[g];
        const mlx_ref_t *target = replaceable(inodes, group);
        const mlx_ref_t *source = target ? best_source(self, inodes, from, to, group) : NULL;
        if (!source || mlx_identity_same_inode(&source->id, &target->id) || group->leader != g)
            continue;
        size_t s = mlx_inodes_find(inodes, &source->id);
        if (inodes->groups[s].leader == g)
            continue;
        if (plan)
            plan_group(self, inodes, group, source, plan);
        bytes += group->exclusive;
    }
    return bytes;
}

uint64_t mlx_dedup_plan(mlx_cache_t *self, const mlx_inodes_t *inodes, mlx_cache_plan_t *plan)
{
    uint64_t bytes = 0;
    for (size_t from = 0, to; from < inodes->group_count; from = to) {
        const char *sha = mlx_group_sha256(inodes, &inodes->groups[inodes->by_sha256[from]]);
        for (to = from + 1; to < inodes->group_count; to++)
            if (strcmp(mlx_group_sha256(inodes, &inodes->groups[inodes->by_sha256[to]]), sha) != 0)
                break;
        if (*sha)
            bytes += plan_same(self, inodes, plan, from, to);
    }
    return bytes;
}

/* ---- hashing ---- */

typedef struct {
    const mlx_inodes_t *inodes;
    size_t group;
} sized_t;

static int compare_sizes(const void *a, const void *b)
{
    const sized_t *x = a, *y = b;
    uint64_t m = x->inodes->refs[x->inodes->groups[x->group].first].id.size;
    uint64_t n = y->inodes->refs[y->inodes->groups[y->group].first].id.size;
    return (m > n) - (m < n);
}

/*  Of COUNT groups of one size those that nobody has hashed, if sharing may come of it. */
static size_t add_jobs(mlx_cache_t *self, const mlx_inodes_t *inodes, const sized_t *same,
                       size_t count, mlx_hash_job_t *jobs)
{
    size_t added = 0;
    bool wanted = false;
    for (size_t i = 0; i < count; i++)
        wanted = wanted || replaceable(inodes, &inodes->groups[same[i].group]);
    for (size_t i = 0; wanted && count > 1 && i < count; i++) {
        const mlx_group_t *group = &inodes->groups[same[i].group];
        const mlx_ref_t *ref = usable(inodes, group);
        if (ref && ref->seen && ref->seen->shared && !*mlx_group_sha256(inodes, group))
            jobs[added++] = (mlx_hash_job_t){.root = root_of(self, ref), .path = ref->seen->path};
    }
    return added;
}

/*  Files without a claim are hashed only when another one has the same size. */
static int hash_candidates(mlx_cache_t *self, const mlx_inodes_t *inodes, mlx_error_t *err)
{
    size_t groups = inodes->group_count, count = 0;
    MLX_CLEANUP(mlx_free_p) sized_t *order = mlx_alloc(groups + 1, sizeof *order);
    MLX_CLEANUP(mlx_free_p) mlx_hash_job_t *jobs = mlx_alloc(groups + 1, sizeof *jobs);
    uint64_t total = 0;
    for (size_t g = 0; g < groups; g++)
        order[g] = (sized_t){inodes, g};
    qsort(order, groups, sizeof *order, compare_sizes);
    for (size_t from = 0, to; from < groups; from = to) {
        for (to = from + 1; to < groups && compare_sizes(&order[from], &order[to]) == 0; to++)
            ;
        size_t more = add_jobs(self, inodes, order + from, to - from, jobs + count);
        count += more;
        total += more * inodes->refs[inodes->groups[order[from].group].first].id.size;
    }
    mlx_cache_tell_begin(self, "dedup", "compare", NULL, total, MLX_DIGEST_PIECE);
    return mlx_hash_files(self->db, jobs, count, 0, mlx_cache_piece, self, err);
}

/* ---- the command ---- */

static mlx_value_t *dedup_report(const mlx_cache_plan_t *plan, uint64_t bytes, uint64_t freed,
                                 bool apply)
{
    mlx_value_t *report = mlx_cache_plan_value(plan);
    mlx_value_set_bool(report, "dry_run", !apply);
    mlx_value_set_int(report, "would_free", (int64_t)bytes);
    if (apply)
        mlx_value_set_int(report, "freed", (int64_t)freed);
    return report;
}

static uint64_t plan_size(const mlx_cache_plan_t *plan)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < plan->count; i++)
        sum += plan->steps[i].size;
    return sum;
}

static void tell_shared(mlx_cache_t *self, const mlx_cache_plan_t *plan)
{
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", step->root, step->path);
        if (step->state == MLX_STATE_DONE)
            mlx_cache_tell_file(self, "", path, step->size, "shared", NULL);
    }
}

/*  FREED: what the disk holds less now than BEFORE. */
static int share(mlx_cache_t *self, mlx_cache_plan_t *plan, uint64_t before, uint64_t *freed,
                 mlx_error_t *err)
{
    uint64_t after;
    /* Forgotten first: a crash in between must leave nothing that was true before. */
    if (mlx_extents_forget(self->db, err) || mlx_engine_apply(&self->engine, plan, err) ||
        mlx_cache_held(self, &after, err))
        return -1;
    *freed = before > after ? before - after : 0;
    return 0;
}

mlx_value_t *mlx_cache_dedup(mlx_cache_t *self, bool apply, mlx_error_t *err)
{
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    MLX_CLEANUP(mlx_inodes_destroy)
    mlx_inodes_t *inodes = scan ? mlx_inodes_new(self, scan, err) : NULL;
    if (!inodes || hash_candidates(self, inodes, err))
        return NULL;
    mlx_inodes_destroy(&inodes);
    inodes = mlx_inodes_new(self, scan, err);
    if (!inodes)
        return NULL;
    MLX_CLEANUP(mlx_cache_plan_destroy)
    mlx_cache_plan_t *plan = mlx_cache_plan_new("dedup", NULL, NULL);
    uint64_t bytes = mlx_dedup_plan(self, inodes, plan);
    /* Each step reads both files. */
    mlx_cache_tell_begin(self, "dedup", "verify", NULL, apply ? 2 * plan_size(plan) : 0,
                         MLX_DIGEST_PIECE);
    uint64_t freed = 0;
    if (apply && plan->count && share(self, plan, mlx_inodes_freeable(inodes), &freed, err))
        return NULL;
    tell_shared(self, plan);
    return dedup_report(plan, bytes, freed, apply);
}
