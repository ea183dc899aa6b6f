#include "common/base/config_yaml.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <yaml.h>

typedef struct {
    yaml_parser_t parser;
    const char *name;
    mlx_yaml_t *root;
    mlx_yaml_t *open[MLX_YAML_MAX_DEPTH]; /* the containers we are in */
    size_t depth;
} reader_t;

void mlx_yaml_destroy(mlx_yaml_t **self)
{
    mlx_yaml_t *node = *self;
    *self = NULL;
    if (!node)
        return;
    for (size_t i = 0; i < node->count; i++)
        mlx_yaml_destroy(&node->items[i]);
    free(node->items);
    free(node->text);
    free(node);
}

int mlx_yaml_error(mlx_error_t *err, const char *name, const mlx_yaml_t *node, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    if (!node->line)
        return mlx_error_set(err, MLX_ERR_USAGE, "%s: %s", name, text);
    return mlx_error_set(err, MLX_ERR_USAGE, "%s:%zu:%zu: %s", name, node->line, node->column,
                         text);
}

static int syntax_error(reader_t *self, mlx_error_t *err)
{
    const yaml_parser_t *parser = &self->parser;
    /* Bytes that are not UTF-8 are found by the reader below, which sets no mark of its own. */
    yaml_mark_t mark = parser->error == YAML_READER_ERROR ? parser->mark : parser->problem_mark;
    mlx_yaml_t place = {.line = mark.line + 1, .column = mark.column + 1};
    return mlx_yaml_error(err, self->name, &place, "%s",
                          parser->problem ? parser->problem : "not valid YAML");
}

static mlx_yaml_t *new_node(mlx_type_t type, const yaml_event_t *event)
{
    mlx_yaml_t *node = mlx_alloc(1, sizeof *node);
    node->type = type;
    node->line = event->start_mark.line + 1;
    node->column = event->start_mark.column + 1;
    return node;
}

static bool is_null(const yaml_event_t *event)
{
    static const char *const words[] = {"", "~", "null"};
    const char *text = (const char *)event->data.scalar.value;
    if (event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE)
        return false;
    for (size_t i = 0; i < MLX_COUNT(words); i++)
        if (strcasecmp(text, words[i]) == 0)
            return true;
    return false;
}

static const mlx_yaml_t *twin(const mlx_yaml_t *map, const char *key)
{
    for (size_t i = 0; i < map->count; i += 2)
        if (strcmp(map->items[i]->text, key) == 0)
            return map->items[i];
    return NULL;
}

/*  Whether NODE may stand at this place of the innermost container. */
static int check_place(const reader_t *self, const mlx_yaml_t *node, mlx_error_t *err)
{
    const mlx_yaml_t *in = self->open[self->depth - 1];
    size_t per_entry = in->type == MLX_MAP ? 2 : 1;
    if (in->count >= MLX_YAML_MAX_ENTRIES * per_entry)
        return mlx_yaml_error(err, self->name, node, "more than %d entries", MLX_YAML_MAX_ENTRIES);
    if (in->type != MLX_MAP || in->count % 2)
        return 0;
    if (!node->text)
        return mlx_yaml_error(err, self->name, node, "a key must be a word");
    const mlx_yaml_t *first = twin(in, node->text);
    if (first)
        return mlx_yaml_error(err, self->name, node, "\"%.64s\" was already set in line %zu",
                              node->text, first->line);
    return 0;
}

/*  Takes ownership of NODE, also on failure. */
static int add(reader_t *self, mlx_yaml_t *node, mlx_error_t *err)
{
    if (!self->depth) {
        self->root = node;
        return 0;
    }
    if (check_place(self, node, err)) {
        mlx_yaml_destroy(&node);
        return -1;
    }
    mlx_yaml_t *in = self->open[self->depth - 1];
    in->items = mlx_grow(in->items, in->count, sizeof(mlx_yaml_t *));
    in->items[in->count++] = node;
    return 0;
}

