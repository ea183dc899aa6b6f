/*  huggingface - the Hugging Face hub cache, which mlx-lm, transformers, vLLM and many others read
 *
 *  models--<org>--<name>/ with blobs/<etag>, snapshots/<commit>/<path> -> ../../blobs/<etag> and
 *  refs/<rev> (the commit, no newline). The order of a change is blobs, snapshot links, ref last.
 *  No link of ours leaves the cache: `hf cache rm` unlinks what a link resolves to. A file name in
 *  blobs/ that ends in .<8 hex>.incomplete is collected by `hf cache prune`.
 */
#include "services/cache/apps/adapter.h"

#include "proto/buf.h"
#include "services/cache/model/names.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_DEPTH = MLX_PATH_DEPTH,
    FOLDER_PREFIX = 8 /* "models--" */
};

static size_t hf_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    static const struct {
        const char *name;
        const char *tail;
    } order[] = {
        {"HF_HUB_CACHE", ""},
        {"HUGGINGFACE_HUB_CACHE", ""},
        {"HF_HOME", "/hub"},
        {"XDG_CACHE_HOME", "/huggingface/hub"},
        {"HOME", "/.cache/huggingface/hub"},
    };
    for (size_t i = 0; i < MLX_COUNT(order); i++) {
        paths[0] = mlx_env_expand(env, order[i].name, order[i].tail);
        if (paths[0])
            return 1;
    }
    return 0;
}

/* ---- looking ---- */

typedef struct {
    mlx_scan_t *scan;
    const char *app;
    const char *store;
    const mlx_root_t *root;
    const char *folder; /* models--org--name */
    char *model;        /* org/name */
    const char *commit;
    int blobs; /* folder; -1: there is none */
} repo_scan_t;

static bool is_hex_name(const char *s)
{
    return mlx_is_hex(s, MLX_SHA256_HEX) ||
           (strlen(s) == MLX_SHA1_HEX && mlx_is_hex(s, MLX_SHA1_HEX));
}

/*  The blob's name if TARGET is "../../..../blobs/<hex>", else NULL. */
static const char *blob_of(const char *target)
{
    while (strncmp(target, "../", 3) == 0)
        target += 3;
    if (strncmp(target, "blobs/", 6) != 0)
        return NULL;
    const char *name = target + 6;
    size_t len = strlen(name);
    return (len == MLX_SHA1_HEX || len == MLX_SHA256_HEX) && is_hex_name(name) ? name : NULL;
}

/*  Where the bytes of blobs/<name> are: there, or (since 1.32) in the shared store that it links
 *  to, inside the same cache. "" when somewhere else. */
static char *terminal_path(const repo_scan_t *r, const char *blob)
{
    static const char shared[] = "../../blobs/";
    char target[256];
    ssize_t len = readlinkat(r->blobs, blob, target, sizeof target - 1);
    if (len < 0)
        return mlx_format("%s/blobs/%s", r->folder, blob);
    target[len] = '\0';
    bool inside = strncmp(target, shared, sizeof shared - 1) == 0 &&
                  !strstr(target + sizeof shared - 1, "..");
    return mlx_strdup(inside ? target + 6 : "");
}

/*  A link written in another way (absolute, as old clients did) leads into the cache all the same:
 *  its path there, or "". */
static char *resolved_path(const repo_scan_t *r, const char *path)
{
    MLX_CLEANUP(mlx_free_p)
    char *link =
        mlx_format("%s/%s/snapshots/%s/%s", mlx_root_path(r->root), r->folder, r->commit, path);
    MLX_CLEANUP(mlx_free_p) char *full = realpath(link, NULL);
    size_t len = strlen(mlx_root_path(r->root));
    bool inside = full && strncmp(full, mlx_root_path(r->root), len) == 0 && full[len] == '/';
    return mlx_strdup(inside ? full + len + 1 : "");
}

static void add_link(const repo_scan_t *r, int dir, const char *name, const char *path)
{
    char target[1024];
    struct stat st;
    ssize_t len = readlinkat(dir, name, target, sizeof target - 1);
    if (len <= 0 || fstatat(dir, name, &st, 0) != 0 || !S_ISREG(st.st_mode)) {
        mlx_scan_problem(r->scan, r->app, r->model, "%.100s is a broken link", path);
        return;
    }
    target[len] = '\0';
    const char *blob = blob_of(target);
    MLX_CLEANUP(mlx_free_p) char *at = blob ? terminal_path(r, blob) : mlx_strdup("");
    if (!*at) {
        free(at);
        at = resolved_path(r, path);
    }
    const char *tail = strrchr(target, '/');
    if (!blob && *at && tail && is_hex_name(tail + 1))
        blob = tail + 1;
    mlx_seen_t *seen = mlx_scan_add(r->scan, r->app, r->store, r->model, path, at, &st);
    seen->by_symlink = !*at;
    snprintf(seen->revision, sizeof seen->revision, "%s", r->commit);
    if (blob)
        snprintf(strlen(blob) == MLX_SHA256_HEX ? seen->claim : seen->etag, MLX_HEX_MAX, "%s",
                 blob);
}

