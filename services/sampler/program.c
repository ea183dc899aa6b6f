#include "program.h"

#include "proto/utf8.h"
#include "sysfile.h"

#include <string.h>

void mlx_program_name(char *out, size_t size, const char *proc_root, int64_t pid)
{
    char comm[64];
    out[0] = '\0';
    if (!mlx_sysfile_line(comm, sizeof comm, "%s/%lld/comm", proc_root, (long long)pid))
        return;
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(comm, 0);
    if (strlen(line) < size)
        memcpy(out, line, strlen(line) + 1);
}
