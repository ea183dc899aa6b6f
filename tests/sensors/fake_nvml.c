/*  A double of NVIDIA's management library for the tests: libfake-nvml.so
 *
 *  Types and signatures are written from NVIDIA's API reference, apart from the product's own
 *  declarations, so that a mistake there shows. The file named by MLX_FAKE_NVML is read at each
 * call, one "key=number" a line:
 *
 *      gpus=2              how many there are (default 1)
 *      init=9              what a function without a GPU returns
 *      0.power=251300      a value of GPU 0
 *      0.power.rc=3        what that function returns instead
 *      0.handle.rc=15
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPORT __attribute__((visibility("default")))

typedef int nvmlReturn_t;
typedef struct {
    unsigned index;
} * nvmlDevice_t;
typedef struct {
    unsigned int gpu;
    unsigned int memory;
} nvmlUtilization_t;
typedef struct {
    unsigned long long total;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_t;
typedef struct {
    unsigned int version;
    unsigned long long total;
    unsigned long long reserved;
    unsigned long long free;
    unsigned long long used;
} nvmlMemory_v2_t;
typedef struct {
    unsigned int pid;
    unsigned long long usedGpuMemory;
    unsigned int gpuInstanceId;
    unsigned int computeInstanceId;
} nvmlProcessInfo_t;

nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlShutdown(void);
nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count);
nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device);
nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length);
nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length);
nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device, nvmlUtilization_t *utilization);
nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory);
nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory);
nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor, unsigned *celsius);
nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts);
nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *milliwatts);
nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *mj);
nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *megahertz);
nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned *percent);
nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device,
                                                       unsigned long long *reasons);
nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                     nvmlProcessInfo_t *processes);

static unsigned long long setting(const char *key, unsigned long long otherwise)
{
    const char *path = getenv("MLX_FAKE_NVML");
    FILE *file = path ? fopen(path, "re") : NULL;
    if (!file)
        return otherwise;
    char line[128];
    size_t len = strlen(key);
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, len) == 0 && line[len] == '=')
            otherwise = strtoull(line + len + 1, NULL, 10);
    fclose(file);
    return otherwise;
}

/*  Handles are only good between init and shutdown. */
static int initialised;
static unsigned indices[8];

/*  What function NAME of DEVICE says; *VALUE gets its value when that is SUCCESS. */
static nvmlReturn_t answer(nvmlDevice_t device, const char *name, unsigned long long *value)
{
    char key[64];
    if (!initialised)
        return 1;
    snprintf(key, sizeof key, "%u.%s.rc", device->index, name);
    nvmlReturn_t rc = (nvmlReturn_t)setting(key, 0);
    if (rc)
        return rc;
    snprintf(key, sizeof key, "%u.%s", device->index, name);
    *value = setting(key, 0);
    return 0;
}

static nvmlReturn_t answer_unsigned(nvmlDevice_t device, const char *name, unsigned *out)
{
    unsigned long long value;
    nvmlReturn_t rc = answer(device, name, &value);
    if (rc == 0)
        *out = (unsigned)value;
    return rc;
}

EXPORT nvmlReturn_t nvmlInit_v2(void)
{
    nvmlReturn_t rc = (nvmlReturn_t)setting("init", 0);
    if (rc == 0)
        initialised++;
    return rc;
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
    if (!initialised)
        abort();
    initialised--;
    return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count)
{
    *count = (unsigned)setting("gpus", 1);
    return initialised ? (nvmlReturn_t)setting("count", 0) : 1;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
    unsigned long long unused;
    if (index >= sizeof indices / sizeof indices[0])
        return 2;
    indices[index] = index;
    *device = (nvmlDevice_t)&indices[index];
    return answer(*device, "handle", &unused);
}

EXPORT nvmlReturn_t nvmlDeviceGetName(nvmlDevice_t device, char *name, unsigned length)
{
    unsigned long long unused;
    snprintf(name, length, "NVIDIA Double %u", device->index);
    return answer(device, "name", &unused);
}

