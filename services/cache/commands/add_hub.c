/*  Adding a repository of the hub, a model of an Ollama registry, or whatever a name means. */
#include "services/cache/commands/internal.h"

#include "services/cache/model/complete.h"
#include "services/cache/model/manifest.h"
#include "services/cache/model/names.h"
#include "services/cache/model/reference.h"
#include "services/cache/model/weights.h"
#include "services/cache/remote/hub.h"
#include "services/cache/remote/ollama_key.h"
#include "services/cache/remote/ollama_manifest.h"
#include "services/cache/store/store.h"
#include "services/cache/transfer/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static const mlx_cache_add_options_t defaults;

/* ---- what both do in the end ---- */

int mlx_wanted_need_weights(const char *model, const mlx_wanted_t *wanted, size_t count,
                            mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = wanted[i].file.path;
    return mlx_cache_need_weights(model, names, count, err);
}

/*  Shards whose names tell that there are more of them, before any is fetched. */
static int need_all_shards(const char *repo, const mlx_wanted_t *wanted, size_t count,
                           mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) const char **names = mlx_alloc(count + 1, sizeof *names);
    for (size_t i = 0; i < count; i++)
        names[i] = wanted[i].file.path;
    mlx_missing_t missing;
    if (!mlx_complete_check(&(mlx_file_set_t){.names = names, .count = count}, &missing))
        return 0;
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s is incomplete on the hub: %s", repo, missing.text);
    return mlx_error_hint(err, "choose other files of it with --include");
}

static mlx_value_t *fetch_and_publish(mlx_cache_t *self, mlx_model_t *model, mlx_wanted_t *wanted,
                                      size_t count, const mlx_cache_add_options_t *options,
                                      mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *sums = mlx_value_map();
    if (mlx_wanted_need_weights(model->name, wanted, count, err) ||
        mlx_cache_fetch(self, model, wanted, count, options->dry_run, &options->transfer, sums,
                        err) ||
        (!options->dry_run && mlx_cache_publish(self, model, err)))
        return NULL;
    mlx_value_t *report = mlx_cache_model_value(model);
    mlx_error_t gap = {0};
    if (!options->dry_run && mlx_cache_need_whole(self, model, &gap))
        mlx_value_set_str(report, "incomplete", gap.text);
    mlx_cache_add_notes(self, model->name, report);
    for (size_t i = 0; i < mlx_value_size(sums); i++)
        mlx_value_set(report, mlx_value_key(sums, i), mlx_value_copy(mlx_value_at(sums, i)));
    mlx_value_set_bool(report, "dry_run", options->dry_run);
    return report;
}

/* ---- the hub ---- */

/*  GGUF files are alternatives, so one of them is taken where they are what there is. */
static bool is_gguf_only(const mlx_tree_t *tree)
{
    return mlx_tree_has(tree, "*.gguf") && !mlx_tree_has(tree, "*.safetensors");
}

static int choose(mlx_tree_t *tree, const char *quant, const mlx_cache_add_options_t *options,
                  bool *gguf, mlx_error_t *err)
{
    *gguf = false;
    if (options->include || options->exclude)
        return mlx_tree_select(tree, options->include, options->exclude, err) ||
                       mlx_tree_need_weights(tree, err)
                   ? -1
                   : 0;
    *gguf = quant || is_gguf_only(tree);
    return *gguf ? mlx_tree_select_gguf(tree, quant, err) : mlx_tree_select_model(tree, err);
}

mlx_tree_t *mlx_cache_list_hub(mlx_hub_t *hub, const char *repo, const char *quant,
                               const mlx_cache_add_options_t *options,
                               char commit[MLX_SHA1_HEX + 1], bool *gguf, mlx_error_t *err)
{
    if (mlx_hub_resolve(hub, repo, options->revision ? options->revision : "main", commit, err))
        return NULL;
    mlx_tree_t *tree = mlx_hub_tree(hub, repo, commit, err);
    if (tree && choose(tree, quant, options, gguf, err))
        mlx_tree_destroy(&tree);
    return tree;
}

