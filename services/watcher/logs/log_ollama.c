/*  Sources: ollama server/sched.go, llm/server.go, x/mlxrunner and gin's logger at v0.33.0-rc2.
 *  Four families of lines in one stream:
 *
 *      time=2026-08-19T10:11:12.123+02:00 level=INFO source=sched.go:512 msg="..." key=value
 *      [GIN] 2026/08/19 - 10:11:12 | 200 |  1m43.2s |       127.0.0.1 | POST     "/api/chat"
 *      slot      release: id  0 | task 3 | ...         its runner's, a llama-server (log_llama.c)
 *      time=... source=cache.go:120 msg="cache hit" total=812 matched=640 cached=640 left=172
 *                                                      its MLX engine's, one request at a time
 *
 *  A [GIN] line is written when a request has ended. Lines of runners do not name the model. */
#include "log_grammar.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/*  The value of KEY in a line of slog, still quoted where it is. *LEN without the quotes. */
static const char *value_of(const char *line, const char *key, size_t *len)
{
    size_t key_len = strlen(key);
    bool quoted = false;
    for (const char *at = line; *at; at++) {
        if (*at == '\\' && quoted && at[1])
            at++;
        else if (*at == '"')
            quoted = !quoted;
        if (quoted || (at != line && at[-1] != ' ') || strncmp(at, key, key_len) != 0 ||
            at[key_len] != '=')
            continue;
        at += key_len + 1;
        *len = *at == '"' ? strcspn(at + 1, "\"") : strcspn(at, " ");
        return *at == '"' ? at + 1 : at;
    }
    return NULL;
}

static double number_of(const char *line, const char *key)
{
    size_t len;
    double value = NAN;
    double *numbers[] = {&value};
    const char *text = value_of(line, key, &len);
    return text && mlx_log_match(text, "#", numbers) ? value : (double)NAN;
}

static void name_of(const char *line, const char *key, mlx_log_fact_t *out)
{
    size_t len;
    const char *text = value_of(line, key, &len);
    if (text)
        mlx_log_name(out->model, text, len);
}

/*  What begins a message, and what it means; KEY: where the name of the model is. */
static const struct {
    const char *says;
    mlx_log_what_t what;
    const char *key;
} messages[] = {
    {"starting llama-server", MLX_LOG_LOADING, NULL},
    {"starting runner", MLX_LOG_LOADING, NULL},
    {"loading model via llama-server", MLX_LOG_LOADING, NULL}, /* its name is that of a blob */
    {"starting mlx runner subprocess", MLX_LOG_LOADING, "model"},
    {"llama-server started in", MLX_LOG_LOADED, NULL},
    {"llama runner started in", MLX_LOG_LOADED, NULL},
    {"mlx runner is ready", MLX_LOG_LOADED, NULL},
    {"Load failed", MLX_LOG_LOADED, NULL},
    {"stopping mlx runner subprocess", MLX_LOG_BEGAN, NULL},
    {"Listening on", MLX_LOG_BEGAN, NULL},
    {"aborting completion request due to client closing", MLX_LOG_CANCELLED, NULL},
    {"cache hit", MLX_LOG_STARTED, NULL},
    {"cache miss", MLX_LOG_STARTED, NULL},
    {"Prompt processing progress", MLX_LOG_PROMPT, NULL},
    {"speculative decode stats", MLX_LOG_DRAFTED, NULL},
    {"truncating input prompt", MLX_LOG_CUT, NULL},
    {"peak memory", MLX_LOG_ENDED, NULL},
    {"Request terminated", MLX_LOG_CANCELLED, NULL},
};

/*  "truncating input prompt" limit=4096 prompt=16000 keep=4 new=4096: what is left is "new" where
 *  that is said. A number that is missing is no reason to believe nothing else. */
static void read_cut(const char *line, mlx_log_fact_t *out)
{
    out->prompt = number_of(line, "prompt");
    out->total = number_of(line, "new");
    if (isnan(out->total))
        out->total = number_of(line, "limit");
    if (!(out->total > 0 && out->prompt > out->total))
        out->what = MLX_LOG_NOTHING;
}

