#include "services/cache/commands/report.h"

#include "common/base/json.h"
#include "services/cache/plan/fsys.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum {
    /* A folder that changed within the clock's last steps may change again unseen. */
    SETTLE_S = 2
};

char *mlx_report_basis(mlx_cache_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t basis = {0};
    for (size_t i = 0; mlx_adapters[i]; i++) {
        char *paths[MLX_STORES_MAX];
        size_t count = mlx_adapters[i]->stores(&self->options.env, paths);
        for (size_t p = 0; p < count; p++) {
            struct stat st;
            uint64_t dev = stat(paths[p], &st) == 0 ? (uint64_t)st.st_dev : 0;
            mlx_buf_printf(&basis, "%s %s %" PRIu64 "\n", mlx_adapters[i]->name, paths[p], dev);
            free(paths[p]);
        }
    }
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(self->db, NULL,
                     "SELECT (SELECT count(*) || ' ' || coalesce(max(id), 0) FROM models),"
                     " (SELECT coalesce(max(id), 0) || ' ' || coalesce(sum(state ="
                     " 'done'), 0) || ' ' || count(reason) FROM ops),"
                     " (SELECT count(*) FROM hashes)",
                     "");
    if (mlx_stmt_step(q, NULL) > 0)
        mlx_buf_printf(&basis, "%s %s %" PRId64 "\n", mlx_stmt_str(q, 0), mlx_stmt_str(q, 1),
                       mlx_stmt_int(q, 2));
    return mlx_buf_take(&basis);
}

/*  "mtime dev ino path", one a line. False when the report cannot be relied on: a folder has just
 *  changed, or has a name that does not fit on a line. */
static bool write_watched(const mlx_cache_t *self, const mlx_scan_t *scan, mlx_buf_t *out)
{
    int64_t now_s = self->options.now_s();
    bool reliable = true;
    for (size_t i = 0; i < scan->watched_count; i++) {
        const mlx_watched_t *w = &scan->watched[i];
        if (w->mtime_ns / 1000000000 > now_s - SETTLE_S)
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

void mlx_report_keep(mlx_cache_t *self, const char *basis, const mlx_scan_t *scan,
                     const mlx_value_t *report)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t watched = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    if (!write_watched(self, scan, &watched))
        basis = "";
    mlx_json_write(&json, report, false);
    mlx_db_run(self->db, NULL, "INSERT OR REPLACE INTO reports VALUES ('status', ?, ?, ?)", "sss",
               basis, mlx_buf_str(&watched), mlx_buf_str(&json));
}

/*  The next number of a line; moves AT behind it and its space. */
static bool read_number(const char **at, uint64_t *out)
{
    uint64_t value = 0;
    const char *c = *at;
    while (*c >= '0' && *c <= '9')
        value = value * 10 + (uint64_t)(*c++ - '0');
    if (c == *at || *c != ' ')
        return false;
    *at = c + 1;
    *out = value;
    return true;
}

/*  Asked of thousands of lines by each status: sscanf would be half of its time. */
static bool is_unchanged(const char *line)
{
    uint64_t mtime_ns, dev, ino;
    struct stat st;
    return read_number(&line, &mtime_ns) && read_number(&line, &dev) && read_number(&line, &ino) &&
           stat(line, &st) == 0 && (uint64_t)mlx_fsys_mtime_ns(&st) == mtime_ns &&
           (uint64_t)st.st_dev == dev && (uint64_t)st.st_ino == ino;
}

/*  A row that others wrote to may hold anything, NULL too. */
static bool has_text(mlx_stmt_t *q, int columns)
{
    for (int i = 0; i < columns; i++)
        if (!mlx_stmt_str(q, i))
            return false;
    return true;
}

mlx_value_t *mlx_report_recall(mlx_cache_t *self)
{
    MLX_CLEANUP(mlx_free_p) char *basis = mlx_report_basis(self);
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        self->db, NULL, "SELECT basis, watched, json FROM reports WHERE name = 'status'", "");
    if (mlx_stmt_step(q, NULL) <= 0 || !has_text(q, 3) || strcmp(mlx_stmt_str(q, 0), basis) != 0)
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *watched = mlx_strdup(mlx_stmt_str(q, 1));
    char *rest = NULL;
    for (char *line = strtok_r(watched, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        if (!is_unchanged(line))
            return NULL;
    const char *json = mlx_stmt_str(q, 2);
    mlx_value_t *report = mlx_json_parse(json, strlen(json), NULL);
    if (!mlx_value_get(report, "models"))
        mlx_value_destroy(&report);
    return report;
}

char **mlx_cache_watched(mlx_cache_t *self, size_t *count)
{
    *count = 0;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(self->db, NULL, "SELECT watched FROM reports WHERE name = 'status'", "");
    if (mlx_stmt_step(q, NULL) <= 0 || !has_text(q, 1))
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
