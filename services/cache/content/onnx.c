#include "services/cache/content/onnx.h"

#include "proto/buf.h"

#include <stdlib.h>
#include <string.h>

enum {
    WINDOW = 64 * 1024,
    DEPTH_MAX = 100, /* as protobuf's own readers */
    FIELDS_MAX = 64 * 1000 * 1000,
    TEXT_MAX = 4096, /* of a location or a domain */
};

/*  Messages that a way leads through to a tensor, a location or a domain. */
typedef enum {
    OTHER,
    MODEL,
    GRAPH,
    NODE,
    ATTRIBUTE,
    TENSOR,
    SPARSE,
    ENTRY,
    FUNCTION,
    TRAINING,
} kind_t;

static const struct {
    kind_t parent;
    unsigned field;
    kind_t child;
} ways[] = {
    {MODEL, 7, GRAPH},       {MODEL, 20, TRAINING},  {MODEL, 25, FUNCTION},
    {GRAPH, 1, NODE},        {GRAPH, 5, TENSOR},     {GRAPH, 15, SPARSE},
    {NODE, 5, ATTRIBUTE},    {ATTRIBUTE, 5, TENSOR}, {ATTRIBUTE, 6, GRAPH},
    {ATTRIBUTE, 10, TENSOR}, {ATTRIBUTE, 11, GRAPH}, {ATTRIBUTE, 22, SPARSE},
    {ATTRIBUTE, 23, SPARSE}, {TENSOR, 13, ENTRY},    {SPARSE, 1, TENSOR},
    {SPARSE, 2, TENSOR},     {FUNCTION, 7, NODE},    {FUNCTION, 11, ATTRIBUTE},
    {TRAINING, 1, GRAPH},    {TRAINING, 2, GRAPH},
};

typedef struct {
    const mlx_source_t *source;
    const mlx_onnx_visitor_t *visitor;
    unsigned char *window;
    uint64_t window_at;
    size_t window_len;
    uint64_t at;
    uint64_t fields;
    mlx_onnx_end_t end;
} walk_t;

static bool fail(walk_t *w, mlx_onnx_end_t end)
{
    w->end = w->end == MLX_ONNX_WHOLE ? end : w->end;
    return false;
}

static bool next_byte(walk_t *w, unsigned char *out)
{
    if (w->at < w->window_at || w->at - w->window_at >= w->window_len) {
        w->window_at = w->at;
        w->window_len = mlx_source_read(w->source, w->at, w->window, WINDOW);
        if (!w->window_len)
            return fail(w, MLX_ONNX_BROKEN);
    }
    *out = w->window[w->at++ - w->window_at];
    return true;
}

static bool varint(walk_t *w, uint64_t end, uint64_t *out)
{
    unsigned char byte = 0x80;
    *out = 0;
    for (unsigned shift = 0; byte & 0x80; shift += 7) {
        if (shift > 63 || w->at >= end)
            return fail(w, MLX_ONNX_BROKEN);
        if (!next_byte(w, &byte))
            return false;
        *out |= (uint64_t)(byte & 0x7f) << shift;
    }
    return true;
}

static bool skip(walk_t *w, uint64_t end, uint64_t len)
{
    if (len > end - w->at)
        return fail(w, MLX_ONNX_BROKEN);
    w->at += len;
    return true;
}

static kind_t child_of(kind_t parent, uint64_t field)
{
    for (size_t i = 0; i < MLX_COUNT(ways); i++)
        if (ways[i].parent == parent && ways[i].field == field)
            return ways[i].child;
    return OTHER;
}

/*  LEN bytes as text; a longer one, or one with a NUL, is cut and so no path of the model's. */
static char *text_at(const walk_t *w, uint64_t at, uint64_t len)
{
    size_t size = len < TEXT_MAX ? (size_t)len : TEXT_MAX;
    char *text = mlx_alloc(1, size + 1);
    mlx_source_read(w->source, at, text, size);
    if (len > TEXT_MAX || strlen(text) != len)
        text[0] = '\0';
    return text;
}

/* ---- what is told ---- */

/*  Key and value of an entry may come in either order, and more than once: the last one counts for
 *  some readers, so each is told. */
typedef struct {
    bool is_location;
    char *value;
} entry_t;