static void add_plain(const repo_scan_t *r, const char *path, const struct stat *st)
{
    MLX_CLEANUP(mlx_free_p)
    char *at = mlx_format("%s/snapshots/%s/%s", r->folder, r->commit, path);
    mlx_seen_t *seen = mlx_scan_add(r->scan, r->app, r->store, r->model, path, at, st);
    snprintf(seen->revision, sizeof seen->revision, "%s", r->commit);
}

static void scan_snapshot(const repo_scan_t *r, int fd, const char *rel, unsigned depth);

static void scan_entry(const repo_scan_t *r, int dir, const struct dirent *e, const char *rel,
                       unsigned depth)
{
    struct stat st = {0};
    /* Most are links, and the folder says so: one call less for each. */
    if (e->d_type == DT_LNK)
        st.st_mode = S_IFLNK;
    else if (fstatat(dir, e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s%s%s", rel, *rel ? "/" : "", e->d_name);
    if (S_ISLNK(st.st_mode)) {
        add_link(r, dir, e->d_name, path);
    } else if (S_ISREG(st.st_mode)) {
        add_plain(r, path, &st);
    } else if (S_ISDIR(st.st_mode) && depth < MAX_DEPTH) {
        int next = openat(dir, e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (next >= 0)
            scan_snapshot(r, next, path, depth + 1);
    }
}

static void scan_snapshot(const repo_scan_t *r, int fd, const char *rel, unsigned depth)
{
    mlx_scan_watch(r->scan, fd);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return;
    }
    for (struct dirent *e; (e = readdir(dir));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            scan_entry(r, dirfd(dir), e, rel, depth);
    closedir(dir);
}

static void scan_repo(repo_scan_t *r, int cache)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/snapshots", r->folder);
    int fd = openat(cache, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    mlx_scan_watch(r->scan, fd);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        /* Without snapshots there is no model yet, or no longer. */
        if (errno != ENOENT)
            mlx_scan_problem(r->scan, r->app, r->model, "its snapshots cannot be read");
        return;
    }
    MLX_CLEANUP(mlx_free_p) char *blobs = mlx_format("%s/blobs", r->folder);
    r->blobs = openat(cache, blobs, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    mlx_scan_watch(r->scan, r->blobs);
    for (struct dirent *e; (e = readdir(dir));) {
        if (strlen(e->d_name) != MLX_SHA1_HEX || !mlx_is_hex(e->d_name, MLX_SHA1_HEX))
            continue;
        int snapshot =
            openat(dirfd(dir), e->d_name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        r->commit = e->d_name;
        if (snapshot >= 0)
            scan_snapshot(r, snapshot, "", 0);
    }
    closedir(dir);
    mlx_close_p(&r->blobs);
}

/*  "models--org--name" as "org/name". */
static char *repo_name(const char *folder)
{
    char *name = mlx_strdup(folder + FOLDER_PREFIX);
    char *gap = strstr(name, "--");
    if (gap) {
        *gap = '/';
        memmove(gap + 1, gap + 2, strlen(gap + 2) + 1);
    }
    return name;
}

void mlx_hf_scan(mlx_scan_t *scan, const char *app, const char *store, const mlx_root_t *root)
{
    DIR *dir = opendir(mlx_root_path(root));
    if (!dir) {
        mlx_scan_problem(scan, app, store, "cannot be read");
        return;
    }
    mlx_scan_watch(scan, dirfd(dir));
    for (struct dirent *e; (e = readdir(dir));) {
        if (strncmp(e->d_name, "models--", FOLDER_PREFIX) != 0)
            continue;
        MLX_CLEANUP(mlx_free_p) char *model = repo_name(e->d_name);
        repo_scan_t r = {.scan = scan,
                         .app = app,
                         .store = store,
                         .root = root,
                         .folder = e->d_name,
                         .model = model};
        scan_repo(&r, dirfd(dir));
    }
    closedir(dir);
}

static void hf_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    mlx_hf_scan(scan, "huggingface", store, root);
}

/*  A blob is in use while a snapshot of its repository has a link to it. */
bool mlx_hf_in_use(const mlx_root_t *root, const char *path)
{
    const char *blobs = strstr(path, "/blobs/");
    if (!blobs || strncmp(path, "models--", FOLDER_PREFIX) != 0)
        return false;
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_strndup(path, (size_t)(blobs - path));
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_scan_new();
    MLX_CLEANUP(mlx_free_p) char *model = repo_name(folder);
    repo_scan_t r = {
        .scan = scan, .app = "", .store = "", .root = root, .folder = folder, .model = model};
    MLX_CLEANUP(mlx_close_p)
    int fd = open(mlx_root_path(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    struct stat st;
    MLX_CLEANUP(mlx_free_p) char *snapshots = mlx_format("%s/snapshots", folder);
    if (fd < 0 || mlx_fs_stat(root, snapshots, &st, NULL) < 0)
        return true;
    scan_repo(&r, fd);
    const char *blob = blobs + 7;
    for (size_t i = 0; i < scan->count; i++)
        if (strcmp(scan->files[i].claim, blob) == 0 || strcmp(scan->files[i].etag, blob) == 0)
            return true;
    return false;
}

/*  models--o--n/blobs/<etag>  ->  .locks/models--o--n/<etag>.lock */
char *mlx_hf_lock_path(const char *path)
{
    const char *blobs = strstr(path, "/blobs/");
    if (!blobs || strncmp(path, "models--", FOLDER_PREFIX) != 0)
        return NULL;
    return mlx_format(".locks/%.*s/%s.lock", (int)(blobs - path), path, blobs + 7);
}

/* ---- exposing ---- */

/*  A model that is one quantisation is called "org/name:QUANT", one that was renamed anything. */
static char *repo_of(const mlx_model_t *model)
{
    if (model->origin && strncmp(model->origin, "oci://", 6) != 0)
        return mlx_strdup(model->origin);
    return mlx_strndup(model->name, strcspn(model->name, ":"));
}

static char *repo_folder(const char *name)
{
    const char *slash = strchr(name, '/');
    return slash ? mlx_format("models--%.*s--%s", (int)(slash - name), name, slash + 1)
                 : mlx_format("models--%s", name);
}

char *mlx_hf_listing(const char *name, const char *commit)
{
    MLX_CLEANUP(mlx_free_p) char *folder = repo_folder(name);
    return mlx_format("%s/trees/%s.json", folder, commit);
}

static int64_t snapshot_time(const mlx_root_t *root, const char *folder, const char *commit)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/snapshots/%s", folder, commit);
    struct stat st;
    if (mlx_fs_stat(root, path, &st, NULL) <= 0 || !S_ISDIR(st.st_mode))
        return -1;
    mlx_identity_t id = mlx_identity_of(&st);
    return id.mtime_ns;
}

/*  The snapshot that came last, or NULL. */
static char *newest_snapshot(const mlx_root_t *root, const char *folder)
{
    MLX_CLEANUP(mlx_free_p)
    char *path = mlx_format("%s/%s/snapshots", mlx_root_path(root), folder);
    DIR *dir = opendir(path);
    char *newest = NULL;
    int64_t latest = -1;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        int64_t when = strlen(e->d_name) == MLX_SHA1_HEX && mlx_is_hex(e->d_name, MLX_SHA1_HEX)
                           ? snapshot_time(root, folder, e->d_name)
                           : -1;
        if (when <= latest)
            continue;
        latest = when;
        free(newest);
        newest = mlx_strdup(e->d_name);
    }
    if (dir)
        closedir(dir);
    return newest;
}

char *mlx_hf_current(const mlx_root_t *root, const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *folder = repo_folder(name);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/refs/main", folder);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(root, path, NULL);
    char commit[MLX_SHA1_HEX + 1] = "";
    if (fd >= 0 && read(fd, commit, MLX_SHA1_HEX) == MLX_SHA1_HEX &&
        mlx_is_hex(commit, MLX_SHA1_HEX) && snapshot_time(root, folder, commit) >= 0)
        return mlx_strdup(commit);
    return newest_snapshot(root, folder);
}

/*  "../../blobs/<etag>", one "../" more for each folder inside the snapshot. */
static char *link_target(const char *path, const char *etag)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t target = {0};
    for (const char *c = path; (c = strchr(c, '/')); c++)
        mlx_buf_puts(&target, "../");
    mlx_buf_printf(&target, "../../blobs/%s", etag);
    return mlx_buf_take(&target);
}

static int plan_link(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *at,
                     const mlx_model_file_t *file, const char *stage, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *target = link_target(file->path, file->etag);
    struct stat st;
    int there = mlx_fs_stat(what->store, at, &st, err);
    if (there < 0)
        return -1;
    if (!there) {
        mlx_cache_plan_symlink(plan, mlx_root_path(what->store), at, stage, target);
        return 0;
    }
    MLX_CLEANUP(mlx_free_p) char *now = mlx_fs_readlink(what->store, at);
    if ((now && strcmp(now, target) == 0) || (!now && (uint64_t)st.st_size == file->size))
        return 0;
    return mlx_error_set(err, MLX_ERR_DATA_LOSS, "%s/%s already exists and is a different file",
                         mlx_root_path(what->store), at);
}

static int plan_blob(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *folder,
                     const mlx_model_file_t *file, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *blob = mlx_format("%s/blobs/%s", folder, file->etag);
    MLX_CLEANUP(mlx_free_p) char *stage = mlx_format("%s/blobs", folder);
    struct stat st;
    int there = mlx_fs_stat(what->store, blob, &st, err);
    if (there < 0)
        return -1;
    /* A link there is the shared store of newer clients: theirs. */
    if (there && S_ISLNK(st.st_mode))
        return 0;
    return mlx_expose_file(what, plan, file, blob, stage, err);
}

static int plan_name(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *folder,
                     const mlx_model_file_t *file, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *stage = mlx_format("%s/blobs", folder);
    MLX_CLEANUP(mlx_free_p)
    char *at = mlx_format("%s/snapshots/%s/%s", folder, what->model->revision, file->path);
    MLX_CLEANUP(mlx_free_p) char *parent = mlx_strndup(at, (size_t)(strrchr(at, '/') - at));
    mlx_expose_folder(what, plan, parent);
    return plan_link(what, plan, at, file, stage, err);
}

static int plan_ref(const mlx_expose_t *what, mlx_cache_plan_t *plan, const char *folder,
                    mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *refs = mlx_format("%s/refs", folder);
    MLX_CLEANUP(mlx_free_p) char *main_ref = mlx_format("%s/refs/main", folder);
    MLX_CLEANUP(mlx_free_p) char *stage = mlx_format("%s/blobs", folder);
    struct stat st;
    int there = mlx_fs_stat(what->store, main_ref, &st, err);
    if (there)
        return there < 0 ? -1 : 0; /* whatever it says, a client wrote it */
    mlx_expose_folder(what, plan, refs);
    mlx_cache_plan_write(plan, mlx_root_path(what->store), main_ref, stage, what->model->revision,
                         MLX_SHA1_HEX);
    return 0;
}

static int check_model(const mlx_model_t *model, mlx_error_t *err)
{
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_free_p) char *repo = repo_of(model);
    bool known = strcmp(model->source, "huggingface") == 0 && model->revision &&
                 mlx_name_commit(model->revision, &why) == 0 && mlx_name_repo(repo, &why) == 0;
    for (size_t i = 0; known && i < model->count; i++)
        known = mlx_name_etag(model->files[i].etag, &why) == 0 &&
                mlx_name_path(model->files[i].path, &why) == 0;
    if (known)
        return 0;
    mlx_error_set(
        err, MLX_ERR_USAGE,
        "%s did not come from the hub, and the hub's cache can only hold files with a commit",
        model->name);
    return mlx_error_hint(err, "point the app at models/%s in the cache instead", model->view);
}

int mlx_hf_expose(const mlx_expose_t *what, mlx_cache_plan_t *plan, mlx_error_t *err)
{
    const mlx_model_t *model = what->model;
    if (check_model(model, err))
        return -1;
    /* Never a link out of the cache, whatever else is allowed. */
    mlx_expose_t inside = *what;
    inside.weights &= ~(unsigned)MLX_METHOD_SYMLINK;
    inside.small &= ~(unsigned)MLX_METHOD_SYMLINK;
    MLX_CLEANUP(mlx_free_p) char *repo = repo_of(model);
    MLX_CLEANUP(mlx_free_p) char *folder = repo_folder(repo);
    MLX_CLEANUP(mlx_free_p) char *blobs = mlx_format("%s/blobs", folder);
    mlx_expose_folder(&inside, plan, blobs);
    for (size_t i = 0; i < model->count; i++)
        if (plan_blob(&inside, plan, folder, &model->files[i], err))
            return -1;
    for (size_t i = 0; i < model->count; i++)
        if (plan_name(&inside, plan, folder, &model->files[i], err))
            return -1;
    return plan_ref(&inside, plan, folder, err);
}

const mlx_adapter_t mlx_adapter_huggingface = {
    .name = "huggingface",
    .title = "Hugging Face cache (mlx-lm, transformers, vLLM, llama.cpp)",
    .stores = hf_stores,
    .scan = hf_scan,
    .expose = mlx_hf_expose,
    .in_use = mlx_hf_in_use,
    .lock_path = mlx_hf_lock_path,
};
