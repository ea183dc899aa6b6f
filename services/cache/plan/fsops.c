#include "services/cache/plan/fsops.h"

#include "services/cache/plan/fsys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    COPY_CHUNK = 1024 * 1024
};

struct mlx_root {
    int fd;
    char *path;
    uint64_t dev;
    uint64_t ino;
};

/*  An opened folder and a name in it: what the *at calls want. */
typedef struct {
    int dir;
    const char *name;
} place_t;

static const struct {
    int number;
    mlx_code_t code;
    const char *hint;
} mends[] = {
    {ENOENT, MLX_ERR_NOT_FOUND, ""},
    {ENOTDIR, MLX_ERR_NOT_FOUND, "a file is in the place of a folder: move it out of the way"},
    {ENOSPC, MLX_ERR_FAILED, "free some disk space and run the command again: nothing is lost"},
    {EDQUOT, MLX_ERR_FAILED,
     "the disk quota is exhausted: free some space and run the command again"},
    {EROFS, MLX_ERR_FAILED, "the file system is read-only: mount it read-write"},
    {EACCES, MLX_ERR_FAILED, "run the command as the folder's owner, or join its group"},
    {EPERM, MLX_ERR_FAILED,
     "the file belongs to another user: run the command as that user (sudo -u), or join a group "
     "that may write to it"},
    {EXDEV, MLX_ERR_FAILED, "the two paths are on different file systems"},
    {EMLINK, MLX_ERR_FAILED, "the file has as many hard links as the file system allows"},
    {ELOOP, MLX_ERR_FAILED, "a symbolic link is in the place of a regular file or folder"},
    {EEXIST, MLX_ERR_DATA_LOSS, "an existing file is not replaced"},
};

int mlx_fs_error(mlx_error_t *err, int number, const char *what, const char *path)
{
    for (size_t i = 0; i < MLX_COUNT(mends); i++)
        if (mends[i].number == number) {
            mlx_error_set(err, mends[i].code, "cannot %s %s: %s", what, path, strerror(number));
            return mlx_error_hint(err, "%s", mends[i].hint);
        }
    return mlx_error_set(err, MLX_ERR_FAILED, "cannot %s %s: %s", what, path, strerror(number));
}

int mlx_fs_or_copy(mlx_error_t *err)
{
    if (!err)
        return -1;
    MLX_CLEANUP(mlx_free_p) char *hint = mlx_strdup(err->hint);
    return mlx_error_hint(err, "%s%s--copy makes a second copy", hint, *hint ? "; or " : "");
}

static int fail_at(mlx_error_t *err, int number, const char *what, const mlx_root_t *root,
                   const char *rel)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, rel);
    return mlx_fs_error(err, number, what, path);
}

static int gate(const mlx_fs_t *fs, const char *operation, const mlx_root_t *root, const char *rel,
                mlx_error_t *err)
{
    if (!fs->gate)
        return 0;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_root_join(root, rel);
    return mlx_fs_gate(fs, operation, path, err);
}

int mlx_fs_gate(const mlx_fs_t *fs, const char *operation, const char *path, mlx_error_t *err)
{
    int number = fs->gate ? fs->gate(fs->arg, operation, path) : 0;
    return number ? mlx_fs_error(err, number, operation, path) : 0;
}

mlx_root_t *mlx_root_open(const char *path, mlx_error_t *err)
{
    mlx_root_t *self = mlx_alloc(1, sizeof *self);
    struct stat st;
    self->fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    self->path = self->fd < 0 ? NULL : realpath(path, NULL);
    if (!self->path || fstat(self->fd, &st) != 0) {
        mlx_fs_error(err, errno, "open", path);
        mlx_root_destroy(&self);
        return NULL;
    }
    self->dev = (uint64_t)st.st_dev;
    self->ino = (uint64_t)st.st_ino;
    return self;
}

void mlx_root_destroy(mlx_root_t **self)
{
    mlx_root_t *root = *self;
    *self = NULL;
    if (!root)
        return;
    mlx_close_p(&root->fd);
    free(root->path);
    free(root);
}

const char *mlx_root_path(const mlx_root_t *self)
{
    return self->path;
}

uint64_t mlx_root_dev(const mlx_root_t *self)
{
    return self->dev;
}

bool mlx_root_is(const mlx_root_t *self, const struct stat *st)
{
    return self->dev == (uint64_t)st->st_dev && self->ino == (uint64_t)st->st_ino;
}

