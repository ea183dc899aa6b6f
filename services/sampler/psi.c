#include "psi.h"

#include "sysfile.h"

#include <string.h>

int mlx_psi_open(const char *proc_root, const char *resource)
{
    return mlx_sysfile_open("%s/pressure/%s", proc_root, resource);
}

static bool average(int fd, const char *line, double *percent)
{
    char text[512];
    if (mlx_sysfile_read(fd, text, sizeof text) < 0)
        return false;
    const char *p = mlx_sysfile_find(text, line, ' ');
    if (!p || strncmp(p, "avg10=", 6) != 0)
        return false;
    p += 6;
    return mlx_sysfile_parse_real(&p, percent) && *p == ' ' && *percent >= 0 && *percent <= 100;
}

void mlx_psi_add(int fd, const char *line, mlx_readings_t *out, const char *topic,
                 const char *field)
{
    double percent;
    if (average(fd, line, &percent))
        mlx_value_set_real(mlx_readings_topic(out, topic), field, percent / 100);
    else
        mlx_readings_missing(out, topic, field,
                             "the kernel has no pressure stall information (boot with psi=1)");
}
