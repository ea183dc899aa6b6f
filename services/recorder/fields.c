#include "fields.h"

#include <stdlib.h>
#include <string.h>

enum {
    PATH_MAX_BYTES = 256,
    DEPTH_MAX = 4
};

typedef struct {
    mlx_number_fn fn;
    void *arg;
    mlx_buf_t path;
} walk_t;

static void append_clean(mlx_buf_t *out, const char *text, const char *unwanted)
{
    for (; *text && out->len < PATH_MAX_BYTES; text++)
        mlx_buf_putc(out, (unsigned char)*text < ' ' || strchr(unwanted, *text) ? '_' : *text);
}

/*  Append "[label,label]". False: the item has none of its labels, so it cannot be told apart. */
static bool append_labels(mlx_buf_t *path, const mlx_field_t *fields, const mlx_value_t *item)
{
    bool any = false;
    for (; fields->key; fields++) {
        const char *label = fields->label ? mlx_value_str(item, fields->key) : NULL;
        if (!label)
            continue;
        mlx_buf_putc(path, any ? ',' : '[');
        append_clean(path, label, "[]");
        any = true;
    }
    if (any)
        mlx_buf_putc(path, ']');
    return any;
}

static bool has_labels(const mlx_field_t *fields)
{
    for (; fields && fields->key; fields++)
        if (fields->label)
            return true;
    return false;
}

static void cut(mlx_buf_t *path, size_t len)
{
    path->len = len;
    if (path->data)
        path->data[len] = '\0';
}

static void walk_map(walk_t *walk, const mlx_field_t *fields, const mlx_value_t *map, int depth);

static void walk_item(walk_t *walk, const mlx_field_t *field, const mlx_value_t *item, int depth)
{
    size_t before = walk->path.len;
    if (!has_labels(field->fields) ? field->type == MLX_MAP
                                   : append_labels(&walk->path, field->fields, item)) {
        mlx_buf_putc(&walk->path, '.');
        walk_map(walk, field->fields, item, depth + 1);
    }
    cut(&walk->path, before);
}

static void walk_value(walk_t *walk, const mlx_field_t *field, const mlx_value_t *value, int depth)
{
    bool yes;
    double number;
    if (field->type == MLX_BOOL && mlx_value_as_bool(value, &yes))
        walk->fn(walk->arg, mlx_buf_str(&walk->path), field, yes ? 1 : 0);
    else if ((field->type == MLX_INT || field->type == MLX_REAL) &&
             mlx_value_as_real(value, &number))
        walk->fn(walk->arg, mlx_buf_str(&walk->path), field, number);
    else if (field->type == MLX_MAP && field->fields && depth < DEPTH_MAX)
        walk_item(walk, field, value, depth);
    else if (field->type == MLX_LIST && mlx_value_type(value) == MLX_LIST) {
        walk->fn(walk->arg, mlx_buf_str(&walk->path), field, (double)mlx_value_size(value));
        for (size_t i = 0;
             has_labels(field->fields) && depth < DEPTH_MAX && i < mlx_value_size(value); i++)
            walk_item(walk, field, mlx_value_at(value, i), depth);
    }
}

static void walk_map(walk_t *walk, const mlx_field_t *fields, const mlx_value_t *map, int depth)
{
    size_t before = walk->path.len;
    if (mlx_value_type(map) != MLX_MAP)
        return;
    for (size_t i = 0; i < mlx_value_size(map); i++) {
        const mlx_field_t *field = mlx_field_find(fields, mlx_value_key(map, i));
        if (!field)
            continue;
        mlx_buf_puts(&walk->path, field->key);
        walk_value(walk, field, mlx_value_at(map, i), depth);
        cut(&walk->path, before);
    }
}

void mlx_fields_each(const mlx_topic_t *topic, const mlx_value_t *d, mlx_number_fn fn, void *arg)
{
    if (!topic)
        return;
    walk_t walk = {.fn = fn, .arg = arg};
    walk_map(&walk, topic->fields, d, 0);
    mlx_buf_clear(&walk.path);
}

bool mlx_field_recorded(const mlx_field_t *field)
{
    if (field->type == MLX_LIST || field->unit == MLX_UNIT_MICROSECONDS_EPOCH)
        return false;
    return field->type == MLX_REAL || field->unit != MLX_UNIT_NONE ||
           field->kind != MLX_METRIC_NONE;
}

bool mlx_path_is(const char *path, const char *field)
{
    while (*path) {
        if (*path == '[') {
            path += strcspn(path, "]");
            path += *path == ']';
        } else if (*path++ != *field++) {
            return false;
        }
    }
    return !*field;
}

void mlx_series_prefix(mlx_buf_t *out, const char *host, const char *topic)
{
    append_clean(out, host, "/[]");
    mlx_buf_putc(out, '/');
    mlx_buf_puts(out, topic);
    mlx_buf_putc(out, '/');
}