char *mlx_root_join(const mlx_root_t *self, const char *rel)
{
    return *rel ? mlx_format("%s/%s", self->path, rel) : mlx_strdup(self->path);
}

mlx_identity_t mlx_identity_of(const struct stat *st)
{
    return (mlx_identity_t){
        .dev = (uint64_t)st->st_dev,
        .ino = (uint64_t)st->st_ino,
        .size = (uint64_t)st->st_size,
        .mtime_ns = mlx_fsys_mtime_ns(st),
        .ctime_ns = mlx_fsys_ctime_ns(st),
    };
}

bool mlx_identity_same_inode(const mlx_identity_t *a, const mlx_identity_t *b)
{
    return a->dev == b->dev && a->ino == b->ino;
}

bool mlx_identity_same(const mlx_identity_t *a, const mlx_identity_t *b)
{
    return mlx_identity_same_inode(a, b) && a->size == b->size && a->mtime_ns == b->mtime_ns &&
           a->ctime_ns == b->ctime_ns;
}

static void place_close(place_t *place)
{
    if (place->dir >= 0)
        close(place->dir);
    place->dir = -1;
}

/*  One folder down. A link in the way is ELOOP (Linux says ENOTDIR for a link opened so). */
static int descend(int dir, const char *name)
{
    if (strcmp(name, "..") == 0) {
        errno = EINVAL;
        return -1;
    }
    int next = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    if (next < 0 && errno == ENOTDIR && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
        S_ISLNK(st.st_mode))
        errno = ELOOP;
    return next;
}

/*  Open the folder that holds the last component of REL. errno on -1. */
static int place_open(const mlx_root_t *root, const char *rel, place_t *place)
{
    int dir = fcntl(root->fd, F_DUPFD_CLOEXEC, 0);
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(rel);
    char *at = copy;
    for (char *slash; dir >= 0 && (slash = strchr(at, '/')); at = slash + 1) {
        *slash = '\0';
        int next = descend(dir, at);
        int why = errno;
        close(dir);
        dir = next;
        errno = why;
    }
    *place = (place_t){.dir = dir, .name = rel + (at - copy)};
    if (dir >= 0 && (strcmp(place->name, "..") == 0 || !*place->name)) {
        place_close(place);
        errno = EINVAL;
    }
    return place->dir < 0 ? -1 : 0;
}

/*  Below a file there is nothing. */
static bool is_missing(int number)
{
    return number == ENOENT || number == ENOTDIR;
}

int mlx_fs_stat(const mlx_root_t *root, const char *rel, struct stat *st, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (place_open(root, rel, &place) == 0 &&
        fstatat(place.dir, place.name, st, AT_SYMLINK_NOFOLLOW) == 0)
        return 1;
    return is_missing(errno) ? 0 : fail_at(err, errno, "examine", root, rel);
}

bool mlx_fs_is_behind_link(const mlx_root_t *root, const char *rel)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    return place_open(root, rel, &place) != 0 && errno == ELOOP;
}

static bool is_regular(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode);
}

int mlx_fs_open(const mlx_root_t *root, const char *rel, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    int fd = -1;
    /* Without O_NONBLOCK the open of a pipe would wait for its writer. */
    if (place_open(root, rel, &place) == 0)
        fd = openat(place.dir, place.name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0)
        return fail_at(err, errno, "open", root, rel);
    if (is_regular(fd))
        return fd;
    close(fd);
    return fail_at(err, EINVAL, "read (not a regular file)", root, rel);
}

char *mlx_fs_readlink(const mlx_root_t *root, const char *rel)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    char target[4096];
    if (place_open(root, rel, &place) != 0)
        return NULL;
    ssize_t len = readlinkat(place.dir, place.name, target, sizeof target);
    return len < 0 || len == (ssize_t)sizeof target ? NULL : mlx_strndup(target, (size_t)len);
}

int mlx_fs_mkdirs(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, bool *created,
                  mlx_error_t *err)
{
    bool ignored;
    if (!created)
        created = &ignored;
    *created = false;
    MLX_CLEANUP(mlx_free_p) char *copy = mlx_strdup(rel);
    for (char *at = copy; at; at = strchr(at, '/')) {
        if (*at == '/')
            at++;
        char *end = strchr(at, '/');
        if (end)
            *end = '\0';
        MLX_CLEANUP(place_close) place_t place = {.dir = -1};
        struct stat st;
        if (place_open(root, copy, &place) != 0)
            return fail_at(err, errno, "open", root, copy);
        bool there = fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW) == 0;
        if (there && !S_ISDIR(st.st_mode))
            return fail_at(err, S_ISLNK(st.st_mode) ? ELOOP : ENOTDIR, "use", root, copy);
        if (!there && (gate(fs, "mkdir", root, copy, err) ||
                       (mkdirat(place.dir, place.name, 0777) != 0 && errno != EEXIST &&
                        fail_at(err, errno, "make", root, copy))))
            return -1;
        *created = !there;
        if (end)
            *end = '/';
        else
            break;
    }
    return 0;
}

