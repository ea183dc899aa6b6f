#include "proto/pack.h"

#include <msgpack.h>
#include <string.h>

#include "proto/utf8.h"

static int write_buf(void *arg, const char *data, size_t len)
{
    mlx_buf_append(arg, data, len);
    return 0;
}

/*  Readers may rely on UTF-8, as msgpack's strings are by its specification; what came from outside
 *  need not be. */
static void pack_str(msgpack_packer *packer, const char *s, size_t len)
{
    MLX_CLEANUP(mlx_free_p) char *mended = mlx_utf8_mend(s, len, &len);
    msgpack_pack_str(packer, len);
    msgpack_pack_str_body(packer, mended ? mended : s, len);
}

static void pack_value(msgpack_packer *packer, const mlx_value_t *value)
{
    bool b = false;
    int64_t i = 0;
    double r = 0;
    size_t len = 0, count = mlx_value_size(value);
    const char *s;
    switch (mlx_value_type(value)) {
    case MLX_NULL:
        msgpack_pack_nil(packer);
        break;
    case MLX_BOOL:
        mlx_value_as_bool(value, &b);
        b ? msgpack_pack_true(packer) : msgpack_pack_false(packer);
        break;
    case MLX_INT:
        mlx_value_as_int(value, &i);
        msgpack_pack_int64(packer, i);
        break;
    case MLX_REAL:
        mlx_value_as_real(value, &r);
        msgpack_pack_double(packer, r);
        break;
    case MLX_STR:
        s = mlx_value_as_str(value, &len);
        pack_str(packer, s, len);
        break;
    case MLX_LIST:
        msgpack_pack_array(packer, count);
        for (size_t k = 0; k < count; k++)
            pack_value(packer, mlx_value_at(value, k));
        break;
    case MLX_MAP:
        msgpack_pack_map(packer, count);
        for (size_t k = 0; k < count; k++) {
            const char *key = mlx_value_key(value, k);
            pack_str(packer, key, strlen(key));
            pack_value(packer, mlx_value_at(value, k));
        }
        break;
    }
}

void mlx_pack(mlx_buf_t *buf, const mlx_value_t *value)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, buf, write_buf);
    pack_value(&packer, value);
}

/*  The scan. */

typedef struct {
    const unsigned char *at;
    const unsigned char *end;
    size_t values;
    mlx_error_t *err;
} scan_t;

typedef struct {
    mlx_type_t type;
    size_t size; /* bytes of a string, entries of a container */
    const char *data;
    int64_t number;
} item_t;

static int malformed(scan_t *scan, const char *what)
{
    return mlx_error_set(scan->err, MLX_ERR_USAGE, "msgpack: %s", what);
}

static size_t left(const scan_t *scan)
{
    return (size_t)(scan->end - scan->at);
}

static int take_number(scan_t *scan, size_t bytes, uint64_t *number)
{
    if (left(scan) < bytes)
        return malformed(scan, "cut short");
    const unsigned char *at = scan->at;
    scan->at += bytes;
    if (bytes == 8) { /* spelled so that compilers see one load in it */
        *number = (uint64_t)at[0] << 56 | (uint64_t)at[1] << 48 | (uint64_t)at[2] << 40 |
                  (uint64_t)at[3] << 32 | (uint64_t)at[4] << 24 | (uint64_t)at[5] << 16 |
                  (uint64_t)at[6] << 8 | at[7];
        return 0;
    }
    *number = 0;
    for (size_t i = 0; i < bytes; i++)
        *number = *number << 8 | at[i];
    return 0;
}

static int take_sized(scan_t *scan, mlx_type_t type, size_t size, item_t *item)
{
    *item = (item_t){.type = type, .size = size, .data = (const char *)scan->at};
    /* Every element needs at least one byte, every entry of a map two. */
    if (size > left(scan) / (type == MLX_MAP ? 2u : 1u))
        return malformed(scan, "cut short");
    if (type == MLX_STR)
        scan->at += size;
    return 0;
}

/*  Formats 0xc0 to 0xdf: how many bytes follow, and what they are. */
typedef enum {
    REFUSED,
    SCALAR,
    UNSIGNED64,
    SIZED
} form_t;

