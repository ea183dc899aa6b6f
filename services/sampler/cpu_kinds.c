#include "cpu_kinds.h"

#include "sysfile.h"

#include <stdlib.h>
#include <string.h>

#define UNTOLD MLX_CPU_KINDS_MAX

/*  Mark the cores of a list like "0-5,8,10-11". False when there is none. */
static bool mark_list(mlx_cpu_kinds_t *self, const char *list, unsigned char kind)
{
    bool any = false;
    for (const char *p = list; *p && *p != '\n';) {
        int64_t from;
        int64_t to;
        if (!mlx_sysfile_parse_int(&p, &from) || from < 0)
            return any;
        to = from;
        bool range = *p == '-';
        p += range;
        if (range && !mlx_sysfile_parse_int(&p, &to))
            return any;
        for (int64_t i = from; i <= to && i < MLX_CPU_CORES_MAX; i++) {
            self->kind[i] = kind;
            any = true;
        }
        if (*p == ',')
            p++;
        else
            break;
    }
    return any;
}

static void find_intel(mlx_cpu_kinds_t *self, const char *sys_root)
{
    static const struct {
        const char *device, *name;
    } kinds[] = {{"cpu_core", "P"}, {"cpu_atom", "E"}, {"cpu_lowpower", "LPE"}};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        char list[1024];
        if (mlx_sysfile_line(list, sizeof list, "%s/devices/%s/cpus", sys_root, kinds[i].device) &&
            mark_list(self, list, (unsigned char)self->count))
            memcpy(self->names[self->count++], kinds[i].name, strlen(kinds[i].name) + 1);
    }
}

static int descending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a;
    int64_t y = *(const int64_t *)b;
    return (x < y) - (x > y);
}

/*  The largest capacity of each kind among COUNT, in falling order: capacities that differ by less
 *  than a tenth are the same core with another top clock. Returns their number, MAX + 1 when more.
 */
static size_t kinds_among(const int64_t *capacity, size_t count, int64_t *out, size_t max)
{
    int64_t *sorted = mlx_alloc(count + 1, sizeof *sorted);
    size_t found = 0;
    if (count)
        memcpy(sorted, capacity, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, descending);
    for (size_t i = 0; i < count && found <= max; i++) {
        if (found && sorted[i] >= out[found - 1] - out[found - 1] / 10)
            continue;
        if (found < max)
            out[found] = sorted[i];
        found++;
    }
    free(sorted);
    return found;
}

/*  Of the cores that say it: one that is off may not. Returns how many. */
static size_t read_capacities(const char *sys_root, unsigned *numbers, int64_t *capacity)
{
    size_t known = 0;
    size_t count = mlx_sysfile_numbers(numbers, MLX_CPU_CORES_MAX, "cpu", "",
                                       "%s/devices/system/cpu", sys_root);
    for (size_t i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_close_p)
        int fd = mlx_sysfile_open("%s/devices/system/cpu/cpu%u/cpu_capacity", sys_root, numbers[i]);
        if (!mlx_sysfile_int(fd, &capacity[known]) || capacity[known] <= 0 ||
            capacity[known] > INT32_MAX)
            continue;
        numbers[known++] = numbers[i];
    }
    return known;
}

static void find_arm(mlx_cpu_kinds_t *self, const char *sys_root)
{
    static const char *const two[] = {"P", "E"};
    static const char *const three[] = {"P", "M", "E"};
    MLX_CLEANUP(mlx_free_p) unsigned *numbers = mlx_alloc(MLX_CPU_CORES_MAX, sizeof *numbers);
    MLX_CLEANUP(mlx_free_p) int64_t *capacity = mlx_alloc(MLX_CPU_CORES_MAX, sizeof *capacity);
    int64_t sizes[3];
    size_t count = read_capacities(sys_root, numbers, capacity);
    size_t kinds = kinds_among(capacity, count, sizes, 3);
    if (kinds < 2 || kinds > 3)
        return;
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k + 1 < kinds && capacity[i] <= sizes[k + 1])
            k++;
        if (numbers[i] < MLX_CPU_CORES_MAX)
            self->kind[numbers[i]] = (unsigned char)k;
    }
    for (size_t k = 0; k < kinds; k++) {
        const char *name = kinds == 2 ? two[k] : three[k];
        memcpy(self->names[self->count++], name, strlen(name) + 1);
    }
}

void mlx_cpu_kinds_refresh(mlx_cpu_kinds_t *self, const char *sys_root)
{
    self->count = 0;
    memset(self->kind, UNTOLD, sizeof self->kind);
    find_intel(self, sys_root);
    if (self->count == 0)
        find_arm(self, sys_root);
}

const char *mlx_cpu_kinds_name(const mlx_cpu_kinds_t *self, size_t id)
{
    if (self->count < 2 || id >= MLX_CPU_CORES_MAX || self->kind[id] >= self->count)
        return NULL;
    return self->names[self->kind[id]];
}

void mlx_cpu_kinds_open(mlx_cpu_kinds_t *self, const char *sys_root)
{
    static const char *const counts[] = {"package_throttle_count", "core_throttle_count"};
    *self = (mlx_cpu_kinds_t){.seen = {-1, -1}};
    mlx_cpu_kinds_refresh(self, sys_root);
    for (size_t i = 0; i < MLX_COUNT(counts); i++)
        self->throttles[i] =
            mlx_sysfile_open("%s/devices/system/cpu/cpu0/thermal_throttle/%s", sys_root, counts[i]);
}

void mlx_cpu_kinds_close(mlx_cpu_kinds_t *self)
{
    for (size_t i = 0; i < MLX_COUNT(self->throttles); i++)
        mlx_close_p(&self->throttles[i]);
}

int mlx_cpu_kinds_throttled(mlx_cpu_kinds_t *self)
{
    int result = -1;
    for (size_t i = 0; i < MLX_COUNT(self->throttles); i++) {
        int64_t count;
        bool read = mlx_sysfile_int(self->throttles[i], &count) && count >= 0;
        if (read && self->seen[i] >= 0)
            result = count > self->seen[i] || result == 1;
        self->seen[i] = read ? count : -1;
    }
    return result;
}
