/*  hex.h - digests as text; apart from digest.h, so that who only reads them needs no SHA-256 */
#ifndef MLX_CACHE_STORE_HEX_H
#define MLX_CACHE_STORE_HEX_H

#include <stdbool.h>
#include <stddef.h>

/*  True when S is exactly LEN lower-case hex digits. */
bool mlx_is_hex(const char *s, size_t len);

#endif
