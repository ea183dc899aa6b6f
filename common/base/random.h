/*  random.h - bytes that nobody can guess, for names and secrets */
#ifndef MLX_COMMON_BASE_RANDOM_H
#define MLX_COMMON_BASE_RANDOM_H

#include "proto/base.h"

/*  Write DIGITS (even, at most 64) hexadecimal digits and the end of a string to TEXT. A system
 *  that gives none stops the process: there is no second best. */
void mlx_random_hex(char *text, size_t digits);

#endif
