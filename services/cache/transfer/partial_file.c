#include "services/cache/transfer/partial_file.h"

#include "services/cache/plan/fsys.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    PART,
    STATE,
    PIECES,
    KEEP_PIECES = 2, /* come before they are made durable together */
};

struct mlx_partial_file {
    const mlx_fs_t *fs;
    const mlx_root_t *home;
    char *etag;
    int fd;
    int sidecar; /* -1: of one piece */
    uint64_t kept;
    uint64_t size;
};

char *mlx_partial_file_path(const char *etag, unsigned index)
{
    static const char *const names[] = {[PART] = "part", [STATE] = "state", [PIECES] = "pieces"};
    return index < MLX_COUNT(names) ? mlx_format("partial/%s.%s", etag, names[index]) : NULL;
}

uint64_t mlx_partial_file_held(const mlx_root_t *home, const char *etag)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(etag, PART);
    struct stat st;
    bool there = mlx_fs_stat(home, path, &st, NULL) > 0 && S_ISREG(st.st_mode);
    return there ? (uint64_t)st.st_blocks * 512 : 0;
}

static int drop(const mlx_partial_file_t *self, unsigned which, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, which);
    return mlx_fs_unlink(self->fs, self->home, path, NULL, err);
}

/* ---- a part of one piece ---- */

static uint64_t trusted_bytes(const mlx_partial_file_t *self, uint64_t length)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, STATE);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(self->home, path, NULL);
    char text[128] = "", boot[64], now[64];
    unsigned long long synced = 0;
    if (fd < 0 || read(fd, text, sizeof text - 1) <= 0 ||
        sscanf(text, "%llu %63s", &synced, boot) != 2)
        return 0;
    mlx_fsys_boot_id(now, sizeof now);
    /* In the same boot the kernel still has what was written, however the process ended. */
    uint64_t trusted = strcmp(boot, now) == 0 ? length : synced;
    return trusted < length ? trusted : length;
}

static void store_state(const mlx_partial_file_t *self, uint64_t at)
{
    char boot[64];
    mlx_fsys_boot_id(boot, sizeof boot);
    if (mlx_fsys_sync_data(self->fd) != 0 || drop(self, STATE, NULL))
        return;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, STATE);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%llu %s\n", (unsigned long long)at, boot);
    mlx_fs_write_file(self->fs, self->home, path, text, strlen(text), 0600, NULL);
}

static int open_simple(mlx_partial_file_t *self, uint64_t length, mlx_range_map_t *pieces,
                       mlx_error_t *err)
{
    uint64_t left = trusted_bytes(self, length);
    if (left > self->size)
        left = 0;
    if (drop(self, PIECES, err))
        return -1;
    if (ftruncate(self->fd, (off_t)left) != 0)
        return mlx_fs_error(err, errno, "resume", self->etag);
    store_state(self, left);
    mlx_range_map_reached(pieces, 0, left);
    return 0;
}

/* ---- a part of several ---- */

/*  Take the sidecar's word; whether it was of this content. */
static bool read_sidecar(const mlx_partial_file_t *self, uint64_t length, mlx_range_map_t *pieces)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, PIECES);
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(self->home, path, NULL);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_alloc(MLX_PIECES_TEXT_MAX, 1);
    ssize_t got = fd < 0 ? -1 : read(fd, text, MLX_PIECES_TEXT_MAX);
    return got > 0 && mlx_range_map_parse(pieces, text, (size_t)got, length);
}

static void take_beginning(uint64_t left, mlx_range_map_t *pieces)
{
    for (size_t i = 0; i < mlx_range_map_count(pieces) && mlx_range_map_end(pieces, i) <= left; i++)
        mlx_range_map_reached(pieces, i, mlx_range_map_end(pieces, i));
}

static int write_sidecar(mlx_partial_file_t *self, const char *text, uint64_t bytes)
{
    size_t len = strlen(text);
    if (mlx_fsys_sync_data(self->fd) != 0 || pwrite(self->sidecar, text, len, 0) != (ssize_t)len ||
        mlx_fsys_sync_data(self->sidecar) != 0)
        return -1;
    self->kept = bytes;
    return 0;
}

