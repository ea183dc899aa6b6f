/*  Sources: llama.cpp tools/server/README.md: GET /v1/models, /props, /slots, /metrics. Slots are
 *  on by default, metrics only with --metrics (501 without). A llama-server has one model, loaded
 *  from start to end, or as a router several that it loads when they are asked for by name. Its
 *  token counters move when a request ends, so the slots give live speed. Measured with
 *  --sleep-idle-seconds (b11549): /slots wakes it and keeps it awake, /props, /v1/models, /health
 *  and unknown paths do not, /metrics does in builds before August 2026. */
#include "common/runtime/runtime.h"

#include <stddef.h>
#include <string.h>

/*  A model without an alias is named by its path. */
static const char *short_name(const char *id)
{
    const char *slash = strrchr(id, '/');
    size_t len = strlen(id);
    bool file = id[0] == '/' || (len > 5 && !strcmp(id + len - 5, ".gguf"));
    return file && slash && slash[1] ? slash + 1 : id;
}

/*  134515008 as Ollama would write it: "134.52M". */
static void set_parameter_size(mlx_value_t *model, const mlx_value_t *meta)
{
    double n;
    if (!mlx_value_real(meta, "n_params", &n) || n < 1e6 || n > 1e15)
        return;
    MLX_CLEANUP(mlx_free_p)
    char *text = n < 1e9 ? mlx_format("%.2fM", n / 1e6) : mlx_format("%.1fB", n / 1e9);
    mlx_value_set_str(model, "parameter_size", text);
}

static void fill_model(mlx_value_t *model, const mlx_value_t *entry)
{
    const mlx_value_t *meta = mlx_value_get(entry, "meta");
    mlx_runtime_set_text(model, "name", short_name(mlx_value_str(entry, "id")));
    mlx_runtime_set_size(model, "size", meta, "size");
    mlx_runtime_set_size(model, "context", meta, "n_ctx");
    mlx_runtime_set_text(model, "quantization", mlx_value_str(meta, "ftype"));
    set_parameter_size(model, meta);
    mlx_value_set_str(model, "format", "gguf");
}

/*  A router lists what it could load, with the state of each; without one a model is loaded. */
int mlx_runtime_parse_gguf_models(const char *body, size_t len, mlx_runtime_state_t *state,
                                  mlx_error_t *err)
{
    int status = mlx_runtime_take_v1_models(body, len, state, fill_model, err);
    state->router = state->available != NULL;
    return status;
}

/*  The context that was allocated, per slot, is not in every version's /v1/models. */
static void take_context(const mlx_value_t *props, mlx_runtime_state_t *state)
{
    const mlx_value_t *settings = mlx_value_get(props, "default_generation_settings");
    mlx_value_t *model = mlx_value_at(state->models, 0);
    if (model && mlx_value_size(state->models) == 1)
        mlx_runtime_set_size(model, "context", settings, "n_ctx");
    if (model && !mlx_value_str(model, "quantization"))
        mlx_runtime_set_text(model, "quantization", mlx_value_str(props, "model_ftype"));
}

static int parse_props(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *root = mlx_runtime_object(body, len, err);
    if (!root)
        return -1;
    bool asleep;
    if (mlx_value_bool(root, "is_sleeping", &asleep))
        state->sleep = asleep ? MLX_SLEEP_ASLEEP : MLX_SLEEP_AWAKE;
    else
        state->sleep = MLX_SLEEP_NEVER;
    const char *role = mlx_value_str(root, "role");
    state->router = state->router || (role && !strcmp(role, "router"));
    const char *build = mlx_value_str(root, "build_info");
    if (build)
        mlx_runtime_copy_text(state->version, build);
    take_context(root, state);
    return 0;
}

int mlx_runtime_parse_slots(const char *body, size_t len, mlx_runtime_state_t *state,
                            mlx_error_t *err)
{
    state->has_slots = mlx_slots_parse(body, len, &state->slots, err) == 0;
    return state->has_slots ? 0 : -1;
}

static int parse_metrics(const char *body, size_t len, mlx_runtime_state_t *state, mlx_error_t *err)
{
    static const mlx_runtime_metric_t metrics[] = {
        {"llamacpp:tokens_predicted_total", offsetof(mlx_runtime_counters_t, tokens_total)},
        {"llamacpp:requests_processing", offsetof(mlx_runtime_counters_t, running)},
        {"llamacpp:prompt_tokens_total", offsetof(mlx_runtime_counters_t, prompt_tokens_total)},
        {"llamacpp:tokens_predicted_seconds_total",
         offsetof(mlx_runtime_counters_t, tokens_seconds)},
        {"llamacpp:prompt_seconds_total", offsetof(mlx_runtime_counters_t, prompt_tokens_seconds)},
        {0},
    };
    return mlx_runtime_take_metrics(body, len, metrics, state, err);
}

static bool claims(const mlx_runtime_answer_t *answer)
{
    return mlx_runtime_owned_by(answer, "llamacpp");
}

static const mlx_runtime_cause_t causes[] = {
    {"/slots", 400, "model name",
     "a router has no slots of its own: its models' servers have them"},
    {"/slots", 501, NULL, "its /slots is off: llama-server --slots turns it on"},
    {"/slots", 404, NULL, "it has no /slots (HTTP 404)"},
    {"/metrics", 501, NULL, "its /metrics is off: llama-server --metrics turns it on"},
    {"/metrics", 404, NULL, "it has no /metrics (HTTP 404)"},
    {0},
};

/*  The newer one, "llama serve", is also what ggml's Llama app runs. */
static const mlx_runtime_program_t programs[] = {
    {.name = "llama-server*"}, {.name = "llama", .word = "serve"}, {0}};

const mlx_runtime_backend_t mlx_runtime_llamacpp = {
    .kind = "llamacpp",
    .programs = programs,
    .ports = {8080, 9931, 2276},
    .probe_path = "/v1/models",
    .claims = claims,
    .causes = causes,
    .queries =
        {
            {.role = MLX_QUERY_STATE,
             .path = "/v1/models",
             .max_body = 1 << 20,
             .parse = mlx_runtime_parse_gguf_models},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/slots",
             .max_body = 1 << 20,
             .busy_ms = 250,
             .idle_ms = 400,
             .disturbs = true,
             .parse = mlx_runtime_parse_slots},
            {.role = MLX_QUERY_ACTIVITY,
             .path = "/metrics",
             .max_body = 1 << 20,
             .busy_ms = 2000,
             .idle_ms = 5000,
             .disturbs = true,
             .parse = parse_metrics},
            {.role = MLX_QUERY_FACTS,
             .path = "/props",
             .max_body = 1 << 20,
             .tells_sleep = true,
             .parse = parse_props},
        },
    .generate = {.path = "/v1/chat/completions", .no_cache = true, .forced = true},
};
