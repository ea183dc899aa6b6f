#include "top_keys.h"

#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/paths.h"
#include "common/base/units.h"
#include "common/cli/term.h"
#include "common/view/overview_state.h"
#include "top_fill.h"
#include "top_jobs.h"
#include "top_pages.h"

enum {
    HOSTS_MAX = 256,
    PAGE = 10, /* rows that Page Down goes */
    ESCAPE = 27,
    ERASE = 127
};

struct mlx_top_keys {
    mlx_top_keys_options_t options;
    mlx_top_t *top;
    mlx_top_jobs_t *jobs;
    char *settings; /* the file's path, or NULL: there is nowhere to keep them */
    char *note;
    bool fleet;   /* a row for each machine is shown */
    bool settled; /* somebody chose what is shown */
    bool paused;
    bool help;
    bool typing;      /* of the filter */
    const char *asks; /* the command that awaits a yes, or NULL */
    char *model, *runtime;
};

static mlx_top_choice_t *choice_of(mlx_top_keys_t *self)
{
    return mlx_top_choice(self->top);
}

static void set_note(void *arg, char *note)
{
    mlx_top_keys_t *self = arg;
    free(self->note);
    self->note = note;
    self->options.changed(self->options.arg);
}

static void forget_question(mlx_top_keys_t *self)
{
    free(self->model);
    free(self->runtime);
    self->model = self->runtime = NULL;
    self->asks = NULL;
}

mlx_top_keys_t *mlx_top_keys_new(const mlx_top_keys_options_t *options)
{
    mlx_top_keys_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_top_keys_t){.options = *options, .top = mlx_top_new()};
    self->settled = options->host_named;
    self->jobs = mlx_top_jobs_new(options->bus, set_note, self);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *folder = mlx_paths_state_dir(NULL, &err);
    self->settings = folder ? mlx_format("%s/top.json", folder) : NULL;
    if (!folder || mlx_top_look_load(&choice_of(self)->look, self->settings, &err))
        self->note = mlx_term_clean(err.text, 0);
    return self;
}

void mlx_top_keys_destroy(mlx_top_keys_t **self)
{
    if (!*self)
        return;
    forget_question(*self);
    free((*self)->note);
    free((*self)->settings);
    mlx_top_jobs_destroy(&(*self)->jobs);
    mlx_top_destroy(&(*self)->top);
    mlx_free_p(self);
}

mlx_top_t *mlx_top_keys_top(mlx_top_keys_t *self)
{
    return self->top;
}

const mlx_top_look_t *mlx_top_keys_look(mlx_top_keys_t *self)
{
    return &choice_of(self)->look;
}

bool mlx_top_keys_paused(const mlx_top_keys_t *self)
{
    return self->paused;
}

void mlx_top_keys_tick(mlx_top_keys_t *self)
{
    mlx_top_tick(self->top, self->options.overview, mlx_wall_us());
}

void mlx_top_keys_heard(mlx_top_keys_t *self, const mlx_message_t *message)
{
    const char *end = strrchr(message->topic, '.'),
               *host = mlx_overview_host(self->options.overview);
    if (end && host && strncmp(message->topic, "runtime.", 8) == 0 &&
        strcmp(end, ".request") == 0 && strcmp(message->host, host) == 0)
        mlx_top_ended(self->top, message->d);
}

/* ---- the machine ---- */

/*  A fleet is seen as a whole until somebody looks at one machine. */
static bool shows_fleet(const mlx_top_keys_t *self)
{
    const char *hosts[2];
    return self->settled ? self->fleet
                         : mlx_overview_hosts(self->options.overview, hosts, MLX_COUNT(hosts)) > 1;
}

/*  The next machine of those that are heard; its plots begin anew. */
static void next_host(mlx_top_keys_t *self)
{
    mlx_overview_t *overview = self->options.overview;
    const char *hosts[HOSTS_MAX], *shown = mlx_overview_host(overview);
    size_t count = mlx_overview_hosts(overview, hosts, HOSTS_MAX), at = 0;
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
    mlx_overview_select(overview, hosts[(at + 1) % count]);
    mlx_top_choice_t choice = *choice_of(self);
    mlx_top_destroy(&self->top);
    self->top = mlx_top_new();
    *choice_of(self) = choice;
    set_note(self, NULL);
}

static void toggle_fleet(mlx_top_keys_t *self)
{
    self->fleet = !shows_fleet(self);
    self->settled = true;
}

/* ---- settings ---- */

