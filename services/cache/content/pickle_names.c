/*  The imports that weights need. */
#include "services/cache/content/pickle.h"

#include <string.h>

typedef struct {
    const char *module;
    const char *names; /* separated by spaces; "x*" begins, "*x" ends so */
} allowed_t;

#define NUMPY_NUMBERS                                                                              \
    "bool_ bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 intc uintc longlong ulonglong "  \
    "float16 float32 float64 longdouble complex64 complex128 str_ bytes_ void datetime64 "         \
    "timedelta64"
#define BUILTINS                                                                                   \
    "set frozenset list dict tuple int long float complex bool bytes bytearray str unicode slice " \
    "range xrange object"

static const allowed_t allowed[] = {
    {"collections", "OrderedDict defaultdict Counter deque"},
    {"builtins", BUILTINS},
    {"__builtin__", BUILTINS},
    {"copyreg", "_reconstructor"},
    {"copy_reg", "_reconstructor"},
    {"_codecs", "encode"},
    {"argparse", "Namespace"},
    {"datetime", "datetime date time timedelta timezone"},
    {"torch._utils", "_rebuild_*"},
    {"torch._tensor", "_rebuild_from_type_v2"},
    {"torch.storage", "TypedStorage UntypedStorage _TypedStorage _UntypedStorage"},
    {"torch.nn.parameter", "Parameter Buffer UninitializedParameter"},
    {"torch.serialization", "_get_layout"},
    {"torch", "*Storage *Tensor Tensor Size device dtype float16 float32 float64 half float double "
              "bfloat16 int8 int16 int32 int64 uint8 uint16 uint32 uint64 bool complex32 complex64 "
              "complex128 float8_* quint8 qint8 qint32 per_tensor_affine per_channel_affine"},
    {"torch.cuda", "*Storage *Tensor"},
    {"torch.sparse", "*Tensor"},
    {"numpy", "ndarray dtype " NUMPY_NUMBERS},
    {"numpy.core.multiarray", "_reconstruct scalar"},
    {"numpy._core.multiarray", "_reconstruct scalar"},
    {"numpy.core.numeric", "_frombuffer"},
    {"numpy._core.numeric", "_frombuffer"},
    {"numpy.dtypes", "*DType"},
};

static bool matches(const char *pattern, size_t len, const char *name)
{
    size_t size = strlen(name);
    if (pattern[0] == '*')
        return size >= len - 1 && memcmp(name + size - (len - 1), pattern + 1, len - 1) == 0;
    if (pattern[len - 1] == '*')
        return size >= len - 1 && memcmp(name, pattern, len - 1) == 0;
    return size == len && memcmp(name, pattern, len) == 0;
}

bool mlx_pickle_allows(const char *module, const char *name)
{
    /* A name with dots goes on into what it names: to whatever that has imported itself. */
    if (strchr(name, '.'))
        return false;
    for (size_t i = 0; i < MLX_COUNT(allowed); i++) {
        if (strcmp(allowed[i].module, module) != 0)
            continue;
        for (const char *at = allowed[i].names; *at;) {
            size_t len = strcspn(at, " ");
            if (matches(at, len, name))
                return true;
            at += len + (at[len] == ' ');
        }
    }
    return false;
}
