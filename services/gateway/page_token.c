#include "page_token.h"

#include <stdlib.h>
#include <string.h>

#include "common/agent/token.h"
#include "common/base/json.h"
#include "common/base/random.h"

enum {
    BODY_MAX = 4096,
    TOKEN_DIGITS = 64,
    FORBIDDEN = 403,
};

struct mlx_page_token {
    char token[TOKEN_DIGITS + 1];
};

mlx_page_token_t *mlx_page_token_new(void)
{
    mlx_page_token_t *self = mlx_alloc(1, sizeof *self);
    mlx_random_hex(self->token, TOKEN_DIGITS);
    return self;
}

void mlx_page_token_destroy(mlx_page_token_t **self)
{
    free(*self);
    *self = NULL;
}

static bool is_closed(const mlx_httpd_t *httpd, mlx_httpd_request_t *request)
{
    mlx_error_t err = {0};
    if (!mlx_httpd_open(httpd))
        return true;
    mlx_error_set(&err, MLX_ERR_USAGE, "nothing is changed from here: other machines reach it");
    mlx_error_hint(&err, "have gateway.listen at 127.0.0.1, or use `mlxctl` and `mlx-cache`");
    mlx_httpd_refuse(request, FORBIDDEN, &err);
    return false;
}

void mlx_page_token_give(const mlx_page_token_t *self, mlx_httpd_t *httpd,
                         mlx_httpd_request_t *request)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_value_map();
    if (!is_closed(httpd, request))
        return;
    mlx_value_set_str(value, "token", self->token);
    mlx_httpd_reply_json(request, value);
}

/*  A page of another origin can neither read the token nor send this header unasked. */
static bool may(const mlx_page_token_t *self, mlx_httpd_request_t *request)
{
    const char *shown = mlx_httpd_header(request, "X-MLX-Token");
    const char *site = mlx_httpd_header(request, "Sec-Fetch-Site");
    MLX_CLEANUP(mlx_free_p) char *bearer = mlx_format("Bearer %.100s", shown ? shown : "");
    mlx_error_t err = {0};
    if (!mlx_mcp_token_shown(self->token, bearer))
        mlx_error_set(&err, MLX_ERR_USAGE, "the token is missing or wrong");
    else if (site && strcmp(site, "same-origin") != 0)
        mlx_error_set(&err, MLX_ERR_USAGE, "requests from other origins are refused");
    if (err.code) {
        mlx_error_hint(&err, "GET /api/token gives it to the page");
        mlx_httpd_refuse(request, FORBIDDEN, &err);
    }
    return !err.code;
}

mlx_value_t *mlx_page_token_take(const mlx_page_token_t *self, mlx_httpd_t *httpd,
                                 mlx_httpd_request_t *request)
{
    mlx_error_t err = {0};
    size_t len;
    if (!is_closed(httpd, request) || !may(self, request))
        return NULL;
    const char *type = mlx_httpd_header(request, "Content-Type");
    const char *body = mlx_httpd_body(request, &len);
    if (!type || strncmp(type, "application/json", strlen("application/json")) != 0)
        mlx_error_set(&err, MLX_ERR_USAGE, "Content-Type must be application/json");
    else if (len > BODY_MAX)
        mlx_error_set(&err, MLX_ERR_USAGE, "the body is longer than %d bytes", BODY_MAX);
    mlx_value_t *said = err.code ? NULL : mlx_json_parse(body, len, &err);
    if (!said)
        mlx_httpd_error(request, &err);
    return said;
}
