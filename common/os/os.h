/*  os.h - system calls that Linux and macOS spell differently
 *
 *  os_linux.c and os_darwin.c hold the two spellings. What only the cache does with files, such as
 *  cloning and exchanging them, is in services/cache/plan/fsys.h.
 *
 *      mlx_os_volume_t volume;
 *      if (mlx_os_volume("/home", &volume, &err) == 0 && volume.remote)
 *          do not lock files there
 *
 *  Codes used by all calls: MLX_ERR_NOT_FOUND (no such file, no such process), MLX_ERR_UNAVAILABLE
 *  (not supported here), MLX_ERR_FAILED for the rest.
 */
#ifndef MLX_COMMON_OS_OS_H
#define MLX_COMMON_OS_OS_H

#include "proto/error.h"
#include <sys/types.h>

/*  Who is at the other end of the connected unix socket FD, as the kernel saw it at connect.
 *  Linux: SO_PEERCRED, unix(7). macOS: LOCAL_PEERCRED and LOCAL_PEERPID, unix(4). */
typedef struct {
    uid_t uid;
    gid_t gid;
    pid_t pid; /* 0 when unknown */
} mlx_os_peer_t;

int mlx_os_peer(int fd, mlx_os_peer_t *peer, mlx_error_t *err);

/*  The volume that holds PATH. Two files can be hard-linked or renamed onto each other's place only
 *  when their ids are equal. */
typedef struct {
    uint64_t id;   /* st_dev */
    char type[32]; /* "ext4", "btrfs", "xfs", "tmpfs", "apfs", "nfs", ...; "0x..." when unnamed */
    bool remote;   /* a network file system: locks and mmap are not to be trusted */

    /*  What stays the same when it is mounted again, elsewhere or after a restart: "uuid:..", else
     *  "fsid:..@<what is mounted>". Linux: FS_IOC_GETFSUUID (linux/fs.h, since 6.9), else statfs(2)
     *  and proc_pid_mountinfo(5). macOS: getattrlist(2) ATTR_VOL_UUID. */
    char identity[128];
} mlx_os_volume_t;

int mlx_os_volume(const char *path, mlx_os_volume_t *volume, mlx_error_t *err);

/*  Memory this process costs the machine, in bytes.
 *  Linux: proportional set size, proc_pid_smaps_rollup(5), else the resident size. macOS: physical
 *  footprint, what Activity Monitor shows, proc_pid_rusage. */
int mlx_os_footprint(uint64_t *bytes, mlx_error_t *err);

/*  Memory of the machine, and what a new program could take of it without swapping, in bytes.
 *  Linux: MemTotal and MemAvailable, proc_meminfo(5). macOS: sysctl(3) hw.memsize, and the pages
 *  that are free, purgeable or a file's. */
int mlx_os_memory(uint64_t *total, uint64_t *available, mlx_error_t *err);

/*  Give back the memory that is not in use: when a daemon has settled what its start-up needed,
 *  later what a flood left.
 *  Linux: the free part of the heap, and the pages of programs and libraries, which count as ours
 *  while they are mapped and come back as they are used. macOS: nothing; such pages do not
 *  count. */
void mlx_os_trim(void);

/*  Start ARGV (found in PATH; ends with NULL) with nothing to read; OUT and ERR (-1: nowhere) take
 *  its output and errors. 0 with *PID, or what errno would be: posix_spawn(3). */
int mlx_os_spawn(pid_t *pid, const char *const *argv, int out, int err);

/*  Absolute path of the running executable with links resolved. Caller owns it and must free it.
 *  Linux: /proc/self/exe. macOS: _NSGetExecutablePath, dyld(3). */
char *mlx_os_executable(mlx_error_t *err);

/*  End the process PID (SIGTERM) if it runs PROGRAM (the name of its file without folders) for this
 *  user. MLX_ERR_NOT_FOUND: there is no such process; MLX_ERR_USAGE: it runs something else, and is
 *  left alone. Linux: /proc/<pid>/exe behind a pidfd, so that a number given to another process
 *  meanwhile reaches no one. macOS: proc_pidpath. */
int mlx_os_end_process(pid_t pid, const char *program, mlx_error_t *err);

#endif
