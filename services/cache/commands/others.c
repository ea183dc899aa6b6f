/*  What else takes space besides models, in the apps' folders and in the cache's own: counted and
 *  offered, never removed. Each kind is removed with its own app's command, which knows who uses
 *  it. */
#include "services/cache/commands/internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_DEPTH = 24,
    MAX_ENTRIES = 500000
};

typedef struct {
    uint64_t bytes;
    int64_t newest; /* seconds since the epoch: of the file that changed last */
    size_t entries;
} weight_t;

static void weigh_file(weight_t *w, const struct stat *st)
{
    w->bytes += (uint64_t)st->st_blocks * 512 / (st->st_nlink ? (uint64_t)st->st_nlink : 1);
    if ((int64_t)st->st_mtime > w->newest)
        w->newest = (int64_t)st->st_mtime;
}

/*  All below an open folder; FD is closed. Links are not followed. */
static void weigh_folder(weight_t *w, int fd, unsigned depth)
{
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        mlx_close_p(&fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir)) && w->entries++ < MAX_ENTRIES;) {
        struct stat st;
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0 ||
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
            continue;
        if (S_ISREG(st.st_mode))
            weigh_file(w, &st);
        else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH)
            weigh_folder(
                w, openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC),
                depth + 1);
    }
    closedir(dir);
}

static void add(mlx_value_t *list, const char *app, const char *kind, const char *path,
                const weight_t *w, const char *hint)
{
    if (!w->bytes)
        return;
    mlx_value_t *one = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(one, "app", app);
    mlx_value_set_str(one, "kind", kind);
    mlx_value_set_str(one, "path", path);
    mlx_value_set_int(one, "bytes", (int64_t)w->bytes);
    mlx_value_set_int(one, "changed_at", w->newest);
    mlx_value_set_str(one, "hint", hint);
}

static void add_folder(mlx_value_t *list, const char *app, const char *kind, const char *path,
                       const char *hint)
{
    weight_t w = {0};
    weigh_folder(&w, open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), 0);
    add(list, app, kind, path, &w, hint);
}

/* ---- the cache itself ---- */

static const char own[] = "mlx-cache";

static void add_own(const mlx_cache_t *self, mlx_value_t *list)
{
    MLX_CLEANUP(mlx_free_p) char *partial = mlx_root_join(self->home, "partial");
    MLX_CLEANUP(mlx_free_p) char *quarantine = mlx_root_join(self->home, "quarantine");
    add_folder(list, own, "incomplete", partial,
               "mlx-cache add resumes it, mlx-cache clean removes it");
    add_folder(list, own, "damaged", quarantine, "mlx-cache clean removes it");
}

/* ---- the hub's cache ---- */

/*  Files of FOLDER whose names hold MARK. */
static void add_marked(mlx_value_t *list, const char *app, const char *kind, const char *folder,
                       const char *mark, const char *hint)
{
    DIR *dir = opendir(folder);
    weight_t w = {0};
    for (struct dirent *e; dir && (e = readdir(dir)) && w.entries++ < MAX_ENTRIES;) {
        struct stat st;
        if (strstr(e->d_name, mark) &&
            fstatat(dirfd(dir), e->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode))
            weigh_file(&w, &st);
    }
    if (dir)
        closedir(dir);
    add(list, app, kind, folder, &w, hint);
}

static void add_repo(mlx_value_t *list, const char *store, const char *name)
{
    static const char *const kinds[] = {"datasets", "spaces", "kernels"};
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", store, name);
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        size_t len = strlen(kinds[i]);
        if (strncmp(name, kinds[i], len) == 0 && strncmp(name + len, "--", 2) == 0)
            add_folder(list, "huggingface", kinds[i], path,
                       "hf cache ls lists it, hf cache rm removes it");
    }
    MLX_CLEANUP(mlx_free_p) char *blobs = mlx_format("%s/blobs", path);
    if (strncmp(name, "models--", 8) == 0)
        add_marked(list, "huggingface", "incomplete", blobs, ".incomplete", "hf cache prune");
}

static void add_hub(mlx_value_t *list, const char *store)
{
    DIR *dir = opendir(store);
    for (struct dirent *e; dir && (e = readdir(dir));)
        if (e->d_name[0] != '.')
            add_repo(list, store, e->d_name);
    if (dir)
        closedir(dir);
}

