#include "common/runtime/stream_reply.h"

#include <math.h>
#include <string.h>

struct mlx_stream_api {
    const char *path; /* the end of the request path */
    const char *name;
    void (*read)(const mlx_value_t *object, mlx_stream_event_t *out);
};

static bool has_text(const mlx_value_t *map, const char *key)
{
    size_t len = 0;
    return mlx_value_as_str(mlx_value_get(map, key), &len) && len > 0;
}

static bool has_any_text(const mlx_value_t *map, const char *const *keys)
{
    for (; *keys; keys++) {
        if (has_text(map, *keys))
            return true;
    }
    return false;
}

/*  Outside of these a number is noise: no reply has so many tokens or takes so long. */
#define MOST_TOKENS 1000000000000
#define LONGEST_S 1e9
#define SHORTEST_S 1e-9

static void read_count(const mlx_value_t *map, const char *key, int64_t *out)
{
    int64_t count;
    if (mlx_value_int(map, key, &count) && count >= 0 && count <= MOST_TOKENS)
        *out = count;
}

static void read_duration(const mlx_value_t *map, const char *key, double unit_s, double *out)
{
    double units;
    if (mlx_value_real(map, key, &units) && units * unit_s >= SHORTEST_S &&
        units * unit_s <= LONGEST_S)
        *out = units * unit_s;
}

static void read_error(const mlx_value_t *object, mlx_stream_event_t *out)
{
    mlx_type_t type = mlx_value_type(mlx_value_get(object, "error"));
    out->failed = type == MLX_STR || type == MLX_MAP;
}

static void read_reason(const mlx_value_t *map, const char *key, mlx_stream_event_t *out)
{
    if (has_text(map, key))
        out->done_reason = mlx_value_str(map, key);
}

static bool has_tool_calls(const mlx_value_t *message)
{
    return mlx_value_size(mlx_value_get(message, "tool_calls")) > 0;
}

static void read_ollama(const mlx_value_t *object, mlx_stream_event_t *out)
{
    static const char *const generated[] = {"response", "thinking", NULL};
    static const char *const chatted[] = {"content", "thinking", NULL};
    const double ns = 1e-9;
    const mlx_value_t *message = mlx_value_get(object, "message");
    out->model = mlx_value_str(object, "model");
    out->text = has_any_text(object, generated) || has_any_text(message, chatted) ||
                has_tool_calls(message);
    out->thinks = (has_text(object, "thinking") || has_text(message, "thinking")) &&
                  !has_text(object, "response") && !has_text(message, "content");
    read_reason(object, "done_reason", out);
    mlx_value_bool(object, "done", &out->ended);
    read_count(object, "prompt_eval_count", &out->prompt_tokens);
    read_count(object, "eval_count", &out->generated_tokens);
    out->whole_prompt = out->prompt_tokens;
    read_duration(object, "prompt_eval_duration", ns, &out->prompt_s);
    read_duration(object, "eval_duration", ns, &out->generation_s);
    read_duration(object, "load_duration", ns, &out->load_s);
    read_duration(object, "total_duration", ns, &out->total_s);
}

static int64_t sum_of_known(const int64_t *parts, size_t count)
{
    int64_t sum = -1;
    for (size_t i = 0; i < count; i++)
        if (parts[i] >= 0)
            sum = parts[i] + (sum < 0 ? 0 : sum);
    return sum;
}

/*  What OpenAI's APIs say of the parts of a count. The prompt is told with its cached part. */
static void read_usage_details(const mlx_value_t *usage, mlx_stream_event_t *out)
{
    static const char *const prompts[] = {"prompt_tokens_details", "input_tokens_details"};
    for (size_t i = 0; i < MLX_COUNT(prompts); i++)
        read_count(mlx_value_get(usage, prompts[i]), "cached_tokens", &out->cached_tokens);
    static const char *const replies[] = {"completion_tokens_details", "output_tokens_details"};
    for (size_t i = 0; i < MLX_COUNT(replies); i++)
        read_count(mlx_value_get(usage, replies[i]), "reasoning_tokens", &out->thinking_tokens);
    const mlx_value_t *made = mlx_value_get(usage, "completion_tokens_details");
    int64_t rejected = -1;
    read_count(made, "accepted_prediction_tokens", &out->draft_accepted);
    read_count(made, "rejected_prediction_tokens", &rejected);
    if (out->draft_accepted >= 0 && rejected >= 0)
        out->draft_tokens = out->draft_accepted + rejected;
}

