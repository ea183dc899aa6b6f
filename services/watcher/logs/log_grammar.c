#include "log_grammar.h"

#include <string.h>

static const mlx_log_grammar_t *const formats[] = {
    &mlx_log_llama, &mlx_log_ollama, &mlx_log_lmstudio, &mlx_log_omlx, &mlx_log_mlxlm,
};

const mlx_log_grammar_t *const *mlx_log_grammars(size_t *count)
{
    *count = MLX_COUNT(formats);
    return formats;
}

const mlx_log_grammar_t *mlx_log_grammar(const char *kind)
{
    for (size_t i = 0; i < MLX_COUNT(formats); i++)
        if (!strcmp(formats[i]->kind, kind))
            return formats[i];
    return NULL;
}
