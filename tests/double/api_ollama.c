/*  The role of an Ollama server: its native API, as recorded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "proto/json.h"
#include "tests/double/api.h"
#include "tests/double/http_out.h"

static void page_root(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    static const char TEXT[] = "Ollama is running";
    (void)app;
    (void)body;
    mlx_net_reply(conn, 200, "text/plain; charset=utf-8", TEXT, sizeof(TEXT) - 1);
}

static void page_version(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    (void)app;
    (void)body;
    mlx_reply_json(conn, 200, "{\"version\":\"0.32.15\"}");
}

/*  The fields that /api/tags and /api/ps share: without the closing brace. */
static void put_details(mlx_buf_t *out, const mlx_model_t *model)
{
    mlx_buf_printf(out,
                   "\"details\":{\"parent_model\":\"\",\"format\":\"gguf\",\"family\":\"llama\","
                   "\"families\":[\"llama\"],\"parameter_size\":\"%s\",\"quantization_level\":"
                   "\"%s\"",
                   model->parameters, model->quantization);
}

static void put_name(mlx_buf_t *out, const char *key, const char *name)
{
    mlx_buf_printf(out, "\"%s\":", key);
    mlx_json_write_str(out, name, strlen(name));
    mlx_buf_putc(out, ',');
}

static void page_tags(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    (void)body;
    mlx_buf_puts(&out, "{\"models\":[");
    for (size_t i = 0; i < app->model_count; i++) {
        const mlx_model_t *model = app->models[i];
        mlx_buf_puts(&out, i ? ",{" : "{");
        put_name(&out, "name", model->name);
        put_name(&out, "model", model->name);
        mlx_buf_printf(&out, "\"modified_at\":\"%s\",\"size\":%lld,\"digest\":\"%s\",",
                       model->modified, (long long)model->size, model->digest);
        put_details(&out, model);
        mlx_buf_printf(&out,
                       ",\"context_length\":4096,\"embedding_length\":%lld},\"capabilities\":"
                       "[\"completion\"]}",
                       (long long)model->embedding);
    }
    mlx_buf_puts(&out, "]}");
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, out.data, out.len);
}

static void put_loaded(mlx_buf_t *out, const mlx_app_t *app, const mlx_model_t *model)
{
    put_name(out, "name", model->name);
    put_name(out, "model", model->name);
    mlx_buf_printf(out, "\"size\":%lld,\"digest\":\"%s\",", (long long)model->loaded_size,
                   model->digest);
    put_details(out, model);
    mlx_buf_puts(out, "},\"expires_at\":\"");
    mlx_words_time(out, model->expires);
    double vram = (double)model->loaded_size * app->options.vram;
    mlx_buf_printf(out, "\",\"size_vram\":%lld,\"context_length\":%lld}", (long long)vram,
                   (long long)app->options.context);
}

/*  The loaded models into LIST, the one that stays longest first. Returns their number. */
static size_t list_loaded(const mlx_app_t *app, const mlx_model_t *list[MLX_APP_MAX_MODELS])
{
    size_t count = 0;
    for (size_t i = 0; i < app->model_count; i++) {
        const mlx_model_t *model = app->models[i];
        if (model->state != MLX_MODEL_LOADED)
            continue;
        size_t at = count++;
        for (; at > 0 && list[at - 1]->expires < model->expires; at--)
            list[at] = list[at - 1];
        list[at] = model;
    }
    return count;
}

static void page_ps(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    const mlx_model_t *loaded[MLX_APP_MAX_MODELS];
    size_t count = list_loaded(app, loaded);
    (void)body;
    mlx_buf_puts(&out, "{\"models\":[");
    for (size_t i = 0; i < count; i++) {
        mlx_buf_puts(&out, i ? ",{" : "{");
        put_loaded(&out, app, loaded[i]);
    }
    mlx_buf_puts(&out, "]}");
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, out.data, out.len);
}

