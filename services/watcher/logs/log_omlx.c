/*  Sources: jundot/omlx, omlx/server.py of 0.4.5, and threads of 2026. One line for a request that
 *  has ended, with all there is to tell:
 *
 *      2026-08-19 10:11:12,345 - omlx.server - INFO - [req-id] - Chat completion: model=M, 212
 *      tokens in 4.10s (51.7 tok/s), prompt: 900, finish_reason=stop, ...
 *
 *  "model=" since August 2026. The time is that of the whole reply. */
#include "log_grammar.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *says;
    const char *api;
} kinds[] = {
    {"Chat completion: ", "chat_completions"},
    {"Completion: ", "completions"},
    {"Anthropic message: ", "messages"},
};

/*  Behind the last of the fields that " - " divides: time, logger, level, and perhaps the request's
 *  id in brackets. NULL: it is not a line of the server's. */
static const char *message_of(const char *line)
{
    double time[7];
    double *numbers[] = {&time[0], &time[1], &time[2], &time[3], &time[4], &time[5], &time[6]};
    const char *at = mlx_log_match(line, "#-#-# #:#:#,# - ", numbers);
    if (!at || strncmp(at, "omlx", 4) != 0)
        return NULL;
    for (int i = 0; i < 2 && at; i++) {
        at = strstr(at, " - ");
        at = at ? at + 3 : NULL;
    }
    if (at && *at == '[') {
        at = strstr(at, "] - ");
        at = at ? at + 4 : NULL;
    }
    return at;
}

static void read_request(const char *text, mlx_log_fact_t *out)
{
    double *const figures[] = {&out->tokens, &out->seconds, &out->rate};
    double *const prompt[] = {&out->prompt};
    if (strncmp(text, "model=", 6) == 0) {
        size_t len = strcspn(text, ",");
        mlx_log_name(out->model, text + 6, len - 6);
        text += len + (text[len] == ',');
    }
    const char *rest = mlx_log_match(text, " # tokens in #s (# tok/s)", figures);
    out->what = rest ? MLX_LOG_REQUEST : MLX_LOG_STRANGE;
    if (rest)
        mlx_log_match(rest, ", prompt: #", prompt);
}

static void read_line(const char *line, mlx_log_fact_t *out)
{
    mlx_log_fact_clear(out);
    const char *text = message_of(line);
    for (size_t i = 0; text && i < MLX_COUNT(kinds); i++)
        if (strncmp(text, kinds[i].says, strlen(kinds[i].says)) == 0) {
            snprintf(out->api, sizeof out->api, "%s", kinds[i].api);
            read_request(text + strlen(kinds[i].says), out);
            return;
        }
    if (text && strncmp(text, "Loading model: ", 15) == 0) {
        mlx_log_name(out->model, text + 15, strlen(text + 15));
        out->what = MLX_LOG_LOADING;
    }
}

const mlx_log_grammar_t mlx_log_omlx = {
    .kind = "omlx",
    .program = "omlx",
    .files = {".omlx/logs/server.log"},
    .read = read_line,
};