static void turn(mlx_top_keys_t *self, mlx_look_choice_t which, int by, const char *name)
{
    mlx_error_t err = {0};
    mlx_top_look_t *look = &choice_of(self)->look;
    mlx_top_look_turn(look, which, by);
    if (self->settings && mlx_top_look_save(look, self->settings, &err))
        set_note(self, mlx_term_clean(err.text, 0));
    else
        set_note(self, mlx_format("%s: %s", name, mlx_top_look_name(look, which)));
}

static void next_layout(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_LAYOUT, 1, "layout");
}

static void show_layout(mlx_top_keys_t *self, int layout)
{
    int *now = &choice_of(self)->look.layout;
    turn(self, MLX_LOOK_LAYOUT, layout - *now, "layout");
}

static void toggle_details(mlx_top_keys_t *self)
{
    bool shown = choice_of(self)->look.layout == MLX_TOP_MACHINE;
    show_layout(self, shown ? MLX_TOP_OVERVIEW : MLX_TOP_MACHINE);
}

static void next_theme(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_THEME, 1, "theme");
}

static void next_window(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_WINDOW, 1, "time shown");
}

static void next_sort(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_SORT, 1, "models sorted by");
}

static void next_units(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_UNITS, 1, "temperatures in");
}

static void slower(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_PACE, 1, "redraws every");
}

static void faster(mlx_top_keys_t *self)
{
    turn(self, MLX_LOOK_PACE, -1, "redraws every");
}

/* ---- models ---- */

static void go(mlx_top_keys_t *self, int by)
{
    mlx_top_move(self->top, self->options.overview, mlx_wall_us(), by);
}

static void next_model(mlx_top_keys_t *self)
{
    go(self, 1);
}

static void previous_model(mlx_top_keys_t *self)
{
    go(self, -1);
}

static void toggle_available(mlx_top_keys_t *self)
{
    mlx_top_choice_t *choice = choice_of(self);
    choice->available = !choice->available;
    set_note(self, mlx_strdup(choice->available ? "models: all that could be loaded"
                                                : "models: those that are loaded"));
}

/*  Ask before CMD is sent for the selected model; VERB says what it does. */
static void ask(mlx_top_keys_t *self, const char *cmd, const char *verb)
{
    mlx_top_model_t model;
    const char *host = mlx_overview_host(self->options.overview);
    forget_question(self);
    if (host && strcmp(host, mlx_bus_host(self->options.bus)) != 0) {
        set_note(self, mlx_strdup("models of another machine are changed there"));
    } else if (!mlx_top_selected(self->top, self->options.overview, mlx_wall_us(), &model)) {
        set_note(self, mlx_strdup("select a model first: up and down, or a click"));
    } else {
        const char *at = model.url ? model.url : model.kind;
        MLX_CLEANUP(mlx_free_p) char *name = mlx_term_clean(model.name, 48);
        MLX_CLEANUP(mlx_free_p) char *cannot = mlx_top_cannot(&model, strchr(cmd, '.') + 1);
        if (cannot) {
            MLX_CLEANUP(mlx_free_p) char *why = mlx_term_clean(cannot, 120);
            set_note(self, mlx_format("%s: %s", name, why));
            return;
        }
        self->asks = cmd;
        self->model = mlx_strdup(model.name);
        self->runtime = at ? mlx_strdup(at) : NULL;
        set_note(self, mlx_format("%s %s%s? y/n", verb, name,
                                  model.requests ? " (it works on a request)" : ""));
    }
}

static void ask_load(mlx_top_keys_t *self)
{
    ask(self, "model.load", "load");
}

static void ask_unload(mlx_top_keys_t *self)
{
    ask(self, "model.unload", "unload");
}

static void ask_pin(mlx_top_keys_t *self)
{
    ask(self, "model.pin", "load and keep");
}

static void answer(mlx_top_keys_t *self, int key)
{
    if (key == 'y' || key == 'Y')
        mlx_top_jobs_model(self->jobs, self->asks, self->model, self->runtime);
    else
        set_note(self, mlx_strdup("nothing was changed"));
    forget_question(self);
}

/* ---- the filter ---- */

static void say_filter(mlx_top_keys_t *self)
{
    const char *filter = choice_of(self)->filter;
    if (self->typing)
        set_note(self, mlx_format("filter: %s_  (Enter keeps it, Esc clears it)", filter));
    else
        set_note(self, filter[0] ? mlx_format("filter: %s", filter) : NULL);
}

static void begin_filter(mlx_top_keys_t *self)
{
    self->typing = true;
    say_filter(self);
}

static void type(mlx_top_keys_t *self, int key)
{
    char *filter = choice_of(self)->filter;
    size_t len = strlen(filter);
    if (key == ESCAPE)
        filter[0] = 0;
    else if ((key == KEY_BACKSPACE || key == ERASE || key == '\b') && len > 0)
        filter[len - 1] = 0;
    else if (key >= ' ' && key < ERASE && len + 1 < MLX_TOP_FILTER_MAX)
        filter[len] = (char)key, filter[len + 1] = 0;
    self->typing = key != ESCAPE && key != '\n' && key != '\r' && key != KEY_ENTER;
    say_filter(self);
}