/*  {"left_out": [{path, size, format}]} */
static void report_left_out(const mlx_tree_t *tree, mlx_value_t *report)
{
    mlx_value_t *list = NULL;
    for (size_t i = 0; report && i < tree->count; i++) {
        const mlx_model_file_t *file = &tree->files[i].file;
        if (!tree->files[i].left_out)
            continue;
        list = list ? list : mlx_value_set(report, "left_out", mlx_value_list());
        mlx_value_t *one = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(one, "path", file->path);
        mlx_value_set_int(one, "size", (int64_t)file->size);
        mlx_value_set_str(one, "format", mlx_weights_format_name(mlx_weights_format(file->path)));
    }
}

static mlx_wanted_t *want_selected(const mlx_hub_t *hub, const char *repo, const char *commit,
                                   const mlx_tree_t *tree, size_t *count)
{
    mlx_wanted_t *wanted = mlx_alloc(tree->count + 1, sizeof *wanted);
    *count = 0;
    for (size_t i = 0; i < tree->count; i++) {
        const mlx_tree_file_t *listed = &tree->files[i];
        if (!listed->selected)
            continue;
        mlx_wanted_t *w = &wanted[(*count)++];
        w->file = mlx_model_file_copy(&listed->file);
        w->url = mlx_hub_file_url(hub, repo, commit, w->file.path);
        w->auth = mlx_hub_auth(hub);
    }
    return wanted;
}

/*  What the hub said about a file is clearer than that a download failed. */
static void explain(const mlx_hub_t *hub, const char *repo, const mlx_wanted_t *wanted,
                    size_t count, mlx_error_t *err)
{
    for (size_t i = 0; i < count; i++)
        if (wanted[i].status >= 400 && wanted[i].status < 500 && wanted[i].status != 429) {
            mlx_hub_error(hub, repo, wanted[i].status, wanted[i].error_code, NULL, err);
            return;
        }
}

/*  The quantisation that the chosen file itself tells: there is one model of it, however a person
 *  wrote it. Caller owns it; NULL when the name does not tell one. */
static char *quant_chosen(const mlx_tree_t *tree)
{
    char *told = NULL;
    for (size_t i = 0; i < tree->count && !told; i++)
        if (tree->files[i].selected && !mlx_tree_is_companion(&tree->files[i]))
            told = mlx_reference_quant_of(tree->files[i].file.path);
    return told;
}

/*  "org/name", or "org/name:QUANT" when a quantisation or a file was asked for. */
static char *model_name(const char *repo, const char *quant, const mlx_tree_t *tree, const char *as)
{
    if (as)
        return mlx_strdup(as);
    if (!quant)
        return mlx_strdup(repo);
    bool is_file = mlx_weights_format(quant) == MLX_WEIGHTS_GGUF;
    MLX_CLEANUP(mlx_free_p)
    char *told = is_file || mlx_reference_is_quant(quant) ? quant_chosen(tree) : NULL;
    const char *slash = strrchr(quant, '/');
    const char *file = slash ? slash + 1 : quant;
    if (!is_file || told)
        return mlx_format("%s:%s", repo, told ? told : quant);
    return mlx_format("%s:%.*s", repo, (int)strlen(file) - 5, file);
}

mlx_value_t *mlx_cache_add_hub(mlx_cache_t *self, const char *repo, const char *quant,
                               const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err))
        return NULL;
    char commit[MLX_SHA1_HEX + 1];
    bool gguf;
    MLX_CLEANUP(mlx_hub_destroy) mlx_hub_t *hub = mlx_hub_new(&self->options.env, err);
    MLX_CLEANUP(mlx_tree_destroy)
    mlx_tree_t *tree =
        hub ? mlx_cache_list_hub(hub, repo, quant, options, commit, &gguf, err) : NULL;
    if (!tree)
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *name = model_name(repo, gguf ? quant : NULL, tree, options->as);
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model = mlx_cache_new_model(self, name, "huggingface", commit);
    model->origin = mlx_strdup(repo);
    size_t count;
    mlx_wanted_t *wanted = want_selected(hub, repo, commit, tree, &count);
    mlx_cache_use_mirrors(self, repo, options->mirrors, wanted, count);
    bool chosen = options->include || options->exclude;
    mlx_value_t *report = !chosen && need_all_shards(repo, wanted, count, err)
                              ? NULL
                              : fetch_and_publish(self, model, wanted, count, options, err);
    if (!report && err && err->code == MLX_ERR_UNAVAILABLE)
        explain(hub, repo, wanted, count, err);
    report_left_out(tree, report);
    mlx_wanted_free(&wanted, count);
    return report;
}

