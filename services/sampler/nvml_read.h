/*  nvml_read.h - the readings of one NVIDIA GPU through its driver's library */
#ifndef MLX_SAMPLER_NVML_READ_H
#define MLX_SAMPLER_NVML_READ_H

#include "nvml_api.h"
#include "sensor.h"

/*  What a process used of a GPU: the sum of the percentages of so many samples. */
typedef struct {
    unsigned pid, samples;
    double percent;
} mlx_nvml_use_t;

/*  A GPU of the present session. */
typedef struct {
    nvml_device_t handle;
    char name[NVML_NAME_SIZE];
    char id[NVML_UUID_SIZE + 8];
    char key[NVML_UUID_SIZE + 8]; /* under which its readings go */
    unsigned long long use_seen;  /* time of the newest account of its processes */
    mlx_nvml_use_t use[64];       /* as of use_us */
    size_t uses;
    int64_t use_us;
    unsigned long long sent, taken; /* bytes over PCIe at read_us; 0 before the first */
    int64_t read_us;
    bool first_pcie;         /* they were counted for the first time: there is no speed yet */
    double pcie_tx, pcie_rx; /* bytes a second, as of read_us; NAN: not known */
    double energy;           /* joules as of energy_us; NAN: not known */
    int64_t energy_us, divided_us;
    bool divided, no_fan;
} mlx_nvml_gpu_t;

/*  What of the machine around it is looked at. */
typedef struct {
    int meminfo;           /* descriptor of /proc/meminfo: a GPU that says "not supported" to the
                            * question for its memory has none and shares the machine's */
    const char *proc_root; /* for the names of processes */
} mlx_nvml_machine_t;

/*  Add the readings of GPU to OUT. *BUSY is set unless it is known to be idle. Returns what ends
 *  the session, or NVML_SUCCESS. */
nvml_return_t mlx_nvml_read(const mlx_nvml_t *api, mlx_nvml_gpu_t *gpu,
                            const mlx_nvml_machine_t *machine, int64_t now_us, mlx_readings_t *out,
                            bool *busy);

#endif
