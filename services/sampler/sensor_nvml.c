/*  NVIDIA GPUs through the driver's management library, loaded at run time (nvml_abi.h). */
#include "nvml_abi.h"
#include "sensor.h"

#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MAX_GPUS 64
#define MAX_PROCESSES 256

typedef struct {
    nvml_device_t handle;
    char name[NVML_NAME_SIZE];
    char id[NVML_UUID_SIZE + 8];
} gpu_t;

typedef struct {
    void *library;
    bool initialised;
    nvml_return_t (*init)(void);
    nvml_return_t (*shutdown)(void);
    nvml_return_t (*count)(unsigned *);
    nvml_return_t (*handle)(unsigned, nvml_device_t *);
    nvml_return_t (*name)(nvml_device_t, char *, unsigned);
    nvml_return_t (*uuid)(nvml_device_t, char *, unsigned);
    nvml_return_t (*utilization)(nvml_device_t, nvml_utilization_t *);
    nvml_return_t (*memory)(nvml_device_t, nvml_memory_t *);
    nvml_return_t (*memory_v2)(nvml_device_t, nvml_memory_v2_t *);
    nvml_return_t (*temperature)(nvml_device_t, int, unsigned *);
    nvml_return_t (*power)(nvml_device_t, unsigned *);
    nvml_return_t (*limit)(nvml_device_t, unsigned *);
    nvml_return_t (*energy)(nvml_device_t, unsigned long long *);
    nvml_return_t (*clock)(nvml_device_t, int, unsigned *);
    nvml_return_t (*fan)(nvml_device_t, unsigned *);
    nvml_return_t (*reasons)(nvml_device_t, unsigned long long *);
    nvml_return_t (*processes)(nvml_device_t, unsigned *, nvml_process_t *);
    gpu_t gpus[MAX_GPUS];
    size_t gpu_count;
    nvml_return_t fatal; /* what a call of this sample said, if that ends the session */
} nvml_t;

#define FUNCTION(member, name)                                                                     \
    {                                                                                              \
        offsetof(nvml_t, member), name                                                             \
    }

/*  In order of preference: a later row fills in where the library lacks an earlier one. */
static const struct {
    size_t offset;
    const char *name;
} functions[] = {
    FUNCTION(init, "nvmlInit_v2"),
    FUNCTION(shutdown, "nvmlShutdown"),
    FUNCTION(count, "nvmlDeviceGetCount_v2"),
    FUNCTION(handle, "nvmlDeviceGetHandleByIndex_v2"),
    FUNCTION(name, "nvmlDeviceGetName"),
    FUNCTION(uuid, "nvmlDeviceGetUUID"),
    FUNCTION(utilization, "nvmlDeviceGetUtilizationRates"),
    FUNCTION(memory, "nvmlDeviceGetMemoryInfo"),
    FUNCTION(memory_v2, "nvmlDeviceGetMemoryInfo_v2"),
    FUNCTION(temperature, "nvmlDeviceGetTemperature"),
    FUNCTION(power, "nvmlDeviceGetPowerUsage"),
    FUNCTION(limit, "nvmlDeviceGetEnforcedPowerLimit"),
    FUNCTION(energy, "nvmlDeviceGetTotalEnergyConsumption"),
    FUNCTION(clock, "nvmlDeviceGetClockInfo"),
    FUNCTION(fan, "nvmlDeviceGetFanSpeed"),
    FUNCTION(reasons, "nvmlDeviceGetCurrentClocksEventReasons"),
    FUNCTION(reasons, "nvmlDeviceGetCurrentClocksThrottleReasons"),
    FUNCTION(processes, "nvmlDeviceGetComputeRunningProcesses_v3"),
    FUNCTION(processes, "nvmlDeviceGetComputeRunningProcesses_v2"),
};

/*  Bits of the clocks event reasons. Being idle (bit 0) holds clocks down too and is no throttle.
 */
static const struct {
    unsigned long long bit;
    const char *name;
} reasons[] = {
    {0x002, "applications_clocks"}, {0x004, "sw_power_cap"},        {0x008, "hw_slowdown"},
    {0x010, "sync_boost"},          {0x020, "sw_thermal_slowdown"}, {0x040, "hw_thermal_slowdown"},
    {0x080, "hw_power_brake"},      {0x100, "display_clocks"},
};

static const struct {
    nvml_return_t code;
    const char *text;
} answers[] = {
    {NVML_UNINITIALIZED, "not initialised (the driver was reloaded)"},
    {NVML_NO_PERMISSION, "no permission to use the GPU"},
    {NVML_DRIVER_NOT_LOADED, "the NVIDIA driver is not loaded"},
    {NVML_GPU_IS_LOST, "the GPU is lost (fallen off the bus)"},
    {NVML_RESET_REQUIRED, "the GPU needs a reset"},
    {NVML_LIB_RM_VERSION_MISMATCH, "driver and library versions differ (reboot after an update)"},
};

