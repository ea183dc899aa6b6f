/*  Challenges, realms and credentials of OCI registries. */
#include "tests/cache/fixture.h"

#include "common/base/json.h"
#include "services/cache/remote/oci_login.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    const char *header;
    bool basic, bearer;
    const char *realm, *service, *scope;
} challenges[] = {
    {"Basic realm=\"x\"", true, false, NULL, NULL, NULL},
    {"bearer REALM=\"https://a/t\",Service=\"s\"", false, true, "https://a/t", "s", NULL},
    {"Bearer realm=\"https://a/t\", service=\"a, b\", scope=\"r:n:pull,push\"", false, true,
     "https://a/t", "a, b", "r:n:pull,push"},
    {"Basic realm=\"no\", Bearer realm=\"yes\"", true, true, "yes", NULL, NULL},
    {"Bearer realm=\"yes\", Basic realm=\"no\"", true, true, "yes", NULL, NULL},
    {"Bearer realm=\"first\",realm=\"second\"", false, true, "first", NULL, NULL},
    {"Bearer realm=\"a\\\"b\"", false, true, "a\"b", NULL, NULL},
    /* A name that only ends as one of ours does. */
    {"Bearer x-realm=\"no\",realm=\"yes\"", false, true, "yes", NULL, NULL},
    {"Bearer error=\"realm=\\\"no\\\"\",realm=\"yes\"", false, true, "yes", NULL, NULL},
    {"Negotiate abc==", false, false, NULL, NULL, NULL},
    {"Bearer realm=\"open", false, true, "open", NULL, NULL},
    {"", false, false, NULL, NULL, NULL},
};

static bool same(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static void test_challenges(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(challenges); i++) {
        MLX_CLEANUP(mlx_challenge_clear)
        mlx_challenge_t c = mlx_challenge_parse(challenges[i].header);
        if (c.basic != challenges[i].basic || c.bearer != challenges[i].bearer ||
            !same(c.realm, challenges[i].realm) || !same(c.service, challenges[i].service) ||
            !same(c.scope, challenges[i].scope))
            fail_msg("%s: %s %s %s", challenges[i].header, c.realm, c.service, c.scope);
    }
}

static const struct {
    const char *origin, *realm, *allowed;
    bool ok;
} realms[] = {
    {"https://ghcr.io", "https://ghcr.io/token", NULL, true},
    {"https://registry-1.docker.io", "https://auth.docker.io/token", NULL, true},
    {"https://registry.gitlab.com", "https://gitlab.com/jwt/auth", NULL, true},
    {"https://registry.example.com:5000", "https://REGISTRY.example.com/t", NULL, true},
    {"https://example.com", "https://auth.example.com/t", NULL, true},
    {"http://127.0.0.1:5000", "http://127.0.0.1:5000/t", NULL, true},
    {"http://127.0.0.1:5000", "http://127.0.0.1:5001/t", NULL, false},
    {"http://127.0.0.1:5000", "http://127.0.0.1:5001/t", "https://x, http://127.0.0.1:5001/", true},
    {"https://ghcr.io", "http://127.0.0.1/token", NULL, false},
    {"https://ghcr.io", "https://127.0.0.1/token", NULL, false},
    {"https://10.0.0.1", "https://10.0.0.2/token", NULL, false},
    {"https://ghcr.io", "http://ghcr.io/token", NULL, false},
    {"https://ghcr.io", "https://evil.io/token", NULL, false},
    {"https://ghcr.io", "https://notghcr.io/token", NULL, false},
    {"https://registry.co.uk", "https://evil.co.uk/token", NULL, false},
    {"https://registry.example.com", "https://example.com.evil.test/t", NULL, false},
    {"https://registry.example.com", "https://evilexample.com/t", NULL, false},
    {"https://registry.example.com", "https://registry.example.com@evil.test/t", NULL, false},
    {"https://registry.example.com", "https://registry.example.com/a b", NULL, false},
    {"https://registry.example.com", "file:///etc/passwd", NULL, false},
    {"https://registry.example.com", "https://auth.test/t", "https://auth.test", true},
    {"https://registry.example.com", "https://auth.test:8443/t", "https://auth.test", false},
};

static void test_realms(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(realms); i++) {
        mlx_error_t err = {0};
        int rc = mlx_oci_check_realm(realms[i].origin, realms[i].realm, realms[i].allowed, &err);
        if ((rc == 0) != realms[i].ok)
            fail_msg("%s at %s: %s", realms[i].origin, realms[i].realm, err.text);
    }
}

static const struct {
    const char *key, *host;
    bool ok;
} entries[] = {
    {"registry.example.com", "registry.example.com", true},
    {"https://registry.example.com/v2/", "registry.example.com", true},
    {"registry.example.com:443", "registry.example.com", true},
    {"https://index.docker.io/v1/", "docker.io", true},
    {"registry.example.com:5000", "registry.example.com", false},
    {"registry.example.com/only/this", "registry.example.com", false},
    {"example.com", "registry.example.com", false},
    {"", "", false},
};

static void test_docker_file(void **state)
{
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(entries); i++) {
        MLX_CLEANUP(mlx_free_p)
        char *json = mlx_format("{\"auths\":{\"%s\":{\"auth\":\"bWU6eA==\"}}}", entries[i].key);
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *config = mlx_json_parse(json, strlen(json), NULL);
        MLX_CLEANUP(mlx_free_p) char *auth = mlx_oci_docker_auth(config, entries[i].host);
        if ((auth != NULL) != entries[i].ok || (auth && strcmp(auth, "Basic bWU6eA==") != 0))
            fail_msg("%s for %s: %s", entries[i].key, entries[i].host, auth);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_challenges),
        cmocka_unit_test(test_realms),
        cmocka_unit_test(test_docker_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