/*  The state goes before the part gets its length: with it, its whole length would be trusted. */
static int open_pieces(mlx_partial_file_t *self, uint64_t length, mlx_range_map_t *pieces,
                       mlx_error_t *err)
{
    bool known = read_sidecar(self, length, pieces);
    if (!known) {
        uint64_t left = trusted_bytes(self, length);
        take_beginning(left <= self->size ? left : 0, pieces);
    }
    if (!known && drop(self, PIECES, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, PIECES);
    self->sidecar = mlx_fs_append(self->fs, self->home, path, err);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(pieces);
    if (self->sidecar < 0)
        return -1;
    if (write_sidecar(self, text, mlx_range_map_bytes(pieces)))
        return mlx_fs_error(err, errno, "write", path);
    if (drop(self, STATE, err))
        return -1;
    int failed = mlx_fsys_reserve(self->fd, self->size);
    return failed ? mlx_fs_error(err, failed, "allocate space for", self->etag) : 0;
}

/* ---- both ---- */

static int fill(mlx_partial_file_t *self, bool fresh, mlx_range_map_t *pieces, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_partial_file_path(self->etag, PART);
    self->fd = mlx_fs_append(self->fs, self->home, path, err);
    struct stat st;
    if (self->fd < 0)
        return -1;
    if (fstat(self->fd, &st) != 0 || !S_ISREG(st.st_mode))
        return mlx_error_set(err, MLX_ERR_FAILED, "%s is not a regular file", path);
    uint64_t length = fresh ? 0 : (uint64_t)st.st_size;
    return mlx_range_map_count(pieces) == 1 ? open_simple(self, length, pieces, err)
                                            : open_pieces(self, length, pieces, err);
}

mlx_partial_file_t *mlx_partial_file_open(const mlx_fs_t *fs, const mlx_root_t *home,
                                          const char *etag, bool fresh, mlx_range_map_t *pieces,
                                          mlx_error_t *err)
{
    mlx_partial_file_t *self = mlx_alloc(1, sizeof *self);
    self->fs = fs;
    self->home = home;
    self->etag = mlx_strdup(etag);
    self->fd = self->sidecar = -1;
    self->size = mlx_range_map_end(pieces, mlx_range_map_count(pieces) - 1);
    if (fill(self, fresh, pieces, err))
        mlx_partial_file_close(&self, NULL);
    return self;
}

void mlx_partial_file_close(mlx_partial_file_t **self, const mlx_range_map_t *pieces)
{
    mlx_partial_file_t *left = *self;
    *self = NULL;
    if (!left)
        return;
    /* What is complete is about to be moved away. */
    if (pieces && !mlx_range_map_complete(pieces) && left->sidecar < 0)
        store_state(left, mlx_range_map_bytes(pieces));
    if (pieces && !mlx_range_map_complete(pieces) && left->sidecar >= 0) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(pieces);
        write_sidecar(left, text, mlx_range_map_bytes(pieces));
    }
    if (left->fd >= 0)
        close(left->fd);
    if (left->sidecar >= 0)
        close(left->sidecar);
    free(left->etag);
    free(left);
}

int mlx_partial_file_fd(const mlx_partial_file_t *self)
{
    return self->fd;
}

/*  The sidecar says so first: a crash in between must not leave it trusting what is gone. */
int mlx_partial_file_discard(mlx_partial_file_t *self, mlx_range_map_t *pieces, mlx_error_t *err)
{
    mlx_range_map_clear(pieces);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(pieces);
    if (self->sidecar >= 0 && write_sidecar(self, text, 0))
        return mlx_fs_error(err, errno, "forget", self->etag);
    if (ftruncate(self->fd, 0) != 0)
        return mlx_fs_error(err, errno, "empty", self->etag);
    return 0;
}

bool mlx_partial_file_is_due(const mlx_partial_file_t *self, const mlx_range_map_t *pieces)
{
    uint64_t piece = mlx_range_map_end(pieces, 0);
    return self->sidecar >= 0 && mlx_range_map_bytes(pieces) - self->kept >= KEEP_PIECES * piece;
}

void mlx_partial_file_keep(mlx_partial_file_t *self, const char *text, uint64_t bytes)
{
    write_sidecar(self, text, bytes);
}

int mlx_partial_file_sync(const mlx_partial_file_t *self)
{
    return mlx_fsys_sync_data(self->fd);
}

void mlx_partial_file_write_behind(const mlx_partial_file_t *self, uint64_t from, uint64_t len)
{
    mlx_fsys_write_behind(self->fd, from, len);
}