/*  The figures of the MLX engine. Progress counts what was not cached. */
static void read_figures(const char *line, mlx_log_fact_t *out)
{
    if (out->what == MLX_LOG_STARTED) {
        out->total = number_of(line, "total");
        out->cached = number_of(line, "cached");
        if (isnan(out->total))
            out->what = MLX_LOG_STRANGE;
    } else if (out->what == MLX_LOG_PROMPT) {
        out->tokens = number_of(line, "processed");
        out->prompt = number_of(line, "total");
        if (isnan(out->tokens) || isnan(out->prompt))
            out->what = MLX_LOG_STRANGE;
    } else if (out->what == MLX_LOG_CUT) {
        read_cut(line, out);
    } else if (out->what == MLX_LOG_DRAFTED) {
        out->drafted = number_of(line, "drafted");
        out->accepted = number_of(line, "accepted");
    }
}

static void read_slog(const char *line, mlx_log_fact_t *out)
{
    size_t len;
    const char *text = value_of(line, "msg", &len);
    for (size_t i = 0; text && i < MLX_COUNT(messages); i++) {
        if (len < strlen(messages[i].says) ||
            strncmp(text, messages[i].says, strlen(messages[i].says)) != 0)
            continue;
        out->what = messages[i].what;
        if (messages[i].key)
            name_of(line, messages[i].key, out);
        read_figures(line, out);
        return;
    }
}

/*  A duration as Go writes it: "412.5µs", "1.2s", "1m43.2s", "1h2m3s". NaN: it is none. */
static double go_duration(const char *text)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"ns", 1e-9}, {"\xc2\xb5s", 1e-6}, {"us", 1e-6}, {"ms", 1e-3},
                 {"h", 3600},  {"m", 60},           {"s", 1}};
    double sum = 0;
    bool any = false;
    while (*text && *text != ' ') {
        double part;
        double *numbers[] = {&part};
        const char *unit = mlx_log_match(text, "#", numbers);
        size_t i = 0;
        while (unit && i < MLX_COUNT(units) &&
               strncmp(unit, units[i].unit, strlen(units[i].unit)) != 0)
            i++;
        if (!unit || i == MLX_COUNT(units))
            return NAN;
        sum += part * units[i].seconds;
        text = unit + strlen(units[i].unit);
        any = true;
    }
    return any && sum < 1e7 ? sum : (double)NAN;
}

/*  Cut the field that ends with '|' out of *TEXT; "" when there is none. */
static void field(const char **text, char *out, size_t cap)
{
    const char *from = *text + strspn(*text, " ");
    const char *bar = strchr(from, '|');
    size_t len = bar ? (size_t)(bar - from) : 0;
    *text = bar ? bar + 1 : "";
    while (len > 0 && from[len - 1] == ' ')
        len--;
    if (len >= cap)
        len = 0;
    memcpy(out, from, len);
    out[len] = '\0';
}

static void read_gin(const char *text, mlx_log_fact_t *out)
{
    char date[32], status[8], took[32], path[64];
    field(&text, date, sizeof date);
    field(&text, status, sizeof status);
    field(&text, took, sizeof took);
    field(&text, out->address, sizeof out->address);
    const char *from = strchr(text, '"');
    size_t len = from ? strcspn(from + 1, "\"?") : 0;
    if (!from || len >= sizeof path || mlx_log_match(text, " POST ", NULL) == NULL)
        return;
    memcpy(path, from + 1, len);
    path[len] = '\0';
    const char *api = mlx_log_api(path);
    double code;
    double *numbers[] = {&code};
    if (!api)
        return;
    const char *rest = mlx_log_match(status, "#", numbers);
    out->seconds = go_duration(took);
    bool good = rest && !*rest && code >= 100 && code < 600 && !isnan(out->seconds);
    out->what = good ? MLX_LOG_REQUEST : MLX_LOG_STRANGE;
    out->status = good ? (int)code : 0;
    snprintf(out->api, sizeof out->api, "%s", api);
    if (out->address[strspn(out->address, "0123456789abcdefABCDEF.:%")] != '\0')
        out->address[0] = '\0';
}

static void read_line(const char *line, mlx_log_fact_t *out)
{
    mlx_log_fact_clear(out);
    if (strncmp(line, "time=", 5) == 0)
        read_slog(line, out);
    else if (strncmp(line, "[GIN] ", 6) == 0)
        read_gin(line + 6, out);
    else
        mlx_log_llama.read(line, out);
}

const mlx_log_grammar_t mlx_log_ollama = {
    .kind = "ollama",
    .program = "ollama",
    .word = "serve",
    .files = {".ollama/logs/server.log"},
    .nameless = true,
    .read = read_line,
};
