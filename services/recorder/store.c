#include "store.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/base/paths.h"

enum {
    SERIES_BITS = 20,
    PAGE_SIZE = 8192 /* chunks are about 1 KB: larger pages are filled better */
};

struct mlx_history_store {
    mlx_db_t *db;
    char *path;
    dev_t device; /* of the file that is open */
    ino_t inode;
};

static const char *const schema[] = {
    "CREATE TABLE series (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, unit TEXT NOT NULL,"
    "                     scale INTEGER NOT NULL, last INTEGER NOT NULL);"
    "CREATE TABLE slot (tier INTEGER NOT NULL, id INTEGER NOT NULL, opened INTEGER NOT NULL,"
    "                   since INTEGER NOT NULL, until INTEGER NOT NULL, rows INTEGER NOT NULL,"
    "                   open INTEGER NOT NULL, PRIMARY KEY (tier, id)) WITHOUT ROWID;"
    "CREATE TABLE raw (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE minute (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE hour (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE tail (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE result (id TEXT NOT NULL, host TEXT NOT NULL, t INTEGER NOT NULL,"
    "                     model TEXT, data TEXT NOT NULL, PRIMARY KEY (host, id));"
    "CREATE INDEX result_t ON result (t);",
    "CREATE TABLE request (id INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE request_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE,"
    "                           used INTEGER NOT NULL);",
    "CREATE TABLE energy (hour INTEGER NOT NULL, kind INTEGER NOT NULL, model TEXT NOT NULL,"
    "                     client TEXT NOT NULL, joules REAL NOT NULL, seconds REAL NOT NULL,"
    "                     requests INTEGER NOT NULL, metered INTEGER NOT NULL,"
    "                     tokens INTEGER NOT NULL,"
    "                     PRIMARY KEY (hour, kind, model, client)) WITHOUT ROWID;"
    "CREATE TABLE energy_open (t INTEGER PRIMARY KEY, data BLOB NOT NULL);"
    "CREATE TABLE energy_state (id INTEGER PRIMARY KEY, settled INTEGER NOT NULL,"
    "                           idle_mw INTEGER);",
    "CREATE TABLE alert_silence (rule TEXT PRIMARY KEY, until INTEGER NOT NULL);"
    "CREATE TABLE speed_change (n INTEGER PRIMARY KEY, t INTEGER NOT NULL, topic TEXT NOT NULL,"
    "                           model TEXT NOT NULL, options TEXT NOT NULL,"
    "                           version TEXT NOT NULL, digest TEXT NOT NULL,"
    "                           system TEXT NOT NULL, driver TEXT NOT NULL);",
    "CREATE TABLE spread (id INTEGER PRIMARY KEY, model TEXT NOT NULL, data BLOB NOT NULL);"
    "CREATE TABLE event (n INTEGER PRIMARY KEY, t INTEGER NOT NULL, kind TEXT NOT NULL,"
    "                    text TEXT NOT NULL);",
};

mlx_history_store_t *mlx_history_store_open(const char *path, mlx_error_t *err)
{
    mlx_db_t *db = mlx_db_open(&(mlx_db_options_t){.path = path,
                                                   .migrations = schema,
                                                   .count = MLX_COUNT(schema),
                                                   .incremental_vacuum = true,
                                                   .page_size = PAGE_SIZE},
                               err);
    if (!db)
        return NULL;
    mlx_history_store_t *self = mlx_alloc(1, sizeof *self);
    struct stat status = {0};
    self->db = db;
    self->path = mlx_strdup(path);
    if (stat(path, &status) == 0) {
        self->device = status.st_dev;
        self->inode = status.st_ino;
    }
    if (mlx_db_check(db, err) || mlx_db_exec(db, "PRAGMA journal_size_limit = 4194304", err))
        mlx_history_store_destroy(&self);
    return self;
}

void mlx_history_store_destroy(mlx_history_store_t **self)
{
    if (*self) {
        mlx_db_destroy(&(*self)->db);
        free((*self)->path);
    }
    mlx_free_p(self);
}

mlx_history_place_t mlx_history_store_place(const mlx_history_store_t *self)
{
    struct stat status;
    if (stat(self->path, &status))
        return MLX_HISTORY_MISSING;
    return status.st_dev == self->device && status.st_ino == self->inode ? MLX_HISTORY_IN_PLACE
                                                                         : MLX_HISTORY_REPLACED;
}

