#include "retained.h"

#include <czmq.h>
#include <string.h>

typedef struct {
    char *topic;
    char *source; /* key of its source */
    zmq_msg_t body;
} value_t;

typedef struct {
    char *host;
    char *src;
    int64_t heard_us;
} source_t;

struct mlx_retained {
    zhashx_t *values;  /* "host topic" -> value_t */
    zhashx_t *sources; /* "host src" -> source_t */
};

typedef struct {
    char text[512];
} bus_key_t;

static void free_value(void **item)
{
    value_t *value = *item;
    free(value->topic);
    free(value->source);
    zmq_msg_close(&value->body);
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

mlx_retained_t *mlx_retained_new(void)
{
    mlx_retained_t *self = mlx_alloc(1, sizeof *self);
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

static bool touch_source(mlx_retained_t *self, const char *key, mlx_span_t host, mlx_span_t src,
                         int64_t now_us)
{
    source_t *source = zhashx_lookup(self->sources, key);
    if (!source) {
        if (zhashx_size(self->sources) >= MLX_RETAINED_SOURCES_MAX)
            return false;
        source = mlx_alloc(1, sizeof *source);
        source->host = mlx_strndup(host.data, host.len);
        source->src = mlx_strndup(src.data, src.len);
        zhashx_insert(self->sources, key, source);
    }
    source->heard_us = now_us;
    return true;
}

bool mlx_retained_put(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host,
                      mlx_span_t src, zmq_msg_t *body, bool keep, int64_t now_us)
{
    bus_key_t source_key, key;
    make_key(&source_key, host, src.data, src.len);
    if (!touch_source(self, source_key.text, host, src, now_us))
        return false;
    if (!keep)
        return true;
    make_key(&key, host, topic, topic_len);
    value_t *value = zhashx_lookup(self->values, key.text);
    if (!value) {
        if (zhashx_size(self->values) >= MLX_RETAINED_TOPICS_MAX)
            return false;
        value = mlx_alloc(1, sizeof *value);
        value->topic = mlx_strndup(topic, topic_len);
        zmq_msg_init(&value->body);
        zhashx_insert(self->values, key.text, value);
    }
    if (!value->source || strcmp(value->source, source_key.text) != 0) {
        free(value->source);
        value->source = mlx_strdup(source_key.text);
    }
    zmq_msg_copy(&value->body, body);
    return true;
}

bool mlx_retained_has(mlx_retained_t *self, const char *topic, size_t topic_len, mlx_span_t host)
{
    bus_key_t key;
    return zhashx_lookup(self->values, make_key(&key, host, topic, topic_len)) != NULL;
}

void mlx_retained_each(mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       mlx_retained_fn fn, void *arg)
{
    for (value_t *value = zhashx_first(self->values); value; value = zhashx_next(self->values))
        if (strlen(value->topic) >= prefix_len && memcmp(value->topic, prefix, prefix_len) == 0)
            fn(arg, value->topic, &value->body);
}

static void drop_values(mlx_retained_t *self, const char *source_key)
{
    zlistx_t *keys = zhashx_keys(self->values);
    for (const char *key = zlistx_first(keys); key; key = zlistx_next(keys)) {
        const value_t *value = zhashx_lookup(self->values, key);
        if (strcmp(value->source, source_key) == 0)
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
        drop_values(self, key);
        fn(arg, source->host, source->src);
        zhashx_delete(self->sources, key);
    }
    zlistx_destroy(&keys);
}

size_t mlx_retained_count(const mlx_retained_t *self)
{
    return zhashx_size(self->values);
}
