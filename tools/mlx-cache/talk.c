/*  What the command says while it works, and how it is told to end. */
#include "cli.h"
#include "common/base/clock.h"

#include "common/base/paths.h"
#include "common/base/units.h"
#include "common/bus/bus.h"
#include "common/bus/command.h"
#include "common/cli/progress.h"

#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

static volatile sig_atomic_t interrupted;

enum {
    PATIENCE_US = 800000
};

static void on_interrupt(int number)
{
    interrupted = number;
    signal(number, SIG_DFL);
    const struct itimerval patience = {.it_value.tv_usec = PATIENCE_US};
    /* POSIX does not name it, but it is a bare system call on Linux and macOS. */
    setitimer(ITIMER_REAL, &patience, NULL); /* NOLINT(bugprone-signal-handler) */
}

/*  Something waits for a server or a disk and does not hear: what is done is in the journal, and
 *  the next command resumes from there. */
static void on_patience(int number)
{
    static const char text[] = "\nmlx-cache: interrupted; partial files are kept\n";
    (void)number;
    ssize_t put = write(STDERR_FILENO, text, sizeof text - 1);
    (void)put;
    _exit(MLX_ERR_INTERRUPTED);
}

void cli_watch_interrupt(void)
{
    signal(SIGALRM, on_patience);
    signal(SIGINT, on_interrupt);
    signal(SIGTERM, on_interrupt);
}

bool cli_interrupted(void *arg)
{
    (void)arg;
    return interrupted != 0;
}

/* ---- the bus ---- */

enum {
    PUBLISH_US = 200000
};

/*  One command runs in this process: its bar and its client are the program's state. */
static struct {
    bool wanted;
    bool tried;
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    int64_t told_us;
} hearers;

void cli_tell_bus(void)
{
    hearers.wanted = true;
}

/*  Only where a broker's socket lies, and without asking whether it answers: the client connects by
 *  itself, and drops what it cannot send at once. */
static void open_bus(void)
{
    hearers.tried = true;
    MLX_CLEANUP(mlx_free_p) char *run_dir = mlx_paths_run_dir(NULL, NULL);
    MLX_CLEANUP(mlx_free_p)
    char *path = mlx_format("%s/" MLX_SOCKET_PUBLISH, run_dir ? run_dir : "");
    if (!run_dir || access(path, W_OK) != 0)
        return;
    MLX_CLEANUP(mlx_config_destroy) mlx_config_t *config = cli_config(NULL);
    if (!config)
        return;
    hearers.loop = mlx_loop_new();
    hearers.bus = mlx_bus_new(hearers.loop,
                              &(mlx_bus_options_t){.run_dir = run_dir,
                                                   .host = mlx_config_str(config, "host"),
                                                   .src = "mlx-cache"},
                              NULL);
}

static void close_bus(void)
{
    if (hearers.bus)
        mlx_bus_destroy(&hearers.bus);
    if (hearers.loop)
        mlx_loop_destroy(&hearers.loop);
}

static void tell_bus(const mlx_value_t *event, bool last)
{
    if (hearers.wanted && !hearers.tried)
        open_bus();
    int64_t now_us = mlx_now_us();
    if (!hearers.bus || (!last && now_us - hearers.told_us < PUBLISH_US))
        return;
    hearers.told_us = now_us;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_copy(event);
    MLX_CLEANUP(mlx_free_p) char *id = mlx_format("mlx-cache-%ld", (long)getpid());
    mlx_value_set_str(d, "id", id);
    mlx_bus_publish(hearers.bus, "cache.progress", d);
}

/* ---- the terminal ---- */

static mlx_progress_t *bar;
static char *bar_label;
static int64_t last_done, last_total;

static void end_bar(void)
{
    if (bar)
        mlx_progress_finish(&bar, last_done == last_total);
    free(bar_label);
    bar_label = NULL;
}

static void begin_bar(const char *label, int64_t done, int64_t total, const mlx_term_t *term)
{
    end_bar();
    bar_label = mlx_strdup(label);
    bar = mlx_progress_new(&(mlx_progress_options_t){
        .label = label, .total = total, .start = done, .fd = STDERR_FILENO, .term = term});
}

static double real(const mlx_value_t *map, const char *key)
{
    double value = (double)NAN;
    mlx_value_real(map, key, &value);
    return value;
}

static void draw_bar(const mlx_value_t *event, int64_t done, int64_t total)
{
    const char *model = mlx_value_str(event, "model");
    const char *label = model && *model ? model : mlx_value_str(event, "operation");
    mlx_term_t term = mlx_term_look(STDERR_FILENO, NULL);
    if (!term.tty)
        return;
    if (!bar || total != last_total || done < last_done || strcmp(bar_label, label) != 0)
        begin_bar(label, done, total, &term);
    last_done = done;
    last_total = total;
    mlx_progress_told(bar, real(event, "rate"), real(event, "eta"));
    mlx_progress_update(bar, done);
}

/*  "model.safetensors  4.9 GB  verified  (shared with ollama)"; a terminal has its bar. */
static void say_file(const mlx_value_t *event, const char *file)
{
    if (isatty(STDERR_FILENO))
        return;
    int64_t size = 0;
    mlx_value_int(event, "size", &size);
    const char *how = mlx_value_str(event, "how"), *app = mlx_value_str(event, "app");
    bool shared = how && strcmp(how, "shared") == 0;
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_format_unit((double)size, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p)
    char *line = mlx_format("%s  %s  verified  (%s%s%s)", file, bytes, how ? how : "done",
                            app ? (shared ? " with " : " from ") : "", app ? app : "");
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(line, 0);
    fprintf(stderr, "%s\n", clean);
}

/*  Why nothing seems to happen; a bar goes on below it. */
static void say_waiting(const mlx_value_t *event, const char *why)
{
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(why, 0);
    end_bar();
    fprintf(stderr, "mlx-cache: %s; trying again in %.0f s\n", clean, real(event, "again_s"));
}

void cli_progress(void *arg, const mlx_value_t *event)
{
    (void)arg;
    int64_t done, total;
    const char *file = mlx_value_str(event, "file"), *why = mlx_value_str(event, "waiting");
    if (file)
        say_file(event, file);
    if (why)
        say_waiting(event, why);
    if (!mlx_value_int(event, "done", &done) || !mlx_value_int(event, "total", &total))
        return;
    draw_bar(event, done, total);
    tell_bus(event, done == total);
}

void cli_progress_end(void)
{
    end_bar();
    close_bus();
}

int cli_number(const char *text, int64_t low, int64_t high, int64_t *out, mlx_error_t *err)
{
    char *end;
    long long value = strtoll(text, &end, 10);
    if (end == text || *end || value < low || value > high)
        return mlx_error_set(err, MLX_ERR_USAGE, "\"%.60s\" is not a number from %lld to %lld",
                             text, (long long)low, (long long)high);
    *out = value;
    return 0;
}
