/*  Adding what is on this machine already: a path, or the models of an app. */
#include "services/cache/commands/internal.h"

#include "services/cache/model/header.h"
#include "services/cache/model/names.h"
#include "services/cache/store/store.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  Small files get bytes of their own, weights only where nothing else is possible. */
static void say(mlx_cache_t *self, const mlx_model_t *model, const mlx_seen_t *seen,
                const mlx_root_t *root)
{
    bool shared = seen->shared && mlx_root_dev(root) == mlx_root_dev(self->home);
    bool named = strcmp(seen->app, "dir") != 0;
    mlx_cache_tell_file(self, model->name, seen->name, seen->id.size, shared ? "shared" : "copied",
                        named ? seen->app : NULL);
}

static bool stopped(const mlx_cache_t *self, mlx_error_t *err)
{
    if (!self->options.stop || !self->options.stop(self->options.arg))
        return false;
    mlx_error_set(err, MLX_ERR_INTERRUPTED, "interrupted; finished work is kept");
    return true;
}

/*  Take one file in and note it in MODEL. */
static int take_file(mlx_cache_t *self, mlx_model_t *model, const mlx_seen_t *seen, bool copy,
                     mlx_error_t *err)
{
    mlx_root_t *root = mlx_roots_get(self->roots, seen->root, err);
    if (!root || stopped(self, err) || mlx_name_path(seen->name, err))
        return -1;
    unsigned methods = seen->shared ? mlx_cache_weight_methods(copy) : mlx_cache_small_methods();
    char hex[MLX_HEX_MAX];
    if (mlx_cache_store_adopt(&self->engine, self->home, root, seen->path, seen->name, seen->claim,
                              methods, hex, err))
        return -1;
    if (!seen->claim[0] && seen->etag[0] && !mlx_cache_store_is_git(self->home, hex, seen->etag)) {
        mlx_error_set(err, MLX_ERR_DATA_LOSS,
                      "%s of %s is damaged: its content does not match its name", seen->name,
                      seen->model);
        return mlx_error_hint(err, "download it again with the app");
    }
    mlx_model_file_t *file = mlx_model_add_file(model, seen->name);
    memcpy(file->sha256, hex, sizeof hex);
    snprintf(file->etag, sizeof file->etag, "%s", seen->claim[0] ? seen->claim : seen->etag);
    file->size = seen->id.size;
    say(self, model, seen, root);
    return 0;
}

static int check_files(const char *model, const mlx_seen_t *files, const size_t *chosen,
                       size_t count, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = files[chosen[i]].name;
    return mlx_cache_need_weights(model, names, count, err) || mlx_name_distinct(names, count, err)
               ? -1
               : 0;
}

/* ---- one name, one model ---- */

static bool has_file(const mlx_model_t *model, const mlx_model_file_t *file)
{
    for (size_t i = 0; i < model->count; i++)
        if (strcmp(model->files[i].path, file->path) == 0 &&
            strcmp(model->files[i].sha256, file->sha256) == 0)
            return true;
    return false;
}

/*  Has B every file of A? */
static bool is_part_of(const mlx_model_t *a, const mlx_model_t *b)
{
    for (size_t i = 0; i < a->count; i++)
        if (!has_file(b, &a->files[i]))
            return false;
    return true;
}

/*  Does another store than ROOT still have large files of OLD under its name: two Ollamas may each
 *  have a model of that name. */
static bool lies_elsewhere(const mlx_scan_t *scan, const char *root, const mlx_model_t *old)
{
    for (size_t i = 0; i < scan->count; i++) {
        const mlx_seen_t *seen = &scan->files[i];
        if (!seen->shared || strcmp(seen->root, root) == 0 || strcmp(seen->model, old->name) != 0)
            continue;
        for (size_t k = 0; k < old->count; k++)
            if (strcmp(old->files[k].sha256, seen->claim) == 0)
                return true;
    }
    return false;
}

/*  The same model at another time: a revision of a repository, a model that Ollama has again under
 *  its name, or what lies at the same path. */
