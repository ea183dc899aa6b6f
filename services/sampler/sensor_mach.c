/*  mach: memory, swap, processor load and thermal pressure of macOS, from public calls only
 *
 *  Memory as Activity Monitor counts it, in pages of the kernel's size:
 *
 *      used = active + inactive + wired + speculative + compressor - purgeable - external
 *
 *  where external is the file cache. The kernel's own judgement of pressure and of heat is passed
 *  on by name.
 */
#include "darwin_get.h"
#include "darwin_metal.h"
#include "sensor.h"

#include <mach/mach.h>
#include <notify.h>
#include <stdlib.h>
#include <sys/sysctl.h>

enum {
    CORES_MAX = 1024,
};

static const char memory_topic[] = "sensor.memory";
static const char cpu_topic[] = "sensor.cpu";
static const char temperature_topic[] = "sensor.temperature";

typedef struct {
    uint32_t state[CPU_STATE_MAX];
} ticks_t;

typedef struct {
    char chip[128];
    uint64_t page_size;
    int thermal_token;
    bool has_thermal;
    int64_t asked_limit; /* iogpu.wired_limit_mb when Metal was asked; -2: never */
    int64_t recommended; /* bytes; -1: not known */
    mlx_error_t unrecommended;
    bool lists_cores; /* one kind of core only: IOReport would add nothing */
    ticks_t *before;  /* of each core at the previous call; NULL before the first */
    size_t cores;
} state_t;

static void close_mach(void **state)
{
    state_t *self = *state;
    if (!self)
        return;
    if (self->has_thermal)
        notify_cancel(self->thermal_token);
    free(self->before);
    free(self);
    *state = NULL;
}

/*  mach_host_self hands out a new right at every call: give it back. */
static void release_port(mach_port_t *port)
{
    mach_port_deallocate(mach_task_self(), *port);
}

static int probe_mach(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    MLX_CLEANUP(release_port) mach_port_t host = mach_host_self();
    vm_size_t page_size = 0;
    if (host_page_size(host, &page_size) != KERN_SUCCESS || page_size == 0)
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "host_page_size: the kernel returned no page size");

    state_t *self = mlx_alloc(1, sizeof *self);
    self->page_size = page_size;
    self->asked_limit = -2;
    if (!mlx_sysctl_text("machdep.cpu.brand_string", self->chip, sizeof self->chip))
        self->chip[0] = '\0';
    int64_t levels = 1;
    mlx_sysctl_int("hw.nperflevels", &levels);
    self->lists_cores = levels < 2;
    self->has_thermal = notify_register_check("com.apple.system.thermalpressurelevel",
                                              &self->thermal_token) == NOTIFY_STATUS_OK;
    *state = self;
    return 0;
}

static void set_bytes(mlx_value_t *map, const char *key, int64_t bytes)
{
    if (bytes >= 0)
        mlx_value_set_int(map, key, bytes);
}

static void read_swap(mlx_value_t *map, mlx_readings_t *out)
{
    struct xsw_usage swap;
    if (!mlx_sysctl_struct("vm.swapusage", &swap, sizeof swap)) {
        mlx_readings_missing(out, memory_topic, "swap_total", "vm.swapusage is not readable");
        return;
    }
    set_bytes(map, "swap_total", (int64_t)swap.xsu_total);
    set_bytes(map, "swap_used", (int64_t)swap.xsu_used);
}

static void read_pressure(mlx_value_t *map, mlx_readings_t *out)
{
    static const struct {
        int64_t level; /* DISPATCH_MEMORYPRESSURE_* */
        const char *name;
    } levels[] = {{1, "normal"}, {2, "warning"}, {4, "critical"}};
    int64_t level = 0;
    if (mlx_sysctl_int("kern.memorystatus_vm_pressure_level", &level))
        for (size_t i = 0; i < MLX_COUNT(levels); i++)
            if (levels[i].level == level)
                mlx_value_set_str(map, "pressure_level", levels[i].name);
    if (!mlx_value_get(map, "pressure_level"))
        mlx_readings_missing(out, memory_topic, "pressure_level",
                             "kern.memorystatus_vm_pressure_level is not readable");
}

