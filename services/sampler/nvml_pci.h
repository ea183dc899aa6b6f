/*  nvml_pci.h - the NVIDIA GPUs that the PCI bus shows, with what is known without asking them
 *
 *  The driver's library wakes every GPU that it touches; the bus's own files wake none. So the bus
 *  tells which GPUs there are and which of them may be asked now.
 *
 *      mlx_nvml_pci_t gpus[8];
 *      size_t count = mlx_nvml_pci_scan(gpus, 8, "/sys");
 *      ...
 *      mlx_nvml_pci_close(gpus, count);
 */
#ifndef MLX_SAMPLER_NVML_PCI_H
#define MLX_SAMPLER_NVML_PCI_H

#include "nvml_abi.h"
#include "rest.h"

typedef struct {
    char bus[16]; /* "0000:01:00.0" */
    mlx_rest_t rest;
    mlx_rest_state_t state; /* the caller's */
    char key[24];           /* under which its readings go, asleep or awake: "pci:0000:01:00.0" */
    char name[NVML_NAME_SIZE];
    char id[NVML_UUID_SIZE + 8]; /* empty until the library named it */
} mlx_nvml_pci_t;

/*  Write up to MAX GPUs below SYS_ROOT to OUT, in order of their address, as the library counts
 *  them. One that another driver holds (nouveau, vfio-pci) is none of the library's. */
size_t mlx_nvml_pci_scan(mlx_nvml_pci_t *out, size_t max, const char *sys_root);
void mlx_nvml_pci_close(mlx_nvml_pci_t *gpus, size_t count);

/*  The GPU whose address is BUS, in the kernel's spelling or NVIDIA's ("00000000:01:00.0"), or
 *  NULL.
 */
mlx_nvml_pci_t *mlx_nvml_pci_find(mlx_nvml_pci_t *gpus, size_t count, const char *bus);

#endif
