/*  darwin_smc.h - the System Management Controller: four-letter keys with typed values
 *
 *  One call, IOConnectCallStructMethod selector 2 of the service AppleSMC, takes and gives the same
 *  80-byte struct: key info (command 9), read (5), name of the n-th key (8). The layout and the
 *  commands are those of open-source monitors; Apple documents neither. Reading needs no
 *  privileges.
 *
 *      mlx_smc_t *smc = mlx_smc_new(&err);
 *      mlx_smc_key_t key;
 *      double watts;
 *      if (mlx_smc_key(smc, "PSTR", &key) && mlx_smc_read(smc, &key, &watts))
 *          ...
 *      mlx_smc_destroy(&smc);
 */
#ifndef MLX_SAMPLER_DARWIN_SMC_H
#define MLX_SAMPLER_DARWIN_SMC_H

#include "proto/error.h"

typedef struct mlx_smc mlx_smc_t;

/*  A key whose type and size are known. */
typedef struct {
    char name[5];
    uint32_t code;
    uint32_t type;
    uint32_t size;
} mlx_smc_key_t;

/*  Open the controller. NULL with MLX_ERR_NOT_FOUND where there is none (virtual machines). */
mlx_smc_t *mlx_smc_new(mlx_error_t *err);
void mlx_smc_destroy(mlx_smc_t **self);

/*  Number of keys, and the name of one of them; false when the controller does not answer. */
uint32_t mlx_smc_count(mlx_smc_t *self);
bool mlx_smc_name(mlx_smc_t *self, uint32_t index, char name[5]);

/*  Look NAME up. False when there is no such key or its type is not a number. */
bool mlx_smc_key(mlx_smc_t *self, const char *name, mlx_smc_key_t *key);

/*  The key's present value in its own unit. False when the controller refuses or the value is no
 *  finite number. */
bool mlx_smc_read(mlx_smc_t *self, const mlx_smc_key_t *key, double *value);

#endif
