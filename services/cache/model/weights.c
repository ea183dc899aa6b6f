#include "services/cache/model/weights.h"

#include "proto/base.h"
#include "services/cache/model/names.h"

#include <string.h>

/*  Patterns of a file's last component; the first that matches decides. */
static const struct {
    const char *pattern;
    mlx_weights_t format;
} names[] = {
    {"?*.safetensors", MLX_WEIGHTS_SAFETENSORS},
    {"?*.gguf", MLX_WEIGHTS_GGUF},
    {"training_args.bin", MLX_WEIGHTS_NONE},
    {"optimizer*.bin", MLX_WEIGHTS_NONE},
    {"optimizer*.pt", MLX_WEIGHTS_NONE},
    {"scheduler*.bin", MLX_WEIGHTS_NONE},
    {"scheduler*.pt", MLX_WEIGHTS_NONE},
    {"scaler*.pt", MLX_WEIGHTS_NONE},
    {"random_states*.pkl", MLX_WEIGHTS_NONE},
    {"rng_state*.pth", MLX_WEIGHTS_NONE},
    {"*openvino*.bin", MLX_WEIGHTS_OPENVINO},
    {"ggml-?*.bin", MLX_WEIGHTS_OTHER},
    {"?*.bin", MLX_WEIGHTS_PYTORCH},
    {"?*.pt", MLX_WEIGHTS_PYTORCH},
    {"?*.pth", MLX_WEIGHTS_PYTORCH},
    {"?*.ckpt", MLX_WEIGHTS_PYTORCH},
    {"?*.npz", MLX_WEIGHTS_NUMPY},
    {"?*.npy", MLX_WEIGHTS_NUMPY},
    {"?*.onnx", MLX_WEIGHTS_ONNX},
    {"?*.onnx_data*", MLX_WEIGHTS_ONNX},
    {"?*.onnx.data*", MLX_WEIGHTS_ONNX},
    {"?*.ort", MLX_WEIGHTS_ONNX},
    {"?*.mlmodel", MLX_WEIGHTS_COREML},
    {"?*.msgpack", MLX_WEIGHTS_FLAX},
    {"?*.h5", MLX_WEIGHTS_TENSORFLOW},
    {"?*.keras", MLX_WEIGHTS_TENSORFLOW},
    {"saved_model.pb", MLX_WEIGHTS_TENSORFLOW},
    {"?*.data-#####-of-#####", MLX_WEIGHTS_TENSORFLOW},
    {"?*.tflite", MLX_WEIGHTS_TFLITE},
    {"?*.litertlm", MLX_WEIGHTS_TFLITE},
    {"?*.task", MLX_WEIGHTS_TFLITE},
    {"?*.nemo", MLX_WEIGHTS_OTHER},
    {"?*.ot", MLX_WEIGHTS_OTHER},
    {"?*.pdparams", MLX_WEIGHTS_OTHER},
    {"?*.pdiparams", MLX_WEIGHTS_OTHER},
    {"?*.params", MLX_WEIGHTS_OTHER},
    {"?*.mnn", MLX_WEIGHTS_OTHER},
    {"?*.mnn.weight", MLX_WEIGHTS_OTHER},
    {"?*.weights", MLX_WEIGHTS_OTHER},
    {"?*.ggml", MLX_WEIGHTS_OTHER},
    {"?*.llamafile", MLX_WEIGHTS_OTHER},
    {"?*.engine", MLX_WEIGHTS_OTHER},
    {"?*.joblib", MLX_WEIGHTS_OTHER},
    {"?*.pickle", MLX_WEIGHTS_OTHER},
    {"?*.pkl", MLX_WEIGHTS_OTHER},
};

static const char *const format_names[] = {
    [MLX_WEIGHTS_NONE] = "no weights",
    [MLX_WEIGHTS_SAFETENSORS] = "safetensors",
    [MLX_WEIGHTS_GGUF] = "GGUF",
    [MLX_WEIGHTS_NUMPY] = "NumPy",
    [MLX_WEIGHTS_PYTORCH] = "PyTorch",
    [MLX_WEIGHTS_ONNX] = "ONNX",
    [MLX_WEIGHTS_COREML] = "Core ML",
    [MLX_WEIGHTS_FLAX] = "Flax",
    [MLX_WEIGHTS_TENSORFLOW] = "TensorFlow",
    [MLX_WEIGHTS_TFLITE] = "TensorFlow Lite",
    [MLX_WEIGHTS_OPENVINO] = "OpenVINO",
    [MLX_WEIGHTS_OTHER] = "other weights",
};

/*  '#' stands for a digit, '?' for any character, '*' for any number of them. */
static bool matches(const char *pattern, const char *name)
{
    if (!strchr(pattern, '#'))
        return mlx_name_match(pattern, name);
    char shape[256];
    size_t len = strlen(name);
    if (len >= sizeof shape)
        return false;
    for (size_t i = 0; i <= len; i++)
        shape[i] = name[i] >= '0' && name[i] <= '9' ? '#' : name[i];
    return mlx_name_match(pattern, shape);
}

mlx_weights_t mlx_weights_format(const char *path)
{
    /* A bundle is a folder: its weights and its manifest only work together. */
    if (strstr(path, ".mlpackage/") || strstr(path, ".mlmodelc/"))
        return MLX_WEIGHTS_COREML;
    const char *slash = strrchr(path, '/');
    const char *name = slash ? slash + 1 : path;
    for (size_t i = 0; i < MLX_COUNT(names); i++)
        if (matches(names[i].pattern, name))
            return names[i].format;
    return MLX_WEIGHTS_NONE;
}

const char *mlx_weights_format_name(mlx_weights_t format)
{
    return format_names[format];
}

bool mlx_weights_is_shared(const char *path, uint64_t size)
{
    return size >= MLX_SHARE_MIN || mlx_weights_format(path) != MLX_WEIGHTS_NONE;
}