/*  PATH.WORD-YYYYMMDD-HHMMSS; caller owns it. */
static char *dated(const char *path, const char *word, int64_t now_ms)
{
    time_t now = (time_t)(now_ms / 1000);
    struct tm tm;
    char date[32];
    gmtime_r(&now, &tm);
    strftime(date, sizeof date, "%Y%m%d-%H%M%S", &tm);
    return mlx_format("%s.%s-%s", path, word, date);
}

char *mlx_history_store_save(mlx_history_store_t *self, int64_t now_ms, mlx_error_t *err)
{
    char *name = dated(self->path, "saved", now_ms);
    const char *slash = strrchr(self->path, '/');
    MLX_CLEANUP(mlx_free_p)
    char *dir = slash ? mlx_strndup(self->path, (size_t)(slash - self->path)) : NULL;
    if (dir && *dir && access(dir, F_OK) && mlx_paths_make_private(dir, err)) {
        mlx_free_p(&name);
        return NULL;
    }
    if (unlink(name) && errno != ENOENT)
        mlx_error_set(err, MLX_ERR_FAILED, "%s: %s", name, strerror(errno));
    else if (mlx_db_run(self->db, err, "VACUUM INTO ?", "s", name) == 0)
        return name;
    mlx_free_p(&name);
    return NULL;
}

int mlx_history_store_put_back(const char *saved, const char *path, mlx_error_t *err)
{
    static const char *const rests[] = {"-wal", "-shm"};
    for (size_t i = 0; i < MLX_COUNT(rests); i++) { /* of the file that is no more */
        MLX_CLEANUP(mlx_free_p) char *rest = mlx_format("%s%s", path, rests[i]);
        unlink(rest);
    }
    return rename(saved, path) ? mlx_error_set(err, MLX_ERR_FAILED, "cannot move %s to %s: %s",
                                               saved, path, strerror(errno))
                               : 0;
}

char *mlx_history_store_set_aside(const char *path, int64_t now_ms, mlx_error_t *err)
{
    static const char *const parts[] = {"-wal", "-shm", ""};
    char *name = dated(path, "damaged", now_ms);
    for (size_t i = 0; i < MLX_COUNT(parts); i++) {
        MLX_CLEANUP(mlx_free_p) char *from = mlx_format("%s%s", path, parts[i]);
        MLX_CLEANUP(mlx_free_p) char *to = mlx_format("%s%s", name, parts[i]);
        if (rename(from, to) && errno != ENOENT) {
            mlx_error_set(err, MLX_ERR_FAILED, "cannot move %s to %s: %s", from, to,
                          strerror(errno));
            mlx_free_p(&name);
            return NULL;
        }
    }
    return name;
}

mlx_db_t *mlx_history_store_db(mlx_history_store_t *self)
{
    return self->db;
}

int mlx_history_store_begin(mlx_history_store_t *self, mlx_error_t *err)
{
    return mlx_db_begin(self->db, err);
}

int mlx_history_store_commit(mlx_history_store_t *self, mlx_error_t *err)
{
    return mlx_db_commit(self->db, err);
}

void mlx_history_store_rollback(mlx_history_store_t *self)
{
    mlx_db_rollback(self->db);
}

static mlx_unit_t unit_named(const char *name)
{
    for (int unit = MLX_UNIT_NONE; unit <= MLX_UNIT_LAST; unit++)
        if (name && strcmp(mlx_unit_name((mlx_unit_t)unit), name) == 0)
            return (mlx_unit_t)unit;
    return MLX_UNIT_NONE;
}

static bool is_unused(void *arg, const mlx_track_t *track)
{
    (void)arg;
    return track->name[0] == MLX_TRACK_UNUSED[0];
}

int mlx_history_store_load_series(mlx_history_store_t *self, mlx_tracks_t *tracks, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, err,
                                 "SELECT id, name, unit, scale, last FROM series ORDER BY id", "");
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        const char *name = mlx_stmt_str(q, 1);
        int64_t id = mlx_stmt_int(q, 0), scale = mlx_stmt_int(q, 3);
        mlx_track_t *track =
            name ? mlx_tracks_get(tracks, name, unit_named(mlx_stmt_str(q, 2)), MLX_REAL) : NULL;
        if (!track || scale < 1 || id < 1 || id >= 1 << SERIES_BITS)
            return mlx_error_set(err, MLX_ERR_DATA_LOSS, "series %" PRId64 " makes no sense", id);
        track->id = id;
        track->scale = scale;
        track->last = mlx_stmt_int(q, 4);
        track->stored = true;
    }
    mlx_tracks_release(tracks, is_unused, NULL);
    return more;
}

