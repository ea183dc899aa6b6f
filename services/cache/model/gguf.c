#include "services/cache/model/gguf.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum {
    WINDOW = 64 * 1024,
    MAX_KEY = 65535,
    MAX_TENSOR_NAME = 64,
    MAX_DIMS = 4,
    MAX_NESTING = 4,
    MAX_HEADER = 256 * 1024 * 1024, /* bounds the walk through a sparse file's zeros */
    MIN_KV_BYTES = 8 + 4 + 1,
    MIN_TENSOR_BYTES = 8 + 4 + 4 + 8,
    DEFAULT_ALIGNMENT = 32,
    TYPE_BOOL = 7,
    TYPE_STRING = 8,
    TYPE_ARRAY = 9,
};

typedef struct {
    int fd;
    const unsigned char *memory; /* instead of fd */
    size_t memory_len;
    uint64_t size;
    uint64_t at;          /* next byte to read */
    uint64_t window_from; /* file offset of window[0] */
    size_t window_len;
    mlx_error_t *err;
    mlx_gguf_visitor_t visitor;
    unsigned char window[WINDOW];
} reader_t;

/*  Sizes of key-value types 0..12 in bytes; 0: not of fixed size. */
static const unsigned char kv_size[] = {1, 1, 2, 2, 4, 4, 4, 1, 0, 0, 8, 8, 8};

/*  ggml tensor types: elements and bytes of a block; what is not here is unknown. */
static const struct {
    unsigned char elements_log2;
    unsigned short bytes;
} tensor_types[] = {
    [0] = {0, 4},    [1] = {0, 2},    [2] = {5, 18},   [3] = {5, 20},   [6] = {5, 22},
    [7] = {5, 24},   [8] = {5, 34},   [9] = {5, 36},   [10] = {8, 84},  [11] = {8, 110},
    [12] = {8, 144}, [13] = {8, 176}, [14] = {8, 210}, [15] = {8, 292}, [16] = {8, 66},
    [17] = {8, 74},  [18] = {8, 98},  [19] = {8, 50},  [20] = {5, 18},  [21] = {8, 110},
    [22] = {8, 82},  [23] = {8, 136}, [24] = {0, 1},   [25] = {0, 2},   [26] = {0, 4},
    [27] = {0, 8},   [28] = {0, 8},   [29] = {8, 56},  [30] = {0, 2},   [34] = {8, 54},
    [35] = {8, 66},  [39] = {5, 17},
};

static const char *const quants[] = {
    [0] = "F32",      [1] = "F16",      [2] = "Q4_0",    [3] = "Q4_1",    [7] = "Q8_0",
    [8] = "Q5_0",     [9] = "Q5_1",     [10] = "Q2_K",   [11] = "Q3_K_S", [12] = "Q3_K_M",
    [13] = "Q3_K_L",  [14] = "Q4_K_S",  [15] = "Q4_K_M", [16] = "Q5_K_S", [17] = "Q5_K_M",
    [18] = "Q6_K",    [19] = "IQ2_XXS", [20] = "IQ2_XS", [21] = "Q2_K_S", [22] = "IQ3_XS",
    [23] = "IQ3_XXS", [24] = "IQ1_S",   [25] = "IQ4_NL", [26] = "IQ3_S",  [27] = "IQ3_M",
    [28] = "IQ2_S",   [29] = "IQ2_M",   [30] = "IQ4_XS", [31] = "IQ1_M",  [32] = "BF16",
    [36] = "TQ1_0",   [37] = "TQ2_0",   [38] = "MXFP4",
};

const char *mlx_gguf_quant(int64_t file_type)
{
    if (file_type < 0 || file_type >= (int64_t)MLX_COUNT(quants) || !quants[file_type])
        return "unknown";
    return quants[file_type];
}

static int broken(reader_t *in, const char *why)
{
    return mlx_error_set(in->err, MLX_ERR_FAILED, "gguf: %s (near byte %" PRIu64 ")", why, in->at);
}

static uint64_t left(const reader_t *in)
{
    return in->size - in->at;
}

static int fill(reader_t *in)
{
    in->window_from = in->at;
    in->window_len = 0;
    if (in->memory) {
        if (in->at < in->memory_len) {
            size_t rest = in->memory_len - (size_t)in->at;
            in->window_len = rest < WINDOW ? rest : WINDOW;
            memcpy(in->window, in->memory + in->at, in->window_len);
        }
    } else {
        ssize_t got;
        do
            got = pread(in->fd, in->window, WINDOW, (off_t)in->at);
        while (got < 0 && errno == EINTR);
        if (got < 0)
            return broken(in, strerror(errno));
        in->window_len = (size_t)got;
    }
    return in->window_len ? 0 : broken(in, "the file ends inside its header");
}

