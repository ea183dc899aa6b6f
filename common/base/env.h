/*  env.h - the environment, read through a getter so that a test can stand in for it
 *
 *      const char *home = mlx_env_get(env, "HOME");
 */
#ifndef MLX_COMMON_BASE_ENV_H
#define MLX_COMMON_BASE_ENV_H

/*  Where variables come from; a NULL pointer to one means the process's own environment. */
typedef struct {
    const char *(*get)(void *arg, const char *name);
    void *arg;
} mlx_env_t;

/*  Value of NAME, or NULL when it is unset or empty. Borrowed until the environment changes. */
const char *mlx_env_get(const mlx_env_t *env, const char *name);

#endif
