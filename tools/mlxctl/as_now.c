#include "as_now.h"

#include <stdlib.h>
#include <string.h>

#include "proto/catalogue.h"

static void shift(mlx_value_t *map, const char *key, int64_t by_us)
{
    int64_t t;
    if (mlx_value_int(map, key, &t) && t + by_us >= 0 && t + by_us <= MLX_TIME_MAX_US)
        mlx_value_set_int(map, key, t + by_us);
}

/*  Move the times of MAP, and of the maps within. FIELDS nest no deeper than the catalogue does. */
static void shift_times(mlx_value_t *map, const mlx_field_t *fields, int64_t by_us)
{
    for (; fields && fields->key; fields++) {
        mlx_value_t *value = mlx_value_get(map, fields->key);
        if (fields->unit == MLX_UNIT_MICROSECONDS_EPOCH)
            shift(map, fields->key, by_us);
        else if (fields->fields && mlx_value_type(value) == MLX_MAP)
            shift_times(value, fields->fields, by_us);
        else if (fields->fields)
            for (size_t i = 0; i < mlx_value_size(value); i++)
                shift_times(mlx_value_at(value, i), fields->fields, by_us);
    }
}

static void replace(char **text, char *with)
{
    free(*text);
    *text = with;
}

void mlx_as_now(const mlx_as_now_t *how, mlx_message_t *message)
{
    const mlx_topic_t *topic = mlx_catalogue_find(message->topic);
    int64_t by_us = how->now_us - how->heard_us;
    if (message->t + by_us >= 0 && message->t + by_us <= MLX_TIME_MAX_US) {
        message->t += by_us;
        if (topic)
            shift_times(message->d, topic->fields, by_us);
    }
    if (how->from && strcmp(message->host, how->from) == 0)
        replace(&message->host, mlx_strdup(how->to));
    replace(&message->boot, mlx_format("%.*s-%s", MLX_BOOT_MAX - 32, message->boot, how->run));
}