static bool is_update(const mlx_model_t *model, const mlx_model_t *old, const mlx_scan_t *scan,
                      const char *root)
{
    if (strcmp(model->source, "ollama") == 0 && strcmp(old->source, "ollama") == 0)
        return !lies_elsewhere(scan, root, old);
    if (model->revision && old->revision && strcmp(model->source, old->source) == 0)
        return true;
    return model->origin && old->origin && strcmp(model->origin, old->origin) == 0;
}

/*  Another model of that name stays what it is: this one gets a suffix made of its content. */
static void rename_apart(mlx_model_t *model)
{
    const char *least = model->files[0].sha256;
    for (size_t i = 1; i < model->count; i++)
        if (strcmp(model->files[i].sha256, least) < 0)
            least = model->files[i].sha256;
    char *name = mlx_format("%s-%.8s", model->name, least);
    free(model->name);
    free(model->view);
    model->name = name;
    model->view = mlx_cache_view_name(name);
}

/*  Publish MODEL, found by SCAN in ROOT, without taking a name or a file from another one, unless
 *  the user NAMED it. What the cache has already, and more of it, stays; it is given as *KEPT then.
 */
static int publish_apart(mlx_cache_t *self, mlx_model_t *model, const mlx_scan_t *scan,
                         const char *root, bool named, mlx_model_t **kept, mlx_error_t *err)
{
    *kept = named ? NULL : mlx_registry_get_model(self->db, model->name, NULL);
    if (*kept && is_part_of(model, *kept))
        return mlx_cache_publish(self, *kept, err);
    if (*kept && !is_part_of(*kept, model) && !is_update(model, *kept, scan, root))
        rename_apart(model);
    mlx_model_destroy(kept);
    return mlx_cache_publish(self, model, err);
}

/*  The chosen files of a scan as one model, published unless this is a dry run. */
static mlx_value_t *take_model(mlx_cache_t *self, mlx_model_t *model, const mlx_scan_t *scan,
                               const size_t *chosen, size_t count,
                               const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    if (count == 0) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s has no files to add", model->name);
        return NULL;
    }
    if (check_files(model->name, scan->files, chosen, count, err) ||
        mlx_cache_need_whole_files(self, model->name, scan->files, chosen, count, err))
        return NULL;
    uint64_t total = 0, done = 0;
    for (size_t i = 0; i < count; i++)
        total += scan->files[chosen[i]].id.size;
    mlx_cache_tell_begin(self, "adopt", "verify", model->name, total, MLX_DIGEST_PIECE);
    for (size_t i = 0; i < count; i++) {
        const mlx_seen_t *seen = &scan->files[chosen[i]];
        if (options->dry_run)
            mlx_model_add_file(model, seen->name)->size = seen->id.size;
        else if (take_file(self, model, seen, options->copy, err))
            return NULL;
        else
            mlx_cache_tell_done(self, done += seen->id.size);
    }
    MLX_CLEANUP(mlx_model_destroy) mlx_model_t *kept = NULL;
    const char *root = scan->files[chosen[0]].root;
    if (!options->dry_run &&
        publish_apart(self, model, scan, root, options->as != NULL, &kept, err))
        return NULL;
    mlx_value_t *value = mlx_cache_model_value(kept ? kept : model);
    mlx_cache_add_notes(self, kept ? kept->name : model->name, value);
    return value;
}

mlx_model_t *mlx_cache_new_model(mlx_cache_t *self, const char *name, const char *source,
                                 const char *revision)
{
    mlx_model_t *model = mlx_alloc(1, sizeof *model);
    model->name = mlx_strdup(name);
    model->source = mlx_strdup(source);
    model->revision = revision && *revision ? mlx_strdup(revision) : NULL;
    model->view = mlx_cache_view_name(name);
    model->added_at = model->used_at = self->options.now_s();
    return model;
}

/* ---- a path ---- */

