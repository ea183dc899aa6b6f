#include "nvml_api.h"

#include <dlfcn.h>
#include <string.h>

#define FUNCTION(member, name)                                                                     \
    {                                                                                              \
        offsetof(mlx_nvml_t, member), name                                                         \
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
    FUNCTION(by_bus, "nvmlDeviceGetHandleByPciBusId_v2"),
    FUNCTION(pci, "nvmlDeviceGetPciInfo_v3"),
    FUNCTION(name, "nvmlDeviceGetName"),
    FUNCTION(uuid, "nvmlDeviceGetUUID"),
    FUNCTION(utilization, "nvmlDeviceGetUtilizationRates"),
    FUNCTION(encoder, "nvmlDeviceGetEncoderUtilization"),
    FUNCTION(decoder, "nvmlDeviceGetDecoderUtilization"),
    FUNCTION(memory, "nvmlDeviceGetMemoryInfo"),
    FUNCTION(memory_v2, "nvmlDeviceGetMemoryInfo_v2"),
    FUNCTION(temperature, "nvmlDeviceGetTemperature"),
    FUNCTION(power, "nvmlDeviceGetPowerUsage"),
    FUNCTION(limit, "nvmlDeviceGetEnforcedPowerLimit"),
    FUNCTION(energy, "nvmlDeviceGetTotalEnergyConsumption"),
    FUNCTION(clock, "nvmlDeviceGetClockInfo"),
    FUNCTION(fan, "nvmlDeviceGetFanSpeed"),
    FUNCTION(fan_range, "nvmlDeviceGetMinMaxFanSpeed"),
    FUNCTION(reasons, "nvmlDeviceGetCurrentClocksEventReasons"),
    FUNCTION(reasons, "nvmlDeviceGetCurrentClocksThrottleReasons"),
    FUNCTION(compute, "nvmlDeviceGetComputeRunningProcesses_v3"),
    FUNCTION(compute, "nvmlDeviceGetComputeRunningProcesses_v2"),
    FUNCTION(graphics, "nvmlDeviceGetGraphicsRunningProcesses_v3"),
    FUNCTION(graphics, "nvmlDeviceGetGraphicsRunningProcesses_v2"),
    FUNCTION(process_use, "nvmlDeviceGetProcessUtilization"),
    FUNCTION(fields, "nvmlDeviceGetFieldValues"),
    FUNCTION(mig_mode, "nvmlDeviceGetMigMode"),
    FUNCTION(mig_count, "nvmlDeviceGetMaxMigDeviceCount"),
    FUNCTION(mig_handle, "nvmlDeviceGetMigDeviceHandleByIndex"),
    FUNCTION(mig_number, "nvmlDeviceGetGpuInstanceId"),
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

const char *mlx_nvml_explain(nvml_return_t code)
{
    for (size_t i = 0; i < MLX_COUNT(answers); i++)
        if (answers[i].code == code)
            return answers[i].text;
    return "unexpected answer";
}

static void load(mlx_nvml_t *self)
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

bool mlx_nvml_is_there(const char *library)
{
    void *handle = dlopen(library, RTLD_LAZY | RTLD_LOCAL);
    if (handle)
        dlclose(handle);
    return handle != NULL;
}

static int start(mlx_nvml_t *self, const char *library, mlx_error_t *err)
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
        return 0;
    return mlx_error_set(err, MLX_ERR_NOT_FOUND, "NVML: %s (%d)", mlx_nvml_explain(code),
                         (int)code);
}

int mlx_nvml_open(mlx_nvml_t *self, const char *library, mlx_error_t *err)
{
    *self = (mlx_nvml_t){0};
    int rc = start(self, library, err);
    if (rc)
        mlx_nvml_close(self);
    return rc;
}

void mlx_nvml_close(mlx_nvml_t *self)
{
    if (self->initialised)
        self->shutdown();
    if (self->library)
        dlclose(self->library);
    *self = (mlx_nvml_t){0};
}