static const char *explain(nvml_return_t code)
{
    for (size_t i = 0; i < MLX_COUNT(answers); i++)
        if (answers[i].code == code)
            return answers[i].text;
    return "unexpected answer";
}

static void nvml_close(void **state)
{
    nvml_t *self = *state;
    if (self->initialised)
        self->shutdown();
    if (self->library)
        dlclose(self->library);
    mlx_free_p(state);
}

static void load(nvml_t *self)
{
    for (size_t i = 0; i < MLX_COUNT(functions); i++) {
        /* ISO C has no cast from object to function pointer; their bytes are the same in POSIX. */
        void *found = dlsym(self->library, functions[i].name);
        char *slot = (char *)self + functions[i].offset;
        void *present;
        memcpy(&present, slot, sizeof present);
        if (!present)
            memcpy(slot, &found, sizeof found);
    }
}

static bool is_fatal(nvml_return_t code)
{
    return code == NVML_UNINITIALIZED || code == NVML_GPU_IS_LOST || code == NVML_RESET_REQUIRED ||
           code == NVML_DRIVER_NOT_LOADED;
}

/*  True when CODE brought a value; remembers what ends the session. */
static bool ok(nvml_t *self, nvml_return_t code)
{
    if (is_fatal(code))
        self->fatal = code;
    return code == NVML_SUCCESS;
}

/*  A lost GPU has no handle; the others of the machine are still good. */
static nvml_return_t open_gpus(nvml_t *self)
{
    unsigned count = 0;
    nvml_return_t code = self->count(&count);
    for (unsigned i = 0; code == NVML_SUCCESS && i < count && self->gpu_count < MAX_GPUS; i++) {
        gpu_t *gpu = &self->gpus[self->gpu_count];
        nvml_return_t answer = self->handle(i, &gpu->handle);
        if (answer != NVML_SUCCESS) {
            self->fatal = answer;
            continue;
        }
        if (!self->name || self->name(gpu->handle, gpu->name, sizeof gpu->name) != NVML_SUCCESS)
            gpu->name[0] = '\0';
        gpu->name[sizeof gpu->name - 1] = '\0';
        char uuid[NVML_UUID_SIZE] = "";
        if (!self->uuid || self->uuid(gpu->handle, uuid, sizeof uuid) != NVML_SUCCESS)
            (void)snprintf(uuid, sizeof uuid, "%u", i);
        (void)snprintf(gpu->id, sizeof gpu->id, "nvml:%.*s", NVML_UUID_SIZE - 1, uuid);
        self->gpu_count++;
    }
    if (code == NVML_SUCCESS && self->gpu_count == 0)
        code = self->fatal;
    return code;
}

static int start(nvml_t *self, const char *library, mlx_error_t *err)
{
    self->library = dlopen(library, RTLD_NOW | RTLD_LOCAL);
    if (!self->library)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "no NVIDIA driver library (%s)", library);
    load(self);
    if (!self->init || !self->shutdown || !self->count || !self->handle)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s lacks the basic NVML functions", library);
    nvml_return_t code = self->init();
    self->initialised = code == NVML_SUCCESS;
    if (self->initialised)
        code = open_gpus(self);
    if (code != NVML_SUCCESS)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "NVML: %s (%d)", explain(code), (int)code);
    if (self->gpu_count == 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "NVML knows no GPU");
    return 0;
}

static int nvml_probe(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    nvml_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    int rc = start(self, env->nvml_library, err);
    if (rc)
        nvml_close(state);
    return rc;
}

/*  One figure that NVML gives as an unsigned int, times SCALE. */
static void add_scaled(nvml_t *self, nvml_device_t gpu, mlx_value_t *data, const char *field,
                       nvml_return_t (*get)(nvml_device_t, unsigned *), double scale)
{
    unsigned value;
    if (get && ok(self, get(gpu, &value)))
        mlx_value_set_real(data, field, value * scale);
}

/*  All ones, and what no machine has, mean "not available". */
static void add_bytes(mlx_value_t *data, const char *field, unsigned long long bytes)
{
    if (bytes <= INT64_MAX)
        mlx_value_set_int(data, field, (int64_t)bytes);
}