int mlx_fs_create(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mode_t mode,
                  mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (gate(fs, "create", root, rel, err))
        return -1;
    int fd = -1;
    if (place_open(root, rel, &place) == 0)
        fd =
            openat(place.dir, place.name, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, mode);
    return fd < 0 ? fail_at(err, errno, "create", root, rel) : fd;
}

int mlx_fs_append(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (gate(fs, "append", root, rel, err))
        return -1;
    int fd = -1;
    if (place_open(root, rel, &place) == 0)
        fd = openat(place.dir, place.name, O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC,
                    0666);
    return fd < 0 ? fail_at(err, errno, "open", root, rel) : fd;
}

static int write_all(int fd, const void *data, size_t len)
{
    for (size_t done = 0; done < len;) {
        ssize_t put = write(fd, (const char *)data + done, len - done);
        if (put < 0 && errno != EINTR)
            return -1;
        if (put > 0)
            done += (size_t)put;
    }
    return 0;
}

int mlx_fs_write_file(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, const void *data,
                      size_t len, mode_t mode, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_create(fs, root, rel, mode, err);
    if (fd < 0 || gate(fs, "write", root, rel, err))
        return -1;
    if (write_all(fd, data, len) != 0 || fsync(fd) != 0)
        return fail_at(err, errno, "write", root, rel);
    return 0;
}

int mlx_fs_link(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                const mlx_root_t *to_root, const char *to, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t source = {.dir = -1};
    MLX_CLEANUP(place_close) place_t target = {.dir = -1};
    if (gate(fs, "link", to_root, to, err))
        return -1;
    if (place_open(from_root, from, &source) != 0)
        return fail_at(err, errno, "open", from_root, from);
    if (place_open(to_root, to, &target) != 0)
        return fail_at(err, errno, "open", to_root, to);
    if (linkat(source.dir, source.name, target.dir, target.name, 0) == 0)
        return 0;
    int why = errno;
    fail_at(err, why, "hard-link", to_root, to);
    return why == EXDEV || why == EPERM || why == EMLINK || why == EOPNOTSUPP || why == ENOSYS ? 1
                                                                                               : -1;
}

int mlx_fs_clone(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                 const mlx_root_t *to_root, const char *to, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int source = mlx_fs_open(from_root, from, err);
    MLX_CLEANUP(place_close) place_t target = {.dir = -1};
    if (source < 0 || gate(fs, "clone", to_root, to, err))
        return -1;
    if (place_open(to_root, to, &target) != 0)
        return fail_at(err, errno, "open", to_root, to);
    int why = mlx_fsys_clone(source, target.dir, target.name);
    if (!why)
        return 0;
    fail_at(err, why, "clone to", to_root, to);
    return why == EOPNOTSUPP || why == EXDEV || why == EINVAL || why == ENOTTY || why == ENOSYS
               ? 1
               : -1;
}

static int copy_bytes(int from, int to)
{
    MLX_CLEANUP(mlx_free_p) char *chunk = mlx_alloc(1, COPY_CHUNK);
    for (;;) {
        ssize_t got = read(from, chunk, COPY_CHUNK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return (int)got;
        if (write_all(to, chunk, (size_t)got) != 0)
            return -1;
    }
}

int mlx_fs_copy(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                const mlx_root_t *to_root, const char *to, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_close_p) int source = mlx_fs_open(from_root, from, err);
    struct stat st;
    if (source < 0)
        return -1;
    if (fstat(source, &st) != 0)
        return fail_at(err, errno, "examine", from_root, from);
    MLX_CLEANUP(mlx_close_p) int target = mlx_fs_create(fs, to_root, to, st.st_mode & 0777, err);
    if (target < 0 || gate(fs, "copy", to_root, to, err))
        return -1;
    if (copy_bytes(source, target) != 0 || fsync(target) != 0)
        return fail_at(err, errno, "copy to", to_root, to);
    return 0;
}

