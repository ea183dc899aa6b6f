#include "services/cache/plan/fsys.h"

#include "proto/base.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifdef __APPLE__
#include <limits.h>
#include <sys/attr.h>
#include <sys/clonefile.h>
#include <sys/mount.h>
#include <sys/sysctl.h>
#include <sys/time.h>

int64_t mlx_fsys_mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtimespec.tv_sec * 1000000000 + st->st_mtimespec.tv_nsec;
}

int64_t mlx_fsys_ctime_ns(const struct stat *st)
{
    return (int64_t)st->st_ctimespec.tv_sec * 1000000000 + st->st_ctimespec.tv_nsec;
}

void mlx_fsys_set_mtime(struct stat *st, int64_t mtime_ns)
{
    st->st_mtimespec.tv_sec = (time_t)(mtime_ns / 1000000000);
    st->st_mtimespec.tv_nsec = (long)(mtime_ns % 1000000000);
}

void mlx_fsys_boot_id(char *out, size_t size)
{
    struct timeval boot = {0};
    size_t len = sizeof boot;
    sysctlbyname("kern.boottime", &boot, &len, NULL, 0);
    snprintf(out, size, "%lld.%06d", (long long)boot.tv_sec, (int)boot.tv_usec);
}

int mlx_fsys_path(int dir, char *path, size_t size)
{
    char long_path[PATH_MAX];
    if (fcntl(dir, F_GETPATH, long_path) != 0)
        return errno;
    return (size_t)snprintf(path, size, "%s", long_path) < size ? 0 : ENAMETOOLONG;
}

int mlx_fsys_clone(int from, int dir, const char *name)
{
    return fclonefileat(from, dir, name, CLONE_NOFOLLOW | CLONE_NOOWNERCOPY) == 0 ? 0 : errno;
}

int mlx_fsys_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
    return renameatx_np(from_dir, from, to_dir, to, RENAME_EXCL) == 0 ? 0 : errno;
}

int mlx_fsys_exchange(int a_dir, const char *a, int b_dir, const char *b)
{
    return renameatx_np(a_dir, a, b_dir, b, RENAME_SWAP) == 0 ? 0 : errno;
}

int mlx_fsys_set_times(int fd, const struct stat *st)
{
    const struct timespec times[2] = {st->st_atimespec, st->st_mtimespec};
    return futimens(fd, times) == 0 ? 0 : errno;
}

int mlx_fsys_sync_data(int fd)
{
    return fsync(fd) == 0 ? 0 : errno;
}

int mlx_fsys_reserve(int fd, uint64_t len)
{
    struct stat st;
    if (fstat(fd, &st) != 0)
        return errno;
    off_t missing = (off_t)len - (off_t)st.st_blocks * 512;
    fstore_t store = {
        .fst_flags = F_ALLOCATEALL, .fst_posmode = F_PEOFPOSMODE, .fst_length = missing};
    if (missing > 0 && fcntl(fd, F_PREALLOCATE, &store) != 0 && errno == ENOSPC)
        return errno;
    return ftruncate(fd, (off_t)len) == 0 ? 0 : errno;
}

void mlx_fsys_write_behind(int fd, uint64_t from, uint64_t len)
{
    (void)fd;
    (void)from;
    (void)len;
}

bool mlx_fsys_may_clone(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && strcmp(fs.f_fstypename, "apfs") == 0;
}

bool mlx_fsys_is_kernels(int fd)
{
    struct statfs fs;
    return fstatfs(fd, &fs) == 0 && strcmp(fs.f_fstypename, "devfs") == 0;
}

int mlx_fsys_runs(int fd, mlx_runs_t *out)
{
    struct {
        uint32_t length;
        off_t private_bytes;
        uint64_t clone_id;
    } __attribute__((packed)) reply;
    struct attrlist wanted = {.bitmapcount = ATTR_BIT_MAP_COUNT,
                              .forkattr = ATTR_CMNEXT_PRIVATESIZE | ATTR_CMNEXT_CLONEID};
    struct stat st;
    *out = (mlx_runs_t){0};
    if (fstat(fd, &st) != 0 ||
        fgetattrlist(fd, &wanted, &reply, sizeof reply, FSOPT_ATTR_CMN_EXTENDED) != 0)
        return errno;
    uint64_t used = (uint64_t)st.st_blocks * 512, own = (uint64_t)reply.private_bytes;
    if (!reply.clone_id || used <= own)
        return 0;
    out->runs = mlx_alloc(1, sizeof *out->runs);
    out->runs[0] = (mlx_run_t){.space = reply.clone_id, .len = used - own};
    out->count = 1;
    out->whole = own == 0;
    return 0;
}

