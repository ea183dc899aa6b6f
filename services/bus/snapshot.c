#include "snapshot.h"

#include <string.h>

#include "proto/message.h"

enum {
    PAGE_BYTES = 512 * 1024,
    PAGE_VALUES = MLX_PACK_MAX_VALUES / 2,
};

typedef struct {
    mlx_value_t *messages;
    size_t bytes;
    size_t values;
    int64_t left_out;
} page_t;

/*  Scalars, containers and keys, as the limit of a frame counts them. */
static size_t count_values(const mlx_value_t *value)
{
    bool map = mlx_value_type(value) == MLX_MAP;
    size_t count = 1;
    for (size_t i = 0; i < mlx_value_size(value); i++)
        count += map + count_values(mlx_value_at(value, i));
    return count;
}

/*  Can MESSAGE be the only one of an answer? */
static bool fits_alone(const mlx_value_t *message)
{
    static const mlx_pack_key_t key = MLX_PACK_KEY("messages");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *answer = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t packed = {0};
    mlx_value_t *list = mlx_value_set(answer, "messages", mlx_value_list());
    mlx_span_t span;
    mlx_value_append(list, mlx_value_copy(message));
    mlx_value_set_int(answer, "cursor", INT64_MAX);
    mlx_value_set_int(answer, "left_out", INT64_MAX);
    mlx_pack(&packed, answer);
    /* The frames that go with it have names of at most this size in all. */
    return packed.len + 1024 <= MLX_PACK_MAX_BYTES &&
           mlx_pack_peek(packed.data, packed.len, &key, 1, &span, NULL) == 0;
}

static bool add_message(void *arg, const char *topic, mlx_span_t body)
{
    page_t *page = arg;
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
    size_t size = strlen(topic) + body.len;
    if (mlx_message_unpack(&message, topic, strlen(topic), body.data, body.len, NULL))
        return true;
    mlx_value_t *tree = mlx_message_value(&message);
    size_t values = count_values(tree);
    bool room = page->bytes + size <= PAGE_BYTES && page->values + values <= PAGE_VALUES;
    if (!room && page->bytes > 0) {
        mlx_value_destroy(&tree);
        return false;
    }
    page->bytes += size; /* also of what is left out: a page takes a bounded time */
    page->values += values;
    if (fits_alone(tree)) {
        mlx_value_append(page->messages, tree);
    } else {
        mlx_value_destroy(&tree);
        page->left_out++;
    }
    return true;
}

mlx_value_t *mlx_snapshot_page(const mlx_retained_t *retained, const char *prefix, uint64_t cursor)
{
    mlx_value_t *answer = mlx_value_map();
    page_t page = {.messages = mlx_value_set(answer, "messages", mlx_value_list())};
    bool last = mlx_retained_each(retained, prefix, strlen(prefix), &cursor, add_message, &page);
    if (!last)
        mlx_value_set_int(answer, "cursor", (int64_t)cursor);
    if (page.left_out)
        mlx_value_set_int(answer, "left_out", page.left_out);
    return answer;
}
