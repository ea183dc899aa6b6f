/*  fsops.h - every change the cache makes to a disk goes through here
 *
 *  Three things are settled in this one place:
 *  - Where: a file is a root (a folder opened once) and a path inside it. Each component is opened
 *    without following symbolic links, so that no link planted in a store leads a change elsewhere.
 *  - What is there: an identity (device, inode, size, times) is taken when something is planned and
 *    asked again before something is removed or replaced.
 *  - Whether it may fail: each change asks the gate first, so that a test can make step N fail with
 *    an errno or kill the process there.
 *
 *      mlx_fs_t fs = {0};
 *      mlx_root_t *root = mlx_root_open("/home/a/.ollama/models", &err);
 *      mlx_fs_link(&fs, cas, "blobs/sha256/aa/aa..", root, "blobs/sha256-aa..", &err);
 *      mlx_root_destroy(&root);
 *
 *  All return 0, or -1 with an error that names the file and, where there is one, the hint; what
 *  else they return is said there.
 */
#ifndef MLX_CACHE_PLAN_FSOPS_H
#define MLX_CACHE_PLAN_FSOPS_H

#include "proto/error.h"

#include <sys/stat.h>
#include <sys/types.h>

/*  Asked before each change; a value other than 0 is the errno it fails with. */
typedef struct {
    int (*gate)(void *arg, const char *operation, const char *path);
    void *arg;
} mlx_fs_t;

typedef struct {
    uint64_t dev;
    uint64_t ino;
    uint64_t size;
    int64_t mtime_ns;
    int64_t ctime_ns;
} mlx_identity_t;

typedef struct mlx_root mlx_root_t;

/*  Open the folder PATH (symbolic links in PATH itself are the user's own affair and are followed).
 *  NULL with ERR, not_found when there is none. */
mlx_root_t *mlx_root_open(const char *path, mlx_error_t *err);
void mlx_root_destroy(mlx_root_t **self);
const char *mlx_root_path(const mlx_root_t *self); /* resolved, absolute */
uint64_t mlx_root_dev(const mlx_root_t *self);
bool mlx_root_is(const mlx_root_t *self, const struct stat *st); /* the same folder */

/*  "ROOT/REL" as one string. Caller owns it and must free it. */
char *mlx_root_join(const mlx_root_t *self, const char *rel);

mlx_identity_t mlx_identity_of(const struct stat *st);
bool mlx_identity_same(const mlx_identity_t *a, const mlx_identity_t *b); /* all five */
bool mlx_identity_same_inode(const mlx_identity_t *a, const mlx_identity_t *b);

/*  Looking. stat does not follow a link at the end: 1 when it is there, 0 when not. */
int mlx_fs_stat(const mlx_root_t *root, const char *rel, struct stat *st, mlx_error_t *err);
int mlx_fs_open(const mlx_root_t *root, const char *rel, mlx_error_t *err); /* to read; the fd */
bool mlx_fs_is_behind_link(const mlx_root_t *root,
                           const char *rel);                    /* a folder on the way is one */
char *mlx_fs_readlink(const mlx_root_t *root, const char *rel); /* NULL: no link; caller frees */

/*  A folder and those above it, as the umask says. CREATED (may be NULL): is the last one new. */
int mlx_fs_mkdirs(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, bool *created,
                  mlx_error_t *err);

/*  A new file, never over an existing one. create gives the fd to write to. write_file also syncs.
 */
int mlx_fs_create(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mode_t mode,
                  mlx_error_t *err);
int mlx_fs_write_file(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, const void *data,
                      size_t len, mode_t mode, mlx_error_t *err);

/*  A file to write on in, made when missing. The fd. */
int mlx_fs_append(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err);

/*  A second name for, or a block-sharing twin of, FROM. 1: not possible between these two places
 *  (another device, a file system that cannot), with the reason in ERR; nothing was made. */
int mlx_fs_link(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                const mlx_root_t *to_root, const char *to, mlx_error_t *err);
int mlx_fs_clone(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                 const mlx_root_t *to_root, const char *to, mlx_error_t *err);

/*  A full second copy, synced, with the mode of FROM. */
int mlx_fs_copy(const mlx_fs_t *fs, const mlx_root_t *from_root, const char *from,
                const mlx_root_t *to_root, const char *to, mlx_error_t *err);

int mlx_fs_symlink(const mlx_fs_t *fs, const char *target, const mlx_root_t *root, const char *rel,
                   mlx_error_t *err);

/*  Move within a root. move refuses to replace what is at TO; exchange swaps the two atomically
 *  (1: the file system cannot). */
int mlx_fs_move(const mlx_fs_t *fs, const mlx_root_t *root, const char *from, const char *to,
                mlx_error_t *err);
int mlx_fs_exchange(const mlx_fs_t *fs, const mlx_root_t *root, const char *a, const char *b,
                    mlx_error_t *err);

/*  Set the times and mode of REL to those of ST, as far as we may. */
int mlx_fs_dress(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, const struct stat *st,
                 mlx_error_t *err);

/*  Remove REL if it still has the inode of EXPECTED (NULL: whatever it is). 0 also when it is gone
 *  already; -1 with data_loss when another file is there now. rmdir passes over what is not empty.
 */
int mlx_fs_unlink(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel,
                  const mlx_identity_t *expected, mlx_error_t *err);
int mlx_fs_rmdir(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err);

/*  Make names made or removed in the folder REL survive a power cut. */
int mlx_fs_sync_dir(const mlx_fs_t *fs, const mlx_root_t *root, const char *rel, mlx_error_t *err);

/*  Ask the gate on behalf of a change that is made elsewhere (a commit of the registry). */
int mlx_fs_gate(const mlx_fs_t *fs, const char *operation, const char *path, mlx_error_t *err);

/*  Fill ERR from the errno NUMBER: text and hint. Always returns -1. */
int mlx_fs_error(mlx_error_t *err, int number, const char *what, const char *path);

/*  Say that a copy would do, besides what the hint says already. Always returns -1. */
int mlx_fs_or_copy(mlx_error_t *err);

#endif