/*  Anthropic's prompt count leaves out what came from its cache or went into it. */
static void read_anthropic_cache(const mlx_value_t *usage, mlx_stream_event_t *out)
{
    int64_t parts[] = {out->prompt_tokens, -1, -1};
    read_count(usage, "cache_read_input_tokens", &parts[1]);
    read_count(usage, "cache_creation_input_tokens", &parts[2]);
    if (out->prompt_tokens < 0 || (parts[1] < 0 && parts[2] < 0))
        return;
    out->cached_tokens = parts[1];
    out->whole_prompt = sum_of_known(parts, MLX_COUNT(parts));
}

/*  OpenAI says prompt and completion in the older APIs, input and output in the newer; Anthropic
 *  the latter. */
static void read_usage(const mlx_value_t *owner, mlx_stream_event_t *out)
{
    const mlx_value_t *usage = mlx_value_get(owner, "usage");
    read_count(usage, "prompt_tokens", &out->prompt_tokens);
    read_count(usage, "completion_tokens", &out->generated_tokens);
    read_count(usage, "input_tokens", &out->prompt_tokens);
    read_count(usage, "output_tokens", &out->generated_tokens);
    out->whole_prompt = out->prompt_tokens;
    read_usage_details(usage, out);
    read_anthropic_cache(usage, out);
}

/*  llama-server reports its progress to clients that ask for it (return_progress). */
static void read_progress(const mlx_value_t *object, mlx_stream_event_t *out)
{
    const mlx_value_t *progress = mlx_value_get(object, "prompt_progress");
    read_count(progress, "total", &out->progress_total);
    read_count(progress, "processed", &out->progress_done);
    read_count(progress, "cache", &out->cached_tokens);
    read_duration(progress, "time_ms", 1e-3, &out->progress_s);
}

/*  llama-server adds its own clock to the last object. */
static void read_timings(const mlx_value_t *object, mlx_stream_event_t *out)
{
    const double ms = 1e-3;
    const mlx_value_t *timings = mlx_value_get(object, "timings");
    read_progress(object, out);
    read_duration(timings, "prompt_ms", ms, &out->prompt_s);
    read_duration(timings, "predicted_ms", ms, &out->generation_s);
    read_count(timings, "prompt_n", &out->prompt_tokens);
    read_count(timings, "predicted_n", &out->generated_tokens);
    read_count(timings, "cache_n", &out->cached_tokens);
    read_count(timings, "draft_n", &out->draft_tokens);
    read_count(timings, "draft_n_accepted", &out->draft_accepted);
    if (out->whole_prompt < 0 && out->prompt_tokens >= 0 && out->cached_tokens >= 0)
        out->whole_prompt = out->prompt_tokens + out->cached_tokens;
}

static void read_choice(const mlx_value_t *choice, mlx_stream_event_t *out)
{
    static const char *const texts[] = {"content", "reasoning_content", "reasoning", "refusal",
                                        NULL};
    static const char *const thoughts[] = {"reasoning_content", "reasoning", NULL};
    const char *const places[] = {"delta", "message"};
    bool thought = false, answer = has_text(choice, "text");
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        const mlx_value_t *message = mlx_value_get(choice, places[i]);
        out->text = out->text || has_any_text(message, texts) || has_tool_calls(message);
        thought = thought || has_any_text(message, thoughts);
        answer = answer || has_text(message, "content") || has_tool_calls(message);
    }
    out->text = out->text || has_text(choice, "text");
    out->thinks = thought && !answer;
    read_reason(choice, "finish_reason", out);
}

static void read_openai(const mlx_value_t *object, mlx_stream_event_t *out)
{
    const mlx_value_t *choices = mlx_value_get(object, "choices");
    out->model = mlx_value_str(object, "model");
    for (size_t i = 0; i < mlx_value_size(choices); i++)
        read_choice(mlx_value_at(choices, i), out);
    read_usage(object, out);
    read_timings(object, out);
}

static void read_llama_completion(const mlx_value_t *object, mlx_stream_event_t *out)
{
    out->model = mlx_value_str(object, "model");
    out->text = has_text(object, "content");
    read_reason(object, "stop_type", out);
    if (out->done_reason)
        read_count(object, "tokens_evaluated", &out->whole_prompt);
    read_timings(object, out);
}

