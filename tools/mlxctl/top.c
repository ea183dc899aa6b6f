/*  The terminal side of `mlxctl top`: copies the canvas that top_view.c draws, and opens and closes
 *  the screen. What keys do is in top_keys.c. */
#define NCURSES_WIDECHAR 1
#include "top.h"
#include "common/base/clock.h"
#include "common/base/paths.h"
#include "common/cli/term.h"

#include <locale.h>
#include <ncurses.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top_fill.h"
#include "top_keys.h"
#include "top_theme.h"

enum {
    TICK_MS = 1000,
    ESCAPE_MS = 25 /* after which an Esc is no longer the beginning of a key */
};

typedef struct {
    mlx_loop_t *loop;
    mlx_overview_t *overview;
    mlx_top_keys_t *keys;
    mlx_canvas_t *shown; /* what is on the screen, or NULL */
    mlx_timer_t *frame;
    int64_t pace_ms;
    int theme; /* whose colours the terminal has been told */
    bool utf8;
    bool dirty;
} screen_t;

/*  Tell the terminal the theme's colours. */
static void set_theme(screen_t *self, int theme)
{
    int colours = has_colors() && !getenv("NO_COLOR") ? COLORS : 0;
    self->theme = theme;
    for (int ink = 0; ink < MLX_INKS && colours; ink++) {
        mlx_theme_ink_t one = mlx_theme_ink(theme, (mlx_ink_t)ink, colours);
#ifdef NCURSES_EXT_COLORS
        init_extended_pair(ink + 1, one.fore, one.back);
#else
        init_pair((short)(ink + 1), (short)one.fore, (short)one.back);
#endif
    }
    mlx_canvas_destroy(&self->shown);
}

static attr_t attributes_of(unsigned attributes)
{
    return (attributes & MLX_THEME_BOLD ? A_BOLD : A_NORMAL) |
           (attributes & MLX_THEME_DIM ? A_DIM : A_NORMAL) |
           (attributes & MLX_THEME_REVERSE ? A_REVERSE : A_NORMAL);
}

static void put_cell(int row, int column, mlx_cell_t cell, int theme, int colours)
{
    wchar_t text[2] = {cell.ch, 0};
    cchar_t complex;
    if (!cell.ch)
        return; /* covered by the wide character before it */
    attr_t attributes = attributes_of(mlx_theme_ink(theme, cell.ink, colours).attributes);
    short pair = colours ? (short)(cell.ink + 1) : 0;
    if (setcchar(&complex, text, attributes, pair, NULL) == OK)
        mvadd_wch(row, column, &complex);
}

/*  Only what differs from the screen is given to it: most of it does not from second to second. */
static void show(screen_t *self, mlx_canvas_t *canvas)
{
    int colours = has_colors() && !getenv("NO_COLOR") ? COLORS : 0;
    bool whole = !self->shown || self->shown->rows != canvas->rows ||
                 self->shown->columns != canvas->columns;
    for (int row = 0; row < canvas->rows; row++)
        for (int column = 0; column < canvas->columns; column++) {
            int at = row * canvas->columns + column;
            mlx_cell_t cell = canvas->cells[at];
            if (whole || cell.ch != self->shown->cells[at].ch ||
                cell.ink != self->shown->cells[at].ink)
                put_cell(row, column, cell, self->theme, colours);
        }
    refresh();
    mlx_canvas_destroy(&self->shown);
    self->shown = canvas;
}

static void on_frame(void *arg);

static void draw(screen_t *self)
{
    const mlx_top_look_t *look = mlx_top_keys_look(self->keys);
    if (look->theme != self->theme)
        set_theme(self, look->theme);
    int64_t pace_ms = mlx_top_look_number(look, MLX_LOOK_PACE);
    if (pace_ms != self->pace_ms) {
        self->pace_ms = pace_ms;
        mlx_loop_cancel(self->loop, &self->frame);
        self->frame = mlx_loop_every(self->loop, pace_ms, on_frame, self);
    }
    mlx_canvas_t *canvas = mlx_canvas_new(LINES, COLS, self->utf8);
    mlx_top_keys_draw(self->keys, canvas);
    show(self, canvas);
    self->dirty = false;
}

static void on_message(void *arg, const mlx_message_t *message)
{
    screen_t *self = arg;
    mlx_overview_hear(self->overview, message, mlx_wall_us());
    mlx_top_keys_heard(self->keys, message);
    self->dirty = true;
}

