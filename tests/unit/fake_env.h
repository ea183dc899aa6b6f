/*  fake_env.h - an environment for tests: a list of "NAME=value" that ends with NULL */
#ifndef MLX_TESTS_FAKE_ENV_H
#define MLX_TESTS_FAKE_ENV_H

#include "common/base/env.h"

#include <string.h>

static inline const char *fake_env_get(void *list, const char *name)
{
    size_t len = strlen(name);
    for (const char *const *entry = list; *entry; entry++)
        if (strncmp(*entry, name, len) == 0 && (*entry)[len] == '=')
            return *entry + len + 1;
    return NULL;
}

#define FAKE_ENV(...)                                                                              \
    (&(mlx_env_t){.get = fake_env_get, .arg = (const char *[]){__VA_ARGS__, NULL}})

#endif
