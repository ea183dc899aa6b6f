#include "common/view/menu_view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/figures.h"
#include "common/view/overview_state.h"
#include "common/view/prompt_words.h"
#include "proto/buf.h"
#include "proto/utf8.h"

#define COARSE_S 10.0 /* the age of what is past need not be redrawn every second */

enum {
    ITEMS_MAX = 24 + MLX_FIGURES_MAX,
    WORK_MAX = 32, /* looked at */
    LINES_MAX = 4, /* of models at work, and of warnings: a menu is short */
    NAME_MAX_CHARACTERS = 60,
    TEXT_MAX_CHARACTERS = 120
};

struct mlx_menu {
    mlx_menu_item_t items[ITEMS_MAX];
    size_t count;
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
} scene_t;

/*  Takes over TEXT. */
static void add(mlx_menu_t *self, mlx_item_kind_t kind, const char *id, char *text,
                mlx_action_t action)
{
    if (self->count == ITEMS_MAX)
        mlx_panic("a menu of more than %d items", ITEMS_MAX);
    self->items[self->count++] = (mlx_menu_item_t){.kind = kind,
                                                   .id = id,
                                                   .text = mlx_utf8_line(text, TEXT_MAX_CHARACTERS),
                                                   .enabled = kind == MLX_ITEM_ACTION,
                                                   .action = action};
    free(text);
}

static void add_text(mlx_menu_t *self, const char *id, char *text)
{
    add(self, MLX_ITEM_TEXT, id, text, MLX_ACTION_NONE);
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
static void add_connection(mlx_menu_t *self, const mlx_connection_t *link)
{
    const char *why = strchr(link->text, ':');
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

static void add_readings(mlx_menu_t *self, const scene_t *scene)
{
    const mlx_headline_t *now = &scene->now;
    if (scene->options->notice)
        add_text(self, "notice", mlx_strdup(scene->options->notice));
    add_connection(self, &scene->link);
    add_warnings(self, scene);
    add_text(self, "model", model_text(now));
    add_work(self, scene);
    if (scene->clients)
        add_text(self, "clients", mlx_format("Used by: %s", scene->clients));
    for (size_t i = 0; i < scene->figure_count; i++) {
        const mlx_figure_t *figure = &scene->figures[i];
        if (figure->menu)
            add_figure(self, figure->menu_id, figure_text(scene, figure, is_offline(now)),
                       figure->late);
    }
    add_text(self, "cache", cache_text(now));
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
    add(self, MLX_ITEM_ACTION, "benchmark",
        noted ? mlx_format("%s (%s)", text, options->bench_note) : mlx_strdup(text),
        table[options->bench].action);
    self->items[self->count - 1].enabled =
        options->bench == MLX_BENCH_OURS ||
        (options->bench == MLX_BENCH_NONE && now->runtimes_up > 0);
}

static void add_items(mlx_menu_t *self, const scene_t *scene)
{
    add_readings(self, scene);
    add(self, MLX_ITEM_SEPARATOR, "separator", mlx_strdup(""), MLX_ACTION_NONE);
    add_benchmark(self, scene->options, &scene->now);
    add(self, MLX_ITEM_ACTION, "history", mlx_strdup("View History"), MLX_ACTION_HISTORY);
    add(self, MLX_ITEM_ACTION, "preferences", mlx_strdup("Preferences"), MLX_ACTION_PREFERENCES);
    add(self, MLX_ITEM_ACTION, "quit", mlx_strdup("Quit"), MLX_ACTION_QUIT);
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

static char *tooltip_of(const mlx_menu_t *self)
{
    mlx_buf_t text = {0};
    for (size_t i = 0; i < self->count; i++)
        if (self->items[i].kind == MLX_ITEM_TEXT)
            mlx_buf_printf(&text, "%s%s", text.len ? "\n" : "", self->items[i].text);
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
}

mlx_menu_t *mlx_menu_new(const mlx_menu_options_t *options, const mlx_overview_t *overview,
                         int64_t now_us)
{
    mlx_menu_t *self = mlx_alloc(1, sizeof *self);
    scene_t scene;
    look(&scene, options, overview, now_us);
    bool offline = is_offline(&scene.now);
    double share = scene.now.memory_used / scene.now.memory_total;
    bool lost = offline || scene.link.state == MLX_LINK_LOST;
    add_items(self, &scene);
    self->title = title_of(&scene, offline);
    self->badge = badge_of(options, &scene.now, lost);
    self->level = level_of(&scene, offline);
    self->percentage = isnan(share) || lost ? -1 : (int)lround(fmin(fmax(share, 0), 1) * 100);
    self->tooltip = tooltip_of(self);
    mlx_value_destroy(&scene.warnings);
    free(scene.clients);
    return self;
}

void mlx_menu_destroy(mlx_menu_t **self_p)
{
    mlx_menu_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free((char *)self->items[i].text);
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
                                        [MLX_ACTION_QUIT] = "quit"};
    return names[action];
}

int mlx_menu_percentage(const mlx_menu_t *self)
{
    return self->percentage;
}

size_t mlx_menu_count(const mlx_menu_t *self)
{
    return self->count;
}

const mlx_menu_item_t *mlx_menu_at(const mlx_menu_t *self, size_t index)
{
    return index < self->count ? &self->items[index] : NULL;
}

bool mlx_menu_equal(const mlx_menu_t *a, const mlx_menu_t *b)
{
    if (!a || !b || a->count != b->count || a->level != b->level ||
        a->percentage != b->percentage || strcmp(a->title, b->title) != 0)
        return false;
    for (size_t i = 0; i < a->count; i++)
        if (strcmp(a->items[i].text, b->items[i].text) != 0 ||
            strcmp(a->items[i].id, b->items[i].id) != 0 ||
            a->items[i].enabled != b->items[i].enabled || a->items[i].action != b->items[i].action)
            return false;
    return true;
}