static int take(reader_t *in, void *out, size_t len)
{
    if (in->at > MAX_HEADER)
        return broken(in, "its header is larger than 256 MiB");
    if (len > left(in))
        return broken(in, "the file ends inside its header");
    for (size_t done = 0; done < len;) {
        uint64_t offset = in->at - in->window_from;
        if (in->at < in->window_from || offset >= in->window_len) {
            if (fill(in))
                return -1;
            offset = 0;
        }
        size_t have = in->window_len - (size_t)offset;
        size_t part = have < len - done ? have : len - done;
        memcpy((char *)out + done, in->window + offset, part);
        done += part;
        in->at += part;
    }
    return 0;
}

static int skip(reader_t *in, uint64_t len)
{
    if (len > left(in))
        return broken(in, "the file ends inside its header");
    in->at += len;
    return 0;
}

static uint64_t little(const unsigned char *bytes, size_t len)
{
    uint64_t value = 0;
    for (size_t i = len; i-- > 0;)
        value = value << 8 | bytes[i];
    return value;
}

static int take_u32(reader_t *in, uint32_t *out)
{
    unsigned char raw[4] = {0};
    if (take(in, raw, sizeof raw))
        return -1;
    *out = (uint32_t)little(raw, sizeof raw);
    return 0;
}

static int take_u64(reader_t *in, uint64_t *out)
{
    unsigned char raw[8] = {0};
    if (take(in, raw, sizeof raw))
        return -1;
    *out = little(raw, sizeof raw);
    return 0;
}

/*  Read a string; keep its first bytes in OUT if there is room for all of it, else leave OUT "". */
static int take_string(reader_t *in, uint64_t max, char *out, size_t size)
{
    uint64_t len;
    out[0] = '\0';
    if (take_u64(in, &len))
        return -1;
    if (len > max)
        return broken(in, "a string is too long");
    if (len >= size)
        return skip(in, len);
    if (take(in, out, (size_t)len))
        return -1;
    out[len] = '\0';
    if (strlen(out) != len)
        out[0] = '\0';
    return 0;
}

static int skip_value(reader_t *in, uint32_t type, unsigned depth);

static int skip_array(reader_t *in, unsigned depth)
{
    uint32_t type;
    uint64_t count, bytes;
    if (take_u32(in, &type) || take_u64(in, &count))
        return -1;
    if (type >= MLX_COUNT(kv_size) || depth > MAX_NESTING)
        return broken(in, "an array has an impossible type");
    if (kv_size[type]) {
        if (__builtin_mul_overflow(count, (uint64_t)kv_size[type], &bytes))
            return broken(in, "an array is longer than the file");
        return skip(in, bytes);
    }
    /* Each string or array inside takes 8 bytes at least. */
    if (count > left(in) / 8)
        return broken(in, "an array is longer than the file");
    for (uint64_t i = 0; i < count; i++)
        if (skip_value(in, type, depth + 1))
            return -1;
    return 0;
}

static int skip_value(reader_t *in, uint32_t type, unsigned depth)
{
    if (type == TYPE_ARRAY)
        return skip_array(in, depth);
    uint64_t len;
    if (type == TYPE_STRING)
        return take_u64(in, &len) || skip(in, len) ? -1 : 0;
    if (type >= MLX_COUNT(kv_size))
        return broken(in, "a value has an unknown type");
    return skip(in, kv_size[type]);
}

static bool is_integer(uint32_t type)
{
    return type <= 5 || type == 10 || type == 11;
}

static int take_integer(reader_t *in, uint32_t type, int64_t *out)
{
    unsigned char raw[8] = {0};
    if (take(in, raw, kv_size[type]))
        return -1;
    uint64_t value = little(raw, kv_size[type]);
    /* A negative count or index means nothing: it stays absent. */
    bool is_signed = type == 1 || type == 3 || type == 5 || type == 11;
    bool negative = is_signed && value >> (kv_size[type] * 8 - 1);
    *out = negative || value > INT64_MAX ? -1 : (int64_t)value;
    return 0;
}

static bool is_counted(uint32_t type)
{
    return is_integer(type) || type == TYPE_BOOL;
}

