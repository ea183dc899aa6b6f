/*  Asking a running app whether it sees what was linked. Apart from the adapters, so that a program
 *  that only looks at the stores needs no HTTP. */
#include "services/cache/apps/adapter.h"

#include "common/base/json.h"
#include "services/cache/model/names.h"
#include "services/cache/transfer/fetch.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*  The server's address as OLLAMA_HOST says it: scheme and port may be missing. NULL when it is not
 *  on this machine, whose store this is. */
static char *server_url(const mlx_env_t *env)
{
    const char *host = mlx_env_get(env, "OLLAMA_HOST");
    if (!host)
        host = "127.0.0.1:11434";
    bool scheme = strstr(host, "://") != NULL;
    const char *bare = scheme ? strstr(host, "://") + 3 : host;
    MLX_CLEANUP(mlx_free_p)
    char *url =
        mlx_format("%s%s%s", scheme ? "" : "http://", host, strchr(bare, ':') ? "" : ":11434");
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(url, NULL);
    return origin && strncmp(origin, "http:", 5) == 0 ? mlx_format("%s/api/tags", origin) : NULL;
}

/*  The name of the model whose manifest the plan wrote, or NULL when it wrote none. */
static char *planned_name(const mlx_cache_plan_t *plan)
{
    static const char start[] = "manifests/";
    mlx_ollama_name_t name;
    for (size_t i = 0; i < plan->count; i++) {
        const mlx_cache_step_t *step = &plan->steps[i];
        if (step->kind != MLX_STEP_WRITE || strncmp(step->path, start, sizeof start - 1) != 0)
            continue;
        MLX_CLEANUP(mlx_free_p) char *full = mlx_strdup(step->path + sizeof start - 1);
        *strrchr(full, '/') = ':';
        return mlx_name_ollama(full, &name, NULL) ? NULL : mlx_name_ollama_short(&name);
    }
    return NULL;
}

static bool is_listed(const mlx_value_t *tags, const char *name)
{
    const mlx_value_t *models = mlx_value_get(tags, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const char *listed = mlx_value_str(mlx_value_at(models, i), "name");
        if (listed && strcasecmp(listed, name) == 0)
            return true;
    }
    return false;
}

int mlx_adapter_confirm(const mlx_adapter_t *adapter, const mlx_env_t *env,
                        const mlx_cache_plan_t *plan, mlx_error_t *err)
{
    if (adapter != &mlx_adapter_ollama)
        return 0; /* the other apps have no server that lists what lies in their stores */
    MLX_CLEANUP(mlx_free_p) char *url = server_url(env);
    MLX_CLEANUP(mlx_free_p) char *name = planned_name(plan);
    if (!url || !name)
        return 0;
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (mlx_fetch(&(mlx_fetch_t){.url = url}, &reply, NULL) || reply.status != 200)
        return 0;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *tags = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, NULL);
    if (mlx_value_type(mlx_value_get(tags, "models")) != MLX_LIST || is_listed(tags, name))
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED,
                  "the running Ollama does not list %s, so the link was undone", name);
    return mlx_error_hint(err, "if its models are in another folder, name that with --store");
}