/*  The model that BODY names, or NULL after the recorded refusal. */
static mlx_model_t *find_model(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const char *name = mlx_value_str(body, "model");
    mlx_model_t *model = mlx_app_model(app, name ? name : "");
    if (!model) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t quoted = {0};
        char text[160];
        int len = snprintf(text, sizeof(text), "model '%.100s' not found", name ? name : "");
        mlx_json_write_str(&quoted, text, (size_t)len);
        mlx_reply_json(conn, 404, "{\"error\":%s}", mlx_buf_str(&quoted));
    }
    return model;
}

static void page_show(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const mlx_model_t *model = find_model(app, conn, body);
    const mlx_model_t *recorded = mlx_model_recorded(1);
    if (!model)
        return;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t named = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t placed = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_words_replace(&named, mlx_rec_show, recorded->name, model->name);
    mlx_words_replace(&placed, mlx_buf_str(&named), recorded->blob, model->blob);
    mlx_words_replace(&out, mlx_buf_str(&placed), "/opt/ol/models", app->options.models_dir);
    mlx_net_begin(conn, 200, MLX_TYPE_JSON);
    mlx_net_piece(conn, out.data, out.len);
    mlx_net_end(conn);
}

static void put_stamp(const mlx_gen_t *gen, mlx_buf_t *out)
{
    mlx_buf_putc(out, '{');
    put_name(out, "model", gen->job.name);
    mlx_buf_puts(out, "\"created_at\":\"");
    mlx_words_time(out, (uint64_t)mlx_net_wall(gen->app->net));
    mlx_buf_puts(out, "\",");
}

static void put_text(mlx_buf_t *out, const char *key, const char *text)
{
    mlx_buf_printf(out, "\"%s\":", key);
    mlx_json_write_str(out, text, strlen(text));
}

/*  "response" or "message", with the thinking beside it where there is one. */
static void put_answer(const mlx_gen_t *gen, mlx_buf_t *out, const char *text, const char *thinking)
{
    bool chat = gen->job.words == MLX_WORDS_CHAT;
    if (chat)
        mlx_buf_puts(out, "\"message\":{\"role\":\"assistant\",");
    put_text(out, chat ? "content" : "response", text);
    if (*thinking) {
        mlx_buf_putc(out, ',');
        put_text(out, "thinking", thinking);
    }
    mlx_buf_puts(out, chat ? "}," : ",");
}

static void piece(const mlx_gen_t *gen, mlx_buf_t *out, const char *text, bool thinking)
{
    put_stamp(gen, out);
    put_answer(gen, out, thinking ? "" : text, thinking ? text : "");
    mlx_buf_puts(out, "\"done\":false}\n");
}

/*  Nanoseconds, at least one: the real server leaves a zero out of its reply. */
static long long span(int64_t from, int64_t to)
{
    return to > from ? to - from : 1;
}

static void put_counts(const mlx_gen_t *gen, mlx_buf_t *out)
{
    if (gen->job.words == MLX_WORDS_GENERATE) {
        mlx_buf_puts(out, ",\"context\":");
        mlx_words_context(gen->app->words, out, gen->decoded);
    }
    /*  As in the real one the clock starts with the first token: n - 1 steps. */
    double eval = gen->decoded > 1 ? (double)(gen->decoded - 1) / (double)gen->decoded : 1;
    mlx_buf_printf(out,
                   ",\"total_duration\":%lld,\"load_duration\":%lld,\"prompt_eval_count\":%lld,"
                   "\"prompt_eval_duration\":%lld,\"eval_count\":%lld,\"eval_duration\":%lld",
                   span(gen->start, gen->last), span(gen->start, gen->loaded),
                   (long long)gen->job.prompt, span(gen->loaded, gen->prompted),
                   (long long)gen->decoded,
                   (long long)(eval * (double)span(gen->prompted, gen->last)));
}

