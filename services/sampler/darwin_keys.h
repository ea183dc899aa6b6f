/*  darwin_keys.h - what the temperature keys of a Mac's controller measure
 *
 *  Nobody outside Apple has the list of keys; what monitors agree on is the meaning of the first
 *  letters on one or the other generation of chips, and the table has no more than that.
 *
 *      mlx_mac_t mac;
 *      mlx_mac_learn(&mac);
 *      const mlx_heat_kind_t *kind = mlx_heat_kind(&mac, "Tp01");
 */
#ifndef MLX_SAMPLER_DARWIN_KEYS_H
#define MLX_SAMPLER_DARWIN_KEYS_H

#include "darwin_heat.h"

typedef enum {
    MLX_MAC_ANY,
    MLX_MAC_APPLE_SILICON,
    MLX_MAC_M3,    /* its performance cores and its GPU have keys that no other chip has */
    MLX_MAC_SUPER, /* a chip whose fastest cores are called so (M5) */
    MLX_MAC_INTEL,
    MLX_MACS
} mlx_mac_kind_t;

/*  Which kinds of Mac this one is. */
typedef struct {
    bool is[MLX_MACS];
} mlx_mac_t;

void mlx_mac_learn(mlx_mac_t *self);

typedef struct {
    const char *prefix;
    mlx_mac_kind_t mac;
    mlx_heat_place_t place;
    const char *label;
} mlx_heat_kind_t;

/*  What KEY measures on MAC; NULL when it is not a temperature that is known. Static storage. */
const mlx_heat_kind_t *mlx_heat_kind(const mlx_mac_t *mac, const char *key);

#endif
