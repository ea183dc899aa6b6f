#include "common/base/env.h"

#include <stdlib.h>

const char *mlx_env_get(const mlx_env_t *env, const char *name)
{
    const char *value = env ? env->get(env->arg, name) : getenv(name);
    return value && value[0] ? value : NULL;
}
