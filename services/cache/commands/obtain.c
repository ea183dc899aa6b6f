/*  Bringing files in: from the store itself, from an app that has the same bytes, from the network.
 */
#include "services/cache/commands/internal.h"

#include "common/base/clock.h"
#include "common/base/throughput.h"
#include "services/cache/model/header.h"
#include "services/cache/model/weights.h"
#include "services/cache/store/hasher.h"
#include "services/cache/store/store.h"
#include "services/cache/transfer/download.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
    COMPRESSIBLE_MAX = 1024 * 1024,
    RESERVE_SHARE = 50 /* a fiftieth, 2 % */
};

#define RESERVE_MAX (1ull << 30)
#define SMOOTH_S 1.5 /* of the speed that progress tells */

typedef struct {
    mlx_cache_t *cache;
    mlx_model_t *model;
    mlx_wanted_t *wanted;
    size_t count;
    mlx_download_t *files; /* of the wanted ones that must come from the network */
    size_t *of;            /* index in wanted of each of them */
    size_t file_count;
    uint64_t present, adopted, downloaded;
    mlx_throughput_t flow;
} fetch_t;

void mlx_wanted_free(mlx_wanted_t **wanted, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free((*wanted)[i].file.path);
        free((*wanted)[i].url);
        free((*wanted)[i].error_code);
        free((*wanted)[i].mirrored);
    }
    free(*wanted);
    *wanted = NULL;
}

/* ---- what is here already ---- */

/*  1: it is there and sound. A damaged one is set aside, to be got again. */
static int find_in_store(mlx_cache_t *self, mlx_model_file_t *w, bool dry_run, mlx_error_t *err)
{
    char hex[MLX_HEX_MAX] = "";
    if (w->sha256[0])
        memcpy(hex, w->sha256, sizeof hex);
    else if (mlx_registry_by_etag(self->db, w->etag, hex, err) < 0)
        return -1;
    mlx_blob_t there = hex[0] ? mlx_cache_store_check(&self->engine, self->home, hex, w->size, err)
                              : MLX_BLOB_NONE;
    if (there == MLX_BLOB_DAMAGED) {
        return dry_run ? 0 : mlx_cache_store_set_aside(&self->engine, self->home, hex, err);
    }
    if (there == MLX_BLOB_SOUND)
        memcpy(w->sha256, hex, sizeof hex);
    return there == MLX_BLOB_FAILED ? -1 : there == MLX_BLOB_SOUND;
}

/*  Where names claim nothing, a file of the same size is hashed, once: of small ones too, or a
 *  model that was removed could not come back from the folder where it still is. */
static bool has_same_hash(mlx_cache_t *self, const mlx_seen_t *seen, const mlx_root_t *root,
                          const mlx_model_file_t *w)
{
    char hex[MLX_HEX_MAX];
    mlx_cache_tell_begin(self, "add", "compare", w->path, w->size, MLX_DIGEST_PIECE);
    return mlx_hash_file(self->db, root, seen->path, mlx_cache_piece, self, hex, NULL) == 0 &&
           strcmp(hex, w->sha256) == 0;
}

static bool is_same(mlx_cache_t *self, const mlx_seen_t *seen, const mlx_root_t *root,
                    const mlx_model_file_t *w)
{
    if (!w->sha256[0])
        return strcmp(seen->etag, w->etag) == 0;
    if (seen->claim[0])
        return strcmp(seen->claim, w->sha256) == 0;
    if (*w->etag && strcmp(seen->etag, w->etag) == 0)
        return true;
    return (seen->shared || w->size < MLX_SHARE_MIN) && has_same_hash(self, seen, root, w);
}

/*  1: an app had it. A file that turns out not to be what its name says is passed over; a dry run
 *  believes the name. */
static int take_from_apps(mlx_cache_t *self, const mlx_scan_t *scan, const char *model,
                          mlx_model_file_t *w, bool dry_run)
{
    bool share = mlx_weights_is_shared(w->path, w->size);
    unsigned methods = share ? MLX_METHOD_CLONE | MLX_METHOD_HARDLINK : mlx_cache_small_methods();
    for (size_t i = 0; i < scan->count; i++) {
        const mlx_seen_t *seen = &scan->files[i];
        const mlx_root_t *root = *seen->path && seen->id.size == w->size
                                     ? mlx_roots_get(self->roots, seen->root, NULL)
                                     : NULL;
        char hex[MLX_HEX_MAX];
        if (!root || !is_same(self, seen, root, w))
            continue;
        if (dry_run)
            return 1;
        mlx_cache_tell_begin(self, "add", "verify", w->path, w->size, MLX_DIGEST_PIECE);
        if (mlx_cache_store_adopt(&self->engine, self->home, root, seen->path, w->path, w->sha256,
                                  methods, hex, NULL))
            continue;
        if (!w->sha256[0] && !mlx_cache_store_is_git(self->home, hex, w->etag))
            continue;
        memcpy(w->sha256, hex, sizeof hex);
        mlx_cache_tell_file(self, model, w->path, w->size, share ? "shared" : "copied", seen->app);
        return 1;
    }
    return 0;
}

