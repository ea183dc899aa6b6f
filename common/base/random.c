#include "common/base/random.h"

#include <stdio.h>

void mlx_random_hex(char *text, size_t digits)
{
    unsigned char bytes[32];
    MLX_CLEANUP(mlx_fclose_p) FILE *random = fopen("/dev/urandom", "rb");
    if (digits > 2 * sizeof bytes || !random || fread(bytes, 1, digits / 2, random) != digits / 2)
        mlx_panic("cannot read %zu digits from /dev/urandom", digits);
    for (size_t i = 0; i < digits / 2; i++)
        snprintf(text + 2 * i, 3, "%02x", bytes[i]);
}
