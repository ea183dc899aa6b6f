/*  runner_scan.h - find the llama-servers that an Ollama server started, and say why if none
 *
 *  Since 0.30 Ollama runs each GGUF model in a child process, upstream's llama-server:
 *  `llama-server --model <store>/blobs/sha256-<hex> --port <n> --host 127.0.0.1 ...` (recorded from
 *  0.32.15). A process counts when its parent is an ollama, it belongs to our user (or we are
 *  root), and it holds the listening socket of the port that its arguments name: arguments alone
 *  can be anybody's.
 *
 *      mlx_runner_scan_t found;
 *      mlx_runner_scan(&found, "/proc", geteuid(), 11434);
 *      if (found.count == 0)
 *          puts(found.reason);
 */
#ifndef MLX_WATCHER_RUNNER_SCAN_H
#define MLX_WATCHER_RUNNER_SCAN_H

#include "proto/error.h"
#include <sys/types.h>

enum {
    MLX_RUNNERS_MAX = 16,
    MLX_RUNNER_PATH_MAX = 1024,
};

typedef struct {
    pid_t pid;
    uint16_t port;
    char model_path[MLX_RUNNER_PATH_MAX]; /* "" when too long or not given */
} mlx_runner_process_t;

typedef struct {
    size_t count;
    mlx_runner_process_t processes[MLX_RUNNERS_MAX];
    bool starting;    /* there is one, and it does not listen yet */
    char reason[256]; /* why count is 0, for a person; "" otherwise */
} mlx_runner_scan_t;

/*  Look through the process table. ME is the effective user; OLLAMA_PORT the port of the server
 *  whose runners are meant, so that two servers on one machine are told apart. */
void mlx_runner_scan(mlx_runner_scan_t *out, const char *proc_root, uid_t me, uint16_t ollama_port);

#endif