static void take_text(walk_t *w, kind_t kind, uint64_t field, uint64_t len, entry_t *entry)
{
    const mlx_onnx_visitor_t *v = w->visitor;
    bool domain = (kind == NODE && field == 7) || (kind == FUNCTION && field == 10);
    if (!domain && kind != ENTRY)
        return;
    MLX_CLEANUP(mlx_free_p) char *text = text_at(w, w->at, len);
    if (kind == NODE && v->domain && *text)
        v->domain(v->arg, text);
    if (kind == FUNCTION && v->own_domain && *text)
        v->own_domain(v->arg, text);
    if (kind == ENTRY && field == 1)
        entry->is_location = entry->is_location || strcmp(text, "location") == 0;
    if (kind != ENTRY || field != 2)
        return;
    if (entry->value && entry->is_location && v->location)
        v->location(v->arg, entry->value);
    free(entry->value);
    entry->value = text;
    text = NULL;
}

/* ---- the walk ---- */

static bool walk(walk_t *w, kind_t kind, uint64_t end, uint64_t group, unsigned depth);

static bool take_part(walk_t *w, kind_t kind, uint64_t field, uint64_t end, entry_t *entry,
                      unsigned depth)
{
    uint64_t len;
    if (!varint(w, end, &len) || len > end - w->at)
        return fail(w, MLX_ONNX_BROKEN);
    kind_t child = child_of(kind, field);
    if (child != OTHER)
        return walk(w, child, w->at + len, 0, depth + 1);
    take_text(w, kind, field, len, entry);
    return skip(w, end, len);
}

/*  One field; *DONE at the end of the group that it is in. */
static bool take_field(walk_t *w, kind_t kind, uint64_t end, uint64_t group, unsigned depth,
                       entry_t *entry, bool *done)
{
    uint64_t key, value;
    if (++w->fields > FIELDS_MAX)
        return fail(w, MLX_ONNX_TOO_BIG);
    if (!varint(w, end, &key) || key >> 3 == 0)
        return fail(w, MLX_ONNX_BROKEN);
    switch (key & 7) {
    case 0:
        return varint(w, end, &value);
    case 1:
        return skip(w, end, 8);
    case 2:
        return take_part(w, kind, key >> 3, end, entry, depth);
    case 3:
        return walk(w, OTHER, end, key >> 3, depth + 1);
    case 4:
        *done = true;
        return key >> 3 == group || fail(w, MLX_ONNX_BROKEN);
    case 5:
        return skip(w, end, 4);
    default:
        return fail(w, MLX_ONNX_BROKEN);
    }
}

/*  A message up to END, or a GROUP up to its own end. */
static bool walk(walk_t *w, kind_t kind, uint64_t end, uint64_t group, unsigned depth)
{
    entry_t entry = {0};
    bool good = depth <= DEPTH_MAX || fail(w, MLX_ONNX_TOO_BIG), done = false;
    while (good && !done && w->at < end)
        good = take_field(w, kind, end, group, depth, &entry, &done);
    if (entry.is_location && w->visitor->location)
        w->visitor->location(w->visitor->arg, entry.value ? entry.value : "");
    free(entry.value);
    return good && (!group || done || fail(w, MLX_ONNX_BROKEN));
}

mlx_onnx_end_t mlx_onnx_walk(const mlx_source_t *source, const mlx_onnx_visitor_t *visitor)
{
    MLX_CLEANUP(mlx_free_p) unsigned char *window = mlx_alloc(1, WINDOW);
    walk_t w = {.source = source, .visitor = visitor, .window = window};
    walk(&w, MODEL, source->size, 0, 0);
    return w.end;
}

/* ---- where it is ---- */

char *mlx_onnx_data_path(const char *name, const char *location)
{
    /* A backslash and a colon lead away on Windows; '*' stands for memory of the program itself. */
    if (!*location || *location == '/' || strpbrk(location, "\\:*"))
        return NULL;
    const char *slash = strrchr(name, '/');
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t path = {0};
    mlx_buf_printf(&path, "%.*s", slash ? (int)(slash - name) : 0, name);
    for (const char *at = location; *at;) {
        size_t len = strcspn(at, "/");
        if (len == 2 && strncmp(at, "..", 2) == 0)
            return NULL;
        if (len && !(len == 1 && *at == '.'))
            mlx_buf_printf(&path, "%s%.*s", path.len ? "/" : "", (int)len, at);
        at += len + (at[len] == '/');
    }
    return mlx_buf_take(&path);
}
