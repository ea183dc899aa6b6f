#include "proto/value.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    char *key; /* NULL in a list */
    mlx_value_t *item;
} entry_t;

struct mlx_value {
    mlx_type_t type;
    union {
        bool b;
        int64_t i;
        double r;
        struct {
            char *data;
            size_t len;
        } s;
        struct {
            entry_t *entries;
            size_t count;
            size_t cap;
            uint32_t *slots; /* hash index of a large map: entry number + 1; NULL while small */
            size_t slot_mask;
        } c;
    };
};

static mlx_value_t *new_value(mlx_type_t type)
{
    mlx_value_t *self = mlx_alloc(1, sizeof *self);
    self->type = type;
    return self;
}

mlx_value_t *mlx_value_null(void)
{
    return new_value(MLX_NULL);
}

mlx_value_t *mlx_value_new_bool(bool b)
{
    mlx_value_t *self = new_value(MLX_BOOL);
    self->b = b;
    return self;
}

mlx_value_t *mlx_value_new_int(int64_t i)
{
    mlx_value_t *self = new_value(MLX_INT);
    self->i = i;
    return self;
}

mlx_value_t *mlx_value_new_real(double r)
{
    mlx_value_t *self = new_value(MLX_REAL);
    self->r = r;
    return self;
}

mlx_value_t *mlx_value_new_str(const char *s)
{
    return mlx_value_new_strn(s, strlen(s));
}

mlx_value_t *mlx_value_new_strn(const char *s, size_t len)
{
    /* one block of memory: the text lies behind the value */
    mlx_value_t *self = mlx_alloc(1, sizeof *self + len + 1);
    self->type = MLX_STR;
    self->s.data = (char *)(self + 1);
    self->s.len = len;
    if (len)
        memcpy(self->s.data, s, len); /* an empty string may come without an address */
    return self;
}

mlx_value_t *mlx_value_list(void)
{
    return new_value(MLX_LIST);
}

mlx_value_t *mlx_value_map(void)
{
    return new_value(MLX_MAP);
}

static bool is_container(const mlx_value_t *value)
{
    return value && (value->type == MLX_LIST || value->type == MLX_MAP);
}

mlx_value_t *mlx_value_copy(const mlx_value_t *value)
{
    if (!value)
        return NULL;
    if (value->type == MLX_STR)
        return mlx_value_new_strn(value->s.data, value->s.len);
    mlx_value_t *copy = new_value(value->type);
    if (!is_container(value)) {
        *copy = *value;
        return copy;
    }
    for (size_t i = 0; i < value->c.count; i++) {
        mlx_value_t *item = mlx_value_copy(value->c.entries[i].item);
        if (value->type == MLX_MAP)
            mlx_value_set(copy, value->c.entries[i].key, item);
        else
            mlx_value_append(copy, item);
    }
    return copy;
}

void mlx_value_destroy(mlx_value_t **self)
{
    mlx_value_t *value = *self;
    *self = NULL;
    if (!value)
        return;
    if (is_container(value)) {
        for (size_t i = 0; i < value->c.count; i++) {
            free(value->c.entries[i].key);
            mlx_value_destroy(&value->c.entries[i].item);
        }
        free(value->c.entries);
        free(value->c.slots);
    }
    free(value);
}

mlx_type_t mlx_value_type(const mlx_value_t *value)
{
    return value ? value->type : MLX_NULL;
}

static bool containers_equal(const mlx_value_t *a, const mlx_value_t *b)
{
    if (a->c.count != b->c.count)
        return false;
    for (size_t i = 0; i < a->c.count; i++) {
        const mlx_value_t *other =
            a->type == MLX_MAP ? mlx_value_get(b, a->c.entries[i].key) : b->c.entries[i].item;
        if (!other || !mlx_value_equal(a->c.entries[i].item, other))
            return false;
    }
    return true;
}