int mlx_fs_symlink(const mlx_fs_t *fs, const char *target, const mlx_root_t *root, const char *rel,
                   mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (gate(fs, "symlink", root, rel, err))
        return -1;
    if (place_open(root, rel, &place) != 0 || symlinkat(target, place.dir, place.name) != 0)
        return fail_at(err, errno, "make the link", root, rel);
    return 0;
}

int mlx_fs_move(const mlx_fs_t *fs, const mlx_root_t *root, const char *from, const char *to,
                mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t a = {.dir = -1};
    MLX_CLEANUP(place_close) place_t b = {.dir = -1};
    if (gate(fs, "move", root, to, err))
        return -1;
    if (place_open(root, from, &a) != 0)
        return fail_at(err, errno, "open", root, from);
    if (place_open(root, to, &b) != 0)
        return fail_at(err, errno, "open", root, to);
    int why = mlx_fsys_rename_new(a.dir, a.name, b.dir, b.name);
    return why ? fail_at(err, why, "move to", root, to) : 0;
}

int mlx_fs_exchange(const mlx_fs_t *fs, const mlx_root_t *root, const char *a, const char *b,
                    mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t x = {.dir = -1};
    MLX_CLEANUP(place_close) place_t y = {.dir = -1};
    if (gate(fs, "exchange", root, b, err))
        return -1;
    if (place_open(root, a, &x) != 0)
        return fail_at(err, errno, "open", root, a);
    if (place_open(root, b, &y) != 0)
        return fail_at(err, errno, "open", root, b);
    int why = mlx_fsys_exchange(x.dir, x.name, y.dir, y.name);
    if (!why)
        return 0;
    fail_at(err, why, "exchange", root, b);
    return why == EINVAL || why == ENOSYS || why == EOPNOTSUPP ? 1 : -1;
}

int mlx_fs_dress(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, const struct stat *st,
                 mlx_error_t *err)
{
    if (gate(fs, "dress", root, rel, err))
        return -1;
    MLX_CLEANUP(mlx_close_p) int fd = mlx_fs_open(root, rel, err);
    if (fd < 0)
        return -1;
    if (fchmod(fd, st->st_mode & 07777) != 0 || mlx_fsys_set_times(fd, st) != 0)
        return fail_at(err, errno, "set the mode and times of", root, rel);
    /* Only root may give a file away; for everyone else it is theirs already or stays ours. */
    if (geteuid() == 0 && fchown(fd, st->st_uid, st->st_gid) != 0)
        return fail_at(err, errno, "set the owner of", root, rel);
    return 0;
}

int mlx_fs_unlink(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel,
                  const mlx_identity_t *expected, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    struct stat st;
    if (place_open(root, rel, &place) != 0 ||
        fstatat(place.dir, place.name, &st, AT_SYMLINK_NOFOLLOW) != 0)
        return is_missing(errno) ? 0 : fail_at(err, errno, "examine", root, rel);
    mlx_identity_t now = mlx_identity_of(&st);
    if (expected && !mlx_identity_same_inode(&now, expected)) {
        fail_at(err, EEXIST, "remove", root, rel);
        if (err)
            err->code = MLX_ERR_DATA_LOSS;
        return mlx_error_hint(err, "another file is there now: it is kept");
    }
    if (gate(fs, "unlink", root, rel, err))
        return -1;
    if (unlinkat(place.dir, place.name, 0) != 0 && errno != ENOENT)
        return fail_at(err, errno, "remove", root, rel);
    return 0;
}

int mlx_fs_rmdir(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err)
{
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (gate(fs, "rmdir", root, rel, err))
        return -1;
    if (place_open(root, rel, &place) != 0)
        return is_missing(errno) ? 0 : fail_at(err, errno, "open", root, rel);
    if (unlinkat(place.dir, place.name, AT_REMOVEDIR) == 0 || is_missing(errno) ||
        errno == ENOTEMPTY || errno == EEXIST)
        return 0;
    return fail_at(err, errno, "remove", root, rel);
}

int mlx_fs_sync_dir(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err)
{
    if (gate(fs, "sync", root, rel, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *inside = mlx_format("%s%s.", rel, *rel ? "/" : "");
    MLX_CLEANUP(place_close) place_t place = {.dir = -1};
    if (place_open(root, inside, &place) != 0)
        return is_missing(errno) ? 0 : fail_at(err, errno, "open", root, rel);
    /* Some file systems cannot sync a folder; they have nothing to lose by it. */
    if (fsync(place.dir) != 0 && errno != EINVAL && errno != EROFS)
        return fail_at(err, errno, "sync", root, rel);
    return 0;
}
