#include "services/cache/commands/recall.h"

#include "common/base/json.h"
#include "proto/pack.h"
#include "services/cache/plan/fsys.h"
#include "services/cache/store/registry.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

uint64_t mlx_recall_device(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 ? (uint64_t)st.st_dev : 0;
}

char *mlx_recall_counts(mlx_db_t *db)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q =
        mlx_db_query(db, NULL,
                     "SELECT (SELECT count(*) || ' ' || coalesce(max(id), 0) FROM models)"
                     " || ' ' || (SELECT coalesce(max(id), 0) || ' ' || coalesce(sum(state ="
                     " 'done'), 0) || ' ' || count(reason) FROM ops)"
                     " || ' ' || (SELECT count(*) FROM hashes)",
                     "");
    const char *counts = mlx_stmt_step(q, NULL) > 0 ? mlx_stmt_str(q, 0) : NULL;
    return mlx_strdup(counts ? counts : "");
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

/*  "mtime dev ino path": is that still so. FOLDER is the open folder PREFIX, from where the way to
 *  a path below it is shorter; with it comes the next one. */
typedef struct {
    int folder;
    const char *prefix;
    size_t len;
} below_t;

static int stat_below(below_t *below, const char *path, struct stat *st)
{
    if (below->folder >= 0 && strncmp(path, below->prefix, below->len) == 0 &&
        path[below->len] == '/' && path[below->len + 1] && path[below->len + 1] != '/')
        return fstatat(below->folder, path + below->len + 1, st, 0);
    if (below->folder >= 0)
        close(below->folder);
    *below = (below_t){.folder = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NONBLOCK),
                       .prefix = path,
                       .len = strlen(path)};
    return below->folder >= 0 ? fstat(below->folder, st) : stat(path, st);
}

/*  Asked of thousands of lines by each status: sscanf would be half of its time. */
static bool is_unchanged(below_t *below, const char *line)
{
    uint64_t mtime_ns, dev, ino;
    struct stat st = {0};
    if (!read_number(&line, &mtime_ns) || !read_number(&line, &dev) || !read_number(&line, &ino))
        return false;
    if (stat_below(below, line, &st) != 0)
        st = (struct stat){0};
    return (uint64_t)mlx_fsys_mtime_ns(&st) == mtime_ns && (uint64_t)st.st_dev == dev &&
           (uint64_t)st.st_ino == ino;
}

static bool are_unchanged(char *lines)
{
    below_t below = {.folder = -1};
    char *rest = NULL;
    bool same = true;
    for (char *line = strtok_r(lines, "\n", &rest); line && same;
         line = strtok_r(NULL, "\n", &rest))
        same = is_unchanged(&below, line);
    if (below.folder >= 0)
        close(below.folder);
    return same;
}

/* ---- the lines of a basis, by their first word ---- */

typedef struct {
    mlx_db_t *db;
    const mlx_env_t *env;
} now_t;

static bool is_variable(const now_t *now, const char *line)
{
    const char *equals = strchr(line, '=');
    MLX_CLEANUP(mlx_free_p)
    char *name = equals ? mlx_strndup(line, (size_t)(equals - line)) : NULL;
    const char *value = name ? mlx_env_get(now->env, name) : NULL;
    return equals && strcmp(value ? value : "", equals + 1) == 0;
}

static bool is_store(const now_t *now, const char *line)
{
    uint64_t device = 0;
    (void)now;
    return read_number(&line, &device) && mlx_recall_device(line) == device;
}

static bool is_file(const now_t *now, const char *line)
{
    below_t below = {.folder = -1};
    (void)now;
    bool same = is_unchanged(&below, line);
    if (below.folder >= 0)
        close(below.folder);
    return same;
}

static bool is_folder(const now_t *now, const char *line)
{
    char here[MLX_RECALL_PATH];
    (void)now;
    return getcwd(here, sizeof here) && strcmp(here, line) == 0;
}

static bool is_registry(const now_t *now, const char *line)
{
    MLX_CLEANUP(mlx_free_p) char *counts = mlx_recall_counts(now->db);
    return strcmp(counts, line) == 0;
}

static bool holds(const now_t *now, const char *line)
{
    static const struct {
        const char *word;
        bool (*is_so)(const now_t *now, const char *line);
    } kinds[] = {{"variable ", is_variable},
                 {"store ", is_store},
                 {"file ", is_file},
                 {"folder ", is_folder},
                 {"registry ", is_registry}};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++)
        if (strncmp(line, kinds[i].word, strlen(kinds[i].word)) == 0)
            return kinds[i].is_so(now, line + strlen(kinds[i].word));
    return false;
}

/*  An empty basis is one that was not to be relied on. */
static bool all_hold(const now_t *now, char *basis)
{
    char *rest = NULL, *line = strtok_r(basis, "\n", &rest);
    bool so = line != NULL;
    for (; line && so; line = strtok_r(NULL, "\n", &rest))
        so = holds(now, line);
    return so;
}

/* ---- asking ---- */

/*  A row that others wrote to may hold anything, NULL too. */
static bool has_text(mlx_stmt_t *q, int columns)
{
    for (int i = 0; i < columns; i++)
        if (!mlx_stmt_str(q, i))
            return false;
    return true;
}

mlx_value_t *mlx_recall_status(mlx_db_t *db, const mlx_env_t *env)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, NULL, "SELECT basis, watched, json FROM reports WHERE name = 'status'", "");
    if (mlx_stmt_step(q, NULL) <= 0 || !has_text(q, 2))
        return NULL;
    const now_t now = {.db = db, .env = env};
    MLX_CLEANUP(mlx_free_p) char *basis = mlx_strdup(mlx_stmt_str(q, 0));
    MLX_CLEANUP(mlx_free_p) char *watched = mlx_strdup(mlx_stmt_str(q, 1));
    if (!all_hold(&now, basis) || !are_unchanged(watched))
        return NULL;
    size_t len;
    const char *kept = mlx_stmt_bytes(q, 2, &len);
    mlx_value_t *report =
        len && *kept == '{' ? mlx_json_parse(kept, len, NULL) : mlx_unpack(kept, len, NULL);
    if (!mlx_value_get(report, "models"))
        mlx_value_destroy(&report);
    return report;
}

mlx_value_t *mlx_cache_kept_status(const char *home, const mlx_env_t *env)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/registry.db", home);
    struct stat st, own;
    if (stat(home, &st) != 0 || st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH)) ||
        stat(path, &own) != 0)
        return NULL;
    MLX_CLEANUP(mlx_db_destroy) mlx_db_t *db = mlx_registry_open(path, false, NULL);
    return db ? mlx_recall_status(db, env) : NULL;
}
