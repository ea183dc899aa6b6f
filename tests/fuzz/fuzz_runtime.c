/*  fuzz_runtime.c - whatever a server of the kind FUZZ_KIND answers, to every question: an error
 *  that says why, or a state that the catalogue accepts */
#include "common/runtime/runtime.h"
#include "proto/catalogue.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_models(const mlx_value_t *models)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    mlx_value_set(d, "models", mlx_value_copy(models));
    mlx_error_t err = {0};
    if (mlx_catalogue_check(mlx_catalogue_find("runtime.x.y.models"), d, &err))
        mlx_panic("%s", err.text);
    if (mlx_value_size(models) > MLX_RUNTIME_MODELS_MAX)
        mlx_panic("too many models");
    for (size_t i = 0; i < mlx_value_size(models); i++)
        if (strlen(mlx_value_str(mlx_value_at(models, i), "name")) >= MLX_RUNTIME_TEXT_MAX)
            mlx_panic("a name that is too long");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const mlx_runtime_backend_t *backend = mlx_runtime_backend(FUZZ_KIND);
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t state = {.models = NULL};
    backend->claims(
        &(mlx_runtime_answer_t){backend->probe_path, 200, (const char *)data, size, ""});
    for (size_t i = 0; i < MLX_RUNTIME_QUERIES_MAX && backend->queries[i].path; i++) {
        mlx_error_t err = {0};
        int rc = backend->queries[i].parse((const char *)data, size, &state, &err);
        if ((rc != 0) != (err.text[0] != '\0'))
            mlx_panic("%s: %d without a reason, or a reason without fault", FUZZ_KIND, rc);
        if (state.models)
            check_models(state.models);
    }
    return 0;
}
