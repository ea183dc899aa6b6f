#include "services/cache/store/scan.h"

#include "services/cache/apps/adapter.h"
#include "services/cache/model/weights.h"
#include "services/cache/plan/fsys.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    MAX_DEPTH = 6,
    MAX_FILES = 1000000,
};

mlx_scan_t *mlx_scan_new(void)
{
    return mlx_alloc(1, sizeof(mlx_scan_t));
}

void mlx_scan_drop(mlx_seen_t *seen)
{
    free(seen->model);
    free(seen->name);
    free(seen->path);
}

void mlx_scan_destroy(mlx_scan_t **self)
{
    mlx_scan_t *scan = *self;
    *self = NULL;
    if (!scan)
        return;
    for (size_t i = 0; i < scan->count; i++)
        mlx_scan_drop(&scan->files[i]);
    for (size_t i = 0; i < scan->problem_count; i++)
        free(scan->problems[i].path);
    for (size_t i = 0; i < scan->store_count; i++) {
        free(scan->stores[i]->path);
        free(scan->stores[i]);
    }
    for (size_t i = 0; i < scan->watched_count; i++)
        free(scan->watched[i].path);
    free(scan->watched);
    free(scan->files);
    free(scan->problems);
    free(scan->stores);
    free(scan);
}

static const char *add_store(mlx_scan_t *self, const char *app, const char *path, uint64_t dev)
{
    mlx_cache_store_t *store = mlx_alloc(1, sizeof *store);
    *store = (mlx_cache_store_t){.app = app, .path = mlx_strdup(path), .dev = dev};
    self->stores = mlx_grow(self->stores, self->store_count, sizeof *self->stores);
    self->stores[self->store_count++] = store;
    return store->path;
}

const char *mlx_scan_store(mlx_scan_t *self, const char *app, const mlx_root_t *root)
{
    return add_store(self, app, mlx_root_path(root), mlx_root_dev(root));
}

mlx_seen_t *mlx_scan_add(mlx_scan_t *self, const char *app, const char *root, const char *model,
                         const char *name, const char *path, const struct stat *st)
{
    self->files = mlx_grow(self->files, self->count, sizeof *self->files);
    mlx_seen_t *seen = &self->files[self->count++];
    *seen = (mlx_seen_t){
        .app = app,
        .root = root,
        .model = mlx_strdup(model),
        .name = mlx_strdup(name),
        .path = mlx_strdup(path),
        .id = mlx_identity_of(st),
        .disk_bytes = (uint64_t)st->st_blocks * 512,
        .names = (uint64_t)st->st_nlink,
        .weights = mlx_weights_format(name) != MLX_WEIGHTS_NONE,
        .shared = mlx_weights_is_shared(name, (uint64_t)st->st_size),
    };
    return seen;
}

void mlx_scan_watch_file(mlx_scan_t *self, const mlx_identity_t *id, char *path)
{
    self->watched = mlx_grow(self->watched, self->watched_count, sizeof *self->watched);
    self->watched[self->watched_count++] =
        (mlx_watched_t){.dev = id->dev, .ino = id->ino, .mtime_ns = id->mtime_ns, .path = path};
}

void mlx_scan_watch(mlx_scan_t *self, int dir)
{
    struct stat st;
    char path[4096];
    if (dir < 0 || fstat(dir, &st) != 0 || mlx_fsys_path(dir, path, sizeof path) != 0)
        return;
    const mlx_identity_t id = mlx_identity_of(&st);
    mlx_scan_watch_file(self, &id, mlx_strdup(path));
}

void mlx_scan_problem(mlx_scan_t *self, const char *app, const char *path, const char *fmt, ...)
{
    self->problems = mlx_grow(self->problems, self->problem_count, sizeof *self->problems);
    mlx_problem_t *problem = &self->problems[self->problem_count++];
    *problem = (mlx_problem_t){.app = app, .path = mlx_strdup(path)};
    va_list args;
    va_start(args, fmt);
    vsnprintf(problem->text, sizeof problem->text, fmt, args);
    va_end(args);
}

