/*  llamacpp - llama.cpp: the Hugging Face cache under LLAMA_CACHE, and its old flat cache
 *
 *  `llama-server -hf org/repo` looks in LLAMA_CACHE first and then where every hub client looks, in
 *  the hub's layout: without LLAMA_CACHE a link to huggingface serves it too.
 */
#include "services/cache/apps/adapter.h"

static size_t llama_stores(const mlx_env_t *env, char *paths[MLX_STORES_MAX])
{
    size_t count = 0;
    char *own = mlx_env_path(env, "LLAMA_CACHE", "");
    const char *home = mlx_env_get(env, "HOME");
    if (own)
        paths[count++] = own;
    char *cache = mlx_env_path(env, "XDG_CACHE_HOME", "/llama.cpp");
    if (cache)
        paths[count++] = cache;
    if (home && home[0] == '/') {
        paths[count++] = mlx_format("%s/.cache/llama.cpp", home);
        paths[count++] = mlx_format("%s/Library/Caches/llama.cpp", home);
    }
    return count;
}

static void llama_scan(mlx_scan_t *scan, const char *store, const mlx_root_t *root)
{
    mlx_hf_scan(scan, "llamacpp", store, root);
    mlx_scan_folder(scan, "llamacpp", root, 0);
}

const mlx_adapter_t mlx_adapter_llamacpp = {
    .name = "llamacpp",
    .title = "llama.cpp",
    .stores = llama_stores,
    .scan = llama_scan,
    .expose = mlx_hf_expose,
    .in_use = mlx_hf_in_use,
    .lock_path = mlx_hf_lock_path,
};