static int take_number(reader_t *in, uint32_t type, const char *key, size_t index)
{
    int64_t value = 0;
    if (take_integer(in, type, &value))
        return -1;
    if (in->visitor.number)
        in->visitor.number(in->visitor.arg, key, index, value);
    return 0;
}

/*  Tell the visitor how long the array is, and its first numbers; the rest is walked. */
static int take_array(reader_t *in, const char *key)
{
    uint64_t start = in->at, count;
    uint32_t type;
    if (take_u32(in, &type) || take_u64(in, &count))
        return -1;
    if (in->visitor.length)
        in->visitor.length(in->visitor.arg, key, count);
    for (uint64_t i = 0; is_counted(type) && i < count && i < MLX_GGUF_ELEMENTS; i++)
        if (take_number(in, type, key, (size_t)i))
            return -1;
    in->at = start;
    return skip_array(in, 0);
}

/*  Tell the visitor a text, as much of it as is kept. */
static int take_text(reader_t *in, const char *key)
{
    uint64_t len;
    if (take_u64(in, &len))
        return -1;
    if (len > left(in))
        return broken(in, "a string is too long");
    size_t kept = len < MLX_GGUF_TEXT ? (size_t)len : MLX_GGUF_TEXT;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_alloc(1, kept + 1);
    if (take(in, text, kept) || skip(in, len - kept))
        return -1;
    in->visitor.text(in->visitor.arg, key, text, kept, len);
    return 0;
}

typedef struct {
    int64_t alignment;
} header_t;

static int64_t *integer_for(const char *key, mlx_gguf_t *info, header_t *header)
{
    const struct {
        const char *key;
        int64_t *out;
    } exact[] =
        {
            {"general.alignment", &header->alignment},
            {"general.file_type", &info->file_type},
            {"split.no", &info->split_no},
            {"split.count", &info->split_count},
        },
      ending[] = {
          {".context_length", &info->context_length},
          {".embedding_length", &info->embedding_length},
          {".block_count", &info->block_count},
      };
    for (size_t i = 0; i < MLX_COUNT(exact); i++)
        if (strcmp(key, exact[i].key) == 0)
            return exact[i].out;
    size_t arch = strlen(info->architecture);
    for (size_t i = 0; arch && i < MLX_COUNT(ending); i++)
        if (strncmp(key, info->architecture, arch) == 0 && strcmp(key + arch, ending[i].key) == 0)
            return ending[i].out;
    return NULL;
}

static int take_pair(reader_t *in, mlx_gguf_t *info, header_t *header)
{
    char key[128];
    uint32_t type;
    if (take_string(in, MAX_KEY, key, sizeof key) || take_u32(in, &type))
        return -1;
    if (type == TYPE_STRING && strcmp(key, "general.architecture") == 0)
        return take_string(in, left(in), info->architecture, sizeof info->architecture);
    if (type == TYPE_STRING && strcmp(key, "general.name") == 0)
        return take_string(in, left(in), info->name, sizeof info->name);
    if (type == TYPE_STRING && strcmp(key, "general.size_label") == 0)
        return take_string(in, left(in), info->size_label, sizeof info->size_label);
    if (strcmp(key, "tokenizer.chat_template") == 0)
        info->chat_template = true;
    if (type == TYPE_STRING && in->visitor.text)
        return take_text(in, key);
    int64_t *number = is_integer(type) ? integer_for(key, info, header) : NULL;
    if (number && take_integer(in, type, number))
        return -1;
    if (number && in->visitor.number)
        in->visitor.number(in->visitor.arg, key, 0, *number);
    if (number)
        return 0;
    if (type == TYPE_ARRAY)
        return take_array(in, key);
    return is_counted(type) ? take_number(in, type, key, 0) : skip_value(in, type, 0);
}

/*  Elements of a tensor into *ELEMENTS, its bytes into *BYTES (0 for an unknown type). */
static int tensor_bytes(reader_t *in, const uint64_t *dims, uint32_t count, uint32_t type,
                        uint64_t *elements, uint64_t *bytes)
{
    *elements = 1;
    for (uint32_t i = 0; i < count; i++)
        if (__builtin_mul_overflow(*elements, dims[i], elements))
            return broken(in, "a tensor has an impossible shape");
    *bytes = 0;
    if (type >= MLX_COUNT(tensor_types) || !tensor_types[type].bytes)
        return 0;
    uint64_t block = 1ull << tensor_types[type].elements_log2;
    if (count && dims[0] % block)
        return broken(in, "a tensor's rows are not whole blocks");
    if (__builtin_mul_overflow(*elements / block, (uint64_t)tensor_types[type].bytes, bytes))
        return broken(in, "a tensor has an impossible shape");
    return 0;
}