static int scan_path(mlx_cache_t *self, const char *path, mlx_scan_t *scan, mlx_error_t *err)
{
    struct stat st;
    if (stat(path, &st) != 0)
        return mlx_fs_error(err, errno, "find", path);
    if (S_ISDIR(st.st_mode)) {
        mlx_root_t *root = mlx_roots_get(self->roots, path, err);
        if (!root)
            return -1;
        mlx_scan_store(scan, "dir", root);
        mlx_scan_folder(scan, "dir", root, 0);
        /* The roots set knows the folder by the path that was asked for. */
        for (size_t i = 0; i < scan->count; i++)
            scan->files[i].root = path;
        return 0;
    }
    const char *slash = strrchr(path, '/');
    MLX_CLEANUP(mlx_free_p)
    char *folder =
        slash ? mlx_strndup(path, slash == path ? 1 : (size_t)(slash - path)) : mlx_strdup(".");
    const mlx_root_t *root = mlx_roots_get(self->roots, folder, err);
    if (!root)
        return -1;
    const char *name = slash ? slash + 1 : path;
    mlx_seen_t *seen =
        mlx_scan_add(scan, "dir", mlx_scan_store(scan, "dir", root), "", name, name, &st);
    (void)seen;
    return 0;
}

/*  "local/<last component without .gguf>", or what the user wants. A folder may be named by the
 *  way to it only: ".", "..", "a/..". */
static char *local_name(const char *path, const char *as)
{
    if (as)
        return mlx_strdup(as);
    const char *last = strrchr(path, '/');
    last = last ? last + 1 : path;
    bool relative = strcmp(last, ".") == 0 || strcmp(last, "..") == 0;
    MLX_CLEANUP(mlx_free_p) char *full = relative ? realpath(path, NULL) : NULL;
    path = full ? full : path;
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/')
        end--;
    size_t start = end;
    while (start > 0 && path[start - 1] != '/')
        start--;
    if (end - start > 5 && strncmp(path + end - 5, ".gguf", 5) == 0)
        end -= 5;
    return mlx_format("local/%.*s", (int)(end - start), path + start);
}