static void on_tick(void *arg)
{
    screen_t *self = arg;
    mlx_top_keys_tick(self->keys);
    self->dirty = true;
}

static void on_frame(void *arg)
{
    screen_t *self = arg;
    if (self->dirty && !mlx_top_keys_paused(self->keys))
        draw(self);
}

static void on_change(void *arg)
{
    screen_t *self = arg;
    self->dirty = true;
}

static void on_input(void *arg, int fd, unsigned events)
{
    screen_t *self = arg;
    (void)fd, (void)events;
    for (int key = getch(); key != ERR; key = getch()) {
        MEVENT mouse;
        if (key != KEY_MOUSE)
            mlx_top_keys_press(self->keys, key);
        else if (getmouse(&mouse) == OK)
            mlx_top_keys_mouse(self->keys, mouse.y, mouse.x,
                               mouse.bstate & BUTTON4_PRESSED   ? -1
                               : mouse.bstate & BUTTON5_PRESSED ? 1
                                                                : 0);
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
    mlx_canvas_destroy(&self->shown);
    draw(self);
}

/*  0, or -1 with ERR: the terminal cannot move its cursor, or is not known here. */
static int open_screen(screen_t *self, mlx_error_t *err)
{
    const char *kind = getenv("TERM");
    setlocale(LC_ALL, "");
    self->utf8 = mlx_term_draws(NULL);
    bool dumb = !kind || !*kind || strcmp(kind, "dumb") == 0;
    if (dumb || !newterm(NULL, stdout, stdin)) {
        mlx_error_set(err, MLX_ERR_USAGE, "top cannot draw on a terminal of type \"%.32s\"",
                      kind ? kind : "");
        return mlx_error_hint(err, "use `mlxctl status` here, or set TERM to its real type");
    }
    cbreak();
    noecho();
    nodelay(stdscr, TRUE);
    keypad(stdscr, TRUE);
    set_escdelay(ESCAPE_MS);
    mouseinterval(0);
    mousemask(BUTTON1_PRESSED | BUTTON4_PRESSED | BUTTON5_PRESSED, NULL);
    curs_set(0);
    if (has_colors()) {
        start_color();
        use_default_colors();
    }
    return 0;
}

static void close_screen(screen_t *self)
{
    mlx_canvas_destroy(&self->shown);
    mlx_top_keys_destroy(&self->keys);
    mlx_overview_destroy(&self->overview);
}

static int run_screen(screen_t *self, mlx_bus_t *bus, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGWINCH, 0};
    if (mlx_loop_signals(self->loop, signals, on_signal, self, err))
        return -1;
    mlx_watch_t *input = mlx_loop_watch(self->loop, STDIN_FILENO, MLX_READ, on_input, self);
    mlx_timer_t *tick = mlx_loop_every(self->loop, TICK_MS, on_tick, self);
    mlx_bus_subscribe(bus, "", on_message, self);
    draw(self);
    mlx_loop_run(self->loop);
    mlx_loop_unwatch(self->loop, &input);
    mlx_loop_cancel(self->loop, &tick);
    mlx_loop_cancel(self->loop, &self->frame);
    return 0;
}

int mlx_top_run(mlx_loop_t *loop, mlx_bus_t *bus, const char *host, mlx_error_t *err)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
        mlx_error_set(err, MLX_ERR_USAGE, "top needs a terminal");
        return mlx_error_hint(err, "use `mlxctl status` or `mlxctl watch` here");
    }
    screen_t self = {
        .loop = loop, .overview = mlx_overview_new(host ? host : mlx_bus_host(bus)), .theme = -1};
    self.keys = mlx_top_keys_new(&(mlx_top_keys_options_t){.loop = loop,
                                                           .bus = bus,
                                                           .overview = self.overview,
                                                           .host_named = host != NULL,
                                                           .changed = on_change,
                                                           .arg = &self});
    mlx_top_fill(mlx_top_keys_top(self.keys), loop, bus, mlx_overview_host(self.overview),
                 mlx_wall_us());
    if (open_screen(&self, err)) {
        close_screen(&self);
        return -1;
    }
    int rc = run_screen(&self, bus, err);
    endwin();
    close_screen(&self);
    return rc;
}
