#include "meminfo.h"

#include "sysfile.h"

#include <string.h>

#define MAX_KIB (INT64_MAX / 1024)

bool mlx_meminfo_amount(const char *text, const char *key, int64_t *out)
{
    const char *p = mlx_sysfile_find(text, key, ':');
    int64_t kib;
    if (!p || !mlx_sysfile_parse_int(&p, &kib) || kib < 0 || kib > MAX_KIB)
        return false;
    if (strncmp(p, " kB", 3) != 0)
        return false;
    *out = kib * 1024;
    return true;
}