static bool is_known_store(const mlx_scan_t *self, const char *app, const char *path)
{
    for (size_t i = 0; i < self->store_count; i++)
        if (strcmp(self->stores[i]->app, app) == 0 && strcmp(self->stores[i]->path, path) == 0)
            return true;
    return false;
}

static void scan_store(mlx_scan_t *self, const mlx_adapter_t *adapter, const char *path,
                       mlx_roots_t *roots)
{
    mlx_error_t why = {0};
    const mlx_root_t *root = mlx_roots_get(roots, path, &why);
    struct stat st;
    if (!root) {
        /* A missing folder is fine; a file or a broken link is a problem. */
        if (why.code != MLX_ERR_NOT_FOUND || lstat(path, &st) == 0)
            mlx_scan_problem(self, adapter->name, path, "%.190s", why.text);
        return;
    }
    if (is_known_store(self, adapter->name, mlx_root_path(root)))
        return;
    if (adapter->is_store && !adapter->is_store(root)) {
        /* It is not one yet: the app makes what it lacks when it is first used. */
        if (stat(mlx_root_path(root), &st) == 0) {
            const mlx_identity_t id = mlx_identity_of(&st);
            mlx_scan_watch_file(self, &id, mlx_strdup(mlx_root_path(root)));
        }
        return;
    }
    adapter->scan(self, mlx_scan_store(self, adapter->name, root), root);
}

int mlx_scan_all(mlx_scan_t *self, const mlx_env_t *env, mlx_roots_t *roots, mlx_error_t *err)
{
    for (size_t i = 0; mlx_adapters[i]; i++) {
        char *paths[MLX_STORES_MAX];
        size_t count = mlx_adapters[i]->stores(env, paths);
        for (size_t p = 0; p < count; p++) {
            scan_store(self, mlx_adapters[i], paths[p], roots);
            free(paths[p]);
        }
    }
    if (self->count >= MAX_FILES)
        return mlx_error_set(err, MLX_ERR_FAILED, "more than %d files in the stores", MAX_FILES);
    return 0;
}

/* ---- plain folders ---- */

typedef struct {
    mlx_scan_t *scan;
    const char *app;
    const char *root;
    unsigned model_depth; /* folders below the root at which each is one model; 0: nowhere */
    size_t linked; /* behind a link: the length of its path, else 0; ROOT is where it leads */
} folder_scan_t;

/*  A folder on the way down. */
typedef struct {
    const char *rel;
    unsigned depth;
    size_t model; /* length of REL that is the model's folder; 0: none owns this one as a whole */
} level_t;

static void scan_entry(const folder_scan_t *f, int dir, const level_t *level, const char *name);

/*  Does a configuration say that the folder is one model with all below it. */
static bool is_model(int dir)
{
    static const char *const marks[] = {"config.json", "model_index.json", "modules.json"};
    for (size_t i = 0; i < MLX_COUNT(marks); i++)
        if (faccessat(dir, marks[i], F_OK, AT_SYMLINK_NOFOLLOW) == 0)
            return true;
    return false;
}

static void scan_dir(const folder_scan_t *f, int fd, const char *rel, unsigned depth, size_t model)
{
    if (mlx_fsys_is_kernels(fd)) {
        mlx_scan_problem(f->scan, f->app, *rel ? rel : f->root,
                         "is a folder that the kernel makes up, where no models are");
        close(fd);
        return;
    }
    mlx_scan_watch(f->scan, fd);
    DIR *dir = fdopendir(fd);
    if (!dir) {
        close(fd);
        return;
    }
    level_t level = {.rel = rel, .depth = depth, .model = model};
    if (!model && depth && (depth == f->model_depth || is_model(fd)))
        level.model = strlen(rel);
    for (struct dirent *e; (e = readdir(dir));)
        if (e->d_name[0] != '.')
            scan_entry(f, dirfd(dir), &level, e->d_name);
    closedir(dir);
}

