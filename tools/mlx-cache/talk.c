/*  What the command says while it works, and how it is told to end. */
#include "cli.h"

#include "common/progress.h"
#include "common/units.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int number)
{
    interrupted = number;
    signal(number, SIG_DFL);
}

void cli_watch_interrupt(void)
{
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
}

bool cli_interrupted(void *arg)
{
    (void)arg;
    return interrupted != 0;
}

/*  One command runs in this process: its bar is the program's state. */
static mlx_progress_t *bar;
static int64_t last_done, last_total;

void cli_progress(void *arg, const mlx_value_t *event)
{
    (void)arg;
    int64_t done, total;
    if (!mlx_value_int(event, "done", &done) || !mlx_value_int(event, "total", &total))
        return;
    if (!bar) {
        mlx_term_t term = mlx_term_look(STDERR_FILENO, NULL);
        bar = mlx_progress_new(&(mlx_progress_options_t){.label = mlx_value_str(event, "model"),
                                                         .total = total,
                                                         .start = done,
                                                         .fd = STDERR_FILENO,
                                                         .term = &term});
    }
    last_done = done;
    last_total = total;
    mlx_progress_update(bar, done);
}

void cli_progress_end(void)
{
    if (bar)
        mlx_progress_finish(&bar, last_done == last_total);
}

int cli_number(const char *text, int64_t low, int64_t high, int64_t *out, mlx_error_t *err)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < low || value > high)
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%.60s\" is no number from %lld to %lld", text,
                             (long long)low, (long long)high);
    *out = value;
    return 0;
}