/*  Version 2 tells what is used apart from what the driver reserves, as nvidia-smi shows it. */
static void add_memory(nvml_t *self, nvml_device_t gpu, mlx_value_t *data)
{
    nvml_memory_v2_t v2 = {.version = NVML_MEMORY_V2};
    nvml_memory_t v1;
    if (self->memory_v2 && ok(self, self->memory_v2(gpu, &v2))) {
        add_bytes(data, "memory_used", v2.used);
        add_bytes(data, "memory_total", v2.total);
    } else if (self->memory && ok(self, self->memory(gpu, &v1))) {
        add_bytes(data, "memory_used", v1.used);
        add_bytes(data, "memory_total", v1.total);
    }
}

static void add_clock(nvml_t *self, nvml_device_t gpu, mlx_value_t *data, const char *field,
                      int kind)
{
    unsigned megahertz;
    if (self->clock && ok(self, self->clock(gpu, kind, &megahertz)))
        mlx_value_set_real(data, field, megahertz * 1e6);
}

static void add_throttle(nvml_t *self, nvml_device_t gpu, mlx_value_t *data)
{
    unsigned long long mask;
    if (!self->reasons || !ok(self, self->reasons(gpu, &mask)))
        return;
    mlx_value_t *list = mlx_value_set(data, "throttle", mlx_value_list());
    for (size_t i = 0; i < MLX_COUNT(reasons); i++)
        if (mask & reasons[i].bit)
            mlx_value_append(list, mlx_value_new_str(reasons[i].name));
}

static void add_processes(nvml_t *self, nvml_device_t gpu, mlx_value_t *data)
{
    nvml_process_t processes[MAX_PROCESSES];
    unsigned count = MAX_PROCESSES;
    if (!self->processes || !ok(self, self->processes(gpu, &count, processes)))
        return;
    mlx_value_t *list = mlx_value_set(data, "processes", mlx_value_list());
    for (unsigned i = 0; i < count && i < MAX_PROCESSES; i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_int(item, "pid", processes[i].pid);
        add_bytes(item, "memory", processes[i].memory);
    }
}

/*  What a person looks for first, and is told about when this card does not give it. */
static void note_missing(mlx_readings_t *out, const gpu_t *gpu)
{
    static const char *const fields[] = {
        "utilization", "memory_used", "memory_total", "frequency", "power",
        "energy",      "temperature", "fan",          "throttle",  "processes",
    };
    const char *topic = mlx_readings_gpu_topic(out, gpu->id);
    for (size_t i = 0; i < MLX_COUNT(fields); i++)
        if (!mlx_readings_has(out, topic, fields[i]))
            mlx_readings_missing(out, topic, fields[i], "not supported by this GPU or its driver");
}

static void sample_gpu(nvml_t *self, const gpu_t *gpu, mlx_readings_t *out)
{
    mlx_value_t *data = mlx_readings_gpu(out, gpu->id);
    mlx_value_set_str(data, "name", gpu->name[0] ? gpu->name : NULL);
    mlx_value_set_str(data, "vendor", "nvidia");
    mlx_value_set_str(data, "backend", "nvml");
    mlx_value_set_str(data, "id", gpu->id);
    nvml_utilization_t utilization;
    if (self->utilization && ok(self, self->utilization(gpu->handle, &utilization)))
        mlx_value_set_real(data, "utilization", utilization.gpu / 100.0);
    add_memory(self, gpu->handle, data);
    add_clock(self, gpu->handle, data, "frequency", NVML_CLOCK_GRAPHICS);
    add_clock(self, gpu->handle, data, "memory_frequency", NVML_CLOCK_MEM);
    add_scaled(self, gpu->handle, data, "power", self->power, 1e-3);
    add_scaled(self, gpu->handle, data, "power_limit", self->limit, 1e-3);
    add_scaled(self, gpu->handle, data, "fan", self->fan, 1e-2);
    unsigned long long millijoules;
    if (self->energy && ok(self, self->energy(gpu->handle, &millijoules)))
        mlx_value_set_real(data, "energy", (double)millijoules * 1e-3);
    unsigned celsius;
    if (self->temperature &&
        ok(self, self->temperature(gpu->handle, NVML_TEMPERATURE_GPU, &celsius)))
        mlx_value_set_real(data, "temperature", celsius);
    add_throttle(self, gpu->handle, data);
    add_processes(self, gpu->handle, data);
    note_missing(out, gpu);
}

static int nvml_sample(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)now_us;
    nvml_t *self = state;
    self->fatal = NVML_SUCCESS;
    for (size_t i = 0; i < self->gpu_count; i++) {
        sample_gpu(self, &self->gpus[i], out);
        if (self->fatal)
            return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "NVML: %s: %s", self->gpus[i].name,
                                 explain(self->fatal));
    }
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_nvml = {
    .name = "nvml",
    .min_period_s = 0.5,
    .probe = nvml_probe,
    .sample = nvml_sample,
    .close = nvml_close,
};
