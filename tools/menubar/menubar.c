#include "menubar.h"
#include "common/base/clock.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alerts.h"
#include "autostart.h"
#include "bench.h"
#include "common/base/config.h"
#include "common/base/config_edit.h"
#include "common/base/paths.h"
#include "common/bus/last_values.h"
#include "common/os/os.h"
#include "places.h"
#include "proto/utf8.h"

enum {
    TICK_MS = 1000, /* at most one update in this time */
    SNAPSHOT_MS = 1500,
    OPENER_MS = 3000, /* an opener may stay as long as what it opened */
    NOTICE_US = 30 * 1000000,
    NOTE_MAX_CHARACTERS = 200
};

typedef struct {
    const mlx_menubar_options_t *options;
    mlx_config_t *config;
    char *run_dir;
    char *program;
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_last_values_t *asking;
    mlx_overview_t *overview;
    mlx_desktop_t *desktop;
    mlx_menu_bench_t *bench;
    mlx_alerts_t *alerts;
    const mlx_frontend_t *frontend;
    void *frontend_state;
    mlx_menu_t *shown; /* NULL before the first draw */
    char *notice;
    int64_t notice_until_us;
    char *away; /* why nothing was heard yet */
    mlx_timer_t *tick;
    mlx_timer_t *leave;
    int rc;
    mlx_error_t *err;
} app_t;

static void finish(app_t *self, int rc)
{
    self->rc = rc;
    mlx_loop_stop(self->loop);
}

/*  The menu. */

static mlx_title_t title_of(const mlx_config_t *config)
{
    static const struct {
        const char *word;
        mlx_title_t title;
    } table[] = {{"tok/s", MLX_TITLE_TOKENS}, {"memory", MLX_TITLE_MEMORY}, {"gpu", MLX_TITLE_GPU}};
    const char *word = mlx_config_str(config, "menubar.title");
    for (size_t i = 0; i < MLX_COUNT(table); i++)
        if (strcmp(table[i].word, word) == 0)
            return table[i].title;
    return MLX_TITLE_TOKENS;
}

static mlx_menu_t *make_menu(app_t *self)
{
    int64_t now = mlx_now_us();
    mlx_menu_options_t options = {
        .title = title_of(self->config),
        .fahrenheit = strcmp(mlx_config_str(self->config, "menubar.units"), "imperial") == 0,
        .bench = mlx_menu_bench_state(self->bench, now),
        .bench_note = mlx_menu_bench_note(self->bench),
        .notice = now < self->notice_until_us ? self->notice : NULL,
        .away = self->away,
        .nested = self->frontend->nested,
        .notifies = mlx_config_bool(self->config, "menubar.notifications"),
        .autostart = self->frontend->nested && mlx_autostart(NULL),
    };
    return mlx_menu_new(&options, self->overview, mlx_wall_us());
}

/*  Draw if a person would see a difference. */
static void refresh(app_t *self)
{
    mlx_menu_t *menu = make_menu(self);
    if (mlx_menu_equal(menu, self->shown)) {
        mlx_menu_destroy(&menu);
        return;
    }
    mlx_menu_destroy(&self->shown);
    self->shown = menu;
    mlx_error_t err = {0};
    if (self->frontend->draw(self->frontend_state, menu, &err)) {
        if (err.code != MLX_OK && self->err)
            *self->err = err;
        finish(self, err.code == MLX_OK ? 0 : -1);
    }
}

static void on_tick(void *arg)
{
    refresh(arg);
}

/*  Say it where the user looks: a notification, and the menu for those whose desktop shows none. */
static void say(app_t *self, const char *title, const char *text)
{
    free(self->notice);
    self->notice = text[0] ? mlx_format("%s (%s)", title, text) : mlx_strdup(title);
    self->notice_until_us = mlx_now_us() + NOTICE_US;
    mlx_desktop_notify(self->desktop, "notice", MLX_NOTE_INFO, title, text);
}

/*  Actions. */

static void on_leave(void *arg)
{
    app_t *self = arg;
    self->leave = NULL;
    finish(self, 0);
}