size_t mlx_value_footprint(const mlx_value_t *value)
{
    enum {
        BLOCK = 16 /* what the allocator adds to each piece of memory */
    };
    if (!value)
        return 0;
    size_t bytes = sizeof *value + BLOCK;
    if (value->type == MLX_STR)
        return bytes + value->s.len + 1;
    if (value->type != MLX_LIST && value->type != MLX_MAP)
        return bytes;
    bytes += value->c.cap * sizeof(entry_t) + BLOCK;
    bytes += value->c.slots ? (value->c.slot_mask + 1) * sizeof(uint32_t) + BLOCK : 0;
    for (size_t i = 0; i < value->c.count; i++) {
        const entry_t *entry = &value->c.entries[i];
        bytes += mlx_value_footprint(entry->item);
        bytes += entry->key ? strlen(entry->key) + 1 + BLOCK : 0;
    }
    return bytes;
}

bool mlx_value_equal(const mlx_value_t *a, const mlx_value_t *b)
{
    if (mlx_value_type(a) != mlx_value_type(b))
        return false;
    switch (mlx_value_type(a)) {
    case MLX_NULL:
        return true;
    case MLX_BOOL:
        return a->b == b->b;
    case MLX_INT:
        return a->i == b->i;
    case MLX_REAL:
        return a->r == b->r;
    case MLX_STR:
        return a->s.len == b->s.len && memcmp(a->s.data, b->s.data, a->s.len) == 0;
    case MLX_LIST:
    case MLX_MAP:
        return containers_equal(a, b);
    }
    return false;
}

/*  A hostile map may hold a million keys: beyond this size a hash index keeps set and get O(1). */
enum {
    INDEX_ABOVE = 24
};

static uint64_t hash_key(const char *key)
{
    uint64_t hash = 0xcbf29ce484222325u; /* FNV-1a */
    for (; *key; key++)
        hash = (hash ^ (unsigned char)*key) * 0x100000001b3u;
    return hash ^ (hash >> 32);
}

static void index_entry(mlx_value_t *map, size_t number)
{
    size_t slot = hash_key(map->c.entries[number].key) & map->c.slot_mask;
    while (map->c.slots[slot])
        slot = (slot + 1) & map->c.slot_mask;
    map->c.slots[slot] = (uint32_t)number + 1;
}

static void rebuild_index(mlx_value_t *map)
{
    free(map->c.slots);
    map->c.slots = NULL;
    if (map->c.count <= INDEX_ABOVE)
        return;
    size_t slots = 64;
    while (slots < map->c.cap * 2)
        slots *= 2;
    map->c.slots = mlx_alloc(slots, sizeof *map->c.slots);
    map->c.slot_mask = slots - 1;
    for (size_t i = 0; i < map->c.count; i++)
        index_entry(map, i);
}

static entry_t *find(const mlx_value_t *map, const char *key)
{
    if (!map || map->type != MLX_MAP)
        return NULL;
    if (!map->c.slots) {
        for (size_t i = 0; i < map->c.count; i++)
            if (strcmp(map->c.entries[i].key, key) == 0)
                return &map->c.entries[i];
        return NULL;
    }
    for (size_t slot = hash_key(key) & map->c.slot_mask; map->c.slots[slot];
         slot = (slot + 1) & map->c.slot_mask) {
        entry_t *entry = &map->c.entries[map->c.slots[slot] - 1];
        if (strcmp(entry->key, key) == 0)
            return entry;
    }
    return NULL;
}

static mlx_value_t *push(mlx_value_t *container, char *key, mlx_value_t *item)
{
    bool full = container->c.count == container->c.cap;
    if (full) {
        container->c.cap = container->c.cap ? container->c.cap * 2 : 8;
        container->c.entries =
            mlx_realloc(container->c.entries, container->c.cap, sizeof *container->c.entries);
    }
    container->c.entries[container->c.count++] = (entry_t){.key = key, .item = item};
    if (key && container->c.count > INDEX_ABOVE) {
        if (full || !container->c.slots)
            rebuild_index(container);
        else
            index_entry(container, container->c.count - 1);
    }
    return item;
}

mlx_value_t *mlx_value_set(mlx_value_t *map, const char *key, mlx_value_t *item)
{
    if (mlx_value_type(map) != MLX_MAP)
        mlx_panic("set \"%s\" on a value that is not a map", key);
    entry_t *entry = find(map, key);
    if (!entry)
        return push(map, mlx_strdup(key), item);
    mlx_value_destroy(&entry->item);
    return entry->item = item;
}

