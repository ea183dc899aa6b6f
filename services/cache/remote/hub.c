#include "services/cache/remote/hub.h"

#include "common/base/file.h"
#include "common/base/json.h"
#include "services/cache/apps/adapter.h"
#include "services/cache/model/names.h"
#include "services/cache/transfer/fetch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_PAGES = 1000,
    MAX_TOKEN = 4096
};

struct mlx_hub {
    char *endpoint;
    char *auth;
    bool offline;
};

static bool is_true(const char *value)
{
    static const char *const words[] = {"1", "on", "yes", "true"};
    for (size_t i = 0; value && i < MLX_COUNT(words); i++)
        if (strcasecmp(value, words[i]) == 0)
            return true;
    return false;
}

static char *token_file(const mlx_env_t *env)
{
    static const char *const places[][2] = {
        {"HF_TOKEN_PATH", ""}, {"HF_HOME", "/token"}, {"HOME", "/.cache/huggingface/token"}};
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        char *path = mlx_env_path(env, places[i][0], places[i][1]);
        if (path)
            return path;
    }
    return NULL;
}

/*  A header value must be one line: a token with anything else in it is none. */
static char *read_auth(const mlx_env_t *env)
{
    const char *token = mlx_env_get(env, "HF_TOKEN");
    if (!token)
        token = mlx_env_get(env, "HUGGING_FACE_HUB_TOKEN");
    MLX_CLEANUP(mlx_free_p) char *path = token ? NULL : token_file(env);
    MLX_CLEANUP(mlx_free_p) char *text = path ? mlx_file_read(path, MAX_TOKEN, NULL, NULL) : NULL;
    if (text)
        token = text;
    size_t len = token ? strspn(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                       "0123456789_-.~+/=")
                       : 0;
    if (!len || token[len + strspn(token + len, " \r\n")] != '\0')
        return NULL;
    return mlx_format("Bearer %.*s", (int)len, token);
}

mlx_hub_t *mlx_hub_new(const mlx_env_t *env, mlx_error_t *err)
{
    const char *endpoint = mlx_env_get(env, "HF_ENDPOINT");
    mlx_hub_t *self = mlx_alloc(1, sizeof *self);
    self->endpoint = mlx_strdup(endpoint ? endpoint : "https://huggingface.co");
    size_t len = strlen(self->endpoint);
    while (len && self->endpoint[len - 1] == '/')
        self->endpoint[--len] = '\0';
    self->auth = read_auth(env);
    self->offline = is_true(mlx_env_get(env, "HF_HUB_OFFLINE")) ||
                    is_true(mlx_env_get(env, "TRANSFORMERS_OFFLINE"));
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(self->endpoint, err);
    if (!origin) {
        mlx_error_prefix(err, "HF_ENDPOINT");
        mlx_hub_destroy(&self);
    }
    return self;
}

void mlx_hub_destroy(mlx_hub_t **self)
{
    if (*self) {
        free((*self)->endpoint);
        free((*self)->auth);
    }
    free(*self);
    *self = NULL;
}

const char *mlx_hub_auth(const mlx_hub_t *self)
{
    return self->auth;
}

int mlx_hub_error(const mlx_hub_t *self, const char *repo, long status, const char *code,
                  const char *message, mlx_error_t *err)
{
    code = code ? code : "";
    bool gated = strcmp(code, "GatedRepo") == 0 || status == 403;
    if (gated && strcmp(code, "RepoNotFound") != 0) {
        mlx_error_set(err, MLX_ERR_FAILED, "%s is gated: its terms must be accepted first", repo);
        return mlx_error_hint(err, "visit %s/%s, accept the terms, and set HF_TOKEN",
                              self->endpoint, repo);
    }
    if (strcmp(code, "RevisionNotFound") == 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s has no such revision", repo);
    if (strcmp(code, "EntryNotFound") == 0)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "%s has no such file", repo);
    if (status == 401 || status == 404) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "the hub has no repository %s, or it is private",
                      repo);
        return mlx_error_hint(err, "see %s/%s%s", self->endpoint, repo,
                              self->auth ? "" : "; a private one needs HF_TOKEN");
    }
    if (status == 429) {
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the hub is limiting requests");
        return mlx_error_hint(err, "try again in a few minutes; HF_TOKEN raises the limit");
    }
    return mlx_error_set(err, MLX_ERR_UNAVAILABLE, "the hub returned HTTP %ld for %s%s%.200s",
                         status, repo, message ? ": " : "", message ? message : "");
}

