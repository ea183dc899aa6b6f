#include "common/view/menu_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/bench_words.h"
#include "common/view/figures.h"
#include "common/view/menu_items.h"
#include "common/view/menu_preferences.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"
#include "proto/buf.h"
#include "proto/utf8.h"

#define COARSE_S 10.0 /* the age of what is past need not be redrawn every second */

enum {
    WORK_MAX = 32, /* looked at */
    LINES_MAX = 4, /* of models at work, and of warnings: a menu is short */
    REQUESTS_MAX = 8,
    HOSTS_MAX = 12,
    NAME_MAX_CHARACTERS = 60
};

struct mlx_menu {
    mlx_menu_items_t items;
    char *title;
    char *badge;
    char *tooltip;
    mlx_level_t level;
    int percentage;
};

/*  What a menu is made of. */
typedef struct {
    const mlx_menu_options_t *options;
    mlx_headline_t now;
    mlx_connection_t link;
    mlx_work_t work[WORK_MAX];
    size_t work_count;
    mlx_figure_t figures[MLX_FIGURES_MAX];
    size_t figure_count;
    mlx_value_t *warnings;
    char *clients;
    char *bench; /* the newest, in words */
} scene_t;

static void add_text(mlx_menu_t *self, const char *id, char *text)
{
    mlx_menu_items_text(&self->items, id, text);
}

/*  The same for a figure that may come from a source that has fallen silent. */
static void add_figure(mlx_menu_t *self, const char *id, char *text, bool late)
{
    if (!late || strstr(text, "not available")) {
        add_text(self, id, text);
        return;
    }
    add_text(self, id, mlx_format("%s (not live)", text));
    free(text);
}

/*  No service is up any more, or none was ever heard: then nothing is known, not even that a model
 *  is idle. */
static bool is_offline(const mlx_headline_t *now)
{
    return now->services_up == 0 && isnan(now->memory_used);
}

/*  "Memory: 14.2 GB / 48.0 GB (30%)", "Performance: idle (last 40.5 tok/s)" */
static char *figure_text(const scene_t *scene, const mlx_figure_t *figure, bool offline)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_figure_text(figure, true);
    double last = figure->brief && !scene->now.busy ? scene->now.last_tokens_per_second : NAN;
    if (!text || (figure->brief && offline && !scene->now.model))
        return mlx_format("%s: not available", figure->menu);
    if (scene->options->fahrenheit && figure->unit == MLX_UNIT_CELSIUS)
        return mlx_format("%s: %.0f\u00b0F", figure->menu, figure->value * 9 / 5 + 32);
    if (!isnan(last))
        return mlx_format("%s: %s (last %.1f tok/s)", figure->menu, text, last);
    return mlx_format("%s: %s", figure->menu, text);
}

static char *model_text(const mlx_headline_t *now)
{
    if (now->models_busy > 1)
        return mlx_format("Current Model: %zu models", now->models_busy);
    if (!now->model)
        return mlx_format("Current Model: %s", is_offline(now) ? "not available" : "none loaded");
    MLX_CLEANUP(mlx_free_p) char *name = mlx_utf8_line(now->model, NAME_MAX_CHARACTERS);
    return mlx_format("Current Model: %s", name);
}

