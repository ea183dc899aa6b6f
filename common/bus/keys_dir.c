/*  Where the keys are; apart from keys.c, so that what needs only keys links no configuration. */
#include <string.h>

#include "common/base/paths.h"
#include "common/bus/keys.h"

char *mlx_keys_dir(const mlx_config_t *config, mlx_error_t *err)
{
    const char *set = mlx_config_str(config, "bus.keys_dir");
    if (set)
        return mlx_paths_expand(NULL, set, err);
    MLX_CLEANUP(mlx_free_p) char *file = mlx_paths_config_file(NULL, err);
    return file ? mlx_format("%.*s/keys", (int)(strrchr(file, '/') - file), file) : NULL;
}