int mlx_history_store_put_series(mlx_history_store_t *self, const mlx_track_t *track, int64_t last,
                                 mlx_error_t *err)
{
    return mlx_db_run(self->db, err,
                      "INSERT INTO series (id, name, unit, scale, last) VALUES (?, ?, ?, ?, ?)"
                      " ON CONFLICT (id) DO UPDATE SET name = excluded.name, unit = excluded.unit,"
                      " scale = excluded.scale, last = excluded.last",
                      "issii", track->id, track->name, mlx_unit_name(track->unit), track->scale,
                      last);
}

int mlx_history_store_clear_series(mlx_history_store_t *self, mlx_error_t *err)
{
    static const char sql[] =
        "DELETE FROM raw WHERE id & 1048575 IN (SELECT id FROM series WHERE name LIKE '/%');"
        "DELETE FROM minute WHERE id & 1048575 IN (SELECT id FROM series WHERE name LIKE '/%');"
        "DELETE FROM hour WHERE id & 1048575 IN (SELECT id FROM series WHERE name LIKE '/%');";
    return mlx_db_exec(self->db, sql, err);
}

int mlx_history_store_put_tail(mlx_history_store_t *self, const mlx_buf_t *data, mlx_error_t *err)
{
    return mlx_db_run(self->db, err, "INSERT INTO tail (data) VALUES (?)", "b",
                      (const void *)data->data, data->len);
}

int mlx_history_store_each_tail(mlx_history_store_t *self, mlx_tail_fn fn, void *arg,
                                mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, err, "SELECT data FROM tail ORDER BY id", "");
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const void *data = mlx_stmt_bytes(q, 0, &len);
        fn(arg, data, len);
    }
    return more;
}

int mlx_history_store_drop_tail(mlx_history_store_t *self, mlx_error_t *err)
{
    return mlx_db_run(self->db, err, "DELETE FROM tail", "");
}

int mlx_history_store_put_slot(mlx_history_store_t *self, mlx_tier_t tier,
                               const mlx_history_slot_t *slot, mlx_error_t *err)
{
    return mlx_db_run(self->db, err,
                      "INSERT OR REPLACE INTO slot (tier, id, opened, since, until, rows, open)"
                      " VALUES (?, ?, ?, ?, ?, ?, ?)",
                      "iiiiiii", (int64_t)tier, slot->id, slot->opened, slot->since, slot->until,
                      slot->rows, (int64_t)slot->open);
}

int mlx_history_store_newest_slot(mlx_history_store_t *self, mlx_tier_t tier,
                                  mlx_history_slot_t *slot, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, err,
                                 "SELECT id, opened, since, until, rows, open FROM slot"
                                 " WHERE tier = ? ORDER BY id DESC LIMIT 1",
                                 "i", (int64_t)tier);
    int found = mlx_stmt_step(q, err);
    if (found > 0)
        *slot = (mlx_history_slot_t){.id = mlx_stmt_int(q, 0),
                                     .opened = mlx_stmt_int(q, 1),
                                     .since = mlx_stmt_int(q, 2),
                                     .until = mlx_stmt_int(q, 3),
                                     .rows = mlx_stmt_int(q, 4),
                                     .open = mlx_stmt_int(q, 5) != 0};
    return found < 0 ? -1 : 0;
}

int mlx_history_store_oldest(mlx_history_store_t *self, mlx_tier_t tier, int64_t *opened,
                             mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, err, "SELECT min(opened) FROM slot WHERE tier = ?", "i",
                                 (int64_t)tier);
    if (mlx_stmt_step(q, err) < 0)
        return -1;
    *opened = mlx_stmt_is_null(q, 0) ? INT64_MAX : mlx_stmt_int(q, 0);
    return 0;
}

