#include "services/cache/remote/oci_login.h"

#include "common/base/json.h"
#include "services/cache/apps/adapter.h"
#include "services/cache/transfer/fetch.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
    MAX_CREDENTIALS = 8192
};

/* ---- challenges ---- */

static size_t token_length(const char *s)
{
    size_t len = 0;
    while (isalnum((unsigned char)s[len]) || (s[len] && strchr("!#$%&'*+-.^_`|~", s[len])))
        len++;
    return len;
}

/*  A token or a quoted string at *AT, which is moved behind it. Caller owns it. */
static char *read_parameter(const char **at)
{
    const char *s = *at;
    if (*s != '"') {
        size_t len = token_length(s);
        *at = s + len;
        return mlx_strndup(s, len);
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (s++; *s && *s != '"'; s++) {
        if (*s == '\\' && s[1])
            s++;
        mlx_buf_putc(&text, *s);
    }
    *at = *s ? s + 1 : s;
    return mlx_buf_take(&text);
}

/*  The first value of a parameter counts: a second one would let a server say two things. */
static void keep_parameter(mlx_challenge_t *self, const char *key, size_t len, char *value)
{
    char **slots[] = {&self->realm, &self->service, &self->scope};
    static const char *const keys[] = {"realm", "service", "scope"};
    for (size_t i = 0; i < MLX_COUNT(keys); i++)
        if (strlen(keys[i]) == len && strncasecmp(keys[i], key, len) == 0 && !*slots[i]) {
            *slots[i] = value;
            return;
        }
    free(value);
}

mlx_challenge_t mlx_challenge_parse(const char *header)
{
    mlx_challenge_t self = {0};
    bool in_bearer = false;
    for (const char *at = header; at;) {
        at += strspn(at, " \t,");
        size_t len = token_length(at);
        const char *word = at;
        if (!len)
            break;
        at += len;
        if (*at == '=') {
            at++;
            char *value = read_parameter(&at);
            if (in_bearer)
                keep_parameter(&self, word, len, value);
            else
                free(value);
            continue;
        }
        in_bearer = len == 6 && strncasecmp(word, "bearer", len) == 0 && !self.bearer;
        self.bearer = self.bearer || in_bearer;
        self.basic = self.basic || (len == 5 && strncasecmp(word, "basic", len) == 0);
    }
    return self;
}

void mlx_challenge_clear(mlx_challenge_t *challenge)
{
    free(challenge->realm);
    free(challenge->service);
    free(challenge->scope);
    *challenge = (mlx_challenge_t){0};
}

/* ---- realms ---- */

/*  The host of an origin, without scheme and port. Caller owns it. */
static char *host_of(const char *origin)
{
    const char *host = strstr(origin, "://") + 3;
    return mlx_strndup(host, *host == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":"));
}

static bool is_address(const char *host)
{
    return host[0] == '[' || host[strspn(host, "0123456789.")] == '\0';
}

/*  The part of HOST that its neighbours share: without the first label, unless what would be left
 *  is one that strangers share ("com", "co.uk"). */
static const char *domain_of(const char *host)
{
    const char *dot = strchr(host, '.');
    const char *rest = dot ? dot + 1 : NULL;
    const char *last = rest ? strchr(rest, '.') : NULL;
    if (!last)
        return host;
    bool country = !strchr(last + 1, '.') && strlen(last + 1) == 2 && last - rest <= 3;
    return country ? host : rest;
}

static bool is_own_domain(const char *host, const char *other)
{
    if (strcasecmp(host, other) == 0)
        return true;
    if (is_address(host) || is_address(other))
        return false;
    const char *domain = domain_of(host);
    size_t len = strlen(domain), have = strlen(other);
    return have >= len && strcasecmp(other + have - len, domain) == 0 &&
           (have == len || other[have - len - 1] == '.');
}

static bool is_listed(const char *origin, const char *allowed)
{
    for (const char *at = allowed; at && *at;) {
        at += strspn(at, ", ");
        size_t len = strcspn(at, ", ");
        MLX_CLEANUP(mlx_free_p) char *one = mlx_strndup(at, len);
        MLX_CLEANUP(mlx_free_p) char *theirs = len ? mlx_url_origin(one, NULL) : NULL;
        if (theirs && strcasecmp(theirs, origin) == 0)
            return true;
        at += len;
    }
    return false;
}