static const struct {
    form_t form;
    mlx_type_t type;
    uint8_t bytes;
} forms[32] = {
    [0x00] = {SCALAR, MLX_NULL, 0},    [0x02] = {SCALAR, MLX_BOOL, 0},
    [0x03] = {SCALAR, MLX_BOOL, 0},    [0x0a] = {SCALAR, MLX_REAL, 4},
    [0x0b] = {SCALAR, MLX_REAL, 8},    [0x0c] = {SCALAR, MLX_INT, 1},
    [0x0d] = {SCALAR, MLX_INT, 2},     [0x0e] = {SCALAR, MLX_INT, 4},
    [0x0f] = {UNSIGNED64, MLX_INT, 8}, [0x10] = {SCALAR, MLX_INT, 1},
    [0x11] = {SCALAR, MLX_INT, 2},     [0x12] = {SCALAR, MLX_INT, 4},
    [0x13] = {SCALAR, MLX_INT, 8},     [0x19] = {SIZED, MLX_STR, 1},
    [0x1a] = {SIZED, MLX_STR, 2},      [0x1b] = {SIZED, MLX_STR, 4},
    [0x1c] = {SIZED, MLX_LIST, 2},     [0x1d] = {SIZED, MLX_LIST, 4},
    [0x1e] = {SIZED, MLX_MAP, 2},      [0x1f] = {SIZED, MLX_MAP, 4},
};

/*  The integer that BYTES bytes of NUMBER spell. */
static int64_t widened(uint64_t number, unsigned bytes, bool is_signed)
{
    if (!is_signed || bytes == 0)
        return (int64_t)number;
    unsigned spare = 64 - 8 * bytes;
    return (int64_t)(number << spare) >> spare;
}

static int take_item(scan_t *scan, item_t *item)
{
    if (left(scan) == 0)
        return malformed(scan, "cut short");
    if (++scan->values > MLX_PACK_MAX_VALUES)
        return malformed(scan, "too many values");
    unsigned char head = *scan->at++;
    if (head >= 0xa0 && head < 0xc0) /* first: most are */
        return take_sized(scan, MLX_STR, head & 0x1f, item);
    if (head < 0x80 || head >= 0xe0) {
        *item = (item_t){.type = MLX_INT, .number = (signed char)head};
        return 0;
    }
    if (head < 0x90)
        return take_sized(scan, MLX_MAP, head & 0x0f, item);
    if (head < 0xa0)
        return take_sized(scan, MLX_LIST, head & 0x0f, item);
    uint64_t number = 0;
    if (forms[head - 0xc0].form == REFUSED)
        return malformed(scan, "ext, bin or reserved type");
    if (take_number(scan, forms[head - 0xc0].bytes, &number))
        return -1;
    if (forms[head - 0xc0].form == SIZED)
        return take_sized(scan, forms[head - 0xc0].type, (size_t)number, item);
    if (forms[head - 0xc0].form == UNSIGNED64 && number > INT64_MAX)
        return malformed(scan, "integer above 2^63-1");
    *item = (item_t){.type = forms[head - 0xc0].type};
    if (item->type == MLX_INT)
        item->number = widened(number, forms[head - 0xc0].bytes, head >= 0xd0);
    return 0;
}

/*  Go past a number or a short string, as most values and all usual keys are. False: it is neither,
 *  or something is wrong with it; look closer. */
static bool pass_plain(scan_t *scan, bool key)
{
    if (scan->at == scan->end || scan->values >= MLX_PACK_MAX_VALUES)
        return false;
    unsigned char head = *scan->at;
    bool text = head >= 0xa0 && head < 0xc0, formed = head >= 0xc0 && head < 0xe0;
    size_t more = 0;
    if (text)
        more = head & 0x1f;
    else if (key || (head >= 0x80 && !formed && head < 0xe0) ||
             (formed && forms[head - 0xc0].form != SCALAR))
        return false;
    else if (formed)
        more = forms[head - 0xc0].bytes;
    if (more >= left(scan) || (key && memchr(scan->at + 1, '\0', more)))
        return false;
    scan->values++;
    scan->at += 1 + more;
    return true;
}

static const char not_a_key[] = "map key that is not a plain string";

static int scan_value(scan_t *scan, unsigned depth, item_t *item);

static bool is_plain(const item_t *key)
{
    return key->type == MLX_STR && key->data && !memchr(key->data, '\0', key->size);
}

static int scan_key(scan_t *scan, item_t *key)
{
    if (take_item(scan, key))
        return -1;
    return is_plain(key) ? 0 : malformed(scan, not_a_key);
}

static int scan_entries(scan_t *scan, unsigned depth, const item_t *container)
{
    item_t item = {0};
    if (depth >= MLX_PACK_MAX_DEPTH)
        return malformed(scan, "nested too deeply");
    for (size_t i = 0; i < container->size; i++) {
        if (container->type == MLX_MAP && !pass_plain(scan, true) && scan_key(scan, &item))
            return -1;
        if (!pass_plain(scan, false) && scan_value(scan, depth + 1, &item))
            return -1;
    }
    return 0;
}