static int get(mlx_hub_t *self, const char *repo, const char *url, mlx_fetch_reply_t *reply,
               mlx_error_t *err)
{
    *reply = (mlx_fetch_reply_t){0};
    if (self->offline) {
        mlx_error_set(err, MLX_ERR_UNAVAILABLE, "HF_HUB_OFFLINE is set");
        return mlx_error_hint(err, "unset it to ask the hub for %s", repo);
    }
    if (mlx_fetch(&(mlx_fetch_t){.url = url, .auth = self->auth}, reply, err))
        return -1;
    if (reply->status / 100 == 2)
        return 0;
    return mlx_hub_error(self, repo, reply->status, reply->error_code, reply->error_message, err);
}

int mlx_hub_resolve(mlx_hub_t *self, const char *repo, const char *revision,
                    char commit[MLX_SHA1_HEX + 1], mlx_error_t *err)
{
    if (mlx_name_repo(repo, err) || mlx_name_revision(revision, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *rev = mlx_url_encode(revision, false);
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s/api/models/%s/revision/%s", self->endpoint, repo, rev);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (get(self, repo, url, &reply, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *info = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, err);
    const char *sha = mlx_value_str(info, "sha");
    if (!info)
        return mlx_error_prefix(err, "the hub's answer for %s", repo);
    if (!sha)
        return mlx_error_set(err, MLX_ERR_FAILED, "the hub returned no commit for %s", repo);
    if (mlx_name_commit(sha, err))
        return -1;
    snprintf(commit, MLX_SHA1_HEX + 1, "%s", sha);
    return 0;
}

/*  A page must come from the endpoint that was asked. */
static char *same_origin(const mlx_hub_t *self, const char *next, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *here = mlx_url_origin(self->endpoint, err);
    MLX_CLEANUP(mlx_free_p) char *there = mlx_url_origin(next, err);
    if (!here || !there)
        return NULL;
    if (strcasecmp(here, there) == 0)
        return mlx_strdup(next);
    mlx_error_set(err, MLX_ERR_FAILED, "the file list continues on another host");
    return NULL;
}

/*  One page into TREE; *URL becomes that of the next one, or NULL. */
static int read_page(mlx_hub_t *self, const char *repo, char **url, mlx_tree_t *tree,
                     mlx_error_t *err)
{
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    int rc = get(self, repo, *url, &reply, err);
    free(*url);
    *url = NULL;
    if (rc || mlx_tree_add_page(tree, mlx_buf_str(&reply.body), reply.body.len, err))
        return -1;
    if (!reply.next)
        return 0;
    *url = same_origin(self, reply.next, err);
    return *url ? 0 : -1;
}

mlx_tree_t *mlx_hub_tree(mlx_hub_t *self, const char *repo, const char *commit, mlx_error_t *err)
{
    mlx_tree_t *tree = mlx_tree_new();
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s/api/models/%s/tree/%s?recursive=true&expand=false", self->endpoint,
                           repo, commit);
    for (size_t page = 0; url; page++) {
        int rc = page < MAX_PAGES
                     ? read_page(self, repo, &url, tree, err)
                     : mlx_error_set(err, MLX_ERR_FAILED, "%s has more than %d pages of files",
                                     repo, MAX_PAGES);
        if (rc) {
            mlx_tree_destroy(&tree);
            return NULL;
        }
    }
    return tree;
}

char *mlx_hub_file_url(const mlx_hub_t *self, const char *repo, const char *commit,
                       const char *path)
{
    MLX_CLEANUP(mlx_free_p) char *encoded = mlx_url_encode(path, true);
    return mlx_format("%s/%s/resolve/%s/%s", self->endpoint, repo, commit, encoded);
}
