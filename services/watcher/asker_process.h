/*  asker_process.h - which process of this machine holds a client's socket
 *
 *  The holder is looked for where it most likely is (the processes that held one lately), then
 *  among all whose descriptors this user may see, at most every MLX_ASKER_SCAN_MS: a scan costs
 *  some milliseconds. What was found is remembered as long as the socket may live.
 *
 *      mlx_asker_finder_t *finder = mlx_asker_finder_new("/proc");
 *      mlx_asker_find(finder, &asker, now_us);          asker.process and asker.pid, if found
 *      mlx_asker_finder_destroy(&finder);
 *
 *  A name is the program's, and for an interpreter its script's. Linux: proc(5). macOS: libproc.
 */
#ifndef MLX_WATCHER_ASKER_PROCESS_H
#define MLX_WATCHER_ASKER_PROCESS_H

#include "asker.h"
#include <sys/types.h>

enum {
    MLX_ASKER_SCAN_MS = 200,
};

typedef struct mlx_asker_finder mlx_asker_finder_t;

/*  PROC_ROOT is "/proc" or a recorded tree of it; borrowed. Caller owns the result. */
mlx_asker_finder_t *mlx_asker_finder_new(const char *proc_root);
void mlx_asker_finder_destroy(mlx_asker_finder_t **self);

/*  Fill in the process of ASKER unless it is known already. False: not found, or not now. */
bool mlx_asker_find(mlx_asker_finder_t *self, mlx_asker_t *asker, int64_t now_us);

/*  What to call a process by its arguments (ARGC of them): "chat.py" for "python3 -u chat.py",
 *  "curl" for "/usr/bin/curl -s ...". OUT is one line of text. */
void mlx_asker_program(size_t argc, const char *const *argv, char out[MLX_ASKER_PROCESS]);

/*  ---- one file per system: asker_process_linux.c, asker_process_darwin.c ---- */

/*  Whether process PID holds the socket of PEER. */
bool mlx_asker_holds(const char *proc_root, pid_t pid, const mlx_asker_end_t *peer);

/*  The name of process PID; false when it is gone. */
bool mlx_asker_name_of(const char *proc_root, pid_t pid, char out[MLX_ASKER_PROCESS]);

/*  The processes of this machine, newest first, at most CAP; returns how many. */
size_t mlx_asker_processes(const char *proc_root, pid_t *out, size_t cap);

#endif