int mlx_oci_check_realm(const char *origin, const char *realm, const char *allowed,
                        mlx_error_t *err)
{
    for (const char *c = realm; *c; c++)
        if ((unsigned char)*c <= ' ' || (unsigned char)*c >= 0x7f || *c == '#')
            return mlx_error_set(err, MLX_ERR_FAILED, "%s asks for a login at an invalid URL",
                                 origin);
    MLX_CLEANUP(mlx_free_p) char *there = mlx_url_origin(realm, err);
    if (!there)
        return mlx_error_prefix(err, "%s", origin);
    if (strcasecmp(there, origin) == 0 || is_listed(there, allowed))
        return 0;
    MLX_CLEANUP(mlx_free_p) char *host = host_of(origin);
    MLX_CLEANUP(mlx_free_p) char *other = host_of(there);
    if (strncmp(origin, "https://", 8) == 0 && strncmp(there, "https://", 8) == 0 &&
        is_own_domain(host, other))
        return 0;
    mlx_error_set(err, MLX_ERR_FAILED, "%s asks for a login at %s, which is not in its own domain",
                  origin, there);
    return mlx_error_hint(err, "if you trust that address, set MLX_OCI_REALM=%s", there);
}

/* ---- credentials ---- */

static char *basic_of(const char *user, const char *password)
{
    MLX_CLEANUP(mlx_free_p) char *pair = mlx_format("%s:%s", user, password);
    size_t len = strlen(pair);
    MLX_CLEANUP(mlx_free_p) unsigned char *text = mlx_alloc(len * 2 + 8, 1);
    EVP_EncodeBlock(text, (const unsigned char *)pair, (int)len);
    return mlx_format("Basic %s", text);
}

/*  Host and port of NAME as it is written in credentials: "host", "https://host/v2/". Caller owns
 *  it; NULL for the credentials of one repository only. */
static char *registry_of(const char *name)
{
    static const char *const hubs[] = {"index.docker.io", "registry-1.docker.io"};
    if (strncasecmp(name, "https://", 8) == 0)
        name += 8;
    else if (strncasecmp(name, "http://", 7) == 0)
        name += 7;
    size_t len = strcspn(name, "/");
    const char *path = name + len;
    if (*path && strcmp(path, "/") != 0 && strncmp(path, "/v1", 3) != 0 &&
        strncmp(path, "/v2", 3) != 0)
        return NULL;
    if (len > 4 && strncmp(name + len - 4, ":443", 4) == 0)
        len -= 4;
    for (size_t i = 0; i < MLX_COUNT(hubs); i++)
        if (strlen(hubs[i]) == len && strncasecmp(hubs[i], name, len) == 0)
            return mlx_strdup("docker.io");
    return mlx_strndup(name, len);
}

static bool is_for(const char *name, const char *host)
{
    MLX_CLEANUP(mlx_free_p) char *a = registry_of(name);
    MLX_CLEANUP(mlx_free_p) char *b = registry_of(host);
    return a && b && *a && strcasecmp(a, b) == 0;
}

char *mlx_oci_docker_auth(const mlx_value_t *config, const char *host)
{
    const mlx_value_t *auths = mlx_value_get(config, "auths");
    if (mlx_value_type(auths) != MLX_MAP)
        return NULL;
    for (size_t i = 0; i < mlx_value_size(auths); i++) {
        if (!is_for(mlx_value_key(auths, i), host))
            continue;
        size_t whole;
        const char *auth = mlx_value_as_str(mlx_value_get(mlx_value_at(auths, i), "auth"), &whole);
        size_t len = auth ? strspn(auth, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                         "0123456789+/=")
                          : 0;
        if (len && len == whole && len < MAX_CREDENTIALS)
            return mlx_format("Basic %s", auth);
    }
    return NULL;
}

static char *auth_from_file(const mlx_env_t *env, const char *variable, const char *name,
                            const char *host)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_env_path(env, variable, name);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = path ? mlx_json_load(path, NULL) : NULL;
    return config ? mlx_oci_docker_auth(config, host) : NULL;
}

static const char *user_of(const mlx_env_t *env, const char **password)
{
    const char *user = mlx_env_get(env, "MLX_OCI_USERNAME");
    *password = mlx_env_get(env, "MLX_OCI_PASSWORD");
    return user && *password && strlen(user) + strlen(*password) < MAX_CREDENTIALS / 2 ? user
                                                                                       : NULL;
}

bool mlx_oci_credentials_unbound(const mlx_env_t *env)
{
    const char *password;
    return user_of(env, &password) && !mlx_env_get(env, "MLX_OCI_REGISTRY");
}

char *mlx_oci_credentials(const mlx_env_t *env, const char *host)
{
    static const char *const files[][2] = {{"DOCKER_CONFIG", "/config.json"},
                                           {"HOME", "/.docker/config.json"},
                                           {"REGISTRY_AUTH_FILE", ""},
                                           {"XDG_RUNTIME_DIR", "/containers/auth.json"}};
    const char *password, *user = user_of(env, &password);
    const char *registry = mlx_env_get(env, "MLX_OCI_REGISTRY");
    if (user && registry && is_for(registry, host))
        return basic_of(user, password);
    char *auth = NULL;
    /* DOCKER_CONFIG stands for the file in HOME. */
    for (size_t i = 0; !auth && i < MLX_COUNT(files); i++)
        if (i != 1 || !mlx_env_get(env, "DOCKER_CONFIG"))
            auth = auth_from_file(env, files[i][0], files[i][1], host);
    return auth;
}
