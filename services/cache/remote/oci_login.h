/*  oci_login.h - logging in at an OCI registry: challenges, whose credentials they are, which realm
 *
 *  Credentials are looked up after a challenge only, and each belongs to one registry:
 *  MLX_OCI_USERNAME and MLX_OCI_PASSWORD to the one that MLX_OCI_REGISTRY names, an entry of
 *  docker's config.json ($DOCKER_CONFIG or ~/.docker) or of podman's auth.json to its own host. A
 *  token is asked for at the registry itself, at https on its own domain where it is reached over
 *  https itself, or at an origin that MLX_OCI_REALM allows; to no other place is anything sent.
 *
 *      MLX_CLEANUP(mlx_challenge_clear) mlx_challenge_t challenge = mlx_challenge_parse(header);
 *      if (challenge.bearer && mlx_oci_check_realm(origin, challenge.realm, NULL, &err) == 0)
 *          basic = mlx_oci_credentials(&env, host);
 */
#ifndef MLX_CACHE_REMOTE_OCI_LOGIN_H
#define MLX_CACHE_REMOTE_OCI_LOGIN_H

#include "common/base/env.h"
#include "proto/error.h"
#include "proto/value.h"

#include <stdbool.h>

/*  What a WWW-Authenticate header wants; parameters are NULL when absent. */
typedef struct {
    bool basic;
    bool bearer;
    char *realm; /* of Bearer */
    char *service;
    char *scope;
} mlx_challenge_t;

/*  HEADER may list several challenges; what cannot be read of it is left out. */
mlx_challenge_t mlx_challenge_parse(const char *header);
void mlx_challenge_clear(mlx_challenge_t *challenge);

/*  0 when tokens for the registry at ORIGIN ("https://host[:port]") may be asked for at REALM.
 *  ALLOWED: origins that the user allows, separated by commas or blanks (NULL: none). */
int mlx_oci_check_realm(const char *origin, const char *realm, const char *allowed,
                        mlx_error_t *err);

/*  "Basic .." that docker's CONFIG holds for HOST. Caller owns it; NULL when there is none. */
char *mlx_oci_docker_auth(const mlx_value_t *config, const char *host);

/*  The same from the environment or the files, whichever is first. */
char *mlx_oci_credentials(const mlx_env_t *env, const char *host);

/*  Are MLX_OCI_USERNAME and MLX_OCI_PASSWORD set without the registry that they are for. */
bool mlx_oci_credentials_unbound(const mlx_env_t *env);

#endif