/* ---- the rest ---- */

static void quit(mlx_top_keys_t *self)
{
    mlx_loop_stop(self->options.loop);
}

static void run_benchmark(mlx_top_keys_t *self)
{
    mlx_connection_t link = mlx_overview_connection(self->options.overview, mlx_wall_us());
    mlx_top_jobs_bench(self->jobs, &link);
}

static void toggle_pause(mlx_top_keys_t *self)
{
    self->paused = !self->paused;
    set_note(self, self->paused ? mlx_strdup("paused: p resumes") : NULL);
}

static void show_help(mlx_top_keys_t *self)
{
    self->help = true;
}

static void clear_all(mlx_top_keys_t *self)
{
    mlx_top_choice_t *choice = choice_of(self);
    choice->filter[0] = choice->selected[0] = 0;
    set_note(self, NULL);
}

/*  Every key, what its help says (NULL: another key's line does), what it does. */
static const struct {
    int key;
    mlx_top_help_t help;
    void (*press)(mlx_top_keys_t *self);
} key_table[] = {
    {'q', {"q", "quit"}, quit},
    {'l', {"l 1-4", "layout: overview, plots, models, machine"}, next_layout},
    {'t', {"t", "theme: terminal, dark, light, contrast, mono"}, next_theme},
    {'w', {"w", "time that plots show: to fit, or 5 min to 1 h"}, next_window},
    {'c', {"c", "degrees Celsius or Fahrenheit"}, next_units},
    {'s', {"s", "sort models: runtime, name, size, speed"}, next_sort},
    {'/', {"/", "filter models and requests"}, begin_filter},
    {'a', {"a", "list also the models that are not loaded"}, toggle_available},
    {KEY_DOWN, {"up down", "select a model (also j, k, a click, the wheel)"}, next_model},
    {'j', {NULL, NULL}, next_model},
    {KEY_UP, {NULL, NULL}, previous_model},
    {'k', {NULL, NULL}, previous_model},
    {'o', {"o", "load the selected model, after a question"}, ask_load},
    {'u', {"u", "unload it, after a question"}, ask_unload},
    {'n', {"n", "load it and keep it (pin), after a question"}, ask_pin},
    {'b', {"b", "run a benchmark, or cancel it"}, run_benchmark},
    {'d', {"d", "details of the machine, and back"}, toggle_details},
    {'f', {"f", "the fleet, a row for each machine; or one machine"}, toggle_fleet},
    {'h', {"h", "the next machine"}, next_host},
    {'p', {"p", "pause, and resume"}, toggle_pause},
    {'+', {"+ -", "redraw less or more often"}, slower},
    {'-', {NULL, NULL}, faster},
    {ESCAPE, {"Esc", "clear the filter and the selection"}, clear_all},
    {'?', {"?", "this help"}, show_help},
};

void mlx_top_keys_press(mlx_top_keys_t *self, int key)
{
    bool helped = self->help;
    self->help = false;
    self->options.changed(self->options.arg);
    if (self->typing)
        type(self, key);
    else if (self->asks)
        answer(self, key);
    else if (helped && key != 'q')
        return;
    else if (key >= '1' && key < '1' + MLX_TOP_LAYOUTS)
        show_layout(self, key - '1');
    else
        for (size_t i = 0; i < MLX_COUNT(key_table); i++)
            if (key_table[i].key == key)
                key_table[i].press(self);
}

void mlx_top_keys_mouse(mlx_top_keys_t *self, int row, int column, int wheel)
{
    int key = wheel ? 0 : mlx_top_hit(self->top, row, column);
    self->options.changed(self->options.arg);
    if (wheel)
        go(self, wheel);
    else if (key > 0)
        mlx_top_keys_press(self, key);
}

void mlx_top_keys_draw(mlx_top_keys_t *self, mlx_canvas_t *canvas)
{
    mlx_top_help_t lines[MLX_COUNT(key_table)];
    size_t count = 0;
    int64_t now_us = mlx_wall_us();
    mlx_top_draw(self->top, self->options.overview, self->note, now_us, canvas);
    if (shows_fleet(self))
        mlx_top_draw_fleet(self->options.overview, now_us, canvas);
    for (size_t i = 0; i < MLX_COUNT(key_table); i++)
        if (key_table[i].help.key)
            lines[count++] = key_table[i].help;
    if (self->help)
        mlx_top_draw_help(lines, count, canvas);
}