int mlx_fsys_dedupe(int from, int to, uint64_t len)
{
    (void)from;
    (void)to;
    (void)len;
    return EOPNOTSUPP;
}

#else
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <linux/magic.h>
#include <sys/ioctl.h>
#include <sys/vfs.h>

#ifndef BCACHEFS_MAGIC /* not in the headers of every kernel */
#define BCACHEFS_MAGIC 0xca451a4e
#endif

int64_t mlx_fsys_mtime_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int64_t mlx_fsys_ctime_ns(const struct stat *st)
{
    return (int64_t)st->st_ctim.tv_sec * 1000000000 + st->st_ctim.tv_nsec;
}

void mlx_fsys_set_mtime(struct stat *st, int64_t mtime_ns)
{
    st->st_mtim.tv_sec = (time_t)(mtime_ns / 1000000000);
    st->st_mtim.tv_nsec = (long)(mtime_ns % 1000000000);
}

void mlx_fsys_boot_id(char *out, size_t size)
{
    MLX_CLEANUP(mlx_close_p)
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, out, size - 1);
    out[len > 0 ? len : 0] = '\0';
    out[strcspn(out, "\r\n ")] = '\0';
}

int mlx_fsys_path(int dir, char *path, size_t size)
{
    char link_path[64];
    snprintf(link_path, sizeof link_path, "/proc/self/fd/%d", dir);
    ssize_t len = readlink(link_path, path, size - 1);
    if (len < 0)
        return errno;
    path[len] = '\0';
    return 0;
}

int mlx_fsys_clone(int from, int dir, const char *name)
{
    struct stat st;
    if (fstat(from, &st) != 0)
        return errno;
    MLX_CLEANUP(mlx_close_p)
    int to =
        openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, st.st_mode & 0777);
    if (to < 0)
        return errno;
    if (ioctl(to, FICLONE, from) == 0 && fsync(to) == 0)
        return 0;
    int why = errno;
    unlinkat(dir, name, 0);
    return why;
}

int mlx_fsys_rename_new(int from_dir, const char *from, int to_dir, const char *to)
{
    if (renameat2(from_dir, from, to_dir, to, RENAME_NOREPLACE) == 0)
        return 0;
    if (errno != EINVAL && errno != ENOSYS)
        return errno;
    /* A file system without the flag: a link never replaces either. */
    if (linkat(from_dir, from, to_dir, to, 0) != 0 || unlinkat(from_dir, from, 0) != 0)
        return errno;
    return 0;
}

int mlx_fsys_exchange(int a_dir, const char *a, int b_dir, const char *b)
{
    return renameat2(a_dir, a, b_dir, b, RENAME_EXCHANGE) == 0 ? 0 : errno;
}

int mlx_fsys_set_times(int fd, const struct stat *st)
{
    const struct timespec times[2] = {st->st_atim, st->st_mtim};
    return futimens(fd, times) == 0 ? 0 : errno;
}

int mlx_fsys_sync_data(int fd)
{
    return fdatasync(fd) == 0 ? 0 : errno;
}

int mlx_fsys_reserve(int fd, uint64_t len)
{
    if (len && fallocate(fd, 0, 0, (off_t)len) != 0 && errno != EOPNOTSUPP && errno != ENOSYS)
        return errno;
    return ftruncate(fd, (off_t)len) == 0 ? 0 : errno;
}

void mlx_fsys_write_behind(int fd, uint64_t from, uint64_t len)
{
    sync_file_range(fd, (off64_t)from, (off64_t)len, SYNC_FILE_RANGE_WRITE);
}

static bool is_on(int fd, const uint32_t *types, size_t count)
{
    struct statfs fs;
    if (fstatfs(fd, &fs) != 0)
        return false;
    for (size_t i = 0; i < count; i++)
        if ((uint32_t)fs.f_type == types[i])
            return true;
    return false;
}

bool mlx_fsys_may_clone(int fd)
{
    static const uint32_t types[] = {BTRFS_SUPER_MAGIC, XFS_SUPER_MAGIC, OCFS2_SUPER_MAGIC,
                                     BCACHEFS_MAGIC};
    return is_on(fd, types, MLX_COUNT(types));
}

