/*  libFuzzer target: services/cache/remote/oci_login.h. The first byte chooses: a challenge, docker's
 *  configuration, or a realm. */
#include "common/base/json.h"
#include "services/cache/remote/oci_login.h"
#include "services/cache/transfer/fetch.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char registry[] = "https://registry.example.com";

/*  Nothing but the registry's own domain is ever accepted. */
static void check_realm(const char *realm)
{
    if (mlx_oci_check_realm(registry, realm, NULL, NULL))
        return;
    MLX_CLEANUP(mlx_free_p) char *origin = mlx_url_origin(realm, NULL);
    size_t len = origin ? strcspn(origin + 8, ":") : 0;
    if (!origin || strncmp(origin, "https://", 8) != 0 || len < 11 ||
        strncasecmp(origin + 8 + len - 11, "example.com", 11) != 0)
        mlx_panic("the realm %s was accepted", realm);
}

static void check_challenge(const char *header)
{
    MLX_CLEANUP(mlx_challenge_clear) mlx_challenge_t challenge = mlx_challenge_parse(header);
    if (challenge.realm && !challenge.bearer)
        mlx_panic("a realm of no challenge");
    if (challenge.realm)
        check_realm(challenge.realm);
}

static void check_config(const char *json, size_t len)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *config = mlx_json_parse(json, len, NULL);
    MLX_CLEANUP(mlx_free_p)
    char *auth = config ? mlx_oci_docker_auth(config, "registry.example.com") : NULL;
    if (auth && (strncmp(auth, "Basic ", 6) != 0 || strpbrk(auth + 6, "\r\n \"\\")))
        mlx_panic("credentials that are not one word: %s", auth);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!size)
        return 0;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_strndup((const char *)data + 1, size - 1);
    if (data[0] % 3 == 0)
        check_challenge(text);
    else if (data[0] % 3 == 1)
        check_config(text, strlen(text));
    else
        check_realm(text);
    return 0;
}