static int add_scalar(reader_t *self, const yaml_event_t *event, mlx_error_t *err)
{
    mlx_yaml_t *node = new_node(is_null(event) ? MLX_NULL : MLX_STR, event);
    const char *text = (const char *)event->data.scalar.value;
    if (memchr(text, '\0', event->data.scalar.length)) {
        mlx_yaml_error(err, self->name, node, "a NUL character");
        mlx_yaml_destroy(&node);
        return -1;
    }
    node->text = mlx_strdup(text);
    return add(self, node, err);
}

static int open_container(reader_t *self, mlx_type_t type, const yaml_event_t *event,
                          mlx_error_t *err)
{
    mlx_yaml_t *node = new_node(type, event);
    if (self->depth == MLX_YAML_MAX_DEPTH) {
        mlx_yaml_error(err, self->name, node, "nested deeper than %d", MLX_YAML_MAX_DEPTH);
        mlx_yaml_destroy(&node);
        return -1;
    }
    if (add(self, node, err))
        return -1;
    self->open[self->depth++] = node;
    return 0;
}

/*  Refuse what only serves to make a file hard to read or to blow it up. */
static int check_plain(const reader_t *self, const yaml_event_t *event, mlx_error_t *err)
{
    const yaml_char_t *anchor = NULL, *tag = NULL;
    if (event->type == YAML_SCALAR_EVENT)
        anchor = event->data.scalar.anchor, tag = event->data.scalar.tag;
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        anchor = event->data.sequence_start.anchor, tag = event->data.sequence_start.tag;
    else if (event->type == YAML_MAPPING_START_EVENT)
        anchor = event->data.mapping_start.anchor, tag = event->data.mapping_start.tag;
    mlx_yaml_t place = {.line = event->start_mark.line + 1, .column = event->start_mark.column + 1};
    if (event->type == YAML_ALIAS_EVENT || anchor)
        return mlx_yaml_error(err, self->name, &place, "anchors and aliases are not supported");
    if (tag)
        return mlx_yaml_error(err, self->name, &place, "tags are not supported");
    if (event->type == YAML_DOCUMENT_START_EVENT && self->root)
        return mlx_yaml_error(err, self->name, &place, "only one document is allowed");
    return 0;
}

static int take(reader_t *self, const yaml_event_t *event, mlx_error_t *err)
{
    if (check_plain(self, event, err))
        return -1;
    switch (event->type) {
    case YAML_SCALAR_EVENT:
        return add_scalar(self, event, err);
    case YAML_SEQUENCE_START_EVENT:
        return open_container(self, MLX_LIST, event, err);
    case YAML_MAPPING_START_EVENT:
        return open_container(self, MLX_MAP, event, err);
    case YAML_SEQUENCE_END_EVENT:
    case YAML_MAPPING_END_EVENT:
        self->depth--;
        return 0;
    default:
        return 0;
    }
}

static int read_all(reader_t *self, mlx_error_t *err)
{
    for (bool done = false; !done;) {
        yaml_event_t event;
        if (!yaml_parser_parse(&self->parser, &event))
            return syntax_error(self, err);
        done = event.type == YAML_STREAM_END_EVENT;
        int failed = take(self, &event, err);
        yaml_event_delete(&event);
        if (failed)
            return -1;
    }
    return 0;
}

mlx_yaml_t *mlx_yaml_parse(const char *text, size_t len, const char *name, mlx_error_t *err)
{
    if (len > MLX_YAML_MAX_BYTES) {
        mlx_error_set(err, MLX_ERR_USAGE, "%s is larger than %d bytes", name, MLX_YAML_MAX_BYTES);
        return NULL;
    }
    reader_t reader = {.name = name};
    if (!yaml_parser_initialize(&reader.parser))
        mlx_panic("out of memory (YAML)");
    yaml_parser_set_input_string(&reader.parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&reader.parser, YAML_UTF8_ENCODING);
    if (read_all(&reader, err))
        mlx_yaml_destroy(&reader.root);
    else if (!reader.root)
        reader.root = new_node(MLX_NULL, &(yaml_event_t){0});
    yaml_parser_delete(&reader.parser);
    return reader.root;
}
