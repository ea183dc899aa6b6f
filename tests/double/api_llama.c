/*  The role of llama-server: on its own, or as the runner of an Ollama. */
#include <stdio.h>
#include <string.h>

#include "tests/double/api.h"
#include "tests/double/http_out.h"

static const char RECORDED_PATH[] =
    "/opt/ol/models/blobs/sha256-e66274dfd09ce8d94fee997e597daf40cc5dd43b8e1223a30ebc10cb4fc53545";

static void page_health(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    (void)body;
    if (app->models[0]->state == MLX_MODEL_LOADING)
        mlx_reply_json(conn, 503,
                       "{\"error\":{\"message\":\"Loading model\",\"type\":"
                       "\"unavailable_error\",\"code\":503}}");
    else
        mlx_reply_json(conn, 200, "{\"status\":\"ok\"}");
}

/*  The recorded "params" of a slot, from that key to the one after it. */
static void put_params(mlx_buf_t *out, int32_t limit)
{
    const char *from = strstr(mlx_rec_slots, "\"params\":");
    const char *to = strstr(mlx_rec_slots, "\"next_token\":");
    char *recorded = mlx_strndup(from, (size_t)(to - from));
    char limits[64];
    snprintf(limits, sizeof(limits), "\"max_tokens\":%d,\"n_predict\":%d", limit, limit);
    mlx_words_replace(out, recorded, "\"max_tokens\":24,\"n_predict\":24", limits);
    mlx_free_p(&recorded);
}

static void put_slot(mlx_buf_t *out, const mlx_app_t *app, const mlx_slot_view_t *slot, int id)
{
    mlx_buf_printf(out, "{\"id\":%d,\"n_ctx\":%lld,\"speculative\":false,\"is_processing\":%s", id,
                   (long long)app->options.context, slot->processing ? "true" : "false");
    if (!slot->used) {
        mlx_buf_putc(out, '}');
        return;
    }
    bool more = slot->processing && (slot->limit < 0 || slot->decoded < slot->limit);
    int remain = slot->processing && slot->limit >= 0 ? slot->limit - slot->decoded : -1;
    mlx_buf_printf(out,
                   ",\"id_task\":%d,\"n_prompt_tokens\":%d,\"n_prompt_tokens_processed\":%d,"
                   "\"n_prompt_tokens_cache\":%d,",
                   slot->task, slot->prompt + (slot->made > 0 ? slot->made - 1 : 0),
                   slot->processed, slot->processing ? slot->cached : 0);
    put_params(out, slot->limit);
    mlx_buf_printf(out,
                   "\"next_token\":[{\"has_next_token\":%s,\"has_new_line\":false,\"n_remain\":%d,"
                   "\"n_decoded\":%d}]}",
                   more ? "true" : "false", remain, slot->decoded);
}

static void page_slots(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const mlx_view_t *view = &app->models[0]->view;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)body;
    for (int i = 0; i < view->slot_count; i++) {
        mlx_buf_putc(&out, i ? ',' : '[');
        put_slot(&out, app, &view->slots[i], i);
    }
    mlx_buf_putc(&out, ']');
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, out.data, out.len);
}

static void page_props(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t placed = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t slotted = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t state = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    char slots[32];
    (void)body;
    if (app->options.no_props) {
        mlx_reply_json(conn, 401,
                       "{\"error\":{\"code\":401,\"message\":\"Invalid API Key\",\"type\":"
                       "\"authentication_error\"}}");
        return;
    }
    snprintf(slots, sizeof(slots), "\"total_slots\":%d", app->options.parallel);
    mlx_words_replace(&placed, mlx_rec_props, RECORDED_PATH, app->model_path);
    mlx_words_replace(&slotted, mlx_buf_str(&placed), "\"total_slots\":1", slots);
    mlx_words_replace(&state, mlx_buf_str(&slotted), "\"is_sleeping\":false",
                      mlx_app_sleeps(app) ? "\"is_sleeping\":true" : "\"is_sleeping\":false");
    mlx_words_replace(&out, mlx_buf_str(&state), "\"endpoint_metrics\":false",
                      app->options.metrics ? "\"endpoint_metrics\":true"
                                           : "\"endpoint_metrics\":false");
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, out.data, out.len);
}