/*  A list of vectors, or of ranks: nothing is generated, and what the prompt had may be told. */
static void read_embeddings(const mlx_value_t *object, mlx_stream_event_t *out)
{
    const double ns = 1e-9;
    out->model = mlx_value_str(object, "model");
    read_usage(object, out);
    read_count(object, "prompt_eval_count", &out->prompt_tokens);
    out->whole_prompt = out->prompt_tokens;
    out->generated_tokens = -1;
    read_duration(object, "load_duration", ns, &out->load_s);
    read_duration(object, "total_duration", ns, &out->total_s);
}

static bool same(const char *s, const char *word)
{
    return s && strcmp(s, word) == 0;
}

/*  A stream of typed events, of which the first and the last carry the whole response object; not
 *  streamed, the reply is that object itself. */
static void read_responses(const mlx_value_t *object, mlx_stream_event_t *out)
{
    const char *type = mlx_value_str(object, "type");
    const mlx_value_t *response = mlx_value_get(object, "response");
    if (!response)
        response = object;
    out->model = mlx_value_str(response, "model");
    out->text = type && mlx_ends_with(type, ".delta") && has_text(object, "delta");
    out->failed = out->failed || same(type, "error") || same(type, "response.failed");
    if (same(mlx_value_str(response, "object"), "response"))
        read_reason(response, "status", out);
    read_usage(response, out);
}

static void read_messages(const mlx_value_t *object, mlx_stream_event_t *out)
{
    static const char *const texts[] = {"text", "thinking", "partial_json", NULL};
    const mlx_value_t *message = mlx_value_get(object, "message");
    const mlx_value_t *delta = mlx_value_get(object, "delta");
    if (message) { /* message_start: its output count is a placeholder */
        out->model = mlx_value_str(message, "model");
        read_usage(message, out);
        out->generated_tokens = -1;
        return;
    }
    out->model = mlx_value_str(object, "model");
    out->text = has_any_text(delta, texts);
    out->thinks = has_text(delta, "thinking");
    read_reason(delta, "stop_reason", out);
    read_reason(object, "stop_reason", out);
    read_usage(object, out);
}

/*  Longer ends first: /completions also ends /chat/completions. */
static const mlx_stream_api_t apis[] = {
    {"/api/generate", "generate", read_ollama},
    {"/api/chat", "chat", read_ollama},
    {"/chat/completions", "chat_completions", read_openai},
    {"/completions", "completions", read_openai},
    {"/completion", "completions", read_llama_completion},
    {"/infill", "completions", read_llama_completion},
    {"/v1/responses", "responses", read_responses},
    {"/v1/messages", "messages", read_messages},
    {"/api/embed", "embeddings", read_embeddings},
    {"/embeddings", "embeddings", read_embeddings},
    {"/embedding", "embeddings", read_embeddings},
    {"/rerank", "rerank", read_embeddings},
};

const mlx_stream_api_t *mlx_stream_api(const char *path)
{
    for (size_t i = 0; i < MLX_COUNT(apis); i++) {
        if (mlx_ends_with(path, apis[i].path))
            return &apis[i];
    }
    return NULL;
}

const char *mlx_stream_api_name(const mlx_stream_api_t *api)
{
    return api->name;
}

void mlx_stream_read(const mlx_stream_api_t *api, const mlx_value_t *object,
                     mlx_stream_event_t *out)
{
    *out = (mlx_stream_event_t){.prompt_tokens = -1,
                                .whole_prompt = -1,
                                .generated_tokens = -1,
                                .cached_tokens = -1,
                                .draft_tokens = -1,
                                .draft_accepted = -1,
                                .thinking_tokens = -1,
                                .progress_total = -1,
                                .progress_done = -1,
                                .progress_s = NAN,
                                .prompt_s = NAN,
                                .generation_s = NAN,
                                .load_s = NAN,
                                .total_s = NAN};
    if (mlx_value_type(object) != MLX_MAP)
        return;
    read_error(object, out);
    api->read(object, out);
    bool going_on = same(out->done_reason, "in_progress") || same(out->done_reason, "queued");
    out->ended = out->ended || (out->done_reason && !going_on);
}