/*  Metal is asked once, and again when the limit that it goes by was changed. */
static void read_recommended(state_t *self, int64_t limit, mlx_value_t *map, mlx_readings_t *out)
{
    if (limit != self->asked_limit)
        self->recommended = mlx_metal_recommended(&self->unrecommended);
    self->asked_limit = limit;
    if (self->recommended >= 0)
        mlx_value_set_int(map, "gpu_recommended", self->recommended);
    else
        mlx_readings_missing(out, memory_topic, "gpu_recommended", self->unrecommended.text);
}

static void read_gpu_limit(state_t *self, mlx_value_t *map, mlx_readings_t *out)
{
    int64_t megabytes = 0;
    bool has_limit = mlx_sysctl_int("iogpu.wired_limit_mb", &megabytes);
    read_recommended(self, has_limit ? megabytes : -1, map, out);
    if (!has_limit)
        mlx_readings_missing(out, memory_topic, "gpu_limit", "this macOS has no GPU memory limit");
    else if (megabytes <= 0 || megabytes > INT32_MAX)
        mlx_readings_missing(out, memory_topic, "gpu_limit",
                             "macOS chooses it itself (iogpu.wired_limit_mb is 0)");
    else
        set_bytes(map, "gpu_limit", megabytes << 20);
}

static int read_memory(const state_t *self, mlx_readings_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(release_port) mach_port_t host = mach_host_self();
    vm_statistics64_data_t vm = {0};
    mach_msg_type_number_t count = HOST_VM_INFO64_COUNT;
    kern_return_t result = host_statistics64(host, HOST_VM_INFO64, (host_info64_t)&vm, &count);
    if (result != KERN_SUCCESS)
        return mlx_error_set(err, MLX_ERR_FAILED, "host_statistics64: mach error %d", result);
    /* Each macOS appends fields; the last one used here is far from the end. */
    if (count * sizeof(integer_t) < offsetof(vm_statistics64_data_t, internal_page_count))
        return mlx_error_set(err, MLX_ERR_FAILED, "host_statistics64: %u values are too few",
                             (unsigned)count);

    mlx_value_t *map = mlx_readings_topic(out, memory_topic);
    const int64_t page = (int64_t)self->page_size;
    const int64_t cached = (int64_t)vm.purgeable_count + vm.external_page_count;
    const int64_t used = (int64_t)vm.active_count + vm.inactive_count + vm.wire_count +
                         vm.speculative_count + vm.compressor_page_count - cached;
    int64_t total = 0;
    set_bytes(map, "used", used * page);
    /* The kernel counts speculative pages as free ones too. */
    set_bytes(map, "free", ((int64_t)vm.free_count - vm.speculative_count) * page);
    set_bytes(map, "cached", cached * page);
    set_bytes(map, "wired", (int64_t)vm.wire_count * page);
    set_bytes(map, "compressed", (int64_t)vm.compressor_page_count * page);
    if (mlx_sysctl_int("hw.memsize", &total)) {
        set_bytes(map, "total", total);
        if (used >= 0)
            set_bytes(map, "available", total - used * page);
    } else {
        mlx_readings_missing(out, memory_topic, "total", "hw.memsize is not readable");
    }
    return 0;
}

static void read_load(mlx_value_t *map, mlx_readings_t *out)
{
    static const char *const keys[] = {"load1", "load5", "load15"};
    struct loadavg load;
    if (!mlx_sysctl_struct("vm.loadavg", &load, sizeof load) || load.fscale <= 0) {
        mlx_readings_missing(out, cpu_topic, "load1", "vm.loadavg is not readable");
        return;
    }
    for (size_t i = 0; i < MLX_COUNT(keys); i++)
        mlx_value_set_real(map, keys[i], (double)load.ldavg[i] / (double)load.fscale);
}

/*  Ticks since BEFORE; the kernel's counters are 32 bits wide and wrap. */
static double ticks_since(const ticks_t *now, const ticks_t *before, int state)
{
    return (double)(uint32_t)(now->state[state] - before->state[state]);
}

typedef struct {
    double user, system, idle;
} busy_t;

static busy_t busy_since(const ticks_t *now, const ticks_t *before)
{
    return (busy_t){
        .user = ticks_since(now, before, CPU_STATE_USER) + ticks_since(now, before, CPU_STATE_NICE),
        .system = ticks_since(now, before, CPU_STATE_SYSTEM),
        .idle = ticks_since(now, before, CPU_STATE_IDLE),
    };
}