static int busy_slots(const mlx_view_t *view)
{
    int busy = 0;
    for (int i = 0; i < view->slot_count; i++)
        busy += view->slots[i].processing;
    return busy;
}

/*  The counters move when a request ends, as the real ones do, but for n_decode_total. */
static void put_metrics(mlx_buf_t *out, const mlx_view_t *view)
{
    const struct {
        const char *name;
        const char *type;
        const char *help;
        double value;
    } METRICS[] = {
        {"prompt_tokens_total", "counter",
         "Number of prompt tokens processed, excluding cached tokens", (double)view->prompt_tokens},
        {"prompt_seconds_total", "counter", "Total time spent processing prompts",
         view->prompt_seconds},
        {"tokens_predicted_total", "counter", "Number of generation tokens processed",
         (double)view->predicted_tokens},
        {"tokens_predicted_seconds_total", "counter", "Total time spent generating tokens",
         view->predicted_seconds},
        {"n_decode_total", "counter",
         "Total number of llama_decode() calls, excluding speculative decoding and multimodal "
         "decoding",
         (double)view->decode_steps},
        {"prompt_tokens_seconds", "gauge", "Average prompt throughput in tokens/s",
         view->prompt_seconds > 0 ? (double)view->prompt_tokens / view->prompt_seconds : 0},
        {"predicted_tokens_seconds", "gauge", "Average generation throughput in tokens/s",
         view->predicted_seconds > 0 ? (double)view->predicted_tokens / view->predicted_seconds
                                     : 0},
        {"requests_processing", "gauge", "Number of requests processing", busy_slots(view)},
        {"requests_deferred", "gauge", "Number of requests deferred", view->deferred},
    };
    for (size_t i = 0; i < MLX_COUNT(METRICS); i++)
        mlx_buf_printf(out, "# HELP llamacpp:%s %s\n# TYPE llamacpp:%s %s\nllamacpp:%s %.12g\n",
                       METRICS[i].name, METRICS[i].help, METRICS[i].name, METRICS[i].type,
                       METRICS[i].name, METRICS[i].value);
}

static void page_metrics(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)body;
    if (!app->options.metrics) {
        mlx_reply_json(conn, 501,
                       "{\"error\":{\"code\":501,\"message\":\"This server does not support "
                       "metrics endpoint. Start it with `--metrics`\",\"type\":"
                       "\"not_supported_error\"}}");
        return;
    }
    put_metrics(&out, &app->models[0]->view);
    mlx_net_reply(conn, 200, "text/plain; version=0.0.4", out.data, out.len);
}

static void not_found(mlx_conn_t *conn)
{
    mlx_reply_json(conn, 404,
                   "{\"error\":{\"message\":\"File Not Found\",\"type\":\"not_found_error\","
                   "\"code\":404}}");
}

static void bad_json(mlx_conn_t *conn, const char *text, size_t len)
{
    (void)text;
    (void)len;
    mlx_reply_json(conn, 500,
                   "{\"error\":{\"code\":500,\"message\":\"[json.exception.parse_error.101] parse "
                   "error\",\"type\":\"server_error\"}}");
}

static const mlx_route_t ROUTES[] = {
    {"GET", "/health", page_health},
    {"GET", "/v1/health", page_health},
    {"GET", "/slots", page_slots},
    {"GET", "/props", page_props},
    {"GET", "/metrics", page_metrics},
    {"GET", "/v1/models", mlx_api_v1_models},
    {"GET", "/models", mlx_api_v1_models},
    {"POST", "/v1/chat/completions", mlx_api_v1_chat},
    {"POST", "/v1/completions", mlx_api_v1_completions},
    {0},
};

const mlx_role_t mlx_role_llama = {
    .name = "llama-server",
    .single = true,
    .head = mlx_head_httplib,
    .routes = ROUTES,
    .not_found = not_found,
    .bad_json = bad_json,
};
