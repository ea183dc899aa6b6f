/*  The terminal side of `mlxctl top`: copies the canvas that top_view.c draws, and reads keys. */
#define NCURSES_WIDECHAR 1
#include "top.h"
#include "common/base/clock.h"

#include <langinfo.h>
#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/view/overview_state.h"
#include "top_fill.h"
#include "top_pages.h"
#include "top_view.h"

enum {
    TICK_MS = 1000,
    HOSTS_MAX = 256,
    PING_TIMEOUT_MS = 3000,
    BENCH_TIMEOUT_MS = 90000
};

typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_overview_t *overview;
    mlx_top_t *top;
    bool utf8;
    bool dirty;
    mlx_call_t *bench;
    mlx_timer_t *frame;
    size_t pace;  /* how often it draws, see paces */
    bool fleet;   /* a row for each machine is shown */
    bool settled; /* somebody chose what is shown */
    bool paused;
    bool help;
    bool asking; /* whether the bus answers, before a benchmark is begun */
    char *note;
} screen_t;

static const struct {
    short colour;
    attr_t attributes;
} inks[MLX_INKS] = {
    [MLX_INK_NORMAL] = {-1, A_NORMAL},
    [MLX_INK_TITLE] = {COLOR_CYAN, A_BOLD},
    [MLX_INK_DIM] = {-1, A_DIM},
    [MLX_INK_GOOD] = {COLOR_GREEN, A_NORMAL},
    [MLX_INK_WARN] = {COLOR_YELLOW, A_NORMAL},
    [MLX_INK_BAD] = {COLOR_RED, A_BOLD},
    [MLX_INK_PLOT] = {COLOR_CYAN, A_NORMAL},
    [MLX_INK_BAR] = {-1, A_REVERSE},
};

static void put_cell(int row, int column, mlx_cell_t cell, bool colour)
{
    wchar_t text[2] = {cell.ch, 0};
    cchar_t complex;
    if (!cell.ch)
        return; /* covered by the wide character before it */
    short pair = colour && inks[cell.ink].colour >= 0 ? (short)(cell.ink + 1) : 0;
    if (setcchar(&complex, text, inks[cell.ink].attributes, pair, NULL) == OK)
        mvadd_wch(row, column, &complex);
}

/*  A fleet is seen as a whole until somebody looks at one machine. */
static bool shows_fleet(const screen_t *self)
{
    const char *hosts[2];
    return self->settled ? self->fleet
                         : mlx_overview_hosts(self->overview, hosts, MLX_COUNT(hosts)) > 1;
}

static void draw_pages(screen_t *self, mlx_canvas_t *canvas);

static void draw(screen_t *self)
{
    mlx_canvas_t *canvas = mlx_canvas_new(LINES, COLS, self->utf8);
    bool colour = has_colors() && !getenv("NO_COLOR");
    mlx_top_draw(self->top, self->overview, self->note, mlx_wall_us(), canvas);
    draw_pages(self, canvas);
    for (int row = 0; row < canvas->rows; row++)
        for (int column = 0; column < canvas->columns; column++)
            put_cell(row, column, canvas->cells[row * canvas->columns + column], colour);
    refresh();
    mlx_canvas_destroy(&canvas);
    self->dirty = false;
}

static void set_note(screen_t *self, char *note)
{
    free(self->note);
    self->note = note;
    self->dirty = true;
}

static void on_message(void *arg, const mlx_message_t *message)
{
    screen_t *self = arg;
    mlx_overview_hear(self->overview, message, mlx_wall_us());
    self->dirty = true;
}

static void on_tick(void *arg)
{
    screen_t *self = arg;
    mlx_top_tick(self->top, self->overview, mlx_wall_us());
    self->dirty = true;
}

static void on_frame(void *arg)
{
    screen_t *self = arg;
    if (self->dirty && !self->paused)
        draw(self);
}

static char *bench_note(const mlx_value_t *value)
{
    int64_t prompt, prompts;
    double rate;
    const char *phase = mlx_value_str(value, "phase");
    if (!mlx_value_int(value, "prompt", &prompt) || !mlx_value_int(value, "prompts", &prompts))
        return mlx_format("benchmark: %s", phase ? phase : "running");
    if (mlx_value_real(value, "tokens_per_second", &rate))
        return mlx_format("benchmark: prompt %lld of %lld, %.1f tok/s", (long long)prompt,
                          (long long)prompts, rate);
    return mlx_format("benchmark: prompt %lld of %lld", (long long)prompt, (long long)prompts);
}

