#include "services/cache/commands/report.h"

#include "common/base/json.h"
#include "proto/pack.h"
#include "services/cache/commands/recall.h"
#include "services/cache/plan/fsys.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* A folder that changed within the clock's last steps may change again unseen. */
    SETTLE_S = 2
};

/* ---- what it depends on ---- */

/*  Hands the variables of ENV out and notes each with its value. */
typedef struct {
    const mlx_env_t *env;
    mlx_buf_t *basis;
    bool relative; /* a path among them may begin in the current folder */
} asked_t;

static const char *note_variable(void *arg, const char *name)
{
    asked_t *asked = arg;
    const char *value = mlx_env_get(asked->env, name);
    MLX_CLEANUP(mlx_free_p)
    char *line = mlx_format("variable %s=%s\n", name, value ? value : "");
    if (!strstr(mlx_buf_str(asked->basis), line))
        mlx_buf_puts(asked->basis, line);
    asked->relative = asked->relative || (value && !strchr("/~$", *value));
    return value;
}

/*  "mtime dev ino path", all 0 where there is nothing; the mtime, in ns. */
static int64_t put_file(mlx_buf_t *out, const char *path)
{
    struct stat st = {0};
    if (stat(path, &st) != 0)
        st = (struct stat){0};
    mlx_buf_printf(out, "%" PRIu64 " %" PRIu64 " %" PRIu64 " %s\n",
                   (uint64_t)mlx_fsys_mtime_ns(&st), (uint64_t)st.st_dev, (uint64_t)st.st_ino,
                   path);
    return mlx_fsys_mtime_ns(&st);
}

static void note_file(mlx_buf_t *basis, const char *path)
{
    mlx_buf_puts(basis, "file ");
    put_file(basis, path);
}

static void note_adapter(const mlx_adapter_t *adapter, const mlx_env_t *env, mlx_buf_t *basis)
{
    char *paths[MLX_STORES_MAX];
    size_t count = adapter->stores(env, paths);
    for (size_t p = 0; p < count; p++) {
        mlx_buf_printf(basis, "store %" PRIu64 " %s\n", mlx_recall_device(paths[p]), paths[p]);
        free(paths[p]);
    }
    count = adapter->settings ? adapter->settings(env, paths) : 0;
    for (size_t p = 0; p < count; p++) {
        note_file(basis, paths[p]);
        free(paths[p]);
    }
}

char *mlx_report_basis(mlx_cache_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t basis = {0};
    asked_t asked = {.env = &self->options.env, .basis = &basis};
    const mlx_env_t env = {.get = note_variable, .arg = &asked};
    for (size_t i = 0; mlx_adapters[i]; i++)
        note_adapter(mlx_adapters[i], &env, &basis);
    free(mlx_cache_xet_folder(&env));
    char here[MLX_RECALL_PATH];
    if (asked.relative)
        mlx_buf_printf(&basis, "folder %s\n", getcwd(here, sizeof here) ? here : "");
    MLX_CLEANUP(mlx_free_p) char *counts = mlx_recall_counts(self->db);
    mlx_buf_printf(&basis, "registry %s\n", counts);
    return mlx_buf_take(&basis);
}

/* ---- keeping ---- */

static bool has_settled(int64_t mtime_ns, int64_t now_s)
{
    return mtime_ns / 1000000000 <= now_s - SETTLE_S;
}

static bool write_path(mlx_buf_t *out, const char *path, int64_t now_s)
{
    return !strchr(path, '\n') && has_settled(put_file(out, path), now_s);
}

/*  The cache's own folders whose files are counted, and the files: they grow where they are. What
 *  becomes a blob was in one of the three: a command that was killed then has told nobody. */
static bool write_own(const mlx_cache_t *self, int64_t now_s, mlx_buf_t *out)
{
    static const char *const folders[] = {"partial", "quarantine", "tmp"};
    bool reliable = true;
    for (size_t i = 0; i < MLX_COUNT(folders); i++) {
        MLX_CLEANUP(mlx_free_p) char *folder = mlx_root_join(self->home, folders[i]);
        reliable = write_path(out, folder, now_s) && reliable;
        DIR *dir = opendir(folder);
        for (struct dirent *e; dir && (e = readdir(dir));) {
            MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", folder, e->d_name);
            if (e->d_name[0] != '.')
                reliable = write_path(out, path, now_s) && reliable;
        }
        if (dir)
            closedir(dir);
    }
    return reliable;
}

/*  "mtime dev ino path", one a line. False when the report cannot be relied on: a folder has just
 *  changed, or has a name that does not fit on a line. */
static bool write_watched(const mlx_cache_t *self, const mlx_scan_t *scan, mlx_buf_t *out)
{
    int64_t now_s = self->options.now_s();
    bool reliable = write_own(self, now_s, out);
    for (size_t i = 0; i < scan->watched_count; i++) {
        const mlx_watched_t *w = &scan->watched[i];
        if (!has_settled(w->mtime_ns, now_s))
            reliable = false;
        if (strchr(w->path, '\n')) {
            reliable = false;
            continue;
        }
        mlx_buf_printf(out, "%" PRId64 " %" PRIu64 " %" PRIu64 " %s\n", w->mtime_ns, w->dev, w->ino,
                       w->path);
    }
    return reliable;
}

/*  Packed, which is read in a fraction of the time; what is too large for that as JSON. */
static void write_kept(mlx_buf_t *kept, const mlx_value_t *report)
{
    mlx_pack(kept, report);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *back = mlx_unpack(kept->data, kept->len, NULL);
    if (back)
        return;
    mlx_buf_reset(kept);
    mlx_json_write(kept, report, false);
}

void mlx_report_keep(mlx_cache_t *self, const char *basis, const mlx_scan_t *scan,
                     const mlx_value_t *report)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t watched = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t kept = {0};
    if (!write_watched(self, scan, &watched))
        basis = "";
    write_kept(&kept, report);
    mlx_db_run(self->db, NULL, "INSERT OR REPLACE INTO reports VALUES ('status', ?, ?, ?)", "ssb",
               basis, mlx_buf_str(&watched), kept.data, kept.len);
}

char **mlx_cache_watched(mlx_cache_t *self, size_t *count)
{
    *count = 0;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(self->db, NULL, "SELECT watched FROM reports WHERE name = 'status'", "");
    if (mlx_stmt_step(q, NULL) <= 0 || !mlx_stmt_str(q, 0))
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *watched = mlx_strdup(mlx_stmt_str(q, 0));
    char **paths = NULL, *rest = NULL;
    for (char *line = strtok_r(watched, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *path = strchr(line, '/');
        struct stat st;
        if (!path || stat(path, &st) != 0 || !S_ISDIR(st.st_mode))
            continue;
        paths = mlx_grow(paths, *count, sizeof *paths);
        paths[(*count)++] = mlx_strdup(path);
    }
    return paths;
}
