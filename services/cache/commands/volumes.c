/*  Stores on volumes that come and go. What lies on one that is away is neither gone nor unused: it
 *  is offline, and what it needs is kept. */
#include "services/cache/commands/internal.h"

#include "common/base/file.h"
#include "common/base/paths.h"
#include "common/os/os.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

char *mlx_volumes_of(const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *at = mlx_strdup(path);
    mlx_os_volume_t volume;
    struct stat st;
    for (char *slash; stat(at, &st) != 0 && (slash = strrchr(at, '/'));)
        slash[slash == at ? 1 : 0] = '\0';
    return mlx_os_volume(at, &volume, NULL) == 0 && volume.identity[0] ? mlx_strdup(volume.identity)
                                                                       : NULL;
}

/*  A folder that is missing while its volume is there was removed; a folder on another volume is
 *  the empty place where its own was mounted. */
static bool is_away(const char *path, const char *volume)
{
    MLX_CLEANUP(mlx_free_p) char *now = mlx_volumes_of(path);
    return !now || strcmp(now, volume) != 0;
}

/* ---- what a look at the stores tells ---- */

static bool has_files(const mlx_scan_t *scan, const mlx_cache_store_t *store)
{
    for (size_t i = 0; i < scan->count; i++)
        if (strcmp(scan->files[i].root, store->path) == 0)
            return true;
    return false;
}

/*  Links of the apps that lead into the file system of the cache. */
static int note_consumers(mlx_cache_t *self, const mlx_scan_t *scan, const mlx_cache_store_t *store,
                          const char *volume)
{
    if (mlx_db_run(self->db, NULL, "DELETE FROM consumers WHERE store = ? AND volume = ?", "ss",
                   store->path, volume))
        return -1;
    for (size_t i = 0; i < scan->count; i++) {
        const mlx_seen_t *seen = &scan->files[i];
        if (strcmp(seen->root, store->path) == 0 && seen->by_symlink &&
            seen->id.dev == mlx_root_dev(self->home) &&
            mlx_db_run(self->db, NULL, "INSERT OR REPLACE INTO consumers VALUES (?, ?, ?, ?, ?, ?)",
                       "ssssis", store->path, volume, seen->model, seen->name,
                       (int64_t)seen->id.ino, store->app))
            return -1;
    }
    return 0;
}

/*  Only what lies on another volume than the cache can be away while the cache is here. */
static int note_store(mlx_cache_t *self, const mlx_scan_t *scan, const mlx_cache_store_t *store)
{
    MLX_CLEANUP(mlx_free_p) char *volume = mlx_volumes_of(store->path);
    if (store->dev == mlx_root_dev(self->home) || !volume || !has_files(scan, store))
        return 0;
    return mlx_db_run(self->db, NULL, "INSERT OR REPLACE INTO stores VALUES (?, ?, ?)", "sss",
                      store->path, store->app, volume) ||
                   note_consumers(self, scan, store, volume)
               ? -1
               : 0;
}

void mlx_volumes_note(mlx_cache_t *self, const mlx_scan_t *scan)
{
    bool foreign = false;
    for (size_t i = 0; i < scan->store_count; i++)
        foreign = foreign || scan->stores[i]->dev != mlx_root_dev(self->home);
    if (!foreign || mlx_db_begin(self->db, NULL))
        return;
    for (size_t i = 0; i < scan->store_count; i++)
        if (note_store(self, scan, scan->stores[i])) {
            mlx_db_rollback(self->db);
            return;
        }
    mlx_db_commit(self->db, NULL);
}

/* ---- what is offline ---- */

bool mlx_volumes_hold(mlx_cache_t *self, uint64_t ino)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        self->db, NULL, "SELECT store, volume FROM consumers WHERE ino = ?", "i", (int64_t)ino);
    while (mlx_stmt_step(q, NULL) > 0)
        if (is_away(mlx_stmt_str(q, 0), mlx_stmt_str(q, 1)))
            return true;
    return false;
}

bool mlx_volumes_away(mlx_cache_t *self, const char *root, const char *volume)
{
    if (strcmp(root, mlx_root_path(self->home)) == 0)
        return false;
    if (volume && is_away(root, volume))
        return true;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(self->db, NULL, "SELECT volume FROM stores WHERE path = ?", "s", root);
    return mlx_stmt_step(q, NULL) > 0 && mlx_stmt_str(q, 0) && is_away(root, mlx_stmt_str(q, 0));
}

/*  Finished links, with the folder each went to. */
static mlx_stmt_t *links_of(const mlx_cache_t *self, const char *app, const char *model)
{
    return mlx_db_query(self->db, NULL,
                        "SELECT ops.id, ops.app, ops.model, ops.volume,"
                        " (SELECT root FROM steps WHERE op = ops.id LIMIT 1) FROM ops"
                        " WHERE kind = 'link' AND state = 'done' AND volume IS NOT NULL"
                        " AND (?1 IS NULL OR app = ?1) AND (?2 IS NULL OR model = ?2)",
                        "ss", app, model);
}

