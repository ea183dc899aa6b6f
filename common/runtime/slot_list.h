/*  slot_list.h - what a llama-server says of its slots: GET /slots
 *
 *  Format: llama.cpp tools/server README, "GET /slots"; recorded from Ollama's runner. One object
 *  per slot; read are id, id_task (another request: counts restart), is_processing,
 *  n_prompt_tokens, n_prompt_tokens_processed, n_prompt_tokens_cache and next_token[0].n_decoded
 *  (an object instead of an array before 2025).
 *
 *      mlx_slot_list_t seen;
 *      if (mlx_slots_parse(body, len, &seen, &err) == 0) ...
 */
#ifndef MLX_COMMON_RUNTIME_SLOT_LIST_H
#define MLX_COMMON_RUNTIME_SLOT_LIST_H

#include "proto/error.h"

enum {
    MLX_SLOTS_MAX = 64
};

typedef struct {
    int64_t id;
    int64_t task;
    bool processing;
    int64_t decoded;       /* tokens generated for this task */
    int64_t prompt_done;   /* prompt tokens computed for it; -1: not said */
    int64_t prompt_cached; /* prompt tokens found in the cache; -1: not said */
    int64_t held;          /* prompt and generated tokens in it, but the newest; -1: not said */
} mlx_slot_t;

typedef struct {
    size_t count;
    mlx_slot_t slots[MLX_SLOTS_MAX]; /* those beyond are not looked at */
} mlx_slot_list_t;

/*  Read a /slots reply. -1 with ERR when it is none. */
int mlx_slots_parse(const char *body, size_t len, mlx_slot_list_t *out, mlx_error_t *err);

#endif
