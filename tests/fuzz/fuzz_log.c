/*  fuzz_log.c - whatever stands in a log: facts are terminated, totals never fall
 *
 *  The first byte chooses the format and how the lines are wrapped. */
#include <math.h>
#include <string.h>

#include "services/watcher/logs/log_lines.h"
#include "services/watcher/logs/log_story.h"
#include "services/watcher/logs/log_wrap.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

typedef struct {
    const mlx_log_grammar_t *format;
    mlx_log_wrap_t wrap;
    mlx_log_story_t *story;
    int64_t now_us;
    double tokens;
} run_t;

static void on_ended(void *arg, const mlx_ended_t *request)
{
    (void)arg;
    mlx_value_t *d = mlx_ended_message(request);
    mlx_value_destroy(&d);
    if (request->tokens < 0 || request->prompt_tokens < 0 || request->cached_tokens < 0)
        mlx_panic("less than nothing");
}

static void on_line(void *arg, const char *line)
{
    run_t *run = arg;
    char text[MLX_LOG_LINE_MAX];
    int64_t wall_us = 1700000000000000 + run->now_us;
    mlx_log_fact_t fact;
    if (!mlx_log_unwrap(run->wrap, line, text, &wall_us))
        return;
    run->format->read(text, &fact);
    if (!memchr(fact.model, 0, sizeof fact.model) || !memchr(fact.api, 0, sizeof fact.api) ||
        !memchr(fact.address, 0, sizeof fact.address))
        mlx_panic("a text that is not terminated");
    run->now_us += 100000;
    mlx_log_story_add(run->story, &fact, run->now_us, wall_us);
    mlx_log_story_tick(run->story, run->now_us);
    mlx_activity_t seen;
    mlx_log_story_activity(run->story, run->now_us, &seen);
    if (seen.tokens_total < run->tokens)
        mlx_panic("a total that falls");
    run->tokens = seen.tokens_total;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    size_t count;
    const mlx_log_grammar_t *const *all = mlx_log_grammars(&count);
    if (size == 0)
        return 0;
    run_t run = {.format = all[data[0] % count], .wrap = (mlx_log_wrap_t)(data[0] / 8 % 3)};
    run.story = mlx_log_story_new(run.format, (mlx_ended_sink_t){on_ended, NULL});
    mlx_log_lines_t lines = {.len = 0};
    mlx_log_lines_add(&lines, (const char *)data + 1, size - 1, on_line, &run);
    mlx_log_story_destroy(&run.story);
    return 0;
}
