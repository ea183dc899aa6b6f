#include "services/cache/model/safetensors.h"

#include "common/base/json.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    LENGTH_BYTES = 8
};

typedef struct {
    uint64_t begin;
    uint64_t end;
    const char *name; /* borrowed from the tree */
} extent_t;

static const struct {
    const char *name;
    unsigned bits;
} dtypes[] = {
    {"BOOL", 8},    {"U8", 8},   {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8},
    {"F8_E8M0", 8}, {"I16", 16}, {"U16", 16}, {"F16", 16},    {"BF16", 16},
    {"I32", 32},    {"U32", 32}, {"F32", 32}, {"I64", 64},    {"U64", 64},
    {"F64", 64},    {"C64", 64}, {"F4", 4},   {"F6_E2M3", 6}, {"F6_E3M2", 6},
};

static unsigned dtype_bits(const char *name)
{
    for (size_t i = 0; i < MLX_COUNT(dtypes); i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return dtypes[i].bits;
    return 0;
}

static int broken(mlx_error_t *err, const char *name, const char *why)
{
    return mlx_error_set(err, MLX_ERR_FAILED, "safetensors: tensor \"%.100s\" %s", name, why);
}

static int shape_elements(const char *name, const mlx_value_t *shape, uint64_t *elements,
                          mlx_error_t *err)
{
    if (mlx_value_type(shape) != MLX_LIST)
        return broken(err, name, "has no shape");
    *elements = 1;
    for (size_t i = 0; i < mlx_value_size(shape); i++) {
        int64_t dim;
        if (!mlx_value_as_int(mlx_value_at(shape, i), &dim) || dim < 0 ||
            __builtin_mul_overflow(*elements, (uint64_t)dim, elements))
            return broken(err, name, "has an impossible shape");
    }
    return 0;
}

static int read_offsets(const char *name, const mlx_value_t *offsets, extent_t *extent,
                        mlx_error_t *err)
{
    int64_t begin, end;
    if (mlx_value_type(offsets) != MLX_LIST || mlx_value_size(offsets) != 2 ||
        !mlx_value_as_int(mlx_value_at(offsets, 0), &begin) ||
        !mlx_value_as_int(mlx_value_at(offsets, 1), &end) || begin < 0 || end < begin)
        return broken(err, name, "has impossible data_offsets");
    *extent = (extent_t){.begin = (uint64_t)begin, .end = (uint64_t)end, .name = name};
    return 0;
}

static int read_tensor(const char *name, const mlx_value_t *tensor, extent_t *extent,
                       mlx_safetensors_t *info, mlx_error_t *err)
{
    const char *dtype = mlx_value_str(tensor, "dtype");
    uint64_t elements = 0, bits = 0;
    if (!dtype)
        return broken(err, name, "has no dtype");
    if (shape_elements(name, mlx_value_get(tensor, "shape"), &elements, err) ||
        read_offsets(name, mlx_value_get(tensor, "data_offsets"), extent, err))
        return -1;
    if (__builtin_add_overflow(info->parameters, elements, &info->parameters))
        return broken(err, name, "makes the file impossibly large");
    info->tensors++;
    unsigned width = dtype_bits(dtype);
    if (!width) {
        info->unknown_types++;
        return 0;
    }
    if (__builtin_mul_overflow(elements, (uint64_t)width, &bits) || bits % 8 ||
        bits / 8 != extent->end - extent->begin)
        return broken(err, name, "is not as long as its shape and dtype say");
    return 0;
}

static void read_metadata(const mlx_value_t *metadata, mlx_safetensors_t *info)
{
    const char *format = mlx_value_str(metadata, "format");
    if (format && strlen(format) < sizeof info->format)
        snprintf(info->format, sizeof info->format, "%s", format);
}

static int compare_extents(const void *a, const void *b)
{
    const extent_t *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

/*  The extents must cover 0 .. DATA exactly. */
static int check_cover(extent_t *extents, size_t count, uint64_t data, mlx_error_t *err)
{
    qsort(extents, count, sizeof *extents, compare_extents);
    uint64_t at = 0;
    for (size_t i = 0; i < count; i++) {
        if (extents[i].begin != at)
            return broken(err, extents[i].name, "overlaps another or leaves a gap before it");
        at = extents[i].end;
    }
    if (at != data)
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "safetensors: tensors take %" PRIu64 " bytes, the file has %" PRIu64
                             " (%s)",
                             at, data, at > data ? "truncated" : "trailing bytes");
    return 0;
}

static int check_tree(const mlx_value_t *tree, uint64_t data, mlx_safetensors_t *info,
                      mlx_error_t *err)
{
    if (mlx_value_type(tree) != MLX_MAP)
        return mlx_error_set(err, MLX_ERR_FAILED, "safetensors: the header is not a JSON object");
    size_t entries = mlx_value_size(tree), count = 0;
    MLX_CLEANUP(mlx_free_p) extent_t *extents = mlx_alloc(entries + 1, sizeof *extents);
    for (size_t i = 0; i < entries; i++) {
        const char *name = mlx_value_key(tree, i);
        const mlx_value_t *entry = mlx_value_at(tree, i);
        if (strcmp(name, "__metadata__") == 0)
            read_metadata(entry, info);
        else if (read_tensor(name, entry, &extents[count++], info, err))
            return -1;
    }
    return check_cover(extents, count, data, err);
}

int mlx_safetensors_header(const char *json, size_t len, uint64_t size, mlx_safetensors_t *info,
                           mlx_error_t *err)
{
    *info = (mlx_safetensors_t){0};
    if (size < LENGTH_BYTES || len > size - LENGTH_BYTES)
        return mlx_error_set(err, MLX_ERR_FAILED, "safetensors: header longer than the file");
    if (len == 0 || json[0] != '{')
        return mlx_error_set(err, MLX_ERR_FAILED, "safetensors: the header does not start with {");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *tree = mlx_json_parse(json, len, err);
    if (!tree) {
        mlx_error_prefix(err, "safetensors");
        if (err)
            err->code = MLX_ERR_FAILED;
        return -1;
    }
    return check_tree(tree, size - LENGTH_BYTES - len, info, err);
}

static int read_exactly(int fd, void *out, size_t len, off_t at, mlx_error_t *err)
{
    for (size_t done = 0; done < len;) {
        ssize_t got = pread(fd, (char *)out + done, len - done, at + (off_t)done);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return mlx_error_set(err, MLX_ERR_FAILED, "safetensors: %s",
                                 got ? strerror(errno) : "the file ends inside its header");
        done += (size_t)got;
    }
    return 0;
}

int mlx_safetensors_check(int fd, uint64_t size, mlx_safetensors_t *info, mlx_error_t *err)
{
    unsigned char head[LENGTH_BYTES];
    if (read_exactly(fd, head, sizeof head, 0, err))
        return -1;
    uint64_t len = 0;
    for (size_t i = LENGTH_BYTES; i-- > 0;)
        len = len << 8 | head[i];
    if (len > MLX_JSON_MAX_BYTES || size < LENGTH_BYTES || len > size - LENGTH_BYTES)
        return mlx_error_set(err, MLX_ERR_FAILED,
                             "safetensors: a header of %" PRIu64 " bytes in a file of %" PRIu64,
                             len, size);
    MLX_CLEANUP(mlx_free_p) char *json = mlx_alloc(len + 1, 1);
    if (read_exactly(fd, json, len, LENGTH_BYTES, err))
        return -1;
    return mlx_safetensors_header(json, len, size, info, err);
}
