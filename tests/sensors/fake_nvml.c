/*  A double of NVIDIA's management library for the tests: libfake-nvml.so
 *
 *  Types and signatures are written from NVIDIA's API reference, apart from the product's own
 *  declarations, so that a mistake there shows. The file named by MLX_FAKE_NVML is read at each
 *  call, one "key=number" a line:
 *
 *      gpus=2              how many there are (default 1)
 *      init=9              what a function without a GPU returns
 *      0.power=251300      a value of GPU 0
 *      0.power.rc=3        what that function returns instead
 *      0.handle.rc=15
 *
 *  Each call adds a byte to the file named by MLX_FAKE_NVML_CALLS. The GPUs' addresses are
 *  0000:01:00.0, 0000:02:00.0, ...
 */
#include <stdbool.h>
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

typedef struct {
    char busIdLegacy[16];
    unsigned int domain, bus, device, pciDeviceId, pciSubSystemId;
    char busId[32];
} nvmlPciInfo_t;
typedef struct {
    unsigned int fieldId, scopeId;
    long long timestamp, latencyUsec;
    int valueType;
    nvmlReturn_t nvmlReturn;
    union {
        double dVal;
        unsigned int uiVal;
        unsigned long ulVal;
        unsigned long long ullVal;
        long long sllVal;
    } value;
} nvmlFieldValue_t;
typedef struct {
    unsigned int pid;
    unsigned long long timeStamp;
    unsigned int smUtil, memUtil, encUtil, decUtil;
} nvmlProcessUtilizationSample_t;

nvmlReturn_t nvmlInit_v2(void);
nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *device);
nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci);
nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned *percent,
                                             unsigned *period);
nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned *percent,
                                             unsigned *period);
nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count, nvmlFieldValue_t *values);
nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
                                             nvmlProcessUtilizationSample_t *samples,
                                             unsigned *count, unsigned long long last);
nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending);
nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count);
nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index,
                                                 nvmlDevice_t *part);
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
nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                      nvmlProcessInfo_t *processes);
nvmlReturn_t nvmlDeviceGetMinMaxFanSpeed(nvmlDevice_t device, unsigned *min, unsigned *max);
nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t part, unsigned *id);

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

static void called(void)
{
    const char *path = getenv("MLX_FAKE_NVML_CALLS");
    FILE *file = path ? fopen(path, "ae") : NULL;
    if (!file)
        return;
    fputc('x', file);
    fclose(file);
}

/*  Handles are only good between init and shutdown. */
enum {
    PARTS = 8 /* GPUs first, then the parts of a divided one */
};
static int initialised;
static struct {
    unsigned index;
} devices[PARTS + 8];

/*  What function NAME of DEVICE says; *VALUE gets its value when that is SUCCESS. */
static nvmlReturn_t answer(nvmlDevice_t device, const char *name, unsigned long long *value)
{
    char key[64];
    called();
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
    called();
    nvmlReturn_t rc = (nvmlReturn_t)setting("init", 0);
    if (rc == 0)
        initialised++;
    return rc;
}

EXPORT nvmlReturn_t nvmlShutdown(void)
{
    called();
    if (!initialised)
        abort();
    initialised--;
    return 0;
}

EXPORT nvmlReturn_t nvmlDeviceGetCount_v2(unsigned *count)
{
    called();
    *count = (unsigned)setting("gpus", 1);
    return initialised ? (nvmlReturn_t)setting("count", 0) : 1;
}

