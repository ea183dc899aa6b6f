/*  fuzz_config.c - whatever a configuration file holds: settings, or one error with its place */
#include "common/base/config.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *no_variable(void *arg, const char *name)
{
    (void)arg;
    return strcmp(name, "HOME") == 0 ? "/home/u" : NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const mlx_env_t env = {.get = no_variable};
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(&env);
    if (mlx_config_load_text(config, (const char *)data, size, "f", &err)) {
        if (err.code != MLX_ERR_USAGE || err.text[0] != 'f')
            mlx_panic("refused without saying where: %s", err.text);
    } else {
        mlx_value_t *all = mlx_config_describe(config);
        double rate = mlx_config_real(config, "sampler.rate_hz");
        if (rate < 0.1 || rate > 10)
            mlx_panic("a value out of range got through");
        mlx_value_destroy(&all);
    }
    mlx_config_destroy(&config);
    return 0;
}