mlx_value_t *mlx_value_append(mlx_value_t *list, mlx_value_t *item)
{
    if (mlx_value_type(list) != MLX_LIST)
        mlx_panic("append to a value that is not a list");
    return push(list, NULL, item);
}

mlx_value_t *mlx_value_add(mlx_value_t *map, const char *key, mlx_value_t *item)
{
    if (mlx_value_type(map) != MLX_MAP)
        mlx_panic("add \"%s\" to a value that is not a map", key);
    return push(map, mlx_strdup(key), item);
}

mlx_value_t *mlx_value_get(const mlx_value_t *map, const char *key)
{
    const entry_t *entry = find(map, key);
    return entry ? entry->item : NULL;
}

mlx_value_t *mlx_value_at(const mlx_value_t *container, size_t index)
{
    return index < mlx_value_size(container) ? container->c.entries[index].item : NULL;
}

const char *mlx_value_key(const mlx_value_t *map, size_t index)
{
    return index < mlx_value_size(map) ? map->c.entries[index].key : NULL;
}

size_t mlx_value_size(const mlx_value_t *container)
{
    return is_container(container) ? container->c.count : 0;
}

void mlx_value_remove(mlx_value_t *map, const char *key)
{
    entry_t *entry = find(map, key);
    if (!entry)
        return;
    free(entry->key);
    mlx_value_destroy(&entry->item);
    size_t behind = map->c.count - (size_t)(entry - map->c.entries) - 1;
    memmove(entry, entry + 1, behind * sizeof *entry);
    map->c.count--;
    rebuild_index(map);
}

void mlx_value_set_bool(mlx_value_t *map, const char *key, bool b)
{
    mlx_value_set(map, key, mlx_value_new_bool(b));
}

void mlx_value_set_int(mlx_value_t *map, const char *key, int64_t i)
{
    mlx_value_set(map, key, mlx_value_new_int(i));
}

void mlx_value_set_real(mlx_value_t *map, const char *key, double r)
{
    if (isfinite(r))
        mlx_value_set(map, key, mlx_value_new_real(r));
}

void mlx_value_set_str(mlx_value_t *map, const char *key, const char *s)
{
    if (s)
        mlx_value_set(map, key, mlx_value_new_str(s));
}

bool mlx_value_bool(const mlx_value_t *map, const char *key, bool *out)
{
    return mlx_value_as_bool(mlx_value_get(map, key), out);
}

bool mlx_value_int(const mlx_value_t *map, const char *key, int64_t *out)
{
    return mlx_value_as_int(mlx_value_get(map, key), out);
}

bool mlx_value_real(const mlx_value_t *map, const char *key, double *out)
{
    return mlx_value_as_real(mlx_value_get(map, key), out);
}

double mlx_value_real_or_nan(const mlx_value_t *map, const char *key)
{
    double value = (double)NAN;
    mlx_value_real(map, key, &value);
    return value;
}

const char *mlx_value_str(const mlx_value_t *map, const char *key)
{
    return mlx_value_as_str(mlx_value_get(map, key), NULL);
}

bool mlx_value_as_bool(const mlx_value_t *value, bool *out)
{
    if (mlx_value_type(value) != MLX_BOOL)
        return false;
    *out = value->b;
    return true;
}

bool mlx_value_as_int(const mlx_value_t *value, int64_t *out)
{
    if (mlx_value_type(value) == MLX_INT) {
        *out = value->i;
        return true;
    }
    /* 2^63 itself is a double but no int64_t. */
    if (mlx_value_type(value) != MLX_REAL || value->r != floor(value->r) || value->r < -0x1p63 ||
        value->r >= 0x1p63)
        return false;
    *out = (int64_t)value->r;
    return true;
}

bool mlx_value_as_real(const mlx_value_t *value, double *out)
{
    if (mlx_value_type(value) == MLX_REAL)
        *out = value->r;
    else if (mlx_value_type(value) == MLX_INT)
        *out = (double)value->i;
    else
        return false;
    return true;
}

const char *mlx_value_as_str(const mlx_value_t *value, size_t *len)
{
    if (mlx_value_type(value) != MLX_STR)
        return NULL;
    if (len)
        *len = value->s.len;
    return value->s.data;
}
