#include "services/cache/remote/oci.h"

#include "common/base/json.h"
#include "services/cache/model/names.h"
#include "services/cache/remote/oci_login.h"
#include "services/cache/transfer/fetch.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum {
    MAX_NAME = 255,
    MAX_TAG = 128,
};

struct mlx_oci {
    char *host;
    char *origin; /* https://host */
    char *name;
    char *tag;     /* or the digest, "sha256:<hex>" */
    bool pinned;   /* by its digest */
    mlx_env_t env; /* where credentials are looked up, once the registry asks for them */
    char *auth;    /* what is sent to the origin now: basic, a bearer token, or NULL */
};

/* ---- the reference ---- */

static int bad(mlx_error_t *err, const char *reference, const char *why)
{
    return mlx_error_set(err, MLX_ERR_USAGE, "\"%.200s\" %s", reference, why);
}

/*  Lower-case letters, digits and ._- in parts between slashes, each part alphanumeric at its
 *  ends. */
static bool is_name(const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++) {
        bool plain = islower((unsigned char)s[i]) || isdigit((unsigned char)s[i]);
        bool inner = strchr("._-/", s[i]) != NULL;
        if (!plain &&
            (!inner || i == 0 || i + 1 == len || (strchr("./", s[i]) && strchr("./", s[i + 1]))))
            return false;
    }
    return len > 0 && len <= MAX_NAME;
}

static bool is_tag(const char *s)
{
    size_t len = strlen(s);
    for (size_t i = 0; i < len; i++)
        if (!isalnum((unsigned char)s[i]) && s[i] != '_' && (i == 0 || !strchr(".-", s[i])))
            return false;
    return len > 0 && len <= MAX_TAG;
}

/*  "/name", "/name:tag", "/name@sha256:hex", "/name:tag@sha256:hex". */
static int parse_path(mlx_oci_t *self, const char *path, mlx_error_t *err)
{
    const char *at = strchr(path, '@');
    size_t end = at ? (size_t)(at - path) : strlen(path);
    MLX_CLEANUP(mlx_free_p) char *front = mlx_strndup(path, end);
    const char *last = strrchr(front, ':'), *colon = last ? path + (last - front) : NULL;
    char hex[MLX_HEX_MAX];
    self->name = mlx_strndup(path + 1, (colon ? (size_t)(colon - path) : end) - 1);
    self->tag =
        colon ? mlx_strndup(colon + 1, end - (size_t)(colon + 1 - path)) : mlx_strdup("latest");
    if (!at || !is_tag(self->tag))
        return 0;
    if (mlx_name_digest(at + 1, hex, err))
        return -1;
    free(self->tag);
    self->tag = mlx_format("sha256:%s", hex);
    self->pinned = true;
    return 0;
}

static int parse(mlx_oci_t *self, const char *reference, mlx_error_t *err)
{
    static const char scheme[] = "oci://";
    if (strncmp(reference, scheme, sizeof scheme - 1) != 0)
        return bad(err, reference, "is not of the form oci://host/name:tag");
    const char *host = reference + sizeof scheme - 1;
    const char *slash = strchr(host, '/');
    if (!slash)
        return bad(err, reference, "has no repository name");
    self->host = mlx_strndup(host, (size_t)(slash - host));
    if (parse_path(self, slash, err))
        return -1;
    if (!is_name(self->name))
        return bad(err, reference, "has an invalid name (allowed: lower case, digits, . _ - /)");
    if (!self->pinned && !is_tag(self->tag))
        return bad(err, reference, "has an invalid tag");
    MLX_CLEANUP(mlx_free_p) char *plain = mlx_format("http://%s", self->host);
    bool hub = strcasecmp(self->host, "docker.io") == 0;
    MLX_CLEANUP(mlx_free_p)
    char *secure = mlx_format("https://%s", hub ? "registry-1.docker.io" : self->host);
    self->origin = mlx_url_origin(plain, NULL);
    if (!self->origin)
        self->origin = mlx_url_origin(secure, err);
    return self->origin ? 0 : -1;
}

mlx_oci_t *mlx_oci_new(const char *reference, const mlx_env_t *env, mlx_error_t *err)
{
    mlx_oci_t *self = mlx_alloc(1, sizeof *self);
    if (parse(self, reference, err)) {
        mlx_oci_destroy(&self);
        return NULL;
    }
    self->env = *env;
    return self;
}

