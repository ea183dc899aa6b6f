#include "common/base/json.h"

#include "common/base/file.h"

#include <jansson.h>

/*  Where the scan stands: enough of JSON to know what is inside a string and how deep we are. */
typedef struct {
    size_t line;
    size_t column;
    size_t depth;
    size_t values;
    bool in_string;
    bool escaped;
} scan_t;

static void scan_string(scan_t *scan, char c)
{
    if (scan->escaped)
        scan->escaped = false;
    else if (c == '\\')
        scan->escaped = true;
    else if (c == '"')
        scan->in_string = false;
}

static void scan_byte(scan_t *scan, char c)
{
    scan->column++;
    if (c == '\n') {
        scan->line++;
        scan->column = 0;
    }
    if (scan->in_string) {
        scan_string(scan, c);
        return;
    }
    if (c == '"')
        scan->in_string = true;
    else if (c == '{' || c == '[')
        scan->depth++;
    else if ((c == '}' || c == ']') && scan->depth)
        scan->depth--;
    /* Each value but the outermost follows an opener or a comma. */
    if (c == '{' || c == '[' || c == ',')
        scan->values++;
}

/*  Enforce the limits before the parser recurses and allocates. */
static int check_limits(const char *data, size_t len, mlx_error_t *err)
{
    if (len > MLX_JSON_MAX_BYTES)
        return mlx_error_set(err, MLX_ERR_USAGE, "JSON of %zu bytes: the limit is %d", len,
                             MLX_JSON_MAX_BYTES);
    scan_t scan = {.line = 1};
    for (size_t i = 0; i < len; i++) {
        scan_byte(&scan, data[i]);
        if (scan.depth > MLX_JSON_MAX_DEPTH)
            return mlx_error_set(err, MLX_ERR_USAGE,
                                 "JSON line %zu, column %zu: nested deeper than %d", scan.line,
                                 scan.column, MLX_JSON_MAX_DEPTH);
        if (scan.values > MLX_JSON_MAX_VALUES)
            return mlx_error_set(err, MLX_ERR_USAGE,
                                 "JSON line %zu, column %zu: more than %d values", scan.line,
                                 scan.column, MLX_JSON_MAX_VALUES);
    }
    return 0;
}

static mlx_value_t *convert(json_t *json);

static mlx_value_t *convert_object(json_t *json)
{
    mlx_value_t *map = mlx_value_map();
    for (void *it = json_object_iter(json); it; it = json_object_iter_next(json, it))
        mlx_value_add(map, json_object_iter_key(it), convert(json_object_iter_value(it)));
    return map;
}

static mlx_value_t *convert_array(json_t *json)
{
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < json_array_size(json); i++)
        mlx_value_append(list, convert(json_array_get(json, i)));
    return list;
}

static mlx_value_t *convert(json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return convert_object(json);
    case JSON_ARRAY:
        return convert_array(json);
    case JSON_STRING:
        return mlx_value_new_strn(json_string_value(json), json_string_length(json));
    case JSON_INTEGER:
        return mlx_value_new_int(json_integer_value(json));
    case JSON_REAL:
        return mlx_value_new_real(json_real_value(json));
    case JSON_TRUE:
    case JSON_FALSE:
        return mlx_value_new_bool(json_is_true(json));
    case JSON_NULL:
        break;
    }
    return mlx_value_null();
}

mlx_value_t *mlx_json_parse(const char *data, size_t len, mlx_error_t *err)
{
    if (check_limits(data, len, err))
        return NULL;
    json_error_t why;
    json_t *json =
        json_loadb(data, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!json) {
        mlx_error_set(err, MLX_ERR_USAGE, "JSON line %d, column %d: %s", why.line, why.column,
                      why.text);
        return NULL;
    }
    mlx_value_t *value = convert(json);
    json_decref(json);
    return value;
}

mlx_value_t *mlx_json_load(const char *path, mlx_error_t *err)
{
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, MLX_JSON_MAX_BYTES, &len, err);
    if (!text)
        return NULL;
    mlx_value_t *value = mlx_json_parse(text, len, err);
    if (!value)
        mlx_error_prefix(err, "%s", path);
    return value;
}