static void add_file(const folder_scan_t *f, const level_t *level, const char *path, bool link,
                     const struct stat *st)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    size_t len = level->model ? level->model : strlen(level->rel);
    MLX_CLEANUP(mlx_free_p) char *model = mlx_strndup(len ? path : name, len ? len : strlen(name));
    mlx_seen_t *seen = mlx_scan_add(f->scan, f->app, f->root, model, len ? path + len + 1 : name,
                                    link ? "" : path + (f->linked ? f->linked + 1 : 0), st);
    seen->by_symlink = link || f->linked;
}

/*  A folder that the app has by a link: what it holds lies in a store of its own. One that leads to
 *  where it lies itself would not end. */
static void scan_linked(const folder_scan_t *f, const level_t *level, const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *link = mlx_format("%s/%s", f->root, path);
    MLX_CLEANUP(mlx_free_p) char *target = realpath(link, NULL);
    size_t len = target ? strlen(target) : 0;
    struct stat st;
    if (!target || f->linked || stat(target, &st) != 0 ||
        (strncmp(f->root, target, len) == 0 && (f->root[len] == '/' || !f->root[len] || len == 1)))
        return;
    int fd = open(target, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        mlx_scan_problem(f->scan, f->app, path, "points to %.120s, which cannot be read", target);
        return;
    }
    folder_scan_t inside = *f;
    inside.root = add_store(f->scan, f->app, target, (uint64_t)st.st_dev);
    inside.linked = strlen(path);
    scan_dir(&inside, fd, path, level->depth + 1, level->model);
}

static bool is_unfinished(const char *name)
{
    static const char end[] = ".incomplete";
    size_t len = strlen(name);
    return len >= sizeof end && strcmp(name + len - (sizeof end - 1), end) == 0;
}

/*  The entry, or what its link leads to, into ST. False: nothing that is looked at. */
static bool look_at(const folder_scan_t *f, int dir, const char *name, const char *path,
                    struct stat *st, bool *link)
{
    if (fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) != 0)
        return false;
    *link = S_ISLNK(st->st_mode);
    if (!*link || fstatat(dir, name, st, 0) == 0)
        return true;
    MLX_CLEANUP(mlx_free_p) char *full = mlx_format("%s/%s", f->root, path);
    mlx_scan_problem(f->scan, f->app, full, "is a broken link");
    return false;
}

static void scan_entry(const folder_scan_t *f, int dir, const level_t *level, const char *name)
{
    struct stat st;
    bool link;
    /* The hub's layout has a scan of its own; what is being written is not part of a model yet, be
     * it by a download or by an operation of the cache that a crash interrupted. */
    if ((level->depth == 0 && strncmp(name, "models--", 8) == 0) || is_unfinished(name))
        return;
    MLX_CLEANUP(mlx_free_p)
    char *path = mlx_format("%s%s%s", level->rel, *level->rel ? "/" : "", name);
    if (!look_at(f, dir, name, path, &st, &link))
        return;
    if (link && S_ISDIR(st.st_mode)) {
        if (level->depth < MAX_DEPTH)
            scan_linked(f, level, path);
        return;
    }
    if (S_ISDIR(st.st_mode)) {
        int next = level->depth < MAX_DEPTH
                       ? openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)
                       : -1;
        if (next >= 0)
            scan_dir(f, next, path, level->depth + 1, level->model);
        return;
    }
    if (S_ISREG(st.st_mode) && f->scan->count < MAX_FILES)
        add_file(f, level, path, link, &st);
}

void mlx_scan_folder(mlx_scan_t *self, const char *app, const mlx_root_t *root, unsigned depth)
{
    const folder_scan_t f = {
        .scan = self, .app = app, .root = mlx_root_path(root), .model_depth = depth};
    int fd = open(mlx_root_path(root), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        mlx_scan_problem(self, app, mlx_root_path(root), "cannot be read");
    else
        scan_dir(&f, fd, "", 0, 0);
}

int mlx_seen_compare_trees(const mlx_seen_t *a, const mlx_seen_t *b)
{
    int order = strcmp(a->model, b->model);
    if (!order)
        order = strcmp(a->app, b->app);
    if (!order)
        order = strcmp(a->root, b->root);
    return order ? order : strcmp(a->revision, b->revision);
}