mlx_value_t *mlx_cache_add_path(mlx_cache_t *self, const char *path,
                                const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    static const mlx_cache_add_options_t defaults;
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *name = local_name(path, options->as);
    mlx_ollama_name_t ollama;
    if (mlx_name_repo(name, err) && mlx_name_ollama(name, &ollama, err)) {
        mlx_error_hint(err, "choose a name with --as");
        return NULL;
    }
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_scan_new();
    if (scan_path(self, path, scan, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p) size_t *chosen = mlx_alloc(scan->count + 1, sizeof *chosen);
    size_t count = 0;
    for (size_t i = 0; i < scan->count; i++) {
        mlx_seen_t *seen = &scan->files[i];
        if (!*seen->path)
            continue; /* a link out of the folder: not part of it */
        free(seen->name);
        seen->name = mlx_strdup(seen->path);
        chosen[count++] = i;
    }
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model = mlx_cache_new_model(self, name, "path", NULL);
    model->origin = realpath(path, NULL);
    return take_model(self, model, scan, chosen, count, options, err);
}

/* ---- the models of an app ---- */

/*  Files of the same model as FIRST that belong to it: for the hub, of the same commit. */
static size_t choose_files(const mlx_scan_t *scan, size_t first, size_t *chosen)
{
    const mlx_seen_t *head = &scan->files[first];
    size_t count = 0;
    for (size_t i = 0; i < scan->count; i++) {
        const mlx_seen_t *seen = &scan->files[i];
        if (seen->app == head->app && seen->root == head->root &&
            strcmp(seen->model, head->model) == 0 && strcmp(seen->revision, head->revision) == 0 &&
            *seen->path)
            chosen[count++] = i;
    }
    return count;
}

static bool is_first(const mlx_scan_t *scan, size_t index)
{
    const mlx_seen_t *seen = &scan->files[index];
    for (size_t i = 0; i < index; i++)
        if (scan->files[i].app == seen->app && scan->files[i].root == seen->root &&
            strcmp(scan->files[i].model, seen->model) == 0)
            return false;
    return true;
}

/*  The file of FIRST's model that tells which revision is taken: the current one. */
static size_t head_of(mlx_cache_t *self, const mlx_scan_t *scan, size_t first)
{
    const mlx_seen_t *seen = &scan->files[first];
    const mlx_root_t *root =
        seen->revision[0] ? mlx_roots_get(self->roots, seen->root, NULL) : NULL;
    MLX_CLEANUP(mlx_free_p) char *commit = root ? mlx_hf_current(root, seen->model) : NULL;
    for (size_t i = first; commit && i < scan->count; i++)
        if (scan->files[i].app == seen->app && scan->files[i].root == seen->root &&
            strcmp(scan->files[i].model, seen->model) == 0 &&
            strcmp(scan->files[i].revision, commit) == 0)
            return i;
    return first;
}

static bool has_weights(const mlx_scan_t *scan, const size_t *chosen, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (scan->files[chosen[i]].weights)
            return true;
    return false;
}

static const char *source_of(const mlx_seen_t *seen)
{
    if (seen->revision[0])
        return "huggingface";
    return strcmp(seen->app, "ollama") == 0 ? "ollama" : "path";
}

static int adopt_one(mlx_cache_t *self, const mlx_scan_t *scan, size_t first, bool named,
                     size_t *chosen, const mlx_cache_add_options_t *options, mlx_value_t *models,
                     mlx_error_t *err)
{
    first = head_of(self, scan, first);
    const mlx_seen_t *head = &scan->files[first];
    size_t count = choose_files(scan, first, chosen);
    /* Not asked for by name, what only has papers is passed over. */
    if (!named && !has_weights(scan, chosen, count))
        return 0;
    MLX_CLEANUP(mlx_free_p)
    char *name = strcmp(source_of(head), "path") == 0 && !strchr(head->model, '/')
                     ? mlx_format("local/%s", head->model)
                     : mlx_strdup(head->model);
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model = mlx_cache_new_model(self, name, source_of(head), head->revision);
    mlx_value_t *value = take_model(self, model, scan, chosen, count, options, err);
    if (value)
        mlx_value_append(models, value);
    return value ? 0 : -1;
}

static void note_problem(mlx_value_t *problems, const char *model, const mlx_error_t *why)
{
    mlx_value_t *problem = mlx_value_append(problems, mlx_value_map());
    mlx_value_set_str(problem, "model", model);
    mlx_value_set_str(problem, "text", why->text);
    mlx_value_set_str(problem, "hint", why->hint);
}

mlx_value_t *mlx_cache_adopt(mlx_cache_t *self, const char *app, const char *model,
                             const mlx_cache_adopt_options_t *options, mlx_error_t *err)
{
    const mlx_cache_add_options_t add = {.dry_run = options && options->dry_run,
                                         .copy = options && options->copy};
    const mlx_adapter_t *adapter = app ? mlx_adapter_find(app, err) : NULL;
    if (mlx_cache_need_write(self, err) || (app && !adapter))
        return NULL;
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(self, err);
    if (!scan)
        return NULL;
    MLX_CLEANUP(mlx_free_p) size_t *chosen = mlx_alloc(scan->count + 1, sizeof *chosen);
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *models = mlx_value_set(report, "models", mlx_value_list());
    mlx_value_t *problems = mlx_value_set(report, "problems", mlx_value_list());
    bool found = false;
    for (size_t i = 0; i < scan->count; i++) {
        const mlx_seen_t *seen = &scan->files[i];
        if ((adapter && strcmp(seen->app, adapter->name) != 0) ||
            (model && strcmp(seen->model, model) != 0) || !is_first(scan, i))
            continue;
        found = true;
        mlx_error_t why = {0};
        if (adopt_one(self, scan, i, model != NULL, chosen, &add, models, &why) == 0)
            continue;
        /* One of many that cannot be taken does not keep the others out. */
        if (!model && why.code != MLX_ERR_INTERRUPTED && why.code != MLX_ERR_BUSY) {
            note_problem(problems, seen->model, &why);
            continue;
        }
        if (err)
            *err = why;
        mlx_value_destroy(&report);
        return NULL;
    }
    if (model && !found) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "no app has a model \"%.100s\"", model);
        mlx_value_destroy(&report);
    }
    return report;
}
