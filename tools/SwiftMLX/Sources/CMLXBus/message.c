#include "message.h"

#include "common/base/held.h"

#include <stdlib.h>

#include "proto/catalogue.h"

struct cmlx_message {
    mlx_message_t inner;
};

cmlx_message_t *cmlx_message_copy(const mlx_message_t *message)
{
    cmlx_message_t *self = mlx_alloc(1, sizeof *self);
    self->inner = (mlx_message_t){.topic = mlx_strdup(message->topic),
                                  .host = mlx_strdup(message->host),
                                  .src = mlx_strdup(message->src),
                                  .boot = mlx_strdup(message->boot),
                                  .seq = message->seq,
                                  .t = message->t,
                                  .d = mlx_value_copy(message->d)};
    mlx_held_drop_stale(self->inner.d); /* as in every other front end */
    return self;
}

const mlx_message_t *cmlx_message_inner(const cmlx_message_t *self)
{
    return &self->inner;
}

void cmlx_message_free(cmlx_message_t *self)
{
    mlx_message_clear(&self->inner);
    free(self);
}

const char *cmlx_message_topic(const cmlx_message_t *self)
{
    return self->inner.topic;
}

const char *cmlx_message_host(const cmlx_message_t *self)
{
    return self->inner.host;
}

const char *cmlx_message_source(const cmlx_message_t *self)
{
    return self->inner.src;
}

int64_t cmlx_message_sequence(const cmlx_message_t *self)
{
    return self->inner.seq;
}

int64_t cmlx_message_time(const cmlx_message_t *self)
{
    return self->inner.t;
}

const cmlx_node_t *cmlx_message_data(const cmlx_message_t *self)
{
    return self->inner.d;
}

/*  Values. */

_Static_assert((int)CMLX_NULL == (int)MLX_NULL && (int)CMLX_STR == (int)MLX_STR &&
                   (int)CMLX_MAP == (int)MLX_MAP,
               "the types of values go by the same numbers");

cmlx_type_t cmlx_node_type(const cmlx_node_t *node)
{
    return (cmlx_type_t)mlx_value_type(node);
}

const cmlx_node_t *cmlx_node_get(const cmlx_node_t *map, const char *key)
{
    return mlx_value_get(map, key);
}

const cmlx_node_t *cmlx_node_at(const cmlx_node_t *container, size_t index)
{
    return mlx_value_at(container, index);
}

const char *cmlx_node_key(const cmlx_node_t *map, size_t index)
{
    return mlx_value_key(map, index);
}

size_t cmlx_node_count(const cmlx_node_t *container)
{
    return mlx_value_size(container);
}

bool cmlx_node_bool(const cmlx_node_t *node, bool *out)
{
    return mlx_value_as_bool(node, out);
}

bool cmlx_node_int(const cmlx_node_t *node, int64_t *out)
{
    return mlx_value_as_int(node, out);
}

bool cmlx_node_real(const cmlx_node_t *node, double *out)
{
    return mlx_value_as_real(node, out);
}

const char *cmlx_node_str(const cmlx_node_t *node, size_t *len)
{
    return mlx_value_as_str(node, len);
}

cmlx_node_t *cmlx_node_new_map(void)
{
    return mlx_value_map();
}

cmlx_node_t *cmlx_node_new_list(void)
{
    return mlx_value_list();
}

cmlx_node_t *cmlx_node_new_bool(bool value)
{
    return mlx_value_new_bool(value);
}

cmlx_node_t *cmlx_node_new_int(int64_t value)
{
    return mlx_value_new_int(value);
}

cmlx_node_t *cmlx_node_new_real(double value)
{
    return mlx_value_new_real(value);
}

cmlx_node_t *cmlx_node_new_str(const char *text, size_t len)
{
    return mlx_value_new_strn(text, len);
}

cmlx_node_t *cmlx_node_new_null(void)
{
    return mlx_value_null();
}

void cmlx_node_put(cmlx_node_t *container, const char *key, cmlx_node_t *item)
{
    if (key)
        mlx_value_set(container, key, item);
    else
        mlx_value_append(container, item);
}

void cmlx_node_free(cmlx_node_t *node)
{
    mlx_value_destroy(&node);
}

cmlx_node_t *cmlx_catalogue(void)
{
    return mlx_catalogue_describe();
}

int cmlx_topic_period(const char *topic)
{
    const mlx_topic_t *entry = mlx_catalogue_find(topic);
    return entry && entry->retained ? entry->period_s : -1;
}
