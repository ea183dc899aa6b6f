#include "request_pack.h"

#include <math.h>
#include <string.h>

#include "ints.h"

typedef enum {
    COLUMN_TEXT,
    COLUMN_INT,
    COLUMN_REAL,
    COLUMN_BOOL,
} column_kind_t;

/*  "took" is end less start; everything else is named as in the catalogue. */
static const struct {
    const char *key;
    column_kind_t kind;
    double scale;
} columns[] = {
    {"took", COLUMN_REAL, 1000},
    {"host", COLUMN_TEXT, 0},
    {"runtime", COLUMN_TEXT, 0},
    {"endpoint", COLUMN_TEXT, 0},
    {"model", COLUMN_TEXT, 0},
    {"client", COLUMN_TEXT, 0},
    {"process", COLUMN_TEXT, 0},
    {"pid", COLUMN_INT, 0},
    {"agent", COLUMN_TEXT, 0},
    {"key", COLUMN_TEXT, 0},
    {"address", COLUMN_TEXT, 0},
    {"api", COLUMN_TEXT, 0},
    {"prompt_tokens", COLUMN_INT, 0},
    {"cached_tokens", COLUMN_INT, 0},
    {"tokens", COLUMN_INT, 0},
    {"draft_tokens", COLUMN_INT, 0},
    {"draft_accepted", COLUMN_INT, 0},
    {"queue", COLUMN_REAL, 1000},
    {"load", COLUMN_REAL, 1000},
    {"ttft", COLUMN_REAL, 1000},
    {"prompt_tokens_per_second", COLUMN_REAL, 100},
    {"tokens_per_second", COLUMN_REAL, 100},
    {"outcome", COLUMN_TEXT, 0},
    {"status", COLUMN_INT, 0},
    {"source", COLUMN_TEXT, 0},
    {"exact", COLUMN_BOOL, 0},
    {"joules", COLUMN_REAL, 10},
    {"requests", COLUMN_INT, 0},
};

#define USUAL UINT64_C(0x7fa7fdf) /* all but client, load and what a draft model did */
#define SCALED_MAX 9e15           /* whole numbers that a double holds exactly */

enum {
    CLIENT = 5 /* its place in the table */
};

static bool same(const char *a, const char *b)
{
    return b && strcmp(a, b) == 0;
}

static bool get_real(const mlx_value_t *d, size_t column, double *value)
{
    int64_t start, end;
    if (column > 0)
        return mlx_value_real(d, columns[column].key, value);
    if (!mlx_value_int(d, "start", &start) || !mlx_value_int(d, "end", &end) || end < start)
        return false;
    *value = (double)(end - start) / 1e6;
    return true;
}

/*  The value of COLUMN as it is stored; false: there is none. */
static bool store(const mlx_value_t *d, size_t column, mlx_request_text_id_fn text_id, void *arg,
                  uint64_t *out)
{
    const char *text;
    double real;
    int64_t whole;
    bool truth;
    switch (columns[column].kind) {
    case COLUMN_TEXT:
        text = mlx_value_str(d, columns[column].key);
        if (column == CLIENT && text && same(text, mlx_value_str(d, "process")))
            return false;
        *out = text && *text ? (uint64_t)text_id(arg, text) : 0;
        return *out > 0;
    case COLUMN_INT:
        if (!mlx_value_int(d, columns[column].key, &whole))
            return false;
        *out = mlx_fold(whole);
        return true;
    case COLUMN_REAL:
        if (!get_real(d, column, &real) || !(fabs(real * columns[column].scale) < SCALED_MAX))
            return false;
        *out = mlx_fold((int64_t)llround(real * columns[column].scale));
        return true;
    default:
        if (!mlx_value_bool(d, columns[column].key, &truth))
            return false;
        *out = truth;
        return true;
    }
}

void mlx_request_pack(mlx_buf_t *out, const mlx_value_t *d, mlx_request_text_id_fn text_id,
                      void *arg)
{
    uint64_t values[MLX_COUNT(columns)], present = 0;
    for (size_t i = 0; i < MLX_COUNT(columns); i++)
        if (store(d, i, text_id, arg, &values[i]))
            present |= (uint64_t)1 << i;
    mlx_varint_put(out, present ^ USUAL);
    for (size_t i = 0; i < MLX_COUNT(columns); i++)
        if (present >> i & 1)
            mlx_varint_put(out, values[i]);
}

static void restore(mlx_value_t *d, size_t column, uint64_t stored, mlx_request_text_of_fn text_of,
                    void *arg)
{
    const char *key = columns[column].key;
    int64_t end, whole = mlx_unfold(stored);
    switch (columns[column].kind) {
    case COLUMN_TEXT:
        mlx_value_set_str(d, key, stored <= INT64_MAX ? text_of(arg, (int64_t)stored) : NULL);
        return;
    case COLUMN_INT:
        mlx_value_set_int(d, key, whole);
        return;
    case COLUMN_REAL:
        if (column > 0)
            mlx_value_set_real(d, key, (double)whole / columns[column].scale);
        else if (mlx_value_int(d, "end", &end) && whole >= 0 && whole <= end / 1000)
            mlx_value_set_int(d, "start", end - whole * 1000);
        return;
    default:
        mlx_value_set_bool(d, key, stored != 0);
    }
}

mlx_value_t *mlx_request_unpack(const void *data, size_t len, int64_t end_us,
                                mlx_request_text_of_fn text_of, void *arg)
{
    uint64_t present, stored;
    size_t pos = 0;
    if (!mlx_varint_get(data, len, &pos, &present) || present >> MLX_COUNT(columns))
        return NULL;
    present ^= USUAL;
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "end", end_us);
    for (size_t i = 0; i < MLX_COUNT(columns); i++) {
        if (!(present >> i & 1))
            continue;
        if (!mlx_varint_get(data, len, &pos, &stored)) {
            mlx_value_destroy(&d);
            return NULL;
        }
        restore(d, i, stored, text_of, arg);
    }
    if (!mlx_value_get(d, "client"))
        mlx_value_set_str(d, "client", mlx_value_str(d, "process"));
    return d;
}