static void on_bench(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    screen_t *self = arg;
    double mean;
    if (kind == MLX_REPLY_PROGRESS) {
        set_note(self, bench_note(value));
        return;
    }
    self->bench = NULL;
    if (kind == MLX_REPLY_ERROR)
        set_note(self, mlx_format("benchmark: %s", err->text));
    else if (mlx_value_real(mlx_value_get(value, "tokens_per_second"), "mean", &mean))
        set_note(self, mlx_format("benchmark: %.1f tok/s", mean));
    else
        set_note(self, mlx_strdup("benchmark: done"));
}

/*  Whatever the state of the bus, the key has its answer at once or when the bus had time for
 *  one. */
static void on_ping(void *arg, mlx_reply_t kind, const mlx_value_t *value, const mlx_error_t *err)
{
    screen_t *self = arg;
    (void)value;
    if (kind == MLX_REPLY_PROGRESS)
        return;
    self->asking = false;
    if (kind == MLX_REPLY_ERROR) {
        set_note(self, mlx_format("benchmark: %s", err->text));
        return;
    }
    self->bench =
        mlx_bus_call(self->bus, "bencher", "bench.run", NULL, BENCH_TIMEOUT_MS, on_bench, self);
}

static void begin_or_cancel(screen_t *self)
{
    mlx_connection_t link = mlx_overview_connection(self->overview, mlx_wall_us());
    if (self->asking)
        return;
    if (self->bench) {
        set_note(self, mlx_strdup("benchmark: cancelling"));
        mlx_bus_cancel(self->bus, self->bench);
    } else if (link.state == MLX_LINK_LOST) {
        set_note(self, mlx_format("benchmark: %s", link.text));
    } else {
        set_note(self, mlx_strdup("benchmark: starting"));
        self->asking = true;
        mlx_bus_call(self->bus, "bus", "bus.services", NULL, PING_TIMEOUT_MS, on_ping, self);
    }
}

/*  The next machine of those that are heard; its plots begin again. */
static void next_host(screen_t *self)
{
    const char *hosts[HOSTS_MAX], *shown = mlx_overview_host(self->overview);
    size_t count = mlx_overview_hosts(self->overview, hosts, HOSTS_MAX), at = 0;
    while (at < count && shown && strcmp(hosts[at], shown) != 0)
        at++;
    if (count < 2) {
        set_note(self, mlx_strdup("no other machine is connected"));
        return;
    }
    bool whole = shows_fleet(self);
    self->settled = true;
    self->fleet = false;
    if (whole) /* the one that is shown beneath it */
        return;
    mlx_overview_select(self->overview, hosts[(at + 1) % count]);
    mlx_top_destroy(&self->top);
    self->top = mlx_top_new();
    set_note(self, NULL);
}

static void quit(screen_t *self)
{
    mlx_loop_stop(self->loop);
}

static void toggle_fleet(screen_t *self)
{
    self->fleet = !shows_fleet(self);
    self->settled = true;
}

static void toggle_details(screen_t *self)
{
    mlx_top_toggle_details(self->top);
}

static void toggle_pause(screen_t *self)
{
    self->paused = !self->paused;
    set_note(self, self->paused ? mlx_strdup("paused: p resumes") : NULL);
}

static void show_help(screen_t *self)
{
    self->help = true;
}

static const int64_t paces[] = {250, 500, 1000, 2000, 5000, 10000}; /* ms */

static void set_pace(screen_t *self, size_t pace)
{
    if (pace >= MLX_COUNT(paces))
        return;
    self->pace = pace;
    mlx_loop_cancel(self->loop, &self->frame);
    self->frame = mlx_loop_every(self->loop, paces[pace], on_frame, self);
    set_note(self, mlx_format("redraws every %.2g s", (double)paces[pace] / 1000));
}

static void slower(screen_t *self)
{
    set_pace(self, self->pace + 1);
}

static void faster(screen_t *self)
{
    set_pace(self, self->pace - 1); /* below the first it is beyond the last */
}