static char *cache_text(const mlx_headline_t *now)
{
    MLX_CLEANUP(mlx_free_p) char *bytes = mlx_format_unit(now->cache_bytes, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *saved = mlx_format_unit(now->cache_saved, MLX_UNIT_BYTES);
    if (isnan(now->cache_bytes))
        return mlx_strdup("Cache: not available");
    if (isnan(now->cache_saved))
        return mlx_format("Cache: %s", bytes);
    return mlx_format("Cache: %s (%s saved)", bytes, saved);
}

/*  "alpha:1b: 128.0 tok/s, 2 requests"; only where one line does not say it all. */
static void add_work(mlx_menu_t *self, const scene_t *scene)
{
    static const char *const ids[LINES_MAX] = {"work1", "work2", "work3", "work4"};
    for (size_t i = 0; scene->work_count > 1 && i < scene->work_count && i < LINES_MAX; i++) {
        const mlx_work_t *work = &scene->work[i];
        MLX_CLEANUP(mlx_free_p)
        char *name = mlx_utf8_line(work->model ? work->model : "?", NAME_MAX_CHARACTERS);
        MLX_CLEANUP(mlx_free_p)
        char *prompt = mlx_prompt_words_of(work->running, work->model);
        MLX_CLEANUP(mlx_free_p)
        char *rate = isnan(work->tokens_per_second)
                         ? mlx_strdup(prompt ? prompt : "working")
                         : mlx_format("%.1f tok/s", work->tokens_per_second);
        bool many = work->requests > 1;
        MLX_CLEANUP(mlx_free_p)
        char *requests = many ? mlx_format(", %zu requests", work->requests) : mlx_strdup("");
        add_text(self, ids[i], mlx_format("  %s: %s%s", name, rate, requests));
    }
}

/*  Why the icon is amber. */
static void add_warnings(mlx_menu_t *self, const scene_t *scene)
{
    static const char *const ids[LINES_MAX] = {"warning1", "warning2", "warning3", "warning4"};
    size_t count = mlx_value_size(scene->warnings), shown = 0;
    for (size_t i = 0; i < count && shown < LINES_MAX; i++) {
        const mlx_value_t *warning = mlx_value_at(scene->warnings, i);
        if (strcmp(mlx_value_str(warning, "kind"), "silent") == 0)
            continue; /* the line above says it */
        bool last = shown == LINES_MAX - 1 && i + 1 < count;
        add_text(self, ids[shown++],
                 last ? mlx_format("\u26a0 and %zu more", count - i)
                      : mlx_format("\u26a0 %s", mlx_value_str(warning, "text")));
    }
}

/*  "No data for 7 s: the bus does not answer", in steps of ten seconds. */
static void add_connection(mlx_menu_t *self, const mlx_connection_t *link, const char *away)
{
    const char *why = strchr(link->text, ':');
    if (link->state == MLX_LINK_NONE && away)
        add_text(self, "connection", mlx_format("\u26a0 %s", away));
    if (link->state != MLX_LINK_LOST && link->state != MLX_LINK_PARTLY)
        return;
    if (link->seconds < COARSE_S) {
        add_text(self, "connection", mlx_format("\u26a0 %s", link->text));
        return;
    }
    MLX_CLEANUP(mlx_free_p)
    char *head = mlx_strndup(link->text, (size_t)(strstr(link->text, " for ") - link->text));
    MLX_CLEANUP(mlx_free_p)
    char *age = mlx_format_unit(floor(link->seconds / COARSE_S) * COARSE_S, MLX_UNIT_SECONDS);
    add_text(self, "connection", mlx_format("\u26a0 %s for %s%s", head, age, why ? why : ""));
}

/*  "chat.py, alpha:8b: 42.3 tok/s, 310 tokens, for 7.4s" */
static char *request_text(const mlx_value_t *request, const char *model)
{
    const char *client = mlx_value_str(request, "client");
    MLX_CLEANUP(mlx_free_p) char *words = mlx_request_words(request);
    MLX_CLEANUP(mlx_free_p)
    char *who =
        mlx_format("%s%s%s", client ? client : "", client && model ? ", " : "", model ? model : "");
    MLX_CLEANUP(mlx_free_p) char *name = mlx_utf8_line(who, NAME_MAX_CHARACTERS);
    return mlx_format("%s%s%s", name, *name ? ": " : "", words);
}

/*  Is REQUEST of those that WORK counts? One that names no model is of the runtime's first. */
static bool is_of(const mlx_value_t *request, const mlx_work_t *work, bool first)
{
    const char *model = mlx_value_str(request, "model");
    return model && work->model ? strcmp(model, work->model) == 0 : first;
}

/*  Who uses the models, and in a submenu how far each request is. */
static void add_requests(mlx_menu_t *self, const scene_t *scene)
{
    size_t shown = 0, more = 0;
    mlx_menu_items_open(&self->items, "clients",
                        scene->clients ? mlx_format("Used by: %s", scene->clients)
                                       : mlx_strdup("Requests"));
    for (size_t i = 0; i < scene->work_count; i++) {
        const mlx_work_t *work = &scene->work[i];
        bool first = i == 0 || scene->work[i - 1].topic != work->topic;
        for (size_t k = 0; k < mlx_value_size(work->running); k++) {
            const mlx_value_t *request = mlx_value_at(work->running, k);
            MLX_CLEANUP(mlx_free_p) char *id = mlx_format("request%zu", shown + 1);
            if (!is_of(request, work, first))
                continue;
            if (shown == REQUESTS_MAX)
                more++;
            else if (++shown)
                add_text(self, id, request_text(request, work->model));
        }
    }
    if (more)
        add_text(self, "more", mlx_format("and %zu more", more));
    mlx_menu_items_close(&self->items);
}

static void add_clients(mlx_menu_t *self, const scene_t *scene)
{
    bool running = false;
    for (size_t i = 0; i < scene->work_count; i++)
        running = running || mlx_value_size(scene->work[i].running) > 0;
    if (running && scene->options->nested && !self->items.within)
        add_requests(self, scene);
    else if (scene->clients)
        add_text(self, "clients", mlx_format("Used by: %s", scene->clients));
}

static void add_readings(mlx_menu_t *self, const scene_t *scene)
{
    const mlx_headline_t *now = &scene->now;
    add_connection(self, &scene->link, scene->options->away);
    add_warnings(self, scene);
    add_text(self, "model", model_text(now));
    add_work(self, scene);
    add_clients(self, scene);
    for (size_t i = 0; i < scene->figure_count; i++) {
        const mlx_figure_t *figure = &scene->figures[i];
        if (figure->menu)
            add_figure(self, figure->menu_id, figure_text(scene, figure, is_offline(now)),
                       figure->late);
    }
    if (!self->items.within || !isnan(now->cache_bytes))
        add_text(self, "cache", cache_text(now));
    if (scene->bench)
        add_text(self, "last-benchmark", mlx_format("Last Benchmark: %s", scene->bench));
}

static void add_benchmark(mlx_menu_t *self, const mlx_menu_options_t *options,
                          const mlx_headline_t *now)
{
    static const struct {
        const char *text;
        mlx_action_t action;
    } table[] = {
        [MLX_BENCH_NONE] = {"Run Benchmark", MLX_ACTION_BENCHMARK},
        [MLX_BENCH_OURS] = {"Cancel Benchmark", MLX_ACTION_CANCEL_BENCHMARK},
        [MLX_BENCH_ELSEWHERE] = {"Benchmark runs", MLX_ACTION_BENCHMARK},
    };
    const char *text = table[options->bench].text;
    bool noted = options->bench != MLX_BENCH_NONE && options->bench_note;
    mlx_menu_item_t *item = mlx_menu_items_add(
        &self->items, MLX_ITEM_ACTION, "benchmark",
        noted ? mlx_format("%s (%s)", text, options->bench_note) : mlx_strdup(text),
        table[options->bench].action);
    item->enabled = options->bench == MLX_BENCH_OURS ||
                    (options->bench == MLX_BENCH_NONE && now->runtimes_up > 0);
}

static char *share_title(double share, const char *otherwise)
{
    return isnan(share) ? mlx_strdup(otherwise) : mlx_format("%.0f%%", share * 100);
}

static char *title_of(const scene_t *scene, bool offline)
{
    const mlx_menu_options_t *options = scene->options;
    const mlx_headline_t *now = &scene->now;
    if (offline)
        return mlx_strdup("offline");
    if (scene->link.state == MLX_LINK_LOST)
        return mlx_strdup("no data");
    if (options->title == MLX_TITLE_MEMORY)
        return share_title(now->memory_used / now->memory_total, "n/a");
    if (options->title == MLX_TITLE_GPU)
        return share_title(now->gpu_utilization, "n/a");
    if (!isnan(now->tokens_per_second) && now->models_busy > 1)
        return mlx_format("%zu models \u00b7 %.0f tok/s", now->models_busy, now->tokens_per_second);
    if (!isnan(now->tokens_per_second))
        return mlx_format("%.0f tok/s", now->tokens_per_second);
    return mlx_strdup(now->busy ? "working" : "idle");
}

static char *badge_of(const mlx_menu_options_t *options, const mlx_headline_t *now, bool offline)
{
    double value = options->title == MLX_TITLE_MEMORY ? now->memory_used / now->memory_total * 100
                   : options->title == MLX_TITLE_GPU  ? now->gpu_utilization * 100
                                                      : now->tokens_per_second;
    if (offline || isnan(value))
        return mlx_strdup("-");
    if (value >= 9999.5)
        return mlx_format("%.0fk", value / 1000);
    if (value >= 999.5)
        return mlx_format("%.1fk", value / 1000);
    return mlx_format("%.0f", value);
}

static mlx_level_t level_of(const scene_t *scene, bool offline)
{
    if (offline || scene->link.state == MLX_LINK_LOST)
        return MLX_LEVEL_OFFLINE;
    if (mlx_value_size(scene->warnings) > 0)
        return MLX_LEVEL_WARNING;
    return scene->now.busy ? MLX_LEVEL_BUSY : MLX_LEVEL_IDLE;
}

/*  What the menu reads as down to its separator. */
static char *tooltip_of(const mlx_menu_t *self)
{
    mlx_buf_t text = {0};
    for (size_t i = 0; i < self->items.count; i++) {
        const mlx_menu_item_t *item = &self->items.items[i];
        if (item->kind == MLX_ITEM_SEPARATOR)
            break;
        if (!item->nested)
            mlx_buf_printf(&text, "%s%s", text.len ? "\n" : "", item->text);
    }
    return mlx_buf_take(&text);
}

static void look(scene_t *scene, const mlx_menu_options_t *options, const mlx_overview_t *overview,
                 int64_t now_us)
{
    *scene = (scene_t){.options = options,
                       .now = mlx_overview_headline(overview, now_us),
                       .link = mlx_overview_connection(overview, now_us),
                       .warnings = mlx_overview_warnings(overview, now_us),
                       .clients = mlx_overview_clients(overview, now_us)};
    scene->figure_count = mlx_figures(overview, now_us, scene->figures);
    scene->work_count = mlx_overview_work(overview, now_us, scene->work, WORK_MAX);
    scene->bench =
        mlx_bench_words(mlx_overview_get(overview, "bench.result", now_us, NULL), now_us);
}

static void clear_scene(scene_t *scene)
{
    mlx_value_destroy(&scene->warnings);
    mlx_free_p(&scene->clients);
    mlx_free_p(&scene->bench);
}

/*  The other machines, each with a submenu of its readings. */

typedef struct {
    mlx_menu_t *menu;
    mlx_menu_options_t options;
    const char *own; /* NULL: nothing is known of it, or it is the only one */
    int64_t now_us;
    size_t count;
} others_t;

static void add_other(mlx_overview_t *overview, void *arg)
{
    others_t *self = arg;
    scene_t scene;
    const char *host = mlx_overview_host(overview);
    if (strcmp(host, self->own) == 0 || self->count++ >= HOSTS_MAX)
        return;
    look(&scene, &self->options, overview, self->now_us);
    MLX_CLEANUP(mlx_free_p) char *id = mlx_format("host%zu", self->count);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_utf8_line(host, NAME_MAX_CHARACTERS);
    MLX_CLEANUP(mlx_free_p) char *state = title_of(&scene, is_offline(&scene.now));
    bool odd = level_of(&scene, false) == MLX_LEVEL_WARNING;
    mlx_menu_items_open(&self->menu->items, id,
                        mlx_format("%s%s: %s", odd ? "\u26a0 " : "", name, state));
    add_readings(self->menu, &scene);
    mlx_menu_items_close(&self->menu->items);
    clear_scene(&scene);
}

static void add_others(mlx_menu_t *self, const mlx_menu_options_t *options,
                       mlx_overview_t *overview, int64_t now_us)
{
    others_t others = {.menu = self, .options = *options, .now_us = now_us};
    MLX_CLEANUP(mlx_free_p) char *own = mlx_strdup(mlx_overview_host(overview));
    others.own = own;
    others.options.title = MLX_TITLE_TOKENS;
    if (options->nested && own)
        mlx_overview_each_host(overview, HOSTS_MAX + 2, add_other, &others);
    if (others.count > HOSTS_MAX)
        add_text(self, "hosts", mlx_strdup("and more machines: mlxctl status --all"));
}

static void add_action(mlx_menu_t *self, const char *id, const char *text, mlx_action_t action)
{
    mlx_menu_items_add(&self->items, MLX_ITEM_ACTION, id, mlx_strdup(text), action);
}

static void add_actions(mlx_menu_t *self, const scene_t *scene)
{
    mlx_menu_items_add(&self->items, MLX_ITEM_SEPARATOR, "separator", mlx_strdup(""),
                       MLX_ACTION_NONE);
    add_benchmark(self, scene->options, &scene->now);
    add_action(self, "history", "View History", MLX_ACTION_HISTORY);
    if (scene->options->nested)
        mlx_menu_add_preferences(&self->items, scene->options);
    else
        add_action(self, "preferences", "Preferences", MLX_ACTION_PREFERENCES);
    add_action(self, "quit", "Quit", MLX_ACTION_QUIT);
}

mlx_menu_t *mlx_menu_new(const mlx_menu_options_t *options, mlx_overview_t *overview,
                         int64_t now_us)
{
    mlx_menu_t *self = mlx_alloc(1, sizeof *self);
    scene_t scene;
    if (options->notice)
        add_text(self, "notice", mlx_strdup(options->notice));
    look(&scene, options, overview, now_us);
    bool offline = is_offline(&scene.now);
    double share = scene.now.memory_used / scene.now.memory_total;
    bool lost = offline || scene.link.state == MLX_LINK_LOST;
    add_readings(self, &scene);
    add_others(self, options, overview, now_us);
    add_actions(self, &scene);
    self->title = title_of(&scene, offline);
    self->badge = badge_of(options, &scene.now, lost);
    self->level = level_of(&scene, offline);
    self->percentage = isnan(share) || lost ? -1 : (int)lround(fmin(fmax(share, 0), 1) * 100);
    self->tooltip = tooltip_of(self);
    clear_scene(&scene);
    return self;
}

void mlx_menu_destroy(mlx_menu_t **self_p)
{
    mlx_menu_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_menu_items_clear(&self->items);
    free(self->title);
    free(self->badge);
    free(self->tooltip);
    free(self);
}

const char *mlx_menu_title(const mlx_menu_t *self)
{
    return self->title;
}

const char *mlx_menu_badge(const mlx_menu_t *self)
{
    return self->badge;
}

const char *mlx_menu_tooltip(const mlx_menu_t *self)
{
    return self->tooltip;
}

mlx_level_t mlx_menu_level(const mlx_menu_t *self)
{
    return self->level;
}

const char *mlx_level_name(mlx_level_t level)
{
    static const char *const names[] = {[MLX_LEVEL_OFFLINE] = "offline",
                                        [MLX_LEVEL_IDLE] = "idle",
                                        [MLX_LEVEL_BUSY] = "busy",
                                        [MLX_LEVEL_WARNING] = "warning"};
    return names[level];
}

uint32_t mlx_level_rgb(mlx_level_t level)
{
    static const uint32_t colours[] = {[MLX_LEVEL_OFFLINE] = 0x7f8790,
                                       [MLX_LEVEL_IDLE] = 0x3f73c9,
                                       [MLX_LEVEL_BUSY] = 0x23894a,
                                       [MLX_LEVEL_WARNING] = 0xcf5f14};
    return colours[level];
}

const char *mlx_action_name(mlx_action_t action)
{
    static const char *const names[] = {[MLX_ACTION_NONE] = "none",
                                        [MLX_ACTION_BENCHMARK] = "benchmark",
                                        [MLX_ACTION_CANCEL_BENCHMARK] = "cancel",
                                        [MLX_ACTION_HISTORY] = "history",
                                        [MLX_ACTION_PREFERENCES] = "preferences",
                                        [MLX_ACTION_QUIT] = "quit",
                                        [MLX_ACTION_SET] = "set",
                                        [MLX_ACTION_AUTOSTART] = "autostart"};
    return names[action];
}

int mlx_menu_percentage(const mlx_menu_t *self)
{
    return self->percentage;
}

size_t mlx_menu_count(const mlx_menu_t *self)
{
    return self->items.count;
}

const mlx_menu_item_t *mlx_menu_at(const mlx_menu_t *self, size_t index)
{
    return index < self->items.count ? &self->items.items[index] : NULL;
}

bool mlx_menu_equal(const mlx_menu_t *a, const mlx_menu_t *b)
{
    return a && b && a->level == b->level && a->percentage == b->percentage &&
           strcmp(a->title, b->title) == 0 && mlx_menu_items_equal(&a->items, &b->items);
}