void mlx_oci_destroy(mlx_oci_t **self)
{
    mlx_oci_t *oci = *self;
    *self = NULL;
    if (!oci)
        return;
    free(oci->host);
    free(oci->origin);
    free(oci->name);
    free(oci->tag);
    free(oci->auth);
    free(oci);
}

const char *mlx_oci_name(const mlx_oci_t *self)
{
    return self->name;
}

const char *mlx_oci_tag(const mlx_oci_t *self)
{
    return self->tag;
}

const char *mlx_oci_auth(const mlx_oci_t *self)
{
    return self->auth;
}

/* ---- logging in ---- */

static int refused(const mlx_oci_t *self, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_FAILED, "access to %s on %s was denied", self->name, self->host);
    if (mlx_oci_credentials_unbound(&self->env))
        return mlx_error_hint(err,
                              "MLX_OCI_USERNAME was not sent: set MLX_OCI_REGISTRY=%s, the "
                              "registry that it is for",
                              self->host);
    return mlx_error_hint(err,
                          "docker login %s, or set MLX_OCI_USERNAME, MLX_OCI_PASSWORD and "
                          "MLX_OCI_REGISTRY=%s",
                          self->host, self->host);
}

static char *token_url(const mlx_oci_t *self, const mlx_challenge_t *challenge, const char *actions)
{
    MLX_CLEANUP(mlx_free_p)
    char *service = mlx_url_encode(challenge->service ? challenge->service : "", false);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_url_encode(self->name, true);
    return mlx_format("%s%cservice=%s&scope=repository:%s:%s", challenge->realm,
                      strchr(challenge->realm, '?') ? '&' : '?', service, name, actions);
}

