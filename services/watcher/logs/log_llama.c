/*  Sources: llama.cpp tools/server (server-context.cpp: print_timing, release, launch_slot_) and
 *  the output of builds b11549 and b10488. A line is
 *
 *      [PORT] 0.20.824.355 I slot print_timing: id  0 | task 12 | prompt eval time = ...
 *
 *  with PORT only behind a router, and time and level only with --log-prefix and --log-timestamps
 *  (Ollama turns both off). Until 2025 a header line with nothing after its last bar was followed
 *  by lines of figures with no prefix. */
#include "log_grammar.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

/*  A text after "id  0 | task 12 | ", and which of the fact's numbers its '#' are. */
typedef struct {
    const char *pattern;
    mlx_log_what_t what;
    size_t fields[4];
    double unit; /* of seconds */
} rule_t;

#define F(name) (offsetof(mlx_log_fact_t, name) + 1) /* 0: the number is left */

static const rule_t rules[] = {
    {"prompt eval time = # ms / # tokens", MLX_LOG_READ, {F(seconds), F(tokens)}, 1e-3},
    {"eval time = # ms / # tokens", MLX_LOG_MADE, {F(seconds), F(tokens)}, 1e-3},
    {"eval time = # ms / # runs", MLX_LOG_MADE, {F(seconds), F(tokens)}, 1e-3},
    {"n_gen = #, tg = # t/s, tg_3s = #", MLX_LOG_MAKING, {F(tokens), 0, F(rate)}, 1},
    {"n_gen = #, tg = #", MLX_LOG_MAKING, {F(tokens), F(rate)}, 1},
    {"n_decoded = #, tg = # t/s, tg_3s = #", MLX_LOG_MAKING, {F(tokens), 0, F(rate)}, 1},
    {"n_decoded = #, tg = #", MLX_LOG_MAKING, {F(tokens), F(rate)}, 1},
    {"prompt processing, n_tokens = #, progress = #, t = # s / # tokens per second",
     MLX_LOG_PROMPT,
     {F(done), F(total), 0, F(rate)},
     1},
    {"prompt processing progress, n_tokens = #, batch.n_tokens = #, progress = #",
     MLX_LOG_PROMPT,
     {F(done), 0, F(total)},
     1},
    {"new prompt, n_ctx_slot = #, n_keep = #, task.n_tokens = #",
     MLX_LOG_PROMPT,
     {0, 0, F(total)},
     1},
    {"cached n_tokens = #", MLX_LOG_PROMPT, {F(cached)}, 1},
    {"draft acceptance = # ( # accepted / # generated)",
     MLX_LOG_DRAFTED,
     {0, F(accepted), F(drafted)},
     1},
    {"draft acceptance rate = # ( # accepted / # generated)",
     MLX_LOG_DRAFTED,
     {0, F(accepted), F(drafted)},
     1},
    {"processing task", MLX_LOG_STARTED, {0}, 1},
    {"stop processing: n_tokens = #", MLX_LOG_ENDED, {F(held)}, 1},
    {"stop processing: n_past = #", MLX_LOG_ENDED, {F(held)}, 1},
};

/*  What the lines that matter begin with: one that does and fits no rule is of a version that is
 *  not known. */
static const char *const heads[] = {"prompt eval time", "eval time", "stop processing"};

static bool apply(const rule_t *rule, const char *text, mlx_log_fact_t *out)
{
    double *numbers[MLX_COUNT(rule->fields) + 1] = {NULL};
    for (size_t i = 0; i < MLX_COUNT(rule->fields); i++)
        if (rule->fields[i])
            numbers[i] = (double *)(void *)((char *)out + rule->fields[i] - 1);
    mlx_log_fact_t before = *out;
    if (!mlx_log_match(text, rule->pattern, numbers)) {
        *out = before;
        return false;
    }
    out->what = rule->what;
    out->seconds *= rule->unit;
    return true;
}

/*  Progress is a share of the prompt with two or three digits: its length is known with it. */
static void total_of_share(mlx_log_fact_t *out)
{
    double share = out->total;
    if (out->what != MLX_LOG_PROMPT || isnan(out->done))
        return;
    out->total = share > 0 && share <= 1 ? out->done / share : NAN;
}