EXPORT nvmlReturn_t nvmlDeviceGetUUID(nvmlDevice_t device, char *uuid, unsigned length)
{
    unsigned long long unused;
    snprintf(uuid, length, "GPU-0000000%u-1111-2222-3333-444444444444", device->index);
    return answer(device, "uuid", &unused);
}

EXPORT nvmlReturn_t nvmlDeviceGetUtilizationRates(nvmlDevice_t device,
                                                  nvmlUtilization_t *utilization)
{
    unsigned gpu;
    nvmlReturn_t rc = answer_unsigned(device, "utilization", &gpu);
    if (rc == 0)
        *utilization = (nvmlUtilization_t){gpu, 1};
    return rc;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo(nvmlDevice_t device, nvmlMemory_t *memory)
{
    unsigned long long used;
    nvmlReturn_t rc = answer(device, "memory", &used);
    if (rc == 0)
        *memory = (nvmlMemory_t){85520809984, 85520809984 - used, used};
    return rc;
}

EXPORT nvmlReturn_t nvmlDeviceGetMemoryInfo_v2(nvmlDevice_t device, nvmlMemory_v2_t *memory)
{
    unsigned long long used;
    if (memory->version != (sizeof(nvmlMemory_v2_t) | (2u << 24)))
        return 25; /* argument version mismatch */
    nvmlReturn_t rc = answer(device, "memory_v2", &used);
    if (rc == 0)
        *memory = (nvmlMemory_v2_t){memory->version, 85520809984, 500000000,
                                    85520809984 - 500000000 - used, used};
    return rc;
}

EXPORT nvmlReturn_t nvmlDeviceGetTemperature(nvmlDevice_t device, unsigned sensor,
                                             unsigned *celsius)
{
    return sensor == 0 ? answer_unsigned(device, "temperature", celsius) : 2;
}

EXPORT nvmlReturn_t nvmlDeviceGetPowerUsage(nvmlDevice_t device, unsigned *milliwatts)
{
    return answer_unsigned(device, "power", milliwatts);
}

EXPORT nvmlReturn_t nvmlDeviceGetEnforcedPowerLimit(nvmlDevice_t device, unsigned *milliwatts)
{
    return answer_unsigned(device, "limit", milliwatts);
}

EXPORT nvmlReturn_t nvmlDeviceGetTotalEnergyConsumption(nvmlDevice_t device, unsigned long long *mj)
{
    return answer(device, "energy", mj);
}

EXPORT nvmlReturn_t nvmlDeviceGetClockInfo(nvmlDevice_t device, unsigned type, unsigned *megahertz)
{
    static const char *const names[] = {"graphics", "sm", "mem", "video"};
    return type < 4 ? answer_unsigned(device, names[type], megahertz) : 2;
}

EXPORT nvmlReturn_t nvmlDeviceGetFanSpeed(nvmlDevice_t device, unsigned *percent)
{
    return answer_unsigned(device, "fan", percent);
}

EXPORT nvmlReturn_t nvmlDeviceGetCurrentClocksThrottleReasons(nvmlDevice_t device,
                                                              unsigned long long *reasons)
{
    return answer(device, "reasons", reasons);
}

/*  The value is how many processes there are; the second one's memory is not available. */
EXPORT nvmlReturn_t nvmlDeviceGetComputeRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                            nvmlProcessInfo_t *processes)
{
    unsigned long long present;
    nvmlReturn_t rc = answer(device, "processes", &present);
    if (rc)
        return rc;
    unsigned room = *count;
    *count = (unsigned)present;
    if (present > room)
        return 7;
    for (unsigned i = 0; i < present; i++)
        processes[i] = (nvmlProcessInfo_t){1000 + i, i == 1 ? ~0ULL : (i + 1) * 1048576ULL,
                                           0xffffffff, 0xffffffff};
    return 0;
}