static bool is_repeated(const fetch_t *f, size_t index)
{
    for (size_t i = 0; i < index; i++)
        if (strcmp(f->wanted[i].file.etag, f->wanted[index].file.etag) == 0)
            return true;
    return false;
}

static void must_download(fetch_t *f, size_t index)
{
    const mlx_wanted_t *w = &f->wanted[index];
    f->of[f->file_count] = index;
    mlx_download_t *download = &f->files[f->file_count++];
    download->file = &w->file;
    download->url = w->url;
    download->auth = w->auth;
    download->compressible = w->file.size < COMPRESSIBLE_MAX && !mlx_file_is_weights(w->file.path);
}

static int sort_out(fetch_t *f, bool dry_run, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_scan_destroy) mlx_scan_t *scan = mlx_cache_look(f->cache, err);
    if (!scan)
        return -1;
    for (size_t i = 0; i < f->count; i++) {
        mlx_model_file_t *w = &f->wanted[i].file;
        if (is_repeated(f, i))
            continue;
        int there = find_in_store(f->cache, w, dry_run, err);
        if (there < 0)
            return -1;
        if (there && !dry_run)
            mlx_cache_tell_file(f->cache, f->model->name, w->path, w->size, "present", NULL);
        if (there)
            f->present += w->size;
        else if (take_from_apps(f->cache, scan, f->model->name, w, dry_run))
            f->adopted += w->size;
        else
            must_download(f, i);
    }
    return 0;
}

/* ---- the network ---- */

static int preflight(const fetch_t *f, mlx_error_t *err)
{
    uint64_t need = 0;
    for (size_t i = 0; i < f->file_count; i++) {
        const mlx_model_file_t *file = f->files[i].file;
        uint64_t held = mlx_download_held(f->cache->home, file->etag);
        need += file->size > held ? file->size - held : 0;
    }
    struct statvfs fs;
    if (!need || statvfs(mlx_root_path(f->cache->home), &fs) != 0)
        return 0;
    uint64_t spare = (uint64_t)fs.f_bavail * fs.f_frsize;
    uint64_t reserve = need / RESERVE_SHARE < RESERVE_MAX ? need / RESERVE_SHARE : RESERVE_MAX;
    if (need + reserve <= spare)
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "%s needs %.1f GB more, %s has %.1f GB", f->model->name,
                  (double)(need + reserve) / 1e9, mlx_root_path(f->cache->home),
                  (double)spare / 1e9);
    return mlx_error_hint(err,
                          "free space (mlx-cache clean, mlx-cache dedup) or set MLX_CACHE_DIR");
}

