#include "proto/message.h"

#include <stdlib.h>
#include <string.h>

#include "proto/catalogue.h"
#include "proto/pack.h"

static mlx_value_t *envelope(const mlx_message_t *message)
{
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "host", message->host);
    mlx_value_set_str(map, "src", message->src);
    mlx_value_set_str(map, "boot", message->boot);
    mlx_value_set_int(map, "seq", message->seq);
    mlx_value_set_int(map, "t", message->t);
    mlx_value_set(map, "d", message->d ? mlx_value_copy(message->d) : mlx_value_map());
    return map;
}

void mlx_message_pack(const mlx_message_t *message, mlx_buf_t *buf)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = envelope(message);
    mlx_value_set_int(map, "v", MLX_CATALOGUE_VERSION);
    mlx_pack(buf, map);
}

mlx_value_t *mlx_message_value(const mlx_message_t *message)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *body = envelope(message);
    mlx_value_t *all = mlx_value_map();
    mlx_value_set_str(all, "topic", message->topic);
    for (size_t i = 0; i < mlx_value_size(body); i++)
        mlx_value_set(all, mlx_value_key(body, i), mlx_value_copy(mlx_value_at(body, i)));
    return all;
}

static int take_name(char **out, const mlx_value_t *map, const char *key, mlx_error_t *err)
{
    size_t len = 0;
    const char *s = mlx_value_as_str(mlx_value_get(map, key), &len);
    if (!s || !mlx_name_valid(s, len))
        return mlx_error_set(err, MLX_ERR_USAGE, "message without a usable \"%s\"", key);
    *out = mlx_strdup(s);
    return 0;
}

static int check_version(const mlx_value_t *map, mlx_error_t *err)
{
    int64_t version;
    if (!mlx_value_int(map, "v", &version))
        return mlx_error_set(err, MLX_ERR_USAGE, "message without a version \"v\"");
    if (version != MLX_CATALOGUE_VERSION)
        return mlx_error_set(err, MLX_ERR_USAGE, "message of catalogue version %lld, this is %d",
                             (long long)version, MLX_CATALOGUE_VERSION);
    return 0;
}

static int take_envelope(mlx_message_t *message, const mlx_value_t *map, mlx_error_t *err)
{
    if (take_name(&message->host, map, "host", err) || take_name(&message->src, map, "src", err) ||
        take_name(&message->boot, map, "boot", err))
        return -1;
    if (!mlx_value_int(map, "seq", &message->seq) || !mlx_value_int(map, "t", &message->t) ||
        !mlx_message_bounded(message->seq, message->t) || strlen(message->boot) > MLX_BOOT_MAX)
        return mlx_error_set(err, MLX_ERR_USAGE,
                             "message without a usable \"boot\", \"seq\" or \"t\"");
    const mlx_value_t *d = mlx_value_get(map, "d");
    if (mlx_value_type(d) != MLX_MAP)
        return mlx_error_set(err, MLX_ERR_USAGE, "message without a data map \"d\"");
    message->d = mlx_value_copy(d);
    message->dropped = mlx_catalogue_prune(mlx_catalogue_find(message->topic), message->d);
    return 0;
}

bool mlx_message_bounded(int64_t seq, int64_t t)
{
    return seq >= 1 && seq <= MLX_SEQ_MAX && t >= 0 && t <= MLX_TIME_MAX_US;
}

int mlx_message_unpack(mlx_message_t *message, const void *topic, size_t topic_len,
                       const void *body, size_t body_len, mlx_error_t *err)
{
    *message = (mlx_message_t){0};
    if (!mlx_topic_valid(topic, topic_len))
        return mlx_error_set(err, MLX_ERR_USAGE, "topic \"%.*s\" is not valid",
                             (int)(topic_len < 64 ? topic_len : 64), (const char *)topic);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_unpack(body, body_len, err);
    if (!map)
        return -1;
    message->topic = mlx_strndup(topic, topic_len);
    if (check_version(map, err) || take_envelope(message, map, err)) {
        mlx_error_prefix(err, "%s", message->topic);
        mlx_message_clear(message);
        return -1;
    }
    return 0;
}

int mlx_message_from_value(mlx_message_t *message, const mlx_value_t *value, mlx_error_t *err)
{
    *message = (mlx_message_t){0};
    const char *topic = mlx_value_str(value, "topic");
    if (!topic || !mlx_topic_valid(topic, strlen(topic)))
        return mlx_error_set(err, MLX_ERR_USAGE, "message without a valid \"topic\"");
    message->topic = mlx_strdup(topic);
    if (take_envelope(message, value, err)) {
        mlx_message_clear(message);
        return -1;
    }
    return 0;
}

void mlx_message_clear(mlx_message_t *message)
{
    free(message->topic);
    free(message->host);
    free(message->src);
    free(message->boot);
    mlx_value_destroy(&message->d);
    *message = (mlx_message_t){0};
}
