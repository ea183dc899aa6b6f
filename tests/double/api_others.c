/*  The roles of vLLM, and of a server that has OpenAI's API only (mlx_lm.server, LM Studio). */
#include <string.h>

#include "tests/double/api.h"
#include "tests/double/http_out.h"

static void page_health(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    (void)app;
    (void)body;
    mlx_net_reply(conn, 200, "application/json", "", 0);
}

static void page_version(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    (void)app;
    (void)body;
    mlx_reply_json(conn, 200, "{\"version\":\"0.11.2\"}");
}

/*  vLLM's counters move at each step of its engine. */
static void page_metrics(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    const mlx_model_t *model = app->models[0];
    (void)body;
    const struct {
        const char *name;
        const char *type;
        const char *help;
        double value;
    } METRICS[] = {
        {"num_requests_running", "gauge", "Number of requests in model execution batches.",
         app->generating},
        {"num_requests_waiting", "gauge", "Number of requests waiting to be processed.",
         model->view.deferred},
        {"kv_cache_usage_perc", "gauge", "KV-cache usage. 1 means 100 percent usage.",
         app->generating ? 0.25 : 0},
        {"prompt_tokens_total", "counter", "Number of prefill tokens processed.",
         (double)model->view.prompt_tokens},
        {"generation_tokens_total", "counter", "Number of generation tokens processed.",
         (double)app->tokens},
    };
    for (size_t i = 0; i < MLX_COUNT(METRICS); i++)
        mlx_buf_printf(&out,
                       "# HELP vllm:%s %s\n# TYPE vllm:%s %s\nvllm:%s{engine=\"0\",model_name="
                       "\"%s\"} %.1f\n",
                       METRICS[i].name, METRICS[i].help, METRICS[i].name, METRICS[i].type,
                       METRICS[i].name, model->name, METRICS[i].value);
    mlx_net_reply(conn, 200, "text/plain; version=0.0.4; charset=utf-8", out.data, out.len);
}

static void not_found(mlx_conn_t *conn)
{
    mlx_reply_json(conn, 404, "{\"detail\":\"Not Found\"}");
}

static void bad_json(mlx_conn_t *conn, const char *text, size_t len)
{
    (void)text;
    (void)len;
    mlx_reply_json(conn, 400,
                   "{\"error\":{\"message\":\"JSON decode error\",\"type\":\"BadRequestError\","
                   "\"param\":null,\"code\":400}}");
}

static const mlx_route_t VLLM_ROUTES[] = {
    {"GET", "/health", page_health},
    {"GET", "/version", page_version},
    {"GET", "/metrics", page_metrics},
    {"GET", "/v1/models", mlx_api_v1_models},
    {"POST", "/v1/chat/completions", mlx_api_v1_chat},
    {"POST", "/v1/completions", mlx_api_v1_completions},
    {0},
};

static const mlx_route_t OPENAI_ROUTES[] = {
    {"GET", "/v1/models", mlx_api_v1_models},
    {"POST", "/v1/chat/completions", mlx_api_v1_chat},
    {"POST", "/v1/completions", mlx_api_v1_completions},
    {0},
};

const mlx_role_t mlx_role_vllm = {
    .name = "vllm",
    .single = true,
    .head = mlx_head_uvicorn,
    .routes = VLLM_ROUTES,
    .not_found = not_found,
    .bad_json = bad_json,
};
const mlx_role_t mlx_role_openai = {
    .name = "openai",
    .single = true,
    .old = true,
    .head = mlx_head_python,
    .routes = OPENAI_ROUTES,
    .not_found = not_found,
    .bad_json = bad_json,
};