static void say_progress(void *arg)
{
    fetch_t *f = arg;
    const mlx_cache_options_t *options = &f->cache->options;
    if (!options->progress)
        return;
    uint64_t done = 0, total = 0;
    for (size_t i = 0; i < f->file_count; i++) {
        done += atomic_load(&f->files[i].done);
        total += f->files[i].file->size;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *event = mlx_value_map();
    mlx_value_set_str(event, "operation", "add");
    mlx_value_set_str(event, "model", f->model->name);
    mlx_value_set_str(event, "phase", "download");
    mlx_value_set_int(event, "done", (int64_t)done);
    mlx_value_set_int(event, "total", (int64_t)total);
    mlx_throughput_note(&f->flow, mlx_now_us(), done);
    double speed = mlx_throughput_speed(&f->flow), left = mlx_throughput_left(&f->flow, total);
    if (!isnan(speed))
        mlx_value_set_real(event, "rate", speed);
    if (!isnan(left))
        mlx_value_set_real(event, "eta", left);
    options->progress(options->arg, event);
}

static void say_waiting(void *arg, int64_t ms, const mlx_error_t *why)
{
    const fetch_t *f = arg;
    const mlx_cache_options_t *options = &f->cache->options;
    if (!options->progress)
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *event = mlx_value_map();
    mlx_value_set_str(event, "model", f->model->name);
    mlx_value_set_str(event, "waiting", why->text);
    mlx_value_set_real(event, "again_s", (double)ms / 1e3);
    options->progress(options->arg, event);
}

/*  A verified part: its header is checked too, then it becomes a blob. */
static int take_part(void *arg, mlx_download_t *download, mlx_error_t *err)
{
    fetch_t *f = arg;
    mlx_cache_t *self = f->cache;
    mlx_model_file_t *w = &f->wanted[f->of[download - f->files]].file;
    MLX_CLEANUP(mlx_free_p) char *part = mlx_download_part(w->etag);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(self->home, part, err);
    if (fd < 0)
        return -1;
    if (mlx_header_check(fd, w->path, err)) {
        /* The publisher's own bytes are broken: no other try would bring better ones. */
        mlx_fs_unlink(&self->options.fs, self->home, part, NULL, NULL);
        return mlx_error_hint(err, "the file is damaged at its source");
    }
    if (mlx_cache_store_commit(&self->engine, self->home, part, download->sha256, err) ||
        mlx_download_clear(&self->options.fs, self->home, w->etag, err))
        return -1;
    memcpy(w->sha256, download->sha256, sizeof w->sha256);
    f->downloaded += w->size;
    mlx_cache_tell_file(self, f->model->name, w->path, w->size, "downloaded", NULL);
    return 0;
}

static bool asked_to_stop(void *arg)
{
    const fetch_t *f = arg;
    const mlx_cache_options_t *options = &f->cache->options;
    return options->stop && options->stop(options->arg);
}

static int download(fetch_t *f, const mlx_cache_transfer_t *transfer, mlx_error_t *err)
{
    if (preflight(f, err))
        return -1;
    say_progress(f);
    int rc = mlx_download_run(&(mlx_downloads_t){.home = f->cache->home,
                                                 .fs = &f->cache->options.fs,
                                                 .files = f->files,
                                                 .count = f->file_count,
                                                 .streams = transfer->streams,
                                                 .pause_ms = transfer->pause_ms,
                                                 .stall_ms = transfer->stall_ms,
                                                 .piece = transfer->piece,
                                                 .stop = asked_to_stop,
                                                 .tick = say_progress,
                                                 .waiting = say_waiting,
                                                 .complete = take_part,
                                                 .arg = f},
                              err);
    say_progress(f);
    for (size_t i = 0; i < f->file_count; i++) {
        f->wanted[f->of[i]].status = f->files[i].status;
        f->wanted[f->of[i]].error_code = f->files[i].error_code;
    }
    return rc;
}

/* ---- the result ---- */

static void fill_model(const fetch_t *f)
{
    for (size_t i = 0; i < f->count; i++) {
        const mlx_model_file_t *w = &f->wanted[i].file, *same = w;
        for (size_t k = 0; k < i; k++)
            if (strcmp(f->wanted[k].file.etag, w->etag) == 0) {
                same = &f->wanted[k].file;
                break;
            }
        mlx_model_file_t *file = mlx_model_add_file(f->model, w->path);
        memcpy(file->sha256, same->sha256, sizeof file->sha256);
        memcpy(file->etag, w->etag, sizeof file->etag);
        file->size = w->size;
    }
}

int mlx_cache_fetch(mlx_cache_t *self, mlx_model_t *model, mlx_wanted_t *wanted, size_t count,
                    bool dry_run, const mlx_cache_transfer_t *transfer, mlx_value_t *report,
                    mlx_error_t *err)
{
    fetch_t f = {.cache = self,
                 .model = model,
                 .wanted = wanted,
                 .count = count,
                 .flow = {.smooth_s = SMOOTH_S}};
    MLX_CLEANUP(mlx_free_p) mlx_download_t *files = mlx_alloc(count + 1, sizeof *files);
    MLX_CLEANUP(mlx_free_p) size_t *of = mlx_alloc(count + 1, sizeof *of);
    f.files = files;
    f.of = of;
    if (sort_out(&f, dry_run, err) || (!dry_run && f.file_count && download(&f, transfer, err)))
        return -1;
    uint64_t missing = 0;
    for (size_t i = 0; dry_run && i < f.file_count; i++)
        missing += files[i].file->size;
    fill_model(&f);
    mlx_value_set_int(report, "present", (int64_t)f.present);
    mlx_value_set_int(report, "adopted", (int64_t)f.adopted);
    mlx_value_set_int(report, "downloaded", (int64_t)f.downloaded);
    if (dry_run)
        mlx_value_set_int(report, "missing", (int64_t)missing);
    return 0;
}
