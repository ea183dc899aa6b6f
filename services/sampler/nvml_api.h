/*  nvml_api.h - the functions of NVIDIA's library that are used, found at run time
 *
 *      mlx_nvml_t api;
 *      if (mlx_nvml_open(&api, "libnvidia-ml.so.1", &err))
 *          ...
 *      if (api.power && api.power(gpu, &milliwatts) == NVML_SUCCESS)
 *          ...
 *      mlx_nvml_close(&api);
 *
 *  A function that the library lacks is NULL; init, shutdown, count and handle are always there.
 */
#ifndef MLX_SAMPLER_NVML_API_H
#define MLX_SAMPLER_NVML_API_H

#include "nvml_abi.h"
#include "proto/error.h"

typedef struct {
    void *library;
    bool initialised;
    nvml_return_t (*init)(void);
    nvml_return_t (*shutdown)(void);
    nvml_return_t (*count)(unsigned *);
    nvml_return_t (*handle)(unsigned, nvml_device_t *);
    nvml_return_t (*by_bus)(const char *, nvml_device_t *);
    nvml_return_t (*pci)(nvml_device_t, nvml_pci_t *);
    nvml_return_t (*name)(nvml_device_t, char *, unsigned);
    nvml_return_t (*uuid)(nvml_device_t, char *, unsigned);
    nvml_return_t (*utilization)(nvml_device_t, nvml_utilization_t *);
    nvml_return_t (*encoder)(nvml_device_t, unsigned *, unsigned *);
    nvml_return_t (*decoder)(nvml_device_t, unsigned *, unsigned *);
    nvml_return_t (*memory)(nvml_device_t, nvml_memory_t *);
    nvml_return_t (*memory_v2)(nvml_device_t, nvml_memory_v2_t *);
    nvml_return_t (*temperature)(nvml_device_t, int, unsigned *);
    nvml_return_t (*power)(nvml_device_t, unsigned *);
    nvml_return_t (*limit)(nvml_device_t, unsigned *);
    nvml_return_t (*energy)(nvml_device_t, unsigned long long *);
    nvml_return_t (*clock)(nvml_device_t, int, unsigned *);
    nvml_return_t (*fan)(nvml_device_t, unsigned *);
    nvml_return_t (*fan_range)(nvml_device_t, unsigned *, unsigned *);
    nvml_return_t (*reasons)(nvml_device_t, unsigned long long *);
    nvml_return_t (*compute)(nvml_device_t, unsigned *, nvml_process_t *);
    nvml_return_t (*graphics)(nvml_device_t, unsigned *, nvml_process_t *);
    nvml_return_t (*process_use)(nvml_device_t, nvml_process_use_t *, unsigned *,
                                 unsigned long long);
    nvml_return_t (*fields)(nvml_device_t, int, nvml_field_t *);
    nvml_return_t (*mig_mode)(nvml_device_t, unsigned *, unsigned *);
    nvml_return_t (*mig_count)(nvml_device_t, unsigned *);
    nvml_return_t (*mig_handle)(nvml_device_t, unsigned, nvml_device_t *);
    nvml_return_t (*mig_number)(nvml_device_t, unsigned *);
} mlx_nvml_t;

/*  Is LIBRARY there? Loaded and given back without calling any of its functions. */
bool mlx_nvml_is_there(const char *library);

/*  Load LIBRARY and start a session. -1 with MLX_ERR_NOT_FOUND and the reason; then nothing is
 *  held.
 */
int mlx_nvml_open(mlx_nvml_t *self, const char *library, mlx_error_t *err);

/*  End the session, if there is one, and give the library back: no GPU is held open any more. */
void mlx_nvml_close(mlx_nvml_t *self);

/*  What CODE means, for a person. Static. */
const char *mlx_nvml_explain(nvml_return_t code);

#endif
