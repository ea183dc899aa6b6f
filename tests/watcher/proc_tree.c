#include "tests/watcher/proc_tree.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "proto/buf.h"

void proc_tree_new(char *root)
{
    assert_non_null(mkdtemp(root));
}

void proc_tree_remove(const char *root)
{
    MLX_CLEANUP(mlx_free_p) char *command = mlx_format("rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

void proc_tree_put(const char *root, const char *pid, const char *name, const char *data,
                   size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_format("%s/%s", root, pid);
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", dir, name);
    mkdir(dir, 0700);
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, len, file), len);
}

void proc_tree_add(const char *root, const char *pid, int ppid, int uid, const char *const *argv)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t cmdline = {0};
    for (size_t i = 0; argv[i]; i++)
        mlx_buf_append(&cmdline, argv[i], strlen(argv[i]) + 1);
    /*  A name that is made to confuse whoever counts from the first parenthesis. */
    MLX_CLEANUP(mlx_free_p) char *stat = mlx_format("%s (a) S 1 (b) S %d 7 7 0", pid, ppid);
    MLX_CLEANUP(mlx_free_p)
    char *status = mlx_format("Name:\tx\nUmask:\t0022\nUid:\t%d\t0\t0\t0\n", uid);
    proc_tree_put(root, pid, "stat", stat, strlen(stat));
    proc_tree_put(root, pid, "cmdline", mlx_buf_str(&cmdline), cmdline.len);
    proc_tree_put(root, pid, "status", status, strlen(status));
    proc_tree_put(root, pid, "comm", "kernel-name\n", 12);
    MLX_CLEANUP(mlx_free_p) char *net = mlx_format("%s/%s/net", root, pid);
    MLX_CLEANUP(mlx_free_p) char *fd = mlx_format("%s/%s/fd", root, pid);
    mkdir(net, 0700);
    mkdir(fd, 0700);
    proc_tree_put(root, pid, "net/tcp", "  sl\n", 5);
}

void proc_tree_listen(const char *root, const char *pid, int port)
{
    MLX_CLEANUP(mlx_free_p)
    char *table =
        mlx_format("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
                   "   0: 0100007F:%04X 0100007F:9999 01 00000000:00000000 00:00000000 00000000 "
                   " 1000        0 77 1 0 20 4 30 10 -1\n"
                   "   1: 0100007F:%04X 00000000:0000 0A 00000000:00000000 00:00000000 00000000 "
                   " 1000        0 88%s 1 0 100 0 0 10 0\n",
                   port, port, pid);
    proc_tree_put(root, pid, "net/tcp", table, strlen(table));
    MLX_CLEANUP(mlx_free_p) char *link = mlx_format("%s/%s/fd/3", root, pid);
    MLX_CLEANUP(mlx_free_p) char *target = mlx_format("socket:[88%s]", pid);
    unlink(link);
    assert_int_equal(symlink(target, link), 0);
}