EXPORT nvmlReturn_t nvmlDeviceGetHandleByIndex_v2(unsigned index, nvmlDevice_t *device)
{
    unsigned long long unused;
    if (index >= PARTS)
        return 2;
    devices[index].index = index;
    *device = (nvmlDevice_t)&devices[index];
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

EXPORT nvmlReturn_t nvmlDeviceGetHandleByPciBusId_v2(const char *bus, nvmlDevice_t *device)
{
    unsigned number;
    if (sscanf(bus, "%*x:%x:", &number) != 1 || number == 0 || number > setting("gpus", 1))
        return 6; /* not found */
    return nvmlDeviceGetHandleByIndex_v2(number - 1, device);
}

EXPORT nvmlReturn_t nvmlDeviceGetPciInfo_v3(nvmlDevice_t device, nvmlPciInfo_t *pci)
{
    unsigned long long unused;
    memset(pci, 0, sizeof *pci);
    snprintf(pci->busId, sizeof pci->busId, "00000000:%02X:00.0", device->index + 1);
    return answer(device, "pci", &unused);
}

EXPORT nvmlReturn_t nvmlDeviceGetEncoderUtilization(nvmlDevice_t device, unsigned *percent,
                                                    unsigned *period)
{
    *period = 167000;
    return answer_unsigned(device, "encoder", percent);
}

EXPORT nvmlReturn_t nvmlDeviceGetDecoderUtilization(nvmlDevice_t device, unsigned *percent,
                                                    unsigned *period)
{
    *period = 167000;
    return answer_unsigned(device, "decoder", percent);
}

EXPORT nvmlReturn_t nvmlDeviceGetFieldValues(nvmlDevice_t device, int count,
                                             nvmlFieldValue_t *values)
{
    static unsigned asked;
    unsigned step; /* bytes between two questions, counted in 32 bits, 20 ms apart */
    bool narrow = answer_unsigned(device, "step", &step) == 0 && step > 0;
    asked++;
    for (int i = 0; i < count; i++) {
        const char *name = values[i].fieldId == 197 ? "tx" : values[i].fieldId == 198 ? "rx" : "?";
        values[i].nvmlReturn = answer(device, name, &values[i].value.ullVal);
        values[i].valueType = 3; /* unsigned long long */
        if (narrow) {
            values[i].valueType = 1; /* unsigned int; the rest of the value is not written */
            values[i].value.uiVal = (unsigned)values[i].value.ullVal + asked * step;
            values[i].timestamp = 1000000LL + asked * 20000LL;
        }
    }
    return 0;
}

/*  Process 1000 used what "0.use" says. */
EXPORT nvmlReturn_t nvmlDeviceGetProcessUtilization(nvmlDevice_t device,
                                                    nvmlProcessUtilizationSample_t *samples,
                                                    unsigned *count, unsigned long long last)
{
    unsigned percent;
    (void)last;
    nvmlReturn_t rc = answer_unsigned(device, "use", &percent);
    if (rc)
        return rc;
    if (!samples || *count < 3) {
        *count = 3;
        return 7;
    }
    *count = 3; /* the oldest is too old to count, the others' mean is PERCENT */
    samples[0] = (nvmlProcessUtilizationSample_t){1000, last + 1000000, 3, 0, 0, 0};
    samples[1] = (nvmlProcessUtilizationSample_t){1000, last + 9000000, percent - 9, 0, 0, 0};
    samples[2] = (nvmlProcessUtilizationSample_t){1000, last + 9500000, percent + 9, 0, 0, 0};
    return 0;
}

/*  "0.mig" is the number of parts; 0: the GPU cannot be divided. */
EXPORT nvmlReturn_t nvmlDeviceGetMigMode(nvmlDevice_t device, unsigned *current, unsigned *pending)
{
    unsigned parts;
    nvmlReturn_t rc = answer_unsigned(device, "mig", &parts);
    *current = *pending = 1;
    return rc == 0 && parts == 0 ? 3 : rc;
}

EXPORT nvmlReturn_t nvmlDeviceGetMaxMigDeviceCount(nvmlDevice_t device, unsigned *count)
{
    nvmlReturn_t rc = answer_unsigned(device, "mig", count);
    *count += 3; /* places, not all of them taken */
    return rc;
}

EXPORT nvmlReturn_t nvmlDeviceGetMigDeviceHandleByIndex(nvmlDevice_t device, unsigned index,
                                                        nvmlDevice_t *part)
{
    unsigned parts;
    nvmlReturn_t rc = answer_unsigned(device, "mig", &parts);
    if (rc || index >= parts)
        return rc ? rc : 6;
    *part = (nvmlDevice_t)&devices[PARTS + index];
    (*part)->index = PARTS + index;
    return 0;
}

/*  Parts are numbered as the hardware has places: 7, 8, ... */
EXPORT nvmlReturn_t nvmlDeviceGetGpuInstanceId(nvmlDevice_t part, unsigned *id)
{
    unsigned long long unused;
    *id = part->index - PARTS + 7;
    return part->index < PARTS ? 3 : answer(part, "instance", &unused);
}

/*  "0.fan_min" to "0.fan_max". */
EXPORT nvmlReturn_t nvmlDeviceGetMinMaxFanSpeed(nvmlDevice_t device, unsigned *min, unsigned *max)
{
    nvmlReturn_t rc = answer_unsigned(device, "fan_min", min);
    return rc ? rc : answer_unsigned(device, "fan_max", max);
}

/*  Those that draw: one that computes as well (pid 1000), and others that only draw (2000, ...). */
EXPORT nvmlReturn_t nvmlDeviceGetGraphicsRunningProcesses_v3(nvmlDevice_t device, unsigned *count,
                                                             nvmlProcessInfo_t *processes)
{
    unsigned present;
    nvmlReturn_t rc = answer_unsigned(device, "graphics_processes", &present);
    if (rc)
        return rc;
    unsigned room = *count;
    *count = present;
    if (present > room)
        return 7;
    for (unsigned i = 0; i < present; i++)
        processes[i] = (nvmlProcessInfo_t){i ? 1999 + i : 1000, 4096, 0xffffffff, 0xffffffff};
    return 0;
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
    bool divided = setting("0.mig", 0) > 0;
    for (unsigned i = 0; i < present; i++)
        processes[i] = (nvmlProcessInfo_t){1000 + i, i == 1 ? ~0ULL : (i + 1) * 1048576ULL,
                                           divided ? 7 + i : 0xffffffff, 0xffffffff};
    return 0;
}
