/*  Linux memory: /proc/meminfo (proc_meminfo(5)), PSI (Documentation/accounting/psi.rst) and the
 *  memory.max of cgroup v2 (Documentation/admin-guide/cgroup-v2.rst). */
#include "psi.h"
#include "sensor.h"
#include "sysfile.h"

#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.memory"
#define MAX_DEPTH 16 /* levels of control groups whose limits are looked at */
#define MAX_KIB (INT64_MAX / 1024)

typedef struct {
    int meminfo;
    int pressure;
    int limits[MAX_DEPTH];
    size_t limit_count;
} memory_t;

static void memory_close(void **state)
{
    memory_t *self = *state;
    mlx_close_p(&self->meminfo);
    mlx_close_p(&self->pressure);
    for (size_t i = 0; i < self->limit_count; i++)
        mlx_close_p(&self->limits[i]);
    mlx_free_p(state);
}

/*  The lowest limit from our own group up to the root holds. In a container the root of the tree
 *  that we see is itself a limited group. */
static void open_limits(memory_t *self, const mlx_sensor_env_t *env)
{
    char text[4096];
    MLX_CLEANUP(mlx_close_p) int fd = mlx_sysfile_open("%s/self/cgroup", env->proc_root);
    if (mlx_sysfile_read(fd, text, sizeof text) < 0)
        return;
    const char *found = mlx_sysfile_find(text, "0:", ':');
    MLX_CLEANUP(mlx_free_p) char *path = mlx_strdup(found ? found : "/");
    path[strcspn(path, "\n")] = '\0';
    /* A group outside our namespace is shown as "/../name": only the root is ours to see. */
    if (path[0] != '/' || path[1] == '\0' || strstr(path, ".."))
        path[0] = '\0';
    while (self->limit_count < MAX_DEPTH) {
        int limit = mlx_sysfile_open("%s/fs/cgroup%s/memory.max", env->sys_root, path);
        if (limit >= 0)
            self->limits[self->limit_count++] = limit;
        char *slash = strrchr(path, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
}

static int memory_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    int meminfo = mlx_sysfile_open("%s/meminfo", env->proc_root);
    if (meminfo < 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s/meminfo cannot be read", env->proc_root);
    memory_t *self = mlx_alloc(1, sizeof *self);
    self->meminfo = meminfo;
    self->pressure = mlx_psi_open(env->proc_root, "memory");
    open_limits(self, env);
    *state = self;
    return 0;
}

/*  A value of /proc/meminfo in bytes. */
static bool amount(const char *text, const char *key, int64_t *out)
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

static void copy_amount(mlx_value_t *data, const char *field, const char *text, const char *key)
{
    int64_t bytes;
    if (amount(text, key, &bytes))
        mlx_value_set_int(data, field, bytes);
}

/*  What `free` shows as used, available and buff/cache. */
static void add_usage(mlx_value_t *data, const char *text, int64_t total)
{
    mlx_value_set_int(data, "total", total);
    copy_amount(data, "free", text, "MemFree");
    int64_t available;
    if (amount(text, "MemAvailable", &available) && available <= total) {
        mlx_value_set_int(data, "available", available);
        mlx_value_set_int(data, "used", total - available);
    }
    int64_t buffers;
    int64_t cached;
    int64_t slab;
    int64_t sum;
    if (amount(text, "Buffers", &buffers) && amount(text, "Cached", &cached) &&
        amount(text, "SReclaimable", &slab) && !__builtin_add_overflow(buffers, cached, &sum) &&
        !__builtin_add_overflow(sum, slab, &sum))
        mlx_value_set_int(data, "cached", sum);
    /* Zswap is the memory that holds compressed pages, as macOS counts it; no zswap, no line. */
    copy_amount(data, "compressed", text, "Zswap");
}

static void add_swap(mlx_value_t *data, const char *text)
{
    int64_t total;
    int64_t unused;
    if (!amount(text, "SwapTotal", &total))
        return;
    mlx_value_set_int(data, "swap_total", total);
    if (amount(text, "SwapFree", &unused) && unused <= total)
        mlx_value_set_int(data, "swap_used", total - unused);
}

static void add_limit(const memory_t *self, mlx_value_t *data, int64_t total)
{
    int64_t lowest = total;
    for (size_t i = 0; i < self->limit_count; i++) {
        int64_t limit; /* "max", no limit, is no number */
        if (mlx_sysfile_int(self->limits[i], &limit) && limit >= 0 && limit < lowest)
            lowest = limit;
    }
    if (lowest < total)
        mlx_value_set_int(data, "limit", lowest);
}

static int memory_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    const memory_t *self = state;
    char text[8192];
    int64_t total;
    if (mlx_sysfile_read(self->meminfo, text, sizeof text) < 0 ||
        !amount(text, "MemTotal", &total) || total == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "meminfo has no usable MemTotal");
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    add_usage(data, text, total);
    add_swap(data, text);
    add_limit(self, data, total);
    mlx_psi_add(self->pressure, "some", out, TOPIC, "pressure");
    mlx_psi_add(self->pressure, "full", out, TOPIC, "pressure_full");
    if (!mlx_value_get(data, "available")) {
        mlx_readings_missing(out, TOPIC, "available", "the kernel does not report MemAvailable");
        mlx_readings_missing(out, TOPIC, "used", "the kernel does not report MemAvailable");
    }
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_memory = {
    .name = "memory",
    .min_period_s = 0.1,
    .probe = memory_probe,
    .sample = memory_sample,
    .close = memory_close,
    .topic = TOPIC,
    .fields = "total used available",
};
