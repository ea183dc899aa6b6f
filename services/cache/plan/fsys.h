/*  fsys.h - the few file calls that Linux and macOS spell differently (used by fsops only)
 *
 *  All return 0 or an errno.
 */
#ifndef MLX_CACHE_PLAN_FSYS_H
#define MLX_CACHE_PLAN_FSYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

int64_t mlx_fsys_mtime_ns(const struct stat *st);
int64_t mlx_fsys_ctime_ns(const struct stat *st);
void mlx_fsys_set_mtime(struct stat *st, int64_t mtime_ns); /* in ST only */

/*  A word that is another after each start of the machine. */
void mlx_fsys_boot_id(char *out, size_t size);

/*  Absolute path of the open folder DIR. */
int mlx_fsys_path(int dir, char *path, size_t size);

/*  A new file NAME in DIR that shares the blocks of the open file FROM. */
int mlx_fsys_clone(int from, int dir, const char *name);

/*  Rename that fails with EEXIST instead of replacing; rename that swaps. */
int mlx_fsys_rename_new(int from_dir, const char *from, int to_dir, const char *to);
int mlx_fsys_exchange(int a_dir, const char *a, int b_dir, const char *b);

/*  Access and modification time of the open file FD as in ST. */
int mlx_fsys_set_times(int fd, const struct stat *st);

/*  Wait until the bytes of FD are on the disk; its times may not be. */
int mlx_fsys_sync_data(int fd);

/*  Make FD LEN bytes long, with the blocks for it set aside where the file system can. */
int mlx_fsys_reserve(int fd, uint64_t len);

/*  Begin to write these bytes of FD to the disk, without waiting for it. */
void mlx_fsys_write_behind(int fd, uint64_t from, uint64_t len);

/*  A part of a file and where its bytes lie. Two parts with the same SPACE, START and LEN are the
 *  same bytes on the disk. Linux: SPACE 0, START the place on the device. macOS tells no places:
 *  SPACE is the id that clones have in common, and the bytes that a clone has for itself are no
 *  run. */
typedef struct {
    uint64_t at; /* in the file */
    uint64_t space;
    uint64_t start;
    uint64_t len;
} mlx_run_t;

typedef struct {
    mlx_run_t *runs; /* in order of AT; what follows without a gap is one */
    size_t count;
    bool whole; /* the runs are all of the content: equal runs are equal content */
} mlx_runs_t;

/*  Can files of the file system that FD lies on share blocks at all. A wrong yes costs time only.
 */
bool mlx_fsys_may_clone(int fd);

/*  Is FD on a file system that the kernel makes up: /proc, /sys, devices? Its folders lead to other
 *  processes' folders, and its files to no content. */
bool mlx_fsys_is_kernels(int fd);

/*  The runs of the open file FD, clear them with mlx_runs_clear. EOPNOTSUPP where nobody can say.
 */
int mlx_fsys_runs(int fd, mlx_runs_t *out);
void mlx_runs_clear(mlx_runs_t *self);
bool mlx_runs_same(const mlx_runs_t *a, const mlx_runs_t *b); /* the same bytes on the disk */

/*  Let the file system compare LEN bytes of both files and share the blocks if they are equal:
 *  EILSEQ when they differ, EOPNOTSUPP, EINVAL or EXDEV where it cannot. */
int mlx_fsys_dedupe(int from, int to, uint64_t len);

#endif