/* ---- an Ollama registry ---- */

/*  http for this machine, https for every other. */
char *mlx_cache_registry_url(const mlx_ollama_name_t *name)
{
    MLX_CLEANUP(mlx_free_p) char *plain = mlx_format("http://%s", name->host);
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(plain, NULL);
    return mlx_format("%s://%s/v2/%s/%s", origin ? "http" : "https", name->host, name->space,
                      name->model);
}

static int manifest_error(const mlx_ollama_name_t *name, long status, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_name_ollama_short(name);
    if (status == 200)
        return 0;
    if (status == 404)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s has no model %s", name->host, shown);
    if (status != 401 && status != 403)
        return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "%s returned HTTP %ld for %s", name->host,
                             status, shown);
    mlx_error_set(err, MLX_ERR_FAILED, "access to %s on %s was denied", shown, name->host);
    return mlx_error_hint(err, "it is private: sign in as its owner with ollama signin");
}

/*  Once more with a token, when one is asked for. */
static int ask_again(mlx_cache_t *self, mlx_fetch_t *request, mlx_fetch_reply_t *reply, char **auth,
                     mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(request->url, err);
    char *token = origin ? mlx_ollama_login(&self->options.env, origin, reply->challenge,
                                            self->options.now_s(), err)
                         : NULL;
    if (!token)
        return -1;
    free(*auth);
    request->auth = *auth = token;
    mlx_fetch_reply_clear(reply);
    return mlx_fetch(request, reply, err);
}

char *mlx_cache_registry_auth(mlx_cache_t *self, const mlx_ollama_name_t *name, mlx_buf_t *json,
                              mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *base = mlx_cache_registry_url(name);
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("%s/manifests/%s", base, name->tag);
    MLX_CLEANUP(mlx_free_p) char *auth = mlx_strdup("");
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    mlx_fetch_t request = {
        .url = url, .accept = MLX_MANIFEST_TYPE, .max_body = MLX_MANIFEST_MAX_BYTES};
    if (mlx_fetch(&request, &reply, err) ||
        (reply.status == 401 && !reply.redirected &&
         ask_again(self, &request, &reply, &auth, err)) ||
        manifest_error(name, reply.status, err))
        return NULL;
    if (json)
        mlx_buf_append(json, mlx_buf_str(&reply.body), reply.body.len);
    char *given = auth;
    auth = NULL;
    return given;
}

static void want_layer(mlx_wanted_t *w, const char *base, const mlx_layer_t *layer, char *path)
{
    w->file = mlx_model_file_of(path, layer->sha256, layer->size);
    w->url = mlx_format("%s/blobs/sha256:%s", base, layer->sha256);
}

static mlx_wanted_t *want_layers(const mlx_manifest_t *manifest, const char *base, size_t *count)
{
    mlx_wanted_t *wanted = mlx_alloc(manifest->count + 2, sizeof *wanted);
    *count = 0;
    for (size_t i = 0; i < manifest->count; i++) {
        char *path = mlx_ollama_layer_name(manifest, i);
        want_layer(&wanted[(*count)++], base, &manifest->layers[i], path);
    }
    if (manifest->config.sha256[0])
        want_layer(&wanted[(*count)++], base, &manifest->config, mlx_strdup("config.json"));
    return wanted;
}

static int keep_manifest(mlx_cache_t *self, mlx_model_t *model, const mlx_buf_t *json,
                         mlx_error_t *err)
{
    char hex[MLX_HEX_MAX];
    if (mlx_cache_store_put(&self->engine, self->home, json->data, json->len, hex, err))
        return -1;
    mlx_model_file_t *file = mlx_model_add_file(model, MLX_OLLAMA_MANIFEST);
    memcpy(file->sha256, hex, sizeof hex);
    file->size = json->len;
    return 0;
}