static void read_slot_text(const char *text, mlx_log_fact_t *out)
{
    text += strspn(text, " ");
    for (size_t i = 0; i < MLX_COUNT(rules); i++)
        if (apply(&rules[i], text, out)) {
            total_of_share(out);
            return;
        }
    for (size_t i = 0; i < MLX_COUNT(heads); i++)
        if (mlx_starts_with(text, heads[i]))
            out->what = MLX_LOG_STRANGE;
}

/*  "slot <function>: id  0 | task 12 | <text>". */
static void read_slot(const char *text, mlx_log_fact_t *out)
{
    double slot, task;
    double *numbers[] = {&slot, &task};
    const char *colon = strchr(text, ':');
    const char *rest =
        colon && colon - text < 40 ? mlx_log_match(colon + 1, " id # | task # |", numbers) : NULL;
    if (!rest)
        return;
    out->slot = (int64_t)slot;
    out->task = (int64_t)task;
    if (rest[strspn(rest, " ")] == '\0')
        out->what = MLX_LOG_NAMED;
    else
        read_slot_text(rest, out);
}

/*  The name between the first pair of QUOTE characters of TEXT. */
static void quoted(const char *text, char quote, mlx_log_fact_t *out)
{
    const char *from = strchr(text, quote);
    const char *to = from ? strchr(from + 1, quote) : NULL;
    if (to)
        mlx_log_name(out->model, from + 1, (size_t)(to - from - 1));
}

/*  A router: "spawning server instance with name=NAME on port N". */
static void read_spawn(const char *text, mlx_log_fact_t *out)
{
    static const char mark[] = " on port ";
    const char *from = strchr(text, '=');
    const char *to = from ? strstr(from, mark) : NULL;
    double port;
    double *numbers[] = {&port};
    if (!to || !mlx_log_match(to + sizeof mark - 1, "#", numbers) || port > 65535)
        return;
    mlx_log_name(out->model, from + 1, (size_t)(to - from - 1));
    out->child = (int64_t)port;
    out->what = MLX_LOG_NAMED;
}

/*  "srv <function>: <text>". */
static void read_server(const char *text, mlx_log_fact_t *out)
{
    double task;
    double *numbers[] = {&task};
    const char *colon = strchr(text, ':');
    text = colon && colon - text < 40 ? colon + 1 : "";
    text += strspn(text, " ");
    if (mlx_log_match(text, "cancel task, id_task = #", numbers)) {
        out->task = (int64_t)task;
        out->what = MLX_LOG_CANCELLED;
    } else if (mlx_starts_with(text, "spawning server instance with name=")) {
        read_spawn(text, out);
    } else if (mlx_starts_with(text, "loading model")) {
        quoted(text, '\'', out);
        out->what = MLX_LOG_LOADING;
    } else if (mlx_starts_with(text, "model loaded")) {
        out->what = MLX_LOG_LOADED;
    } else if (mlx_starts_with(text, "initializing ...")) {
        out->what = MLX_LOG_BEGAN;
    }
}

static void read_text(const char *text, mlx_log_fact_t *out)
{
    if (mlx_starts_with(text, "slot "))
        read_slot(text + 5, out);
    else if (mlx_starts_with(text, "srv ") || mlx_starts_with(text, "que "))
        read_server(text + 4, out);
    else if (*text == ' ' || mlx_starts_with(text, "prompt eval") ||
             mlx_starts_with(text, "eval time"))
        read_slot_text(text, out);
}

static const char *after_child(const char *line, mlx_log_fact_t *out)
{
    double port;
    double *numbers[] = {&port};
    const char *rest = *line == '[' ? mlx_log_match(line, "[#] ", numbers) : NULL;
    if (!rest || port > 65535)
        return line;
    out->child = (int64_t)port;
    return rest;
}

/*  "10.13.175.674 I ": minutes, seconds, milliseconds, microseconds, level. */
static const char *after_prefix(const char *line)
{
    size_t digits = strspn(line, "0123456789.");
    const char *rest = line + digits;
    if (digits < 10 || rest[0] != ' ' || !rest[1] || !strchr("EWITD", rest[1]) || rest[2] != ' ')
        return line;
    return rest + 3;
}

static void read_line(const char *line, mlx_log_fact_t *out)
{
    mlx_log_fact_clear(out);
    line = after_child(line, out);
    int64_t child = out->child;
    read_text(after_prefix(line), out);
    if (!out->child)
        out->child = child;
}

const mlx_log_grammar_t mlx_log_llama = {
    .kind = "llamacpp",
    .program = "llama",
    .read = read_line,
};
