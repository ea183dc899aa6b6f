/*  unicode.h - when two spellings are one file: on disks that ignore case or normalise names
 *
 *      MLX_CLEANUP(mlx_free_p) char *a = mlx_unicode_fold("É.gguf");
 *      MLX_CLEANUP(mlx_free_p) char *b = mlx_unicode_fold("e\xcc\x81.gguf");
 *      strcmp(a, b) == 0
 *
 *  Folding takes characters apart (NFD), makes each small, and leaves out what cannot be seen. It is
 *  for comparing only: a file keeps the bytes of its name.
 */
#ifndef MLX_CACHE_MODEL_UNICODE_H
#define MLX_CACHE_MODEL_UNICODE_H

#include "proto/base.h"

/*  S folded; a byte that is not UTF-8 stays as it is. Caller owns it and must free it. */
char *mlx_unicode_fold(const char *s);

#endif