/*  The user asked for something and it went wrong. */
static void action_failed(app_t *self, const mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_utf8_line(err->text, NOTE_MAX_CHARACTERS);
    say(self, text, err->hint);
    if (self->options->action == MLX_ACTION_NONE)
        return;
    if (self->err)
        *self->err = *err;
    finish(self, -1);
}

static void open_place(app_t *self, const char *what)
{
    mlx_error_t err = {0};
    if (mlx_desktop_open(self->desktop, what, &err))
        action_failed(self, &err);
    else if (self->options->action != MLX_ACTION_NONE)
        self->leave = mlx_loop_after(self->loop, OPENER_MS, on_leave, self);
}

static void run_benchmark(app_t *self, const char *setting)
{
    (void)setting;
    mlx_menu_bench_start(self->bench);
}

static void cancel_benchmark(app_t *self, const char *setting)
{
    (void)setting;
    mlx_menu_bench_cancel(self->bench);
}

static void view_history(app_t *self, const char *setting)
{
    (void)setting;
    const mlx_value_t *health =
        mlx_overview_get(self->overview, "service.gateway.health", mlx_wall_us(), NULL);
    const char *state = mlx_value_str(health, "state");
    if (state && strcmp(state, "down") != 0) {
        MLX_CLEANUP(mlx_free_p)
        char *url = mlx_history_url(mlx_config_str(self->config, "gateway.listen"));
        open_place(self, url);
        return;
    }
    mlx_error_t err = {0};
    mlx_error_set(&err, MLX_ERR_UNAVAILABLE,
                  "The history page is not available: no gateway is running");
    mlx_error_hint(&err, "start mlx-gateway, for example with deploy/up");
    action_failed(self, &err);
}

static void edit_preferences(app_t *self, const char *setting)
{
    (void)setting;
    mlx_error_t err = {0};
    const char *path =
        self->options->config ? self->options->config : mlx_config_path(self->config);
    MLX_CLEANUP(mlx_free_p) char *file = mlx_preferences_file(NULL, path, &err);
    if (file)
        open_place(self, file);
    else
        action_failed(self, &err);
}

/*  SETTING "menubar.title=memory", from the menu into the file and from there. */
static void set(app_t *self, const char *setting)
{
    mlx_error_t err = {0};
    const char *path =
        self->options->config ? self->options->config : mlx_config_path(self->config);
    MLX_CLEANUP(mlx_free_p) char *file = mlx_preferences_file(NULL, path, &err);
    MLX_CLEANUP(mlx_free_p) char *key = mlx_strndup(setting, strcspn(setting, "="));
    mlx_config_t *fresh = NULL;
    if (!file || mlx_config_edit(file, key, strchr(setting, '=') + 1, &err) ||
        !(fresh = mlx_config_open(NULL, self->options->config, &err))) {
        action_failed(self, &err);
        return;
    }
    mlx_config_destroy(&self->config);
    self->config = fresh;
    refresh(self);
}

static void toggle_autostart(app_t *self, const char *setting)
{
    mlx_error_t err = {0};
    (void)setting;
    if (mlx_autostart_set(NULL, self->program, !mlx_autostart(NULL), &err))
        action_failed(self, &err);
    refresh(self);
}

static void quit(app_t *self, const char *setting)
{
    (void)setting;
    finish(self, 0);
}

static void act(void *arg, mlx_action_t action, const char *setting)
{
    static void (*const table[])(app_t * self, const char *setting) = {
        [MLX_ACTION_BENCHMARK] = run_benchmark,
        [MLX_ACTION_CANCEL_BENCHMARK] = cancel_benchmark,
        [MLX_ACTION_HISTORY] = view_history,
        [MLX_ACTION_PREFERENCES] = edit_preferences,
        [MLX_ACTION_QUIT] = quit,
        [MLX_ACTION_SET] = set,
        [MLX_ACTION_AUTOSTART] = toggle_autostart,
    };
    if (table[action])
        table[action](arg, setting);
}