static int take_tensor(reader_t *in, mlx_gguf_t *info, uint64_t alignment, uint64_t *data_end)
{
    char name[MAX_TENSOR_NAME + 1];
    uint32_t dim_count, type;
    uint64_t dims[MAX_DIMS] = {0}, offset = 0, elements = 0, bytes = 0, end = 0;
    if (take_string(in, MAX_TENSOR_NAME, name, sizeof name) || take_u32(in, &dim_count))
        return -1;
    if (dim_count > MAX_DIMS)
        return broken(in, "a tensor has more than 4 dimensions");
    for (uint32_t i = 0; i < dim_count; i++)
        if (take_u64(in, &dims[i]))
            return -1;
    if (take_u32(in, &type) || take_u64(in, &offset) ||
        tensor_bytes(in, dims, dim_count, type, &elements, &bytes))
        return -1;
    if (offset % alignment)
        return broken(in, "a tensor's offset is not aligned");
    if (__builtin_add_overflow(offset, bytes, &end) ||
        __builtin_add_overflow(info->parameters, elements, &info->parameters))
        return broken(in, "a tensor extends past the end of the file");
    if (end > *data_end)
        *data_end = end;
    if (!bytes && elements)
        info->unknown_types++;
    if (in->visitor.tensor)
        in->visitor.tensor(in->visitor.arg, name, bytes);
    return 0;
}

static int take_tensors(reader_t *in, mlx_gguf_t *info, uint64_t alignment)
{
    uint64_t data_end = 0, start;
    for (uint64_t i = 0; i < info->tensors; i++)
        if (take_tensor(in, info, alignment, &data_end))
            return -1;
    /* A file without tensors (a vocabulary) may end right behind its header, without padding. */
    start = in->at + (alignment - in->at % alignment) % alignment;
    info->header_bytes = start;
    if (data_end && (start > in->size || data_end > in->size - start))
        return broken(in, "a tensor extends past the end of the file: it is truncated or damaged");
    return 0;
}

static int take_head(reader_t *in, mlx_gguf_t *info, uint64_t *pairs)
{
    unsigned char magic[4];
    if (take(in, magic, sizeof magic))
        return -1;
    if (memcmp(magic, "GGUF", 4) != 0)
        return broken(in, "it does not start with GGUF");
    if (take_u32(in, &info->version))
        return -1;
    if (info->version == 0x02000000 || info->version == 0x03000000)
        return broken(in, "it is big-endian");
    if (info->version != 2 && info->version != 3)
        return broken(in, "its version is neither 2 nor 3");
    if (take_u64(in, &info->tensors) || take_u64(in, pairs))
        return -1;
    if (*pairs > left(in) / MIN_KV_BYTES || info->tensors > left(in) / MIN_TENSOR_BYTES)
        return broken(in, "it claims more entries than it has bytes");
    return 0;
}

static int check(reader_t *in, mlx_gguf_t *info)
{
    uint64_t pairs = 0;
    header_t header = {.alignment = DEFAULT_ALIGNMENT};
    *info = (mlx_gguf_t){.file_type = -1,
                         .context_length = -1,
                         .embedding_length = -1,
                         .block_count = -1,
                         .split_no = -1,
                         .split_count = -1};
    if (take_head(in, info, &pairs))
        return -1;
    for (uint64_t i = 0; i < pairs; i++)
        if (take_pair(in, info, &header))
            return -1;
    if (header.alignment <= 0 || header.alignment % 8 || header.alignment > UINT32_MAX)
        return broken(in, "its alignment is not a multiple of 8");
    return take_tensors(in, info, (uint64_t)header.alignment);
}

int mlx_gguf_visit(int fd, const void *memory, size_t len, uint64_t size,
                   const mlx_gguf_visitor_t *visitor, mlx_gguf_t *info, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) reader_t *in = mlx_alloc(1, sizeof *in);
    in->fd = fd;
    in->memory = memory;
    in->memory_len = len;
    in->size = size;
    in->err = err;
    if (visitor)
        in->visitor = *visitor;
    return check(in, info);
}

int mlx_gguf_check(int fd, uint64_t size, mlx_gguf_t *info, mlx_error_t *err)
{
    return mlx_gguf_visit(fd, NULL, 0, size, NULL, info, err);
}
