#include "program.h"

#include "proto/utf8.h"
#include "sysfile.h"

void mlx_program_add(mlx_value_t *item, const char *proc_root, int64_t pid)
{
    char comm[64];
    if (!mlx_sysfile_line(comm, sizeof comm, "%s/%lld/comm", proc_root, (long long)pid))
        return;
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(comm, 0);
    mlx_value_set_str(item, "program", line);
}