char *mlx_cache_xet_folder(const mlx_env_t *env)
{
    static const char *const order[][2] = {{"HF_XET_CACHE", ""},
                                           {"HF_HOME", "/xet"},
                                           {"XDG_CACHE_HOME", "/huggingface/xet"},
                                           {"HOME", "/.cache/huggingface/xet"}};
    char *path = NULL;
    for (size_t i = 0; !path && i < MLX_COUNT(order); i++)
        path = mlx_env_expand(env, order[i][0], order[i][1]);
    return path;
}

static void add_xet(mlx_value_t *list, const mlx_env_t *env)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_cache_xet_folder(env);
    if (path)
        add_folder(list, "huggingface", "xet", path,
                   "a cache of downloads: delete the folder while no hf runs");
}

/* ---- revisions that are not current ---- */

/*  Is OLD one of COUNT FILES of its repository that are current, or one of those before it? */
static bool is_elsewhere(const mlx_seen_t *files, size_t count, const mlx_seen_t *old,
                         const char *commit)
{
    for (size_t i = 0; i < count; i++)
        if ((&files[i] < old || strcmp(files[i].revision, commit) == 0) &&
            mlx_identity_same_inode(&files[i].id, &old->id))
            return true;
    return false;
}

static void add_old_revisions(mlx_cache_t *self, const mlx_scan_t *scan, mlx_value_t *list)
{
    for (size_t from = 0, to; from < scan->count; from = to) {
        const mlx_seen_t *head = &scan->files[from];
        for (to = from + 1; to < scan->count && scan->files[to].root == head->root &&
                            strcmp(scan->files[to].model, head->model) == 0;
             to++)
            ;
        const mlx_root_t *root =
            *head->revision ? mlx_roots_get(self->roots, head->root, NULL) : NULL;
        MLX_CLEANUP(mlx_free_p) char *commit = root ? mlx_hf_current(root, head->model) : NULL;
        weight_t w = {0};
        for (size_t i = from; commit && i < to; i++) {
            const mlx_seen_t *seen = &scan->files[i];
            if (strcmp(seen->revision, commit) == 0 || is_elsewhere(head, to - from, seen, commit))
                continue;
            w.bytes += seen->disk_bytes;
            if (seen->id.mtime_ns / 1000000000 > w.newest)
                w.newest = seen->id.mtime_ns / 1000000000;
        }
        add(list, head->app, "revisions", head->model, &w, "hf cache prune");
    }
}

void mlx_cache_list_others(mlx_cache_t *self, const mlx_scan_t *scan, mlx_value_t *report)
{
    mlx_value_t *list = mlx_value_set(report, "others", mlx_value_list());
    for (size_t i = 0; i < scan->store_count; i++) {
        const mlx_cache_store_t *store = scan->stores[i];
        MLX_CLEANUP(mlx_free_p) char *blobs = mlx_format("%s/blobs", store->path);
        if (strcmp(store->app, "huggingface") == 0)
            add_hub(list, store->path);
        if (strcmp(store->app, "ollama") == 0)
            add_marked(list, "ollama", "partial", blobs, "-partial",
                       "ollama pull resumes it; Ollama removes it at its next start");
    }
    add_own(self, list);
    add_xet(list, &self->options.env);
    add_old_revisions(self, scan, list);
    int64_t sum = 0, bytes;
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (mlx_value_int(mlx_value_at(list, i), "bytes", &bytes))
            sum += bytes;
    mlx_value_set_int(report, "other_bytes", sum);
}

mlx_value_t *mlx_cache_old_others(const mlx_value_t *status, int64_t before)
{
    mlx_value_t *old = mlx_value_list();
    const mlx_value_t *list = mlx_value_get(status, "others");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        int64_t changed = INT64_MAX;
        mlx_value_int(mlx_value_at(list, i), "changed_at", &changed);
        /* Its own are in the plan. */
        const char *app = mlx_value_str(mlx_value_at(list, i), "app");
        if (changed <= before && app && strcmp(app, own) != 0)
            mlx_value_append(old, mlx_value_copy(mlx_value_at(list, i)));
    }
    return old;
}
