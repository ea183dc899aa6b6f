/*  darwin_metal.h - the working set that Metal recommends: how much memory of the machine a model
 *  may take before macOS begins to page it out
 *
 *  It is not in the registry: Metal alone knows it. Apple Silicon only, where there is one GPU; on
 *  a Mac with two, asking would wake the other.
 */
#ifndef MLX_SAMPLER_DARWIN_METAL_H
#define MLX_SAMPLER_DARWIN_METAL_H

#include "proto/error.h"

/*  Bytes, or -1 with ERR. Loads Metal and gives it back: ask once. */
int64_t mlx_metal_recommended(mlx_error_t *err);

#endif