int mlx_history_store_drop_old(mlx_history_store_t *self, mlx_tier_t tier, int64_t t, bool *dropped,
                               mlx_error_t *err)
{
    int64_t id = -1;
    *dropped = false;
    {
        MLX_CLEANUP(mlx_stmt_destroy)
        mlx_stmt_t *q = mlx_db_query(self->db, err,
                                     "SELECT id FROM slot WHERE tier = ? AND until < ? AND NOT open"
                                     " ORDER BY id LIMIT 1",
                                     "ii", (int64_t)tier, t);
        int found = mlx_stmt_step(q, err);
        if (found <= 0)
            return found;
        id = mlx_stmt_int(q, 0);
    }
    MLX_CLEANUP(mlx_free_p)
    char *sql = mlx_format("DELETE FROM %s WHERE id >= ? AND id < ?", mlx_tier_name(tier));
    *dropped = true;
    return mlx_db_run(self->db, err, sql, "ii", id << SERIES_BITS, (id + 1) << SERIES_BITS) ||
                   mlx_db_run(self->db, err, "DELETE FROM slot WHERE tier = ? AND id = ?", "ii",
                              (int64_t)tier, id)
               ? -1
               : 0;
}

int mlx_history_store_put_chunk(mlx_history_store_t *self, mlx_tier_t tier, int64_t slot,
                                int64_t series, const mlx_buf_t *data, mlx_error_t *err)
{
    static const char *const sql[MLX_TIERS] = {
        "INSERT OR REPLACE INTO raw (id, data) VALUES (?, ?)",
        "INSERT OR REPLACE INTO minute (id, data) VALUES (?, ?)",
        "INSERT OR REPLACE INTO hour (id, data) VALUES (?, ?)"};
    return mlx_db_run(self->db, err, sql[tier], "ib", slot << SERIES_BITS | series,
                      (const void *)data->data, data->len);
}

int mlx_history_store_each_chunk(mlx_history_store_t *self, const mlx_chunk_range_t *range,
                                 mlx_chunk_fn fn, void *arg, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *sql = mlx_format("SELECT slot.id, chunk.data FROM slot CROSS JOIN %s AS chunk"
                           " ON chunk.id = (slot.id << %d | ?)"
                           " WHERE slot.tier = ? AND slot.id >= ? AND slot.id < ?"
                           " AND slot.until >= ? AND slot.since <= ? ORDER BY slot.id",
                           mlx_tier_name(range->tier), SERIES_BITS);
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, err, sql, "iiiiii", range->series, (int64_t)range->tier,
                                 range->from, range->before, range->since, range->until);
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const void *data = mlx_stmt_bytes(q, 1, &len);
        if (!fn(arg, mlx_stmt_int(q, 0), data, len))
            return 0;
    }
    return more;
}

static int64_t number(mlx_history_store_t *self, const char *sql, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_stmt_destroy) mlx_stmt_t *q = mlx_db_query(self->db, err, sql, "");
    return mlx_stmt_step(q, err) > 0 ? mlx_stmt_int(q, 0) : -1;
}

int mlx_history_store_figures(mlx_history_store_t *self, mlx_history_store_figures_t *figures,
                              mlx_error_t *err)
{
    int64_t size = number(self, "PRAGMA page_size", err);
    int64_t pages = number(self, "PRAGMA page_count", err);
    int64_t unused = number(self, "PRAGMA freelist_count", err);
    if (size < 0 || pages < 0 || unused < 0)
        return -1;
    *figures = (mlx_history_store_figures_t){
        .bytes = pages * size, .free = unused * size, .oldest = INT64_MAX};
    for (int i = 0; i < MLX_TIERS; i++)
        figures->since[i] = INT64_MAX;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        self->db, err, "SELECT tier, sum(rows * NOT open), min(since) FROM slot GROUP BY tier", "");
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        int64_t tier = mlx_stmt_int(q, 0), since = mlx_stmt_int(q, 2);
        if (tier >= 0 && tier < MLX_TIERS)
            figures->rows[tier] = mlx_stmt_int(q, 1);
        if (tier >= 0 && tier < MLX_TIERS)
            figures->since[tier] = since;
    }
    return more;
}

int mlx_history_store_shrink(mlx_history_store_t *self, int pages, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *sql = mlx_format("PRAGMA incremental_vacuum(%d)", pages);
    return mlx_db_exec(self->db, sql, err);
}