static int scan_value(scan_t *scan, unsigned depth, item_t *item)
{
    if (take_item(scan, item))
        return -1;
    if (item->type == MLX_MAP || item->type == MLX_LIST)
        return scan_entries(scan, depth, item);
    return 0;
}

static int begin(scan_t *scan, const void *data, size_t len, mlx_error_t *err)
{
    *scan = (scan_t){.at = data, .err = err};
    scan->end = len ? scan->at + len : scan->at; /* no bytes may come without an address */
    if (len > MLX_PACK_MAX_BYTES)
        return mlx_error_set(err, MLX_ERR_USAGE, "msgpack: %zu bytes, at most %d are taken", len,
                             MLX_PACK_MAX_BYTES);
    return 0;
}

static int finish(scan_t *scan)
{
    return left(scan) ? malformed(scan, "bytes behind the value") : 0;
}

static mlx_value_t *from_object(const msgpack_object *object)
{
    switch (object->type) {
    case MSGPACK_OBJECT_BOOLEAN:
        return mlx_value_new_bool(object->via.boolean);
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return mlx_value_new_int(object->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return mlx_value_new_real(object->via.f64);
    case MSGPACK_OBJECT_STR:
        return mlx_value_new_strn(object->via.str.ptr, object->via.str.size);
    case MSGPACK_OBJECT_ARRAY: {
        mlx_value_t *list = mlx_value_list();
        for (uint32_t i = 0; i < object->via.array.size; i++)
            mlx_value_append(list, from_object(&object->via.array.ptr[i]));
        return list;
    }
    case MSGPACK_OBJECT_MAP: {
        mlx_value_t *map = mlx_value_map();
        for (uint32_t i = 0; i < object->via.map.size; i++) {
            const msgpack_object_kv *entry = &object->via.map.ptr[i];
            MLX_CLEANUP(mlx_free_p)
            char *key = mlx_strndup(entry->key.via.str.ptr, entry->key.via.str.size);
            mlx_value_set(map, key, from_object(&entry->val));
        }
        return map;
    }
    default:
        return mlx_value_null();
    }
}

mlx_value_t *mlx_unpack(const void *data, size_t len, mlx_error_t *err)
{
    scan_t scan;
    item_t item = {0};
    if (begin(&scan, data, len, err) || scan_value(&scan, 0, &item) || finish(&scan))
        return NULL;
    msgpack_unpacked unpacked;
    msgpack_unpacked_init(&unpacked);
    size_t offset = 0;
    mlx_value_t *value = NULL;
    if (msgpack_unpack_next(&unpacked, data, len, &offset) == MSGPACK_UNPACK_SUCCESS)
        value = from_object(&unpacked.data);
    else
        malformed(&scan, "not readable");
    msgpack_unpacked_destroy(&unpacked);
    return value;
}

static bool is_key(const mlx_pack_key_t *wanted, const item_t *key)
{
    return wanted->len == key->size && memcmp(wanted->name, key->data, key->size) == 0;
}

/*  Which of COUNT keys KEY is, or COUNT. They mostly come in the order asked for: NEXT is tried
 *  first. */
static size_t find_key(const mlx_pack_key_t *keys, size_t count, size_t next, const item_t *key)
{
    if (next < count && is_key(&keys[next], key))
        return next;
    size_t k = 0;
    while (k < count && !is_key(&keys[k], key))
        k++;
    return k;
}

static mlx_span_t span_of(const item_t *item)
{
    bool text = item->type == MLX_STR;
    return (mlx_span_t){.type = item->type,
                        .data = text ? item->data : NULL,
                        .len = text ? item->size : 0,
                        .number = item->number};
}

int mlx_pack_peek(const void *data, size_t len, const mlx_pack_key_t *keys, size_t count,
                  mlx_span_t *spans, mlx_error_t *err)
{
    scan_t scan;
    item_t map = {0}, key = {0}, item = {0};
    for (size_t k = 0; k < count; k++)
        spans[k] = (mlx_span_t){0};
    if (begin(&scan, data, len, err) || take_item(&scan, &map))
        return -1;
    if (map.type != MLX_MAP)
        return malformed(&scan, "a message body is a map");
    for (size_t i = 0, next = 0; i < map.size; i++) {
        if (take_item(&scan, &key))
            return -1;
        size_t k = key.type == MLX_STR ? find_key(keys, count, next, &key) : count;
        if (k == count && !is_plain(&key))
            return malformed(&scan, not_a_key);
        if (scan_value(&scan, 1, &item))
            return -1;
        if (k < count)
            spans[k] = span_of(&item);
        next = k + 1;
    }
    return finish(&scan);
}