/*  Exchange our credentials, or none, for a token where the challenge says. */
static int get_token(mlx_oci_t *self, const mlx_challenge_t *challenge, const char *actions,
                     mlx_error_t *err)
{
    if (!challenge->realm)
        return mlx_error_set(err, MLX_ERR_FAILED, "%s requires an unsupported kind of login",
                             self->host);
    if (mlx_oci_check_realm(self->origin, challenge->realm,
                            mlx_env_get(&self->env, "MLX_OCI_REALM"), err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *url = token_url(self, challenge, actions);
    MLX_CLEANUP(mlx_free_p) char *basic = mlx_oci_credentials(&self->env, self->host);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (mlx_fetch(&(mlx_fetch_t){.url = url, .auth = basic}, &reply, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *answer = mlx_json_parse(mlx_buf_str(&reply.body), reply.body.len, NULL);
    const char *token = mlx_value_str(answer, "token");
    if (!token)
        token = mlx_value_str(answer, "access_token");
    if (reply.status / 100 != 2 || !token || !*token || strpbrk(token, "\r\n "))
        return refused(self, err);
    free(self->auth);
    self->auth = mlx_format("Bearer %s", token);
    return 0;
}

/*  Answer the challenge HEADER: 1 when there is something new to send. */
static int log_in(mlx_oci_t *self, const char *header, const char *actions, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_challenge_clear) mlx_challenge_t challenge = mlx_challenge_parse(header);
    if (challenge.bearer)
        return get_token(self, &challenge, actions, err) ? -1 : 1;
    char *basic = challenge.basic ? mlx_oci_credentials(&self->env, self->host) : NULL;
    if (!basic)
        return 0;
    free(self->auth);
    self->auth = basic;
    return 1;
}

/*  What is sent to URL: an upload may go on at another host, which is told nothing, and which is
 *  never this machine unless the registry is. */
static int choose_auth(const mlx_oci_t *self, const char *url, const char **auth, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(url, err);
    bool ours = origin && strcasecmp(origin, self->origin) == 0;
    *auth = ours ? self->auth : NULL;
    if (!origin)
        return -1;
    return ours || strncmp(origin, "https://", 8) == 0
               ? 0
               : mlx_error_set(err, MLX_ERR_FAILED, "%s continues at %s, which is not encrypted",
                               self->host, origin);
}

/*  One request, and once more where the registry asks for a login first. */
static int ask(mlx_oci_t *self, mlx_fetch_t request, const char *actions, mlx_fetch_reply_t *reply,
               mlx_error_t *err)
{
    *reply = (mlx_fetch_reply_t){.retry_after_s = -1};
    if (choose_auth(self, request.url, &request.auth, err) || mlx_fetch(&request, reply, err))
        return -1;
    if (reply->status == 401 && reply->challenge && !reply->redirected) {
        MLX_CLEANUP(mlx_free_p) char *challenge = mlx_strdup(reply->challenge);
        int more = log_in(self, challenge, actions, err);
        if (more < 0)
            return -1;
        if (more) {
            mlx_fetch_reply_clear(reply);
            if (choose_auth(self, request.url, &request.auth, err) ||
                mlx_fetch(&request, reply, err))
                return -1;
        }
    }
    return reply->status == 401 || reply->status == 403 ? refused(self, err) : 0;
}

static int unexpected(const mlx_oci_t *self, const char *what, long status, mlx_error_t *err)
{
    return mlx_error_set(err, status == 404 ? MLX_ERR_NOT_FOUND : MLX_ERR_UNAVAILABLE,
                         "%s returned HTTP %ld for %s %s:%s", self->host, status, what, self->name,
                         self->tag);
}

/* ---- reading ---- */

static int get_manifest(mlx_oci_t *self, const char *types, mlx_fetch_reply_t *reply,
                        mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s/v2/%s/manifests/%s", self->origin, self->name, self->tag);
    return ask(self, (mlx_fetch_t){.url = url, .accept = types, .max_body = MLX_MANIFEST_MAX_BYTES},
               "pull", reply, err);
}

mlx_manifest_t *mlx_oci_manifest(mlx_oci_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (get_manifest(self, MLX_OCI_MANIFEST_TYPE ", " MLX_MANIFEST_TYPE, &reply, err))
        return NULL;
    if (reply.status != 200) {
        unexpected(self, "the manifest of", reply.status, err);
        return NULL;
    }
    char hex[MLX_HEX_MAX], told[MLX_HEX_MAX];
    mlx_sha256_hex(mlx_buf_str(&reply.body), reply.body.len, hex);
    const char *promised = self->pinned ? self->tag : reply.digest;
    if (promised && (mlx_name_digest(promised, told, err) || strcmp(told, hex) != 0)) {
        mlx_error_set(err, MLX_ERR_DATA_LOSS, "the manifest from %s does not match its digest",
                      self->host);
        return NULL;
    }
    return mlx_manifest_parse(mlx_buf_str(&reply.body), reply.body.len, err);
}

char *mlx_oci_blob_url(const mlx_oci_t *self, const char *sha256)
{
    return mlx_format("%s/v2/%s/blobs/sha256:%s", self->origin, self->name, sha256);
}

int mlx_oci_has(mlx_oci_t *self, const char *sha256, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *url = mlx_oci_blob_url(self, sha256);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (ask(self, (mlx_fetch_t){.url = url, .method = "HEAD"}, "pull", &reply, err))
        return -1;
    return reply.status == 200;
}

/* ---- writing ---- */

static char *with_digest(const char *location, const char *sha256)
{
    return mlx_format("%s%cdigest=sha256:%s", location, strchr(location, '?') ? '&' : '?', sha256);
}

/*  Begin an upload; where it goes on, or NULL. */
static char *begin_upload(mlx_oci_t *self, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s/v2/%s/blobs/uploads/", self->origin, self->name);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (ask(self,
            (mlx_fetch_t){.url = url,
                          .method = "POST",
                          .body = "",
                          .content_type = "application/octet-stream"},
            "pull,push", &reply, err))
        return NULL;
    if (reply.status == 202 && reply.location)
        return mlx_strdup(reply.location);
    unexpected(self, "an upload to", reply.status, err);
    return NULL;
}

/*  One piece of the file; *LOCATION becomes that of the next one. */
static int push_piece(mlx_oci_t *self, char **location, const void *data, size_t len, uint64_t at,
                      mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *range =
        mlx_format("%llu-%llu", (unsigned long long)at, (unsigned long long)(at + len - 1));
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (ask(self,
            (mlx_fetch_t){.url = *location,
                          .method = "PATCH",
                          .body = data,
                          .body_len = len,
                          .content_type = "application/octet-stream",
                          .content_range = range},
            "pull,push", &reply, err))
        return -1;
    if (reply.status != 202 || !reply.location)
        return unexpected(self, "a piece of", reply.status, err);
    free(*location);
    *location = mlx_strdup(reply.location);
    return 0;
}

static int end_upload(mlx_oci_t *self, const char *location, const char *sha256, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *url = with_digest(location, sha256);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (ask(self,
            (mlx_fetch_t){.url = url,
                          .method = "PUT",
                          .body = "",
                          .content_type = "application/octet-stream"},
            "pull,push", &reply, err))
        return -1;
    return reply.status == 201 ? 0 : unexpected(self, "the end of an upload to", reply.status, err);
}

int mlx_oci_push_file(mlx_oci_t *self, int fd, uint64_t size, const char *sha256,
                      bool (*stop)(void *arg), void *arg, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *location = begin_upload(self, err);
    MLX_CLEANUP(mlx_free_p) char *piece = mlx_alloc(1, MLX_OCI_PIECE);
    if (!location)
        return -1;
    for (uint64_t at = 0; at < size;) {
        size_t want = size - at < MLX_OCI_PIECE ? (size_t)(size - at) : MLX_OCI_PIECE;
        ssize_t got = pread(fd, piece, want, (off_t)at);
        if (got <= 0)
            return mlx_fs_error(err, got ? errno : EIO, "read", sha256);
        if (stop && stop(arg))
            return mlx_error_set(err, MLX_ERR_INTERRUPTED, "interrupted");
        if (push_piece(self, &location, piece, (size_t)got, at, err))
            return -1;
        at += (uint64_t)got;
    }
    return end_upload(self, location, sha256, err);
}

/*  "sha256-<64 hex>", with ".sig", ".att" or the like: what belongs to another artifact. */
static bool is_referrer(const char *tag)
{
    static const char prefix[] = "sha256-";
    return strncmp(tag, prefix, sizeof prefix - 1) == 0 &&
           strspn(tag + sizeof prefix - 1, "0123456789abcdefABCDEF") >= MLX_SHA256_HEX;
}

static int not_ours(const mlx_oci_t *self, mlx_error_t *err)
{
    mlx_error_set(err, MLX_ERR_DATA_LOSS,
                  "%s has something else as %s:%s, which mlx-cache did not push", self->host,
                  self->name, self->tag);
    return mlx_error_hint(err, "choose another tag, or remove that one from the registry first");
}

int mlx_oci_check_tag(mlx_oci_t *self, const mlx_buf_t *json, mlx_error_t *err)
{
    static const char types[] =
        MLX_OCI_MANIFEST_TYPE ", " MLX_MANIFEST_TYPE ", application/vnd.oci.image.index.v1+json"
                              ", application/vnd.docker.distribution.manifest.list.v2+json, */*";
    if (self->pinned || is_referrer(self->tag))
        return mlx_error_set(
            err, MLX_ERR_USAGE, "%s:%s: %s, and no place to push a model to", self->name, self->tag,
            self->pinned ? "that is a digest" : "that tag belongs to a signature or its like");
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (get_manifest(self, types, &reply, err))
        return -1;
    if (reply.status == 404)
        return 0;
    if (reply.status != 200)
        return unexpected(self, "the manifest of", reply.status, err);
    if (reply.body.len == json->len && memcmp(reply.body.data, json->data, json->len) == 0)
        return 1;
    MLX_CLEANUP(mlx_manifest_destroy)
    mlx_manifest_t *there = mlx_manifest_parse(mlx_buf_str(&reply.body), reply.body.len, NULL);
    return there && there->model ? 0 : not_ours(self, err);
}

int mlx_oci_push_manifest(mlx_oci_t *self, const mlx_buf_t *json, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p)
    char *url = mlx_format("%s/v2/%s/manifests/%s", self->origin, self->name, self->tag);
    MLX_CLEANUP(mlx_fetch_reply_clear) mlx_fetch_reply_t reply;
    if (ask(self,
            (mlx_fetch_t){.url = url,
                          .method = "PUT",
                          .body = json->data,
                          .body_len = json->len,
                          .content_type = MLX_OCI_MANIFEST_TYPE},
            "pull,push", &reply, err))
        return -1;
    return reply.status == 201 ? 0 : unexpected(self, "the manifest for", reply.status, err);
}
