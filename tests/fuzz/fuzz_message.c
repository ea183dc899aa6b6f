/*  A frame from the bus: the first byte is the length of the topic, the rest is topic and body.
 *  What the broker's glance finds must agree with what a full reading finds, and what was read must
 *  survive being written and read again. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "proto/message.h"
#include "proto/pack.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void compare(const mlx_message_t *message, mlx_span_t host)
{
    mlx_buf_t body = {0}, text = {0};
    mlx_message_t again;
    if (strlen(message->host) > host.len || memcmp(host.data, message->host, strlen(message->host)))
        abort();
    mlx_message_pack(message, &body);
    if (mlx_message_unpack(&again, message->topic, strlen(message->topic), body.data, body.len,
                           NULL) ||
        again.seq != message->seq || strcmp(again.src, message->src) != 0)
        abort();
    mlx_value_t *tree = mlx_message_value(&again);
    mlx_json_write(&text, tree, true);
    mlx_value_destroy(&tree);
    mlx_message_clear(&again);
    mlx_buf_clear(&body);
    mlx_buf_clear(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mlx_pack_key_t keys[] = {MLX_PACK_KEY("host"), MLX_PACK_KEY("src")};
    mlx_span_t spans[2];
    mlx_message_t message;
    if (size < 1 || data[0] > size - 1)
        return 0;
    const uint8_t *topic = data + 1, *body = topic + data[0];
    size_t body_len = size - 1 - data[0];
    int glance = mlx_pack_peek(body, body_len, keys, 2, spans, NULL);
    if (mlx_message_unpack(&message, topic, data[0], body, body_len, NULL))
        return 0;
    if (glance)
        abort();
    /* Of a key that comes twice either reading takes the last. */
    compare(&message, spans[0]);
    mlx_message_clear(&message);
    return 0;
}
