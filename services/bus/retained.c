#include "retained.h"

#include <czmq.h>
#include <string.h>

typedef struct {
    char *host;
    char *src;
    size_t src_len;
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
    zhashx_t *sources; /* "host src" -> source_t */
    size_t count;      /* values that are set */
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
    free(source->host);
    free(source->src);
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

/*  "host name"; a host holds no space (the broker checks), so keys cannot collide. Cut at the size
 * of the key: the broker bounds both parts well below it. */
static const char *make_key(bus_key_t *key, mlx_span_t host, const char *name, size_t name_len)
{
    size_t len = host.len < 255 ? host.len : 255;
    size_t rest = name_len < 255 ? name_len : 255;
    memcpy(key->text, host.data, len);
    key->text[len] = ' ';
    memcpy(key->text + len + 1, name, rest);
    key->text[len + 1 + rest] = '\0';
    return key->text;
}

static source_t *source_of(mlx_retained_t *self, mlx_span_t host, mlx_span_t src)
{
    bus_key_t key;
    source_t *source = zhashx_lookup(self->sources, make_key(&key, host, src.data, src.len));
    if (source || zhashx_size(self->sources) >= MLX_RETAINED_SOURCES_MAX)
        return source;
    source = mlx_alloc(1, sizeof *source);
    source->host = mlx_strndup(host.data, host.len);
    source->src = mlx_strndup(src.data, src.len);
    source->src_len = src.len;
    zhashx_insert(self->sources, key.text, source);
    return source;
}

static value_t *value_of(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host)
{
    bus_key_t key;
    value_t *value = zhashx_lookup(self->values, make_key(&key, host, topic, topic_len));
    if (value || zhashx_size(self->values) >= MLX_RETAINED_TOPICS_MAX)
        return value;
    value = mlx_alloc(1, sizeof *value);
    value->topic = mlx_strndup(topic, topic_len);
    value->wanted = self->wanted(value->topic);
    zhashx_insert(self->values, key.text, value);
    return value;
}

bool mlx_retained_put(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host,
                      mlx_span_t src, mlx_span_t body, int64_t now_us)
{
    value_t *value = value_of(self, topic, topic_len, host);
    source_t *source = value ? value->source : NULL;
    if (!source || source->src_len != src.len || memcmp(source->src, src.data, src.len) != 0)
        source = source_of(self, host, src);
    if (!value || !source)
        return false;
    source->heard_us = now_us;
    value->source = source;
    if (value->wanted) {
        self->count += !value->set;
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
            fn(arg, value->topic, (mlx_span_t){value->body.data, value->body.len});
}

static void drop_values(mlx_retained_t *self, const source_t *source)
{
    zlistx_t *keys = zhashx_keys(self->values);
    for (const char *key = zlistx_first(keys); key; key = zlistx_next(keys)) {
        const value_t *value = zhashx_lookup(self->values, key);
        if (value->source != source)
            continue;
        self->count -= value->set;
        zhashx_delete(self->values, key);
    }
    zlistx_destroy(&keys);
}

void mlx_retained_expire(mlx_retained_t *self, int64_t before_us, mlx_gone_fn fn, void *arg)
{
    bool any = false;
    for (source_t *s = zhashx_first(self->sources); s; s = zhashx_next(self->sources))
        any = any || s->heard_us < before_us;
    if (!any)
        return;
    zlistx_t *keys = zhashx_keys(self->sources);
    for (const char *key = zlistx_first(keys); key; key = zlistx_next(keys)) {
        source_t *source = zhashx_lookup(self->sources, key);
        if (source->heard_us >= before_us)
            continue;
        drop_values(self, source);
        fn(arg, source->host, source->src);
        zhashx_delete(self->sources, key);
    }
    zlistx_destroy(&keys);
}

size_t mlx_retained_count(const mlx_retained_t *self)
{
    return self->count;
}