static void whole(const mlx_gen_t *gen, mlx_buf_t *out)
{
    const char *reason = gen->job.load_only ? "load" : mlx_gen_reason(gen);
    put_stamp(gen, out);
    put_answer(gen, out, mlx_buf_str(&gen->text), mlx_buf_str(&gen->thinking));
    mlx_buf_printf(out, "\"done\":true,\"done_reason\":\"%s\"", reason);
    if (!gen->job.load_only)
        put_counts(gen, out);
    mlx_buf_putc(out, '}');
}

static void final(const mlx_gen_t *gen, mlx_buf_t *out)
{
    whole(gen, out);
    mlx_buf_putc(out, '\n');
}

static const mlx_style_t STYLE = {"application/x-ndjson", MLX_TYPE_JSON, piece, final, whole};

static void unload(mlx_app_t *app, mlx_conn_t *conn, mlx_model_t *model, const mlx_job_t *job)
{
    const mlx_gen_t gen = {.app = app, .job = *job};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_model_keep(model, 0);
    put_stamp(&gen, &out);
    put_answer(&gen, &out, "", "");
    mlx_buf_puts(&out, "\"done\":true,\"done_reason\":\"unload\"}");
    mlx_net_reply(conn, 200, MLX_TYPE_JSON, out.data, out.len);
}

/*  Both ways to generate: without text they load the model, or unload it with a keep_alive of 0. */
static void generate(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body,
                     const mlx_value_t *prompt, size_t prompt_len, mlx_set_t words)
{
    mlx_model_t *model = find_model(app, conn, body);
    if (!model)
        return;
    mlx_job_t job = mlx_api_native_job(app, body, prompt_len);
    job.style = &STYLE;
    job.words = words;
    job.hash = mlx_api_hash(prompt);
    job.load_only = prompt_len == 0;
    if (job.load_only && job.keep_ns == 0)
        unload(app, conn, model, &job);
    else
        mlx_gen_start(app, conn, model, &job);
}

static void page_generate(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const char *prompt = mlx_value_str(body, "prompt");
    generate(app, conn, body, mlx_value_get(body, "prompt"), prompt ? strlen(prompt) : 0,
             MLX_WORDS_GENERATE);
}

static void page_chat(mlx_app_t *app, mlx_conn_t *conn, const mlx_value_t *body)
{
    const mlx_value_t *messages = mlx_value_get(body, "messages");
    generate(app, conn, body, messages, mlx_api_messages_len(messages), MLX_WORDS_CHAT);
}

static void not_found(mlx_conn_t *conn)
{
    static const char TEXT[] = "404 page not found";
    mlx_net_reply(conn, 404, "text/plain", TEXT, sizeof(TEXT) - 1);
}

static void bad_json(mlx_conn_t *conn, const char *text, size_t len)
{
    size_t at = strspn(text, " \t\r\n");
    if (len == 0)
        mlx_reply_json(conn, 400, "{\"error\":\"missing request body\"}");
    else if (text[at] && text[at] != '{')
        mlx_reply_json(conn, 400,
                       "{\"error\":\"invalid character '%c' looking for beginning of value\"}",
                       text[at] >= ' ' && text[at] < 127 && text[at] != '"' ? text[at] : '?');
    else
        mlx_reply_json(conn, 400, "{\"error\":\"unexpected EOF\"}");
}

static const mlx_route_t ROUTES[] = {
    {"GET", "/", page_root},
    {"HEAD", "/", page_root},
    {"GET", "/api/version", page_version},
    {"GET", "/api/tags", page_tags},
    {"GET", "/api/ps", page_ps},
    {"POST", "/api/show", page_show},
    {"POST", "/api/generate", page_generate},
    {"POST", "/api/chat", page_chat},
    {"GET", "/v1/models", mlx_api_v1_models},
    {"POST", "/v1/chat/completions", mlx_api_v1_chat},
    {"POST", "/v1/completions", mlx_api_v1_completions},
    {0},
};

const mlx_role_t mlx_role_ollama = {
    .name = "ollama",
    .head = mlx_head_go,
    .routes = ROUTES,
    .not_found = not_found,
    .bad_json = bad_json,
};
