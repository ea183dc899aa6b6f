#include "httpd_reply.h"

#include "httpd.h"
#include "proto/json.h"

void mlx_httpd_add_headers(struct MHD_Response *response, const char *type)
{
    static const char *const headers[][2] = {
        {"Cache-Control", "no-store"},
        {"Content-Security-Policy", "default-src 'self'; base-uri 'none'; form-action 'none'; "
                                    "frame-ancestors 'none'"},
        {"Cross-Origin-Resource-Policy", "same-origin"},
        {"Referrer-Policy", "no-referrer"},
        {"X-Content-Type-Options", "nosniff"},
    };
    MHD_add_response_header(response, "Content-Type", type);
    for (size_t i = 0; i < MLX_COUNT(headers); i++)
        MHD_add_response_header(response, headers[i][0], headers[i][1]);
}

void mlx_httpd_error_json(const mlx_error_t *err, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_map();
    mlx_value_t *map = mlx_value_set(all, "error", mlx_value_map());
    mlx_value_set_str(map, "code", mlx_error_name(err->code));
    mlx_value_set_str(map, "message", err->text);
    if (err->hint[0])
        mlx_value_set_str(map, "hint", err->hint);
    mlx_json_write(out, all, false);
    mlx_buf_putc(out, '\n');
}

void mlx_httpd_reply_json(mlx_httpd_request_t *request, const mlx_value_t *value)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_json_write(&body, value, false);
    mlx_buf_putc(&body, '\n');
    mlx_httpd_reply(request, 200, "application/json", body.data, body.len);
}

unsigned mlx_httpd_error_status(const mlx_error_t *err)
{
    static const struct {
        mlx_code_t code;
        unsigned status;
    } statuses[] = {{MLX_ERR_USAGE, MHD_HTTP_BAD_REQUEST},
                    {MLX_ERR_NOT_FOUND, MHD_HTTP_NOT_FOUND},
                    {MLX_ERR_UNAVAILABLE, MHD_HTTP_SERVICE_UNAVAILABLE},
                    {MLX_ERR_BUSY, MHD_HTTP_SERVICE_UNAVAILABLE}};
    for (size_t i = 0; i < MLX_COUNT(statuses); i++)
        if (statuses[i].code == err->code)
            return statuses[i].status;
    return MHD_HTTP_INTERNAL_SERVER_ERROR;
}