static void set_shares(mlx_value_t *map, const busy_t *busy, bool whole)
{
    double total = busy->user + busy->system + busy->idle;
    if (total <= 0)
        return;
    mlx_value_set_real(map, "utilization", (busy->user + busy->system) / total);
    if (!whole)
        return;
    mlx_value_set_real(map, "user", busy->user / total);
    mlx_value_set_real(map, "system", busy->system / total);
}

static void publish_busy(const state_t *self, const ticks_t *now, mlx_readings_t *out)
{
    busy_t sum = {0};
    for (size_t i = 0; i < self->cores; i++) {
        busy_t busy = busy_since(&now[i], &self->before[i]);
        sum.user += busy.user;
        sum.system += busy.system;
        sum.idle += busy.idle;
        if (!self->lists_cores)
            continue;
        mlx_value_t *item = mlx_value_map();
        mlx_value_set_int(item, "id", (int64_t)i);
        set_shares(item, &busy, false);
        mlx_readings_item(out, cpu_topic, "core", item);
    }
    set_shares(mlx_readings_topic(out, cpu_topic), &sum, true);
}

static int read_processors(state_t *self, mlx_readings_t *out, mlx_error_t *err)
{
    MLX_CLEANUP(release_port) mach_port_t host = mach_host_self();
    natural_t cores = 0;
    processor_info_array_t info = NULL;
    mach_msg_type_number_t count = 0;
    kern_return_t result =
        host_processor_info(host, PROCESSOR_CPU_LOAD_INFO, &cores, &info, &count);
    if (result != KERN_SUCCESS)
        return mlx_error_set(err, MLX_ERR_FAILED, "host_processor_info: mach error %d", result);

    bool usable = cores > 0 && cores <= CORES_MAX && count / CPU_STATE_MAX >= cores;
    ticks_t *now = usable ? mlx_alloc(cores, sizeof *now) : NULL;
    for (size_t i = 0; usable && i < cores; i++)
        for (size_t s = 0; s < CPU_STATE_MAX; s++)
            now[i].state[s] = (uint32_t)info[i * CPU_STATE_MAX + s];
    vm_deallocate(mach_task_self(), (vm_address_t)info, count * sizeof *info);
    if (!usable)
        return mlx_error_set(err, MLX_ERR_FAILED, "host_processor_info: %u values for %u cores",
                             (unsigned)count, (unsigned)cores);

    mlx_value_set_int(mlx_readings_topic(out, cpu_topic), "cores", cores);
    if (self->before && self->cores == cores)
        publish_busy(self, now, out);
    free(self->before);
    self->before = now;
    self->cores = cores;
    return 0;
}

static int read_cpu(state_t *self, mlx_readings_t *out, mlx_error_t *err)
{
    mlx_value_t *map = mlx_readings_topic(out, cpu_topic);
    if (self->chip[0])
        mlx_value_set_str(map, "name", self->chip);
    read_load(map, out);
    return read_processors(self, out, err);
}

static void read_thermal_state(const state_t *self, mlx_readings_t *out)
{
    /* OSThermalPressureLevel of macOS; iOS numbers them differently. */
    static const char *const names[] = {"nominal", "moderate", "heavy", "trapping", "sleeping"};
    uint64_t level = 0;
    if (self->has_thermal && notify_get_state(self->thermal_token, &level) == NOTIFY_STATUS_OK &&
        level < MLX_COUNT(names))
        mlx_value_set_str(mlx_readings_topic(out, temperature_topic), "thermal_state",
                          names[level]);
    else
        mlx_readings_missing(out, temperature_topic, "thermal_state",
                             "macOS does not report its thermal pressure");
}

static int sample_mach(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us; /* shares of ticks need no clock */
    state_t *self = state;
    mlx_error_t memory_error = {0};
    int memory = read_memory(self, out, &memory_error);
    if (memory)
        mlx_readings_missing(out, memory_topic, "used", memory_error.text);
    mlx_value_t *map = mlx_readings_topic(out, memory_topic);
    read_swap(map, out);
    read_pressure(map, out);
    read_gpu_limit(self, map, out);
    read_thermal_state(self, out);
    int cpu = read_cpu(self, out, err);
    if (cpu && err)
        mlx_readings_missing(out, cpu_topic, "utilization", err->text);
    return memory && cpu ? -1 : 0;
}

const mlx_sensor_backend_t mlx_sensor_mach = {
    .name = "mach",
    .min_period_s = 0.1,
    .probe = probe_mach,
    .sample = sample_mach,
    .close = close_mach,
    .topic = memory_topic,
    .fields = "total used available",
};