mlx_value_t *mlx_cache_add_ollama(mlx_cache_t *self, const char *text,
                                  const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    mlx_ollama_name_t name;
    options = options ? options : &defaults;
    if (mlx_cache_need_write(self, err) || mlx_name_ollama(text, &name, err))
        return NULL;
    MLX_CLEANUP(mlx_free_p) char *base = mlx_cache_registry_url(&name);
    MLX_CLEANUP(mlx_free_p) char *shown = mlx_name_ollama_short(&name);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    MLX_CLEANUP(mlx_free_p) char *auth = mlx_cache_registry_auth(self, &name, &json, err);
    if (!auth)
        return NULL;
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *manifest = mlx_manifest_parse(mlx_buf_str(&json), json.len, err);
    if (!manifest)
        return NULL;
    char digest[MLX_HEX_MAX];
    mlx_sha256_hex(mlx_buf_str(&json), json.len, digest);
    MLX_CLEANUP(mlx_model_destroy)
    mlx_model_t *model =
        mlx_cache_new_model(self, options->as ? options->as : shown, "ollama", digest);
    model->origin = mlx_format("%s/%s/%s:%s", name.host, name.space, name.model, name.tag);
    if (!options->dry_run && keep_manifest(self, model, &json, err))
        return NULL;
    size_t count;
    mlx_wanted_t *wanted = want_layers(manifest, base, &count);
    for (size_t i = 0; *auth && i < count; i++)
        wanted[i].auth = auth;
    mlx_value_t *report = fetch_and_publish(self, model, wanted, count, options, err);
    mlx_wanted_free(&wanted, count);
    return report;
}

/* ---- whatever it means ---- */

/*  The name may be that of something in the working directory, which is never used without
 *  asking. */
static void hint_at_path(const char *text, mlx_error_t *err)
{
    if (err && err->code == MLX_ERR_NOT_FOUND && access(text, F_OK) == 0)
        mlx_error_hint(err, "for the file or folder of that name: mlx-cache add ./%s", text);
}

static mlx_value_t *add_repo(mlx_cache_t *self, const mlx_reference_t *reference,
                             const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    mlx_cache_add_options_t as_named = *options;
    MLX_CLEANUP(mlx_free_p)
    char *inside = reference->folder ? mlx_format("%s/*", reference->folder) : NULL;
    const char *const patterns[] = {inside, NULL};
    if (reference->revision && !options->revision)
        as_named.revision = reference->revision;
    if (inside && !options->include)
        as_named.include = patterns;
    return mlx_cache_add_hub(self, reference->repo, reference->quant, &as_named, err);
}

static mlx_value_t *add_from_ollama(mlx_cache_t *self, const char *text,
                                    const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    mlx_value_t *report = mlx_cache_add_ollama(self, text, options, err);
    const char *slash = strchr(text, '/');
    if (!report && err && err->code == MLX_ERR_NOT_FOUND && slash && !strchr(slash + 1, '/'))
        mlx_error_hint(err, "for a repository of the hub: mlx-cache add hf.co/%s", text);
    return report;
}

mlx_value_t *mlx_cache_add(mlx_cache_t *self, const char *text,
                           const mlx_cache_add_options_t *options, mlx_error_t *err)
{
    options = options ? options : &defaults;
    MLX_CLEANUP(mlx_reference_clear) mlx_reference_t reference;
    if (mlx_reference_parse(text, mlx_env_get(&self->options.env, "HF_ENDPOINT"), &reference, err))
        return NULL;
    mlx_error_t why = {0};
    mlx_value_t *report = NULL;
    if (reference.kind == MLX_REFERENCE_OCI)
        return mlx_cache_add_oci(self, text, options, err);
    if (reference.kind == MLX_REFERENCE_PATH)
        return mlx_cache_add_path(self, text, options, err);
    if (reference.kind == MLX_REFERENCE_HUB)
        report = add_repo(self, &reference, options, &why);
    if (reference.kind == MLX_REFERENCE_OLLAMA)
        report = add_from_ollama(self, reference.ollama ? reference.ollama : text, options, &why);
    else if (!report && reference.or_ollama && why.code == MLX_ERR_NOT_FOUND)
        report = mlx_cache_add_ollama(self, text, options, NULL);
    if (report)
        return report;
    hint_at_path(text, &why);
    if (err)
        *err = why;
    return NULL;
}
