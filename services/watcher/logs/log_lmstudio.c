/*  Sources: lmstudio-ai/docs (server logs) and parsers of its files of 2025 and 2026. A line is
 *
 *      [2026-08-19 10:11:12][INFO][model-id] Running chat completion on conversation with ...
 *
 *  with the third field only in some versions. What follows without a prefix belongs to the line
 *  before: bodies of requests, and the lines of the engine, since 2026 a llama-server
 *  (log_llama.c). Bodies are indented or quoted, and not looked at. */
#include "log_grammar.h"

#include <math.h>
#include <string.h>

static const struct {
    const char *says;
    mlx_log_what_t what;
} messages[] = {
    {"Running chat completion on conversation", MLX_LOG_STARTED},
    {"Running completion", MLX_LOG_STARTED},
    {"Finished streaming response", MLX_LOG_ENDED},
    {"Generated prediction", MLX_LOG_ENDED},
    {"Client disconnected", MLX_LOG_CANCELLED},
    {"Server stopped", MLX_LOG_BEGAN},
    {"Server started", MLX_LOG_BEGAN},
};

/*  The text after the fields in brackets; the last of them that is not a level names the model. */
static const char *after_fields(const char *line, mlx_log_fact_t *out)
{
    static const char *const others[] = {
        "LM STUDIO SERVER", "Client=", "INFO", "DEBUG", "WARN", "ERROR"};
    int fields = 0;
    for (; *line == '[' && fields < 4; fields++) {
        size_t len = strcspn(line, "]");
        if (line[len] != ']')
            return NULL;
        bool other = fields == 0;
        for (size_t i = 0; i < MLX_COUNT(others); i++)
            other = other || strncmp(line + 1, others[i], strlen(others[i])) == 0;
        if (!other)
            mlx_log_name(out->model, line + 1, len - 1);
        line += len + 1;
        line += strspn(line, " ");
    }
    return fields >= 2 ? line : NULL;
}

static void read_engine(const char *text, mlx_log_fact_t *out)
{
    double left;
    double *const prompt[] = {&out->total};
    double *const cache[] = {&out->cached, &left};
    double *const share[] = {&out->done};
    if (mlx_log_match(text, "Total prompt tokens: #", prompt) ||
        mlx_log_match(text, "Cache reuse summary: #/#", cache) ||
        mlx_log_match(text, "Prompt cache: using #/# tokens from cache", cache)) {
        out->what = MLX_LOG_PROMPT;
    } else if (mlx_log_match(text, "Prompt cache restore: cached_tokens=# uncached_tokens=#",
                             cache)) {
        out->what = MLX_LOG_PROMPT;
        out->total = out->cached + left;
    } else if (mlx_log_match(text, "Prompt processing progress: #%", share) && out->done <= 100) {
        out->what = MLX_LOG_PROMPT;
        out->rate = NAN;
        out->prompt = out->done / 100; /* a share */
        out->done = NAN;
    }
}

static void read_line(const char *line, mlx_log_fact_t *out)
{
    mlx_log_fact_clear(out);
    const char *text = after_fields(line, out);
    if (!text) {
        mlx_log_fact_clear(out);
        mlx_log_llama.read(line, out);
        return;
    }
    for (size_t i = 0; i < MLX_COUNT(messages); i++)
        if (strncmp(text, messages[i].says, strlen(messages[i].says)) == 0) {
            out->what = messages[i].what;
            return;
        }
    read_engine(text, out);
    if (out->what == MLX_LOG_NOTHING)
        mlx_log_llama.read(text, out);
}

const mlx_log_grammar_t mlx_log_lmstudio = {
    .kind = "lmstudio",
    .files = {".lmstudio/server-logs/", ".cache/lm-studio/server-logs/"},
    .read = read_line,
};
