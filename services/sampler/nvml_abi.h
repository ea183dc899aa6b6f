/*  nvml_abi.h - the small part of the NVIDIA Management Library's binary interface that is used
 *
 *  Written from NVIDIA's "NVML API Reference": the library is there only where its driver is, so it
 *  is loaded by name and nothing of NVIDIA's is needed to build. Every function may be absent from
 *  an older library and may answer NOT_SUPPORTED on any card.
 */
#ifndef MLX_SAMPLER_NVML_ABI_H
#define MLX_SAMPLER_NVML_ABI_H

typedef enum {
    NVML_SUCCESS = 0,
    NVML_UNINITIALIZED = 1,
    NVML_NOT_SUPPORTED = 3,
    NVML_NO_PERMISSION = 4,
    NVML_INSUFFICIENT_SIZE = 7,
    NVML_DRIVER_NOT_LOADED = 9,
    NVML_GPU_IS_LOST = 15,
    NVML_RESET_REQUIRED = 16,
    NVML_LIB_RM_VERSION_MISMATCH = 18,
    NVML_UNKNOWN = 999,
} nvml_return_t;

typedef struct nvml_device *nvml_device_t;

enum {
    NVML_TEMPERATURE_GPU = 0
};
enum {
    NVML_CLOCK_GRAPHICS = 0,
    NVML_CLOCK_MEM = 2
};

typedef struct {
    unsigned gpu; /* percent of time in which a kernel ran */
    unsigned memory;
} nvml_utilization_t;

typedef struct {
    unsigned long long total, free, used; /* bytes; used includes what the driver reserves */
} nvml_memory_t;

typedef struct {
    unsigned version; /* NVML_MEMORY_V2 */
    unsigned long long total, reserved, free, used;
} nvml_memory_v2_t;

#define NVML_MEMORY_V2 ((unsigned)sizeof(nvml_memory_v2_t) | (2u << 24))

typedef struct {
    unsigned pid;
    unsigned long long memory;               /* bytes; all ones: not available */
    unsigned gpu_instance, compute_instance; /* all ones: the GPU is not divided */
} nvml_process_t;

typedef struct {
    char legacy_bus[16];
    unsigned domain, bus, device;
    unsigned pci_device, pci_subsystem;
    char address[32]; /* "00000000:01:00.0" */
} nvml_pci_t;

typedef struct {
    unsigned pid;
    unsigned long long t;                  /* microseconds since the epoch */
    unsigned sm, memory, encoder, decoder; /* percent */
} nvml_process_use_t;

typedef struct {
    unsigned field; /* NVML_FIELD_* */
    unsigned scope;
    long long t;
    long long latency_us;
    int type;   /* NVML_VALUE_* */
    int answer; /* nvml_return_t of this field */
    union {
        double real;
        unsigned u32;
        unsigned long u64;
        unsigned long long ull;
    } value;
} nvml_field_t;

enum {
    NVML_FIELD_PCIE_TX = 197, /* bytes that the GPU sent since the driver was loaded */
    NVML_FIELD_PCIE_RX = 198
};
enum {
    NVML_VALUE_U32 = 1,
    NVML_VALUE_U64 = 2,
    NVML_VALUE_ULL = 3
};

#define NVML_NAME_SIZE 96
#define NVML_UUID_SIZE 96

#endif
