#include "common/runtime/slot_list.h"

#include "common/base/json.h"

static int64_t int_or(const mlx_value_t *map, const char *key, int64_t otherwise)
{
    int64_t i = otherwise;
    mlx_value_int(map, key, &i);
    return i < 0 ? otherwise : i;
}

static bool read_slot(const mlx_value_t *item, mlx_slot_t *slot)
{
    const mlx_value_t *next = mlx_value_get(item, "next_token");
    if (mlx_value_type(next) == MLX_LIST)
        next = mlx_value_at(next, 0);
    *slot = (mlx_slot_t){.id = int_or(item, "id", -1),
                         .task = int_or(item, "id_task", -1),
                         .decoded = int_or(next, "n_decoded", 0),
                         .prompt_done = int_or(item, "n_prompt_tokens_processed", -1),
                         .prompt_cached = int_or(item, "n_prompt_tokens_cache", -1),
                         .held = int_or(item, "n_prompt_tokens", -1)};
    return slot->id >= 0 && mlx_value_bool(item, "is_processing", &slot->processing);
}

int mlx_slots_parse(const char *body, size_t len, mlx_slot_list_t *out, mlx_error_t *err)
{
    out->count = 0;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_json_parse(body, len, err);
    if (!list)
        return -1;
    if (mlx_value_type(list) != MLX_LIST)
        return mlx_error_set(err, MLX_ERR_USAGE, "expected a list of slots");
    for (size_t i = 0; i < mlx_value_size(list) && out->count < MLX_SLOTS_MAX; i++) {
        if (!read_slot(mlx_value_at(list, i), &out->slots[out->count]))
            return mlx_error_set(err, MLX_ERR_USAGE, "slot %zu has no id or no is_processing", i);
        out->count++;
    }
    return 0;
}