static void on_bench_end(void *arg, const char *title, const char *text, const mlx_error_t *err)
{
    app_t *self = arg;
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(text, NOTE_MAX_CHARACTERS);
    say(self, title, line);
    if (self->options->action == MLX_ACTION_NONE)
        return;
    if (err && self->err)
        *self->err = *err;
    if (!err)
        printf("%s %s\n", title, line);
    finish(self, err ? -1 : 0);
}

static void on_desktop_failed(void *arg, const char *what)
{
    app_t *self = arg;
    mlx_error_t err = {0};
    if (what) {
        mlx_error_set(&err, MLX_ERR_FAILED, "No program could open %s", what);
        action_failed(self, &err);
    } else if (self->frontend && strcmp(self->frontend->name, "tray") == 0) {
        mlx_error_set(self->err, MLX_ERR_UNAVAILABLE, "the session bus closed the connection");
        finish(self, -1);
    }
}

/*  The bus. */

static void on_alert(app_t *self, const mlx_message_t *message)
{
    mlx_news_t news = mlx_alerts_see(self->alerts, message);
    if (news == MLX_NEWS_NONE || !self->frontend || !self->frontend->notifies ||
        self->options->once || !mlx_config_bool(self->config, "menubar.notifications"))
        return;
    const char *summary = mlx_value_str(message->d, "summary");
    const char *rule = strchr(message->topic, '.') + 1;
    bool ours = strcmp(message->host, mlx_bus_host(self->bus)) == 0;
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("%s%s%s", summary ? summary : rule, ours ? "" : " on ",
                            ours ? "" : message->host);
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(text, NOTE_MAX_CHARACTERS);
    MLX_CLEANUP(mlx_free_p)
    char *title = mlx_format("%s: %s", news == MLX_NEWS_FIRING ? "Alert" : "Over", rule);
    MLX_CLEANUP(mlx_free_p) char *key = mlx_format("%s %s", message->topic, message->host);
    mlx_desktop_notify(self->desktop, key, news == MLX_NEWS_FIRING ? MLX_NOTE_ALERT : MLX_NOTE_INFO,
                       title, line);
}

static void on_message(void *arg, const mlx_message_t *message)
{
    app_t *self = arg;
    mlx_free_p(&self->away);
    if (strcmp(message->topic, "bench.progress") == 0)
        mlx_menu_bench_see(self->bench, message, mlx_now_us());
    else
        mlx_overview_hear(self->overview, message, mlx_wall_us());
    if (strncmp(message->topic, "alert.", 6) == 0)
        on_alert(self, message);
}

/*  What is known at the start is known: show it, or act on it. */
static void begin(app_t *self)
{
    if (self->options->action != MLX_ACTION_NONE) {
        act(self, self->options->action, NULL);
        return;
    }
    refresh(self);
    if (self->options->once)
        finish(self, self->rc);
    else
        self->tick = mlx_loop_every(self->loop, TICK_MS, on_tick, self);
}

/*  An action that only the suite can carry out: without it there is no use in waiting. */
static bool needs_bus(const app_t *self)
{
    return self->options->action == MLX_ACTION_BENCHMARK ||
           self->options->action == MLX_ACTION_CANCEL_BENCHMARK;
}

/*  Shown until something is heard. */
static void set_away(app_t *self, const char *why)
{
    free(self->away);
    self->away = mlx_strdup(why);
}

static void on_last_values(void *arg, const mlx_error_t *err)
{
    app_t *self = arg;
    mlx_error_t silent = {0};
    if (err && err->code == MLX_ERR_UNAVAILABLE) {
        mlx_bus_silent(&silent, self->run_dir);
        set_away(self, silent.text);
        err = &silent;
    }
    if (err && needs_bus(self))
        action_failed(self, err);
    else
        begin(self);
}

static void subscribe(app_t *self)
{
    static const char *const prefixes[] = {"sensor.", "runtime.", "cache.status", "service.",
                                           "alert.",  "finding.", "bench."};
    for (size_t i = 0; i < MLX_COUNT(prefixes); i++)
        mlx_bus_subscribe(self->bus, prefixes[i], on_message, self);
}