bool mlx_fsys_is_kernels(int fd)
{
    static const uint32_t types[] = {PROC_SUPER_MAGIC,   SYSFS_MAGIC,         DEVPTS_SUPER_MAGIC,
                                     CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC, DEBUGFS_MAGIC,
                                     TRACEFS_MAGIC,      SECURITYFS_MAGIC,    BPF_FS_MAGIC,
                                     PSTOREFS_MAGIC,     EFIVARFS_MAGIC};
    return is_on(fd, types, MLX_COUNT(types));
}

enum {
    EXTENTS = 128,
    EXTENTS_MAX = 1000000 /* of one file; one with more is not looked through */
};

/*  Extents whose place says nothing about their bytes, or that have none of their own. */
static const uint32_t placeless = FIEMAP_EXTENT_UNKNOWN | FIEMAP_EXTENT_DELALLOC |
                                  FIEMAP_EXTENT_DATA_INLINE | FIEMAP_EXTENT_DATA_TAIL;

static void add_extent(mlx_runs_t *self, const struct fiemap_extent *e)
{
    if (e->fe_flags & (placeless | FIEMAP_EXTENT_ENCODED))
        self->whole = false;
    if (e->fe_flags & placeless)
        return;
    mlx_run_t *last = self->count ? &self->runs[self->count - 1] : NULL;
    if (last && last->at + last->len == e->fe_logical &&
        last->start + last->len == e->fe_physical) {
        last->len += e->fe_length;
        return;
    }
    self->runs = mlx_grow(self->runs, self->count, sizeof *self->runs);
    self->runs[self->count++] =
        (mlx_run_t){.at = e->fe_logical, .start = e->fe_physical, .len = e->fe_length};
}

int mlx_fsys_runs(int fd, mlx_runs_t *out)
{
    MLX_CLEANUP(mlx_free_p)
    struct fiemap *map = mlx_alloc(1, sizeof *map + EXTENTS * sizeof map->fm_extents[0]);
    *out = (mlx_runs_t){.whole = true};
    for (uint64_t at = 0; out->count < EXTENTS_MAX;) {
        memset(map, 0, sizeof *map);
        map->fm_start = at;
        map->fm_length = FIEMAP_MAX_OFFSET - at;
        map->fm_flags = at ? 0 : FIEMAP_FLAG_SYNC;
        map->fm_extent_count = EXTENTS;
        if (ioctl(fd, FS_IOC_FIEMAP, map) != 0) {
            int why = errno;
            mlx_runs_clear(out);
            return why;
        }
        for (uint32_t i = 0; i < map->fm_mapped_extents; i++) {
            const struct fiemap_extent *e = &map->fm_extents[i];
            add_extent(out, e);
            if (e->fe_flags & FIEMAP_EXTENT_LAST)
                return 0;
            at = e->fe_logical + e->fe_length;
        }
        if (!map->fm_mapped_extents)
            return 0;
    }
    mlx_runs_clear(out);
    return EOPNOTSUPP;
}

enum {
    DEDUPE_CHUNK = 16 * 1024 * 1024 /* what btrfs takes at most in one call */
};

int mlx_fsys_dedupe(int from, int to, uint64_t len)
{
    MLX_CLEANUP(mlx_free_p)
    struct file_dedupe_range *range =
        mlx_alloc(1, sizeof *range + sizeof(struct file_dedupe_range_info));
    for (uint64_t at = 0; at < len;) {
        uint64_t part = len - at < DEDUPE_CHUNK ? len - at : DEDUPE_CHUNK;
        range->src_offset = at;
        range->src_length = part;
        range->dest_count = 1;
        range->info[0] = (struct file_dedupe_range_info){.dest_fd = to, .dest_offset = at};
        if (ioctl(from, FIDEDUPERANGE, range) != 0)
            return errno;
        if (range->info[0].status < 0)
            return -range->info[0].status;
        if (range->info[0].status == FILE_DEDUPE_RANGE_DIFFERS)
            return EILSEQ;
        if (range->info[0].bytes_deduped == 0)
            return EINVAL;
        at += range->info[0].bytes_deduped;
    }
    return 0;
}
#endif

void mlx_runs_clear(mlx_runs_t *self)
{
    free(self->runs);
    *self = (mlx_runs_t){0};
}

bool mlx_runs_same(const mlx_runs_t *a, const mlx_runs_t *b)
{
    if (!a->count || a->count != b->count || !a->whole || !b->whole)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (a->runs[i].at != b->runs[i].at || a->runs[i].space != b->runs[i].space ||
            a->runs[i].start != b->runs[i].start || a->runs[i].len != b->runs[i].len)
            return false;
    return true;
}
