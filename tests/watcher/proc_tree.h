/*  proc_tree.h - a made-up /proc of other machines' processes
 *
 *      char root[] = PROC_TREE;
 *      proc_tree_new(root);
 *      proc_tree_add(root, "200", 100, 1000, ARGS("/opt/ollama/llama-server", "--port", "4711"));
 *      proc_tree_listen(root, "200", 4711);
 *      proc_tree_remove(root);
 */
#ifndef MLX_TESTS_WATCHER_PROC_TREE_H
#define MLX_TESTS_WATCHER_PROC_TREE_H

#include "proto/base.h"

#define PROC_TREE "/tmp/mlx-proc-XXXXXX"
#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

void proc_tree_new(char *root);
void proc_tree_remove(const char *root);

/*  Process PID, child of PPID, of user UID; ARGV ends with NULL. */
void proc_tree_add(const char *root, const char *pid, int ppid, int uid, const char *const *argv);

/*  It listens on 127.0.0.1:PORT. */
void proc_tree_listen(const char *root, const char *pid, int port);

/*  Write the file NAME of process PID. */
void proc_tree_put(const char *root, const char *pid, const char *name, const char *data,
                   size_t len);

#endif
