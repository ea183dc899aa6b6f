/*  OpenAI's API in the four dialects of the servers that the double plays. */
#include <stdio.h>
#include <string.h>

#include "proto/json.h"
#include "tests/double/api.h"
#include "tests/double/http_out.h"

/*  What one server's replies have that another's lack; members come with their comma. */
typedef struct {
    const mlx_role_t *role;
    const char *owner;
    const char *fingerprint;
    const char *logprobs;
    bool empty_first; /* the role comes in a piece of its own */
    bool every_role; /* the role comes in each piece, after comments while the prompt is computed */
    bool timings;
} dialect_t;

static const dialect_t DIALECTS[] = {
    {
        .role = &mlx_role_ollama,
        .owner = "library",
        .fingerprint = ",\"system_fingerprint\":\"fp_ollama\"",
        .logprobs = "",
    },
    {
        .role = &mlx_role_llama,
        .owner = "llamacpp",
        .fingerprint = ",\"system_fingerprint\":\"b11669-Debian\"",
        .logprobs = "",
        .empty_first = true,
        .timings = true,
    },
    {
        .role = &mlx_role_vllm,
        .owner = "vllm",
        .fingerprint = "",
        .logprobs = "\"logprobs\":null,",
        .empty_first = true,
    },
    {
        .role = &mlx_role_openai,
        .owner = "organization_owner",
        .fingerprint = ",\"system_fingerprint\":\"0.32.2-0.32.4\"",
        .logprobs = "",
        .every_role = true,
    },
};

static const dialect_t *dialect_of(const mlx_app_t *app)
{
    size_t i = 0;
    while (DIALECTS[i].role != app->role)
        i++;
    return &DIALECTS[i];
}

static bool is_chat(const mlx_gen_t *gen)
{
    return gen->job.words == MLX_WORDS_V1_CHAT;
}

/*  {"id":…,"object":…,"created":…,"model":…,"system_fingerprint":…, */
static void put_open(const mlx_gen_t *gen, mlx_buf_t *out, const char *object)
{
    long long created = (long long)(mlx_net_wall(gen->app->net) / 1000000000LL);
    mlx_buf_printf(out, "{\"id\":\"%s-%d\",\"object\":\"%s\",\"created\":%lld,\"model\":",
                   is_chat(gen) ? "chatcmpl" : "cmpl", gen->id, object, created);
    mlx_json_write_str(out, gen->job.name, strlen(gen->job.name));
    mlx_buf_printf(out, "%s,\"choices\":[", dialect_of(gen->app)->fingerprint);
}

static const char *object_of(const mlx_gen_t *gen, bool chunk)
{
    if (!is_chat(gen))
        return "text_completion";
    return chunk ? "chat.completion.chunk" : "chat.completion";
}

static void put_event(mlx_buf_t *out, mlx_buf_t *data)
{
    mlx_buf_puts(out, "data: ");
    mlx_buf_append(out, mlx_buf_str(data), data->len);
    mlx_buf_puts(out, "\n\n");
}

/*  One choice: a delta of a chat, or a text; FINISH is JSON: null or a string. */
static void put_choice(const mlx_gen_t *gen, mlx_buf_t *out, const char *delta, const char *finish)
{
    const char *logprobs = dialect_of(gen->app)->logprobs;
    const char *key = is_chat(gen) ? "delta" : "text";
    mlx_buf_printf(out, "{\"index\":0,\"%s\":%s,%s\"finish_reason\":%s}", key, delta, logprobs,
                   finish);
}

static void put_chunk(const mlx_gen_t *gen, mlx_buf_t *out, const char *delta, const char *finish)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t data = {0};
    put_open(gen, &data, object_of(gen, true));
    put_choice(gen, &data, delta, finish);
    mlx_buf_puts(&data, "]}");
    put_event(out, &data);
}

static void piece(const mlx_gen_t *gen, mlx_buf_t *out, const char *text, bool thinking)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t delta = {0};
    const dialect_t *dialect = dialect_of(gen->app);
    bool first = is_chat(gen) && gen->pieces == 0;
    bool role = (first && !dialect->empty_first) || dialect->every_role;
    if (first && dialect->empty_first)
        put_chunk(gen, out, "{\"role\":\"assistant\",\"content\":\"\"}", "null");
    if (gen->pieces == 0 && dialect->every_role)
        mlx_buf_printf(out, ": keepalive %lld/%lld\n\n", (long long)gen->job.prompt,
                       (long long)gen->job.prompt);
    if (is_chat(gen)) {
        mlx_buf_printf(&delta, "{%s\"%s\":", role ? "\"role\":\"assistant\"," : "",
                       thinking ? "reasoning" : "content");
        mlx_json_write_str(&delta, text, strlen(text));
        mlx_buf_putc(&delta, '}');
    } else {
        mlx_json_write_str(&delta, text, strlen(text));
    }
    put_chunk(gen, out, mlx_buf_str(&delta), "null");
}

static void put_usage(const mlx_gen_t *gen, mlx_buf_t *out)
{
    mlx_buf_printf(out,
                   "\"usage\":{\"prompt_tokens\":%lld,\"completion_tokens\":%lld,"
                   "\"total_tokens\":%lld}",
                   (long long)gen->job.prompt, (long long)gen->decoded,
                   (long long)gen->job.prompt + (long long)gen->decoded);
}