/*  Every key, what its help says, what it does. */
static const struct {
    int key;
    mlx_top_help_t help;
    void (*press)(screen_t *self);
} key_table[] = {
    {'q', {"q", "quit"}, quit},
    {'b', {"b", "run a benchmark, or cancel it"}, begin_or_cancel},
    {'d', {"d", "details of the machine instead of plots"}, toggle_details},
    {'f', {"f", "the fleet, a row for each machine; or one machine"}, toggle_fleet},
    {'h', {"h", "the next machine"}, next_host},
    {'p', {"p", "pause, and resume"}, toggle_pause},
    {'+', {"+", "redraw less often"}, slower},
    {'-', {"-", "redraw more often"}, faster},
    {'?', {"?", "this help"}, show_help},
};

static void draw_pages(screen_t *self, mlx_canvas_t *canvas)
{
    mlx_top_help_t lines[MLX_COUNT(key_table)];
    if (shows_fleet(self))
        mlx_top_draw_fleet(self->overview, mlx_wall_us(), canvas);
    for (size_t i = 0; i < MLX_COUNT(key_table); i++)
        lines[i] = key_table[i].help;
    if (self->help)
        mlx_top_draw_help(lines, MLX_COUNT(key_table), canvas);
}

static void on_key(void *arg, int fd, unsigned events)
{
    screen_t *self = arg;
    (void)fd, (void)events;
    for (int key = getch(); key != ERR; key = getch()) {
        bool helped = self->help;
        self->help = false;
        self->dirty = true;
        for (size_t i = 0; i < MLX_COUNT(key_table); i++)
            if (key_table[i].key == key && !(helped && key != 'q'))
                key_table[i].press(self);
    }
    draw(self);
}

static void on_signal(void *arg, int number)
{
    screen_t *self = arg;
    if (number != SIGWINCH) {
        mlx_loop_stop(self->loop);
        return;
    }
    /* The documented way to take over a new size without ncurses' own handler. */
    endwin();
    refresh();
    clear();
    draw(self);
}

/*  0, or -1 with ERR: the terminal cannot move its cursor, or is not known here. */
static int open_screen(screen_t *self, mlx_error_t *err)
{
    const char *kind = getenv("TERM");
    setlocale(LC_ALL, "");
    self->utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
    bool dumb = !kind || !*kind || strcmp(kind, "dumb") == 0;
    if (dumb || !newterm(NULL, stdout, stdin)) {
        mlx_error_set(err, MLX_ERR_USAGE, "top cannot draw on a terminal of type \"%.32s\"",
                      kind ? kind : "");
        return mlx_error_hint(err, "use `mlxctl status` here, or set TERM to its real type");
    }
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    curs_set(0);
    if (!has_colors())
        return 0;
    start_color();
    use_default_colors();
    for (int ink = 0; ink < MLX_INKS; ink++)
        if (inks[ink].colour >= 0)
            init_pair((short)(ink + 1), inks[ink].colour, -1);
    return 0;
}

static void close_screen(screen_t *self)
{
    free(self->note);
    mlx_top_destroy(&self->top);
    mlx_overview_destroy(&self->overview);
}

int mlx_top_run(mlx_loop_t *loop, mlx_bus_t *bus, const char *host, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, 0};
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        mlx_error_set(err, MLX_ERR_USAGE, "top needs a terminal");
        return mlx_error_hint(err, "use `mlxctl status` or `mlxctl watch` here");
    }
    screen_t self = {.loop = loop,
                     .bus = bus,
                     .overview = mlx_overview_new(host ? host : mlx_bus_host(bus)),
                     .top = mlx_top_new()};
    mlx_top_fill(self.top, loop, bus, mlx_overview_host(self.overview), mlx_wall_us());
    self.settled = host != NULL;
    if (open_screen(&self, err)) {
        close_screen(&self);
        return -1;
    }
    int rc = mlx_loop_signals(loop, signals, on_signal, &self, err);
    if (rc == 0) {
        mlx_watch_t *keys = mlx_loop_watch(loop, STDIN_FILENO, MLX_READ, on_key, &self);
        mlx_timer_t *tick = mlx_loop_every(loop, TICK_MS, on_tick, &self);
        self.frame = mlx_loop_every(loop, paces[0], on_frame, &self);
        mlx_bus_subscribe(bus, "", on_message, &self);
        draw(&self);
        mlx_loop_run(loop);
        mlx_loop_unwatch(loop, &keys);
        mlx_loop_cancel(loop, &tick);
        mlx_loop_cancel(loop, &self.frame);
    }
    endwin();
    close_screen(&self);
    return rc;
}
