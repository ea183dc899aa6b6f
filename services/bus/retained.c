#include "retained.h"

#include <czmq.h>
#include <string.h>

typedef struct {
    char *src;
    size_t src_len;
    char *boot;
    size_t boot_len;
    int64_t heard_us;
} source_t;

typedef struct {
    char *topic;
    source_t *source; /* who published it last */
    bool wanted;      /* else the entry only spares the next message the look-ups */
    bool set;
    mlx_buf_t body;
} value_t;

struct mlx_retained {
    bool (*wanted)(const char *topic);
    zhashx_t *values;  /* "host topic" -> value_t */
    zhashx_t *sources; /* "host src boot" -> source_t */
};

typedef struct {
    char text[512];
} bus_key_t;

static void free_value(void **item)
{
    value_t *value = *item;
    free(value->topic);
    mlx_buf_clear(&value->body);
    free(value);
    *item = NULL;
}

static void free_source(void **item)
{
    source_t *source = *item;
    free(source->src);
    free(source->boot);
    free(source);
    *item = NULL;
}

mlx_retained_t *mlx_retained_new(bool (*wanted)(const char *topic))
{
    mlx_retained_t *self = mlx_alloc(1, sizeof *self);
    self->wanted = wanted;
    self->values = zhashx_new();
    self->sources = zhashx_new();
    zhashx_set_destructor(self->values, free_value);
    zhashx_set_destructor(self->sources, free_source);
    return self;
}

void mlx_retained_destroy(mlx_retained_t **self_p)
{
    if (!*self_p)
        return;
    zhashx_destroy(&(*self_p)->values);
    zhashx_destroy(&(*self_p)->sources);
    free(*self_p);
    *self_p = NULL;
}

/*  The names with a space between: they hold none (the broker checks), so keys cannot collide. Cut
 *  at the size of the key: the broker bounds the names well below it. */
static const char *make_key(bus_key_t *key, const mlx_span_t *names, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t room = sizeof key->text - 2 - at;
        size_t len = names[i].len < room ? names[i].len : room;
        memcpy(key->text + at, names[i].data, len);
        at += len;
        if (i + 1 < count)
            key->text[at++] = ' ';
    }
    key->text[at] = '\0';
    return key->text;
}

static bool is_source(const source_t *source, const mlx_retained_from_t *from)
{
    return source->src_len == from->src.len && source->boot_len == from->boot.len &&
           memcmp(source->src, from->src.data, from->src.len) == 0 &&
           memcmp(source->boot, from->boot.data, from->boot.len) == 0;
}

static source_t *source_of(mlx_retained_t *self, const mlx_retained_from_t *from)
{
    bus_key_t key;
    const mlx_span_t names[] = {from->host, from->src, from->boot};
    source_t *source = zhashx_lookup(self->sources, make_key(&key, names, MLX_COUNT(names)));
    if (source || zhashx_size(self->sources) >= MLX_RETAINED_SOURCES_MAX)
        return source;
    source = mlx_alloc(1, sizeof *source);
    source->src = mlx_strndup(from->src.data, from->src.len);
    source->src_len = from->src.len;
    source->boot = mlx_strndup(from->boot.data, from->boot.len);
    source->boot_len = from->boot.len;
    zhashx_insert(self->sources, key.text, source);
    return source;
}

static value_t *value_of(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host)
{
    bus_key_t key;
    const mlx_span_t names[] = {host, {.data = topic, .len = topic_len}};
    value_t *value = zhashx_lookup(self->values, make_key(&key, names, MLX_COUNT(names)));
    if (value || zhashx_size(self->values) >= MLX_RETAINED_TOPICS_MAX)
        return value;
    value = mlx_alloc(1, sizeof *value);
    value->topic = mlx_strndup(topic, topic_len);
    value->wanted = self->wanted(value->topic);
    zhashx_insert(self->values, key.text, value);
    return value;
}

bool mlx_retained_put(mlx_retained_t *self, const char *topic, size_t topic_len,
                      const mlx_retained_from_t *from, mlx_span_t body, int64_t now_us)
{
    value_t *value = value_of(self, topic, topic_len, from->host);
    source_t *source = value ? value->source : NULL;
    if (!source || !is_source(source, from))
        source = source_of(self, from);
    if (!value || !source)
        return false;
    source->heard_us = now_us;
    value->source = source;
    if (value->wanted) {
        value->set = true;
        mlx_buf_reset(&value->body);
        mlx_buf_append(&value->body, body.data, body.len);
    }
    return true;
}

void mlx_retained_each(mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       mlx_retained_fn fn, void *arg)
{
    for (value_t *value = zhashx_first(self->values); value; value = zhashx_next(self->values))
        if (value->set && strlen(value->topic) >= prefix_len &&
            memcmp(value->topic, prefix, prefix_len) == 0)
            fn(arg, value->topic, (mlx_span_t){.data = value->body.data, .len = value->body.len});
}

static void drop_values(mlx_retained_t *self, const source_t *source)
{
    zlistx_t *keys = zhashx_keys(self->values);
    for (const char *key = zlistx_first(keys); key; key = zlistx_next(keys)) {
        const value_t *value = zhashx_lookup(self->values, key);
        if (value->source == source)
            zhashx_delete(self->values, key);
    }
    zlistx_destroy(&keys);
}

void mlx_retained_expire(mlx_retained_t *self, int64_t before_us)
{
    bool any = false;
    for (source_t *s = zhashx_first(self->sources); s; s = zhashx_next(self->sources))
        any = any || s->heard_us < before_us;
    if (!any)
        return;
    zlistx_t *keys = zhashx_keys(self->sources);
    for (const char *key = zlistx_first(keys); key; key = zlistx_next(keys)) {
        const source_t *source = zhashx_lookup(self->sources, key);
        if (source->heard_us >= before_us)
            continue;
        drop_values(self, source);
        zhashx_delete(self->sources, key);
    }
    zlistx_destroy(&keys);
}

void mlx_retained_forget(mlx_retained_t *self, const char *host, const char *topic)
{
    bus_key_t key;
    const mlx_span_t names[] = {{.data = host, .len = strlen(host)},
                                {.data = topic, .len = strlen(topic)}};
    zhashx_delete(self->values, make_key(&key, names, MLX_COUNT(names)));
}
