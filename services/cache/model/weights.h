/*  weights.h - which files of a model hold its weights, in which format, and what is worth sharing
 *
 *  By names alone: a format that is not known here is "other files", never silently a whole model.
 *
 *      if (mlx_weights_format("onnx/model.onnx_data") == MLX_WEIGHTS_ONNX) ...
 */
#ifndef MLX_CACHE_MODEL_WEIGHTS_H
#define MLX_CACHE_MODEL_WEIGHTS_H

#include <stdbool.h>
#include <stdint.h>

/*  In the order in which one of several formats of the same weights is preferred. */
typedef enum {
    MLX_WEIGHTS_NONE,
    MLX_WEIGHTS_SAFETENSORS,
    MLX_WEIGHTS_GGUF,
    MLX_WEIGHTS_NUMPY,
    MLX_WEIGHTS_PYTORCH,
    MLX_WEIGHTS_ONNX,
    MLX_WEIGHTS_COREML,
    MLX_WEIGHTS_FLAX,
    MLX_WEIGHTS_TENSORFLOW,
    MLX_WEIGHTS_TFLITE,
    MLX_WEIGHTS_OPENVINO,
    MLX_WEIGHTS_OTHER, /* Paddle, Rust, NeMo, pickles, .. */
} mlx_weights_t;

enum {
    MLX_SHARE_MIN = 1024 * 1024 /* bytes from which a file of any kind is shared, not copied */
};

/*  PATH inside the model; what training left (optimizer states, arguments) holds no weights. */
mlx_weights_t mlx_weights_format(const char *path);
const char *mlx_weights_format_name(mlx_weights_t format); /* "safetensors", "PyTorch", .. */

/*  Are its bytes shared with the apps (by clone or hard link): weights, and whatever is large.
 *  Small files are edited in place by people and tools: each place has its own. */
bool mlx_weights_is_shared(const char *path, uint64_t size);

#endif
