/*  procs.h - find the processes of a runtime, and whether one listens on a port
 *
 *  Used to find Ollama's runner (a llama-server child of `ollama serve`) without any set-up. Only
 *  what the system tells an ordinary user is used: another user's process is found with its name
 *  and no arguments, or not at all. procs_linux.c reads /proc, procs_darwin.c asks libproc and
 *  sysctl.
 *
 *      static bool on_process(void *arg, const mlx_proc_t *proc) { ...; return true; }
 *      if (mlx_procs_find("/proc", "llama-server", on_process, self, &err))
 *          ...
 *
 *  Arguments are outside input: any process can write into its own. They are bounded in number and
 *  size, always terminated, and may hold any byte but NUL.
 */
#ifndef MLX_WATCHER_PROCS_H
#define MLX_WATCHER_PROCS_H

#include "proto/error.h"
#include <sys/types.h>

enum {
    MLX_PROCS_ARGS_MAX = 256,         /* arguments beyond these are left out */
    MLX_PROCS_BYTES_MAX = 256 * 1024, /* of the argument area; beyond it argv ends early */
    MLX_PROCS_NAME_MAX = 256,
};

/*  One process; everything is borrowed and valid during the call only. */
typedef struct {
    pid_t pid;
    pid_t ppid;
    uid_t uid;               /* real user */
    uint64_t started;        /* tells it from an earlier one of its pid; 0: not known */
    const char *parent_name; /* base name of the parent's executable or argv[0]; "" when unknown */
    size_t argc;             /* 0 when the system does not show the arguments */
    const char *const *argv; /* argc strings and a NULL */
} mlx_proc_t;

/*  Return false to end the search. */
typedef bool (*mlx_procs_fn)(void *arg, const mlx_proc_t *proc);

/*  Call FN for each process whose argv[0], after its last '/', begins with NAME_PREFIX (not empty);
 *  where argv is not readable, the system's name of the process is compared instead. PROC_ROOT is
 *  "/proc" or a recorded tree of it; macOS has none and ignores it. A process that ends meanwhile
 *  is skipped. 0 also when none was found; -1 when the process table itself cannot be read. */
int mlx_procs_find(const char *proc_root, const char *name_prefix, mlx_procs_fn fn, void *arg,
                   mlx_error_t *err);

/*  Call FN with process PID. -1 when there is none. */
int mlx_procs_get(const char *proc_root, pid_t pid, mlx_procs_fn fn, void *arg);

/*  *LISTENS: does PID hold a TCP socket that listens on PORT of a loopback address or of any
 *  address (IPv4 or IPv6)? -1 with MLX_ERR_NOT_FOUND when the process is gone, with
 *  MLX_ERR_UNAVAILABLE when it belongs to another user and its descriptors are not shown. */
int mlx_procs_listens(const char *proc_root, pid_t pid, uint16_t port, bool *listens,
                      mlx_error_t *err);

#endif