/*  Without a broker there is nothing to wait for: offline is an answer, and it may come later. */
static void on_start(void *arg)
{
    app_t *self = arg;
    mlx_error_t err = {0};
    bool away = mlx_bus_probe(self->run_dir, &err) != 0;
    if (away)
        set_away(self, err.text);
    if (away && needs_bus(self))
        action_failed(self, &err);
    else if (away)
        begin(self);
    else
        self->asking =
            mlx_last_values_ask(self->bus, "", SNAPSHOT_MS, on_message, on_last_values, self);
}

/*  Start and end. */

static void on_signal(void *arg, int number)
{
    app_t *self = arg;
    if (number != SIGCHLD) {
        finish(self, 0);
        return;
    }
    mlx_desktop_reap(self->desktop);
    if (self->leave && mlx_desktop_opening(self->desktop) == 0)
        finish(self, self->rc);
}

static int open_front(app_t *self, mlx_error_t *err)
{
    const mlx_frontend_t *wanted = self->options->frontend;
    mlx_frontend_host_t host = {.desktop = self->desktop,
                                .program = self->program,
                                .stream = !self->options->once,
                                .act = act,
                                .arg = self};
    mlx_error_t problem = {0};
    self->frontend = wanted ? wanted : &mlx_frontends[0];
    if (self->frontend->open(self->frontend, &host, &self->frontend_state, &problem) == 0)
        return 0;
    if (wanted || problem.code != MLX_ERR_UNAVAILABLE ||
        self->frontend == mlx_frontend_fallback()) {
        if (err)
            *err = problem;
        return -1;
    }
    self->frontend->close(&self->frontend_state);
    self->frontend = mlx_frontend_fallback();
    return self->frontend->open(self->frontend, &host, &self->frontend_state, err);
}

static int open_all(app_t *self, mlx_error_t *err)
{
    static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD, 0};
    self->config = mlx_config_open(NULL, self->options->config, err);
    if (!self->config || !(self->run_dir = mlx_paths_run_dir(NULL, err)))
        return -1;
    self->program = mlx_os_executable(NULL);
    self->loop = mlx_loop_new();
    self->desktop = mlx_desktop_new(self->loop, on_desktop_failed, self);
    if (mlx_loop_signals(self->loop, signals, on_signal, self, err))
        return -1;
    if (self->options->action == MLX_ACTION_NONE && open_front(self, err))
        return -1;
    mlx_bus_options_t options = {.run_dir = self->run_dir,
                                 .host = mlx_config_str(self->config, "host"),
                                 .hwm = (size_t)mlx_config_int(self->config, "bus.hwm")};
    self->bus = mlx_bus_new(self->loop, &options, err);
    if (!self->bus)
        return -1;
    self->overview = mlx_overview_new(mlx_bus_host(self->bus));
    self->alerts = mlx_alerts_new();
    self->bench = mlx_menu_bench_new(self->bus, mlx_config_int(self->config, "bench.budget_s"),
                                     on_bench_end, self);
    return 0;
}

static void close_all(app_t *self)
{
    if (self->frontend)
        self->frontend->close(&self->frontend_state);
    mlx_menu_destroy(&self->shown);
    mlx_menu_bench_destroy(&self->bench);
    mlx_alerts_destroy(&self->alerts);
    mlx_overview_destroy(&self->overview);
    mlx_last_values_destroy(&self->asking);
    mlx_bus_destroy(&self->bus);
    mlx_desktop_destroy(&self->desktop);
    mlx_loop_destroy(&self->loop);
    mlx_config_destroy(&self->config);
    mlx_free_p(&self->run_dir);
    mlx_free_p(&self->program);
    mlx_free_p(&self->notice);
    mlx_free_p(&self->away);
}

int mlx_menubar_run(const mlx_menubar_options_t *options, mlx_error_t *err)
{
    app_t self = {.options = options, .err = err};
    self.rc = open_all(&self, err);
    if (self.rc == 0) {
        subscribe(&self);
        mlx_timer_t *start = mlx_loop_after(self.loop, 0, on_start, &self);
        mlx_loop_run(self.loop);
        (void)start;
    }
    close_all(&self);
    return self.rc;
}
