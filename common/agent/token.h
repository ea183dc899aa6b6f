/*  token.h - the secret that a client of the protocol shows over HTTP
 *
 *  A file of the state directory, which is this user's alone: made by whoever needs it first.
 *
 *      MLX_CLEANUP(mlx_free_p) char *token = mlx_mcp_token(NULL, &err);
 *      if (!mlx_mcp_token_shown(token, authorization_header)) refuse
 */
#ifndef MLX_COMMON_AGENT_TOKEN_H
#define MLX_COMMON_AGENT_TOKEN_H

#include "common/base/env.h"
#include "proto/error.h"

/*  64 hexadecimal digits. Caller owns it and must free it. NULL with ERR. */
char *mlx_mcp_token(const mlx_env_t *env, mlx_error_t *err);

/*  Does AUTHORIZATION (a header's value, or NULL) show TOKEN? Takes as long whatever is wrong. */
bool mlx_mcp_token_shown(const char *token, const char *authorization);

#endif