static bool is_link_away(mlx_stmt_t *q)
{
    const char *root = mlx_stmt_str(q, 4);
    return root && is_away(root, mlx_stmt_str(q, 3));
}

static void add_user(mlx_value_t *uses, const char *app)
{
    for (size_t i = 0; i < mlx_value_size(uses); i++)
        if (strcmp(mlx_value_str(mlx_value_at(uses, i), "app"), app) == 0)
            return;
    mlx_value_t *use = mlx_value_append(uses, mlx_value_map());
    mlx_value_set_str(use, "app", app);
    mlx_value_set_bool(use, "offline", true);
}

void mlx_volumes_add_users(mlx_cache_t *self, const mlx_model_t *model, mlx_value_t *uses)
{
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *q = links_of(self, NULL, model->name);
    while (mlx_stmt_step(q, NULL) > 0)
        if (is_link_away(q))
            add_user(uses, mlx_stmt_str(q, 1));
    for (size_t i = 0; i < model->count; i++) {
        MLX_CLEANUP(mlx_free_p) char *path = mlx_blob_path(model->files[i].sha256);
        struct stat st;
        if (mlx_fs_stat(self->home, path, &st, NULL) <= 0)
            continue;
        MLX_CLEANUP(mlx_stmt_destroy)
        mlx_stmt_t *c =
            mlx_db_query(self->db, NULL, "SELECT store, volume, app FROM consumers WHERE ino = ?",
                         "i", (int64_t)st.st_ino);
        while (mlx_stmt_step(c, NULL) > 0)
            if (is_away(mlx_stmt_str(c, 0), mlx_stmt_str(c, 1)))
                add_user(uses, mlx_stmt_str(c, 2));
    }
}

static bool is_listed(const mlx_value_t *list, const char *app, const char *path)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *one = mlx_value_at(list, i);
        if (strcmp(mlx_value_str(one, "app"), app) == 0 &&
            strcmp(mlx_value_str(one, "path"), path) == 0)
            return true;
    }
    return false;
}

static void add_offline(mlx_value_t *list, const char *app, const char *path, const char *volume)
{
    if (!is_away(path, volume) || is_listed(list, app, path))
        return;
    mlx_value_t *one = mlx_value_append(list, mlx_value_map());
    MLX_CLEANUP(mlx_free_p)
    char *text =
        mlx_format("offline: its volume (%s) is not mounted; what it uses is kept", volume);
    MLX_CLEANUP(mlx_free_p)
    char *hint =
        mlx_format("mount it again; if it is gone for good: mlx-cache unlink %s %s", app, path);
    mlx_value_set_str(one, "app", app);
    mlx_value_set_str(one, "path", path);
    mlx_value_set_str(one, "volume", volume);
    mlx_value_set_bool(one, "offline", true);
    mlx_value_set_str(one, "text", text);
    mlx_value_set_str(one, "hint", hint);
}

void mlx_volumes_list(mlx_cache_t *self, mlx_value_t *list)
{
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *links = links_of(self, NULL, NULL);
    while (mlx_stmt_step(links, NULL) > 0)
        if (mlx_stmt_str(links, 4))
            add_offline(list, mlx_stmt_str(links, 1), mlx_stmt_str(links, 4),
                        mlx_stmt_str(links, 3));
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *stores = mlx_db_query(self->db, NULL,
                                      "SELECT app, path, volume FROM stores UNION"
                                      " SELECT app, store, volume FROM consumers",
                                      "");
    while (mlx_stmt_step(stores, NULL) > 0)
        add_offline(list, mlx_stmt_str(stores, 0), mlx_stmt_str(stores, 1),
                    mlx_stmt_str(stores, 2));
}

/* ---- forgetting what will not come back ---- */

typedef struct {
    mlx_cache_t *cache;
    const char *app;
    const char *what; /* a model, or the folder of a store */
    size_t count;
} forget_t;

static int forget_links(forget_t *f, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) int64_t *away = NULL;
    size_t found = 0;
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *q = links_of(f->cache, f->app, NULL);
    while (mlx_stmt_step(q, NULL) > 0) {
        const char *model = mlx_stmt_str(q, 2), *root = mlx_stmt_str(q, 4);
        bool meant = root && model && (strcmp(model, f->what) == 0 || strcmp(root, f->what) == 0);
        if (!meant || !is_link_away(q))
            continue;
        away = mlx_grow(away, found, sizeof *away);
        away[found++] = mlx_stmt_int(q, 0);
    }
    for (size_t i = 0; i < found; i++) {
        const mlx_cache_plan_t plan = {.id = away[i]};
        if (mlx_journal_close(f->cache->db, &plan, "forgotten", f->cache->options.now_s(), err))
            return -1;
    }
    f->count += found;
    return 0;
}

/*  QUERY selects the store and the volume of the selected consumers, DELETE takes both and the same
 *  name. */