/*  llama-server alone says how long it took; it counts the gaps between tokens. */
static void put_timings(const mlx_gen_t *gen, mlx_buf_t *out)
{
    double prompt_ms = (double)(gen->prompted - gen->loaded) / 1e6;
    double ms = (double)(gen->last - gen->prompted) / 1e6;
    double gaps = gen->decoded > 1 ? (double)(gen->decoded - 1) : 1;
    double prompt = (double)gen->job.prompt;
    mlx_buf_printf(out,
                   ",\"timings\":{\"cache_n\":0,\"prompt_n\":%lld,\"prompt_ms\":%.3f,"
                   "\"prompt_per_token_ms\":%.6f,\"prompt_per_second\":%.6f,\"predicted_n\":%lld,"
                   "\"predicted_ms\":%.3f,\"predicted_per_token_ms\":%.6f,"
                   "\"predicted_per_second\":%.6f}",
                   (long long)gen->job.prompt, prompt_ms, prompt_ms / prompt,
                   prompt_ms > 0 ? prompt / prompt_ms * 1e3 : 0, (long long)gen->decoded, ms,
                   ms / gaps, ms > 0 ? gaps / ms * 1e3 : 0);
}

static void final(const mlx_gen_t *gen, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t data = {0};
    char finish[32];
    snprintf(finish, sizeof(finish), "\"%s\"", mlx_gen_reason(gen));
    put_chunk(gen, out, is_chat(gen) ? "{}" : "\"\"", finish);
    if (gen->job.usage) {
        put_open(gen, &data, object_of(gen, true));
        mlx_buf_puts(&data, "],");
        put_usage(gen, &data);
        if (dialect_of(gen->app)->timings)
            put_timings(gen, &data);
        mlx_buf_putc(&data, '}');
        put_event(out, &data);
    }
    mlx_buf_puts(out, "data: [DONE]\n\n");
}

static void whole(const mlx_gen_t *gen, mlx_buf_t *out)
{
    put_open(gen, out, object_of(gen, false));
    mlx_buf_puts(out, "{\"index\":0,");
    mlx_buf_puts(out,
                 is_chat(gen) ? "\"message\":{\"role\":\"assistant\",\"content\":" : "\"text\":");
    mlx_json_write_str(out, mlx_buf_str(&gen->text), gen->text.len);
    mlx_buf_printf(out, "%s,%s\"finish_reason\":\"%s\"}],", is_chat(gen) ? "}" : "",
                   dialect_of(gen->app)->logprobs, mlx_gen_reason(gen));
    put_usage(gen, out);
    if (dialect_of(gen->app)->timings)
        put_timings(gen, out);
    mlx_buf_puts(out, "}\n");
}

static const mlx_style_t STYLE = {"text/event-stream", "application/json", piece, final, whole};

static mlx_model_t *find_model(mlx_app_t *app, mlx_conn_t *conn, const char *name)
{
    mlx_model_t *model = mlx_app_model(app, name);
    /* llama-server answers to any name, and to none: it has one model. */
    if (!model && app->role == &mlx_role_llama)
        model = app->models[0];
    if (!model) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t quoted = {0};
        char text[160];
        int len = snprintf(text, sizeof(text), "model '%.100s' not found", name);
        mlx_json_write_str(&quoted, text, (size_t)len);
        mlx_reply_json(conn, 404,
                       "{\"error\":{\"message\":%s,\"type\":\"not_found_error\",\"param\":null,"
                       "\"code\":null}}",
                       mlx_buf_str(&quoted));
    }
    return model;
}

static void generate(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body,
                     const mlx_value_t *prompt, size_t prompt_len, mlx_set_t words)
{
    mlx_job_t job = mlx_api_openai_job(app, body, prompt_len);
    mlx_model_t *model = find_model(app, conn, job.name);
    if (!model)
        return;
    if (job.name[0] == '\0')
        snprintf(job.name, sizeof(job.name), "%s", model->name);
    job.style = &STYLE;
    job.words = words;
    job.hash = mlx_api_hash(prompt);
    mlx_gen_start(app, conn, model, &job);
}

void mlx_api_v1_chat(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const mlx_value_t *messages = mlx_value_get(body, "messages");
    generate(app, conn, body, messages, mlx_api_messages_len(messages), MLX_WORDS_V1_CHAT);
}

void mlx_api_v1_completions(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const char *prompt = mlx_value_str(body, "prompt");
    generate(app, conn, body, mlx_value_get(body, "prompt"), prompt ? strlen(prompt) : 0,
             MLX_WORDS_GENERATE);
}

void mlx_api_v1_models(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)body;
    mlx_buf_puts(&out, "{\"object\":\"list\",\"data\":[");
    for (size_t i = 0; i < app->model_count; i++) {
        const mlx_model_t *model = app->models[i];
        mlx_buf_puts(&out, i ? ",{\"id\":" : "{\"id\":");
        mlx_json_write_str(&out, model->name, strlen(model->name));
        mlx_buf_printf(&out, ",\"object\":\"model\",\"created\":%lld,\"owned_by\":\"%s\"",
                       (long long)model->created, dialect_of(app)->owner);
        if (app->role == &mlx_role_vllm)
            mlx_buf_printf(&out, ",\"max_model_len\":%lld", (long long)app->options.context);
        if (app->role == &mlx_role_llama)
            mlx_buf_printf(&out, ",\"meta\":{\"n_ctx\":%lld,\"n_ctx_train\":4096,\"size\":%lld}",
                           (long long)app->options.context, (long long)model->size);
        mlx_buf_putc(&out, '}');
    }
    mlx_buf_puts(&out, "]}\n");
    mlx_net_reply(conn, 200, "application/json", out.data, out.len);
}
