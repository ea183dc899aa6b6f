/*  Linux memory: /proc/meminfo (proc_meminfo(5)), PSI (Documentation/accounting/psi.rst), the
 *  limits of our control group (memory_limit.h), and the cache of ZFS, which the kernel does not
 *  count among what it can give back (module parameter zfs_arc_min says how much stays). */
#include "meminfo.h"
#include "memory_limit.h"
#include "psi.h"
#include "sensor.h"
#include "sysfile.h"

#include <stdlib.h>
#include <string.h>

#define TOPIC "sensor.memory"

typedef struct {
    int meminfo;
    int pressure;
    int arc; /* of ZFS */
    mlx_memory_limits_t limits;
} memory_t;

static void memory_close(void **state)
{
    memory_t *self = *state;
    mlx_close_p(&self->meminfo);
    mlx_close_p(&self->pressure);
    mlx_close_p(&self->arc);
    mlx_memory_limits_close(&self->limits);
    mlx_free_p(state);
}

static int memory_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    int meminfo = mlx_sysfile_open("%s/meminfo", env->proc_root);
    if (meminfo < 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s/meminfo cannot be read", env->proc_root);
    memory_t *self = mlx_alloc(1, sizeof *self);
    self->meminfo = meminfo;
    self->pressure = mlx_psi_open(env->proc_root, "memory");
    self->arc = mlx_sysfile_open("%s/spl/kstat/zfs/arcstats", env->proc_root);
    mlx_memory_limits_open(&self->limits, env->proc_root, env->sys_root);
    *state = self;
    return 0;
}

static void copy_amount(mlx_value_t *data, const char *field, const char *text, const char *key)
{
    int64_t bytes;
    if (mlx_meminfo_amount(text, key, &bytes))
        mlx_value_set_int(data, field, bytes);
}

/*  "size 4 15032385536": the value behind the type. */
static bool arc_value(const char *text, const char *key, int64_t *out)
{
    const char *p = mlx_sysfile_find(text, key, ' ');
    int64_t type;
    return p && mlx_sysfile_parse_int(&p, &type) && mlx_sysfile_parse_int(&p, out) && *out >= 0;
}

/*  What ZFS gives back when others need memory; 0 without ZFS. A container sees the cache of its
 *  host: that is larger than what is in use here, and not counted. */
static int64_t arc_to_give(const memory_t *self, int64_t in_use)
{
    char text[16384];
    int64_t size;
    int64_t least;
    if (mlx_sysfile_read(self->arc, text, sizeof text) < 0 || !arc_value(text, "size", &size) ||
        !arc_value(text, "c_min", &least) || size <= least || size > in_use)
        return 0;
    return size - least;
}

/*  What `free` shows as used, available and buff/cache. */
static void add_usage(const memory_t *self, mlx_value_t *data, const char *text, int64_t total)
{
    mlx_value_set_int(data, "total", total);
    copy_amount(data, "free", text, "MemFree");
    int64_t available;
    int64_t unused;
    if (mlx_meminfo_amount(text, "MemAvailable", &available) && available <= total) {
        if (mlx_meminfo_amount(text, "MemFree", &unused) && unused <= total)
            available += arc_to_give(self, total - unused);
        available = available < total ? available : total;
        mlx_value_set_int(data, "available", available);
        mlx_value_set_int(data, "used", total - available);
    }
    int64_t buffers;
    int64_t cached;
    int64_t slab;
    int64_t sum;
    if (mlx_meminfo_amount(text, "Buffers", &buffers) &&
        mlx_meminfo_amount(text, "Cached", &cached) &&
        mlx_meminfo_amount(text, "SReclaimable", &slab) &&
        !__builtin_add_overflow(buffers, cached, &sum) && !__builtin_add_overflow(sum, slab, &sum))
        mlx_value_set_int(data, "cached", sum);
    /* Zswap is the memory that holds compressed pages, as macOS counts it; no zswap, no line. */
    copy_amount(data, "compressed", text, "Zswap");
}

static void add_swap(mlx_value_t *data, const char *text)
{
    int64_t total;
    int64_t unused;
    if (!mlx_meminfo_amount(text, "SwapTotal", &total))
        return;
    mlx_value_set_int(data, "swap_total", total);
    if (mlx_meminfo_amount(text, "SwapFree", &unused) && unused <= total)
        mlx_value_set_int(data, "swap_used", total - unused);
}

/*  What a new process of ours can get is bounded by the machine and by our group's limits. */
static void add_limit(const memory_t *self, mlx_value_t *data, int64_t total)
{
    mlx_memory_limit_t limit;
    int64_t available;
    if (!mlx_memory_limits_read(&self->limits, total, &limit))
        return;
    mlx_value_set_int(data, "limit", limit.limit);
    if (limit.left < 0 || !mlx_value_int(data, "available", &available))
        return;
    mlx_value_set_int(data, "limit_used", limit.used);
    if (limit.left >= available)
        return;
    mlx_value_set_int(data, "available", limit.left);
    mlx_value_set_str(data, "available_bound", limit.version == 2 ? "cgroup v2" : "cgroup v1");
}

static int memory_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    const memory_t *self = state;
    char text[8192];
    int64_t total;
    if (mlx_sysfile_read(self->meminfo, text, sizeof text) < 0 ||
        !mlx_meminfo_amount(text, "MemTotal", &total) || total == 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "meminfo has no usable MemTotal");
    mlx_value_t *data = mlx_readings_topic(out, TOPIC);
    add_usage(self, data, text, total);
    add_swap(data, text);
    if (mlx_value_get(data, "available"))
        mlx_value_set_str(data, "available_bound", "machine");
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