static int forget_rows(forget_t *f, const char *query, const char *delete, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(f->cache->db, err, query, "ss", f->app, f->what);
    int row;
    while ((row = mlx_stmt_step(q, err)) > 0) {
        MLX_CLEANUP(mlx_free_p) char *store = mlx_strdup(mlx_stmt_str(q, 0));
        MLX_CLEANUP(mlx_free_p) char *volume = mlx_strdup(mlx_stmt_str(q, 1));
        if (!is_away(store, volume))
            continue;
        if (mlx_db_run(f->cache->db, err, delete, "sss", store, volume, f->what))
            return -1;
        f->count++;
    }
    return row;
}

int mlx_volumes_forget(mlx_cache_t *self, const char *app, const char *what, size_t *count,
                       mlx_error_t *err)
{
    forget_t f = {.cache = self, .app = app, .what = what};
    int rc = forget_links(&f, err) ||
             forget_rows(&f,
                         "SELECT DISTINCT store, volume FROM consumers"
                         " WHERE app = ?1 AND (model = ?2 OR store = ?2)",
                         "DELETE FROM consumers WHERE store = ?1 AND volume = ?2"
                         " AND (model = ?3 OR store = ?3)",
                         err) ||
             forget_rows(&f, "SELECT path, volume FROM stores WHERE app = ?1 AND path = ?2",
                         "DELETE FROM stores WHERE path = ?1 AND volume = ?2 AND path = ?3", err);
    *count = f.count;
    return rc ? -1 : 0;
}

/* ---- the cache's own folder ---- */

enum {
    HOMES_MAX = 64 * 1024
};

/*  Where the volumes of caches are remembered that do not lie on that of the user's home: one line
 *  each, the volume and the path. NULL: nowhere. */
static char *homes_file(const mlx_env_t *env)
{
    MLX_CLEANUP(mlx_free_p) char *state = mlx_paths_state_dir(env, NULL);
    return state ? mlx_format("%s/cache-volumes", state) : NULL;
}

/*  The volume of the cache at PATH when it was last written to, or NULL. */
static char *home_volume(const mlx_env_t *env, const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *file = homes_file(env);
    MLX_CLEANUP(mlx_free_p) char *text = file ? mlx_file_read(file, HOMES_MAX, NULL, NULL) : NULL;
    char *rest = NULL, *volume = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line && !volume;
         line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' ');
        if (space && strcmp(space + 1, path) == 0)
            volume = mlx_strndup(line, (size_t)(space - line));
    }
    return volume;
}

int mlx_volumes_need_home(const mlx_cache_options_t *options, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *registry = mlx_format("%s/registry.db", options->home);
    MLX_CLEANUP(mlx_free_p) char *volume = NULL;
    struct stat st;
    if (stat(registry, &st) == 0)
        return 0;
    volume = home_volume(&options->env, options->home);
    if (!volume || !is_away(options->home, volume))
        return 0;
    MLX_CLEANUP(mlx_free_p) char *file = homes_file(&options->env);
    mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the volume of the cache %s is not mounted",
                  options->home);
    return mlx_error_hint(err, "mount it again; to begin a new cache there, delete its line in %s",
                          file);
}

/*  The file's other lines, and this one, in a new file that takes the old one's place. */
static void write_homes(const mlx_env_t *env, const char *volume, const char *path)
{
    static const mlx_fs_t fs = {0};
    MLX_CLEANUP(mlx_free_p) char *file = homes_file(env);
    MLX_CLEANUP(mlx_free_p) char *text = file ? mlx_file_read(file, HOMES_MAX, NULL, NULL) : NULL;
    MLX_CLEANUP(mlx_free_p) char *state = mlx_paths_state_dir(env, NULL);
    MLX_CLEANUP(mlx_root_destroy) mlx_root_t *root = state ? mlx_root_open(state, NULL) : NULL;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t lines = {0};
    mlx_buf_printf(&lines, "%s %s\n", volume, path);
    char *rest = NULL;
    for (char *line = text ? strtok_r(text, "\n", &rest) : NULL; line;
         line = strtok_r(NULL, "\n", &rest)) {
        const char *space = strchr(line, ' ');
        if (space && strcmp(space + 1, path) != 0)
            mlx_buf_printf(&lines, "%s\n", line);
    }
    if (!root || mlx_fs_unlink(&fs, root, "cache-volumes.new", NULL, NULL) ||
        mlx_fs_write_file(&fs, root, "cache-volumes.new", lines.data, lines.len, 0600, NULL))
        return;
    mlx_fs_unlink(&fs, root, "cache-volumes", NULL, NULL);
    mlx_fs_move(&fs, root, "cache-volumes.new", "cache-volumes", NULL);
}

void mlx_volumes_note_home(const mlx_cache_options_t *options)
{
    const char *home = mlx_env_get(&options->env, "HOME");
    MLX_CLEANUP(mlx_free_p) char *default_volume = home ? mlx_volumes_of(home) : NULL;
    MLX_CLEANUP(mlx_free_p) char *volume = mlx_volumes_of(options->home);
    if (!volume || !default_volume || strcmp(default_volume, volume) == 0 || strchr(volume, ' ') ||
        strchr(options->home, '\n'))
        return;
    MLX_CLEANUP(mlx_free_p) char *known = home_volume(&options->env, options->home);
    if (!known || strcmp(known, volume) != 0)
        write_homes(&options->env, volume, options->home);
}
