#include "bar_formats.h"

#include <stdio.h>
#include <string.h>

#include "markup.h"
#include "proto/json.h"
#include "proto/value.h"

/*  SwiftBar and xbar. */

typedef struct {
    const char *run;   /* the parameter that names a command */
    const char *plain; /* parameters of every item: a text is a text */
} xbar_words_t;

/*  The bar splits a line at the first "|" and has no escape for it, a stream at any "~~~", and
 *  takes leading dashes for a submenu: look-alikes stand in for them. */
static void write_xbar_text(mlx_buf_t *out, const char *text)
{
    bool leading = true;
    for (const char *c = text; *c; c++) {
        leading = leading && (*c == ' ' || *c == '-');
        if (*c == '|')
            mlx_buf_puts(out, "\u00a6");
        else if (*c == '~')
            mlx_buf_puts(out, "\u223c");
        else if (*c == '-' && leading)
            mlx_buf_puts(out, "\u2010");
        else
            mlx_buf_putc(out, *c);
    }
}

/*  Quoted, for paths with spaces; one that cannot be quoted safely is left to $PATH. */
static const char *quotable(const char *program)
{
    return program && !strpbrk(program, "\"\\|~\n\r") ? program : "mlx-menubar";
}

/*  Cancelling and quitting need the process that runs; from a bar's command there is none. */
static bool xbar_can(const mlx_menu_item_t *item)
{
    return item->enabled &&
           (item->action == MLX_ACTION_BENCHMARK || item->action == MLX_ACTION_HISTORY ||
            item->action == MLX_ACTION_PREFERENCES);
}

static void write_xbar_item(mlx_buf_t *out, const mlx_menu_item_t *item, const xbar_words_t *words,
                            const mlx_bar_options_t *options)
{
    if (item->kind == MLX_ITEM_SEPARATOR) {
        mlx_buf_puts(out, "---\n");
        return;
    }
    if (item->action == MLX_ACTION_QUIT)
        return;
    write_xbar_text(out, item->text);
    mlx_buf_printf(out, " | %s", words->plain);
    if (xbar_can(item))
        mlx_buf_printf(out, " %s=\"%s\" param1=--do param2=%s terminal=false%s", words->run,
                       quotable(options->program), mlx_action_name(item->action),
                       options->stream ? "" : " refresh=true");
    mlx_buf_putc(out, '\n');
}

static void write_xbar_like(mlx_buf_t *out, const mlx_menu_t *menu, const xbar_words_t *words,
                            const mlx_bar_options_t *options)
{
    if (options->stream)
        mlx_buf_puts(out, "~~~\n");
    write_xbar_text(out, mlx_menu_title(menu));
    mlx_buf_printf(out, " | %s", words->plain);
    if (mlx_menu_level(menu) == MLX_LEVEL_WARNING)
        mlx_buf_printf(out, " color=#%06x", mlx_level_rgb(MLX_LEVEL_WARNING));
    mlx_buf_puts(out, "\n---\n");
    for (size_t i = 0; i < mlx_menu_count(menu); i++)
        write_xbar_item(out, mlx_menu_at(menu, i), words, options);
}

static void write_swiftbar(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    static const xbar_words_t words = {.run = "bash", .plain = "emojize=false symbolize=false"};
    write_xbar_like(out, menu, &words, options);
}

static void write_xbar(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    static const xbar_words_t words = {.run = "shell", .plain = "emojize=false ansi=false"};
    write_xbar_like(out, menu, &words, options);
}

/*  JSON lines. */

static void write_line(mlx_buf_t *out, mlx_value_t *value)
{
    mlx_json_write(out, value, false);
    mlx_buf_putc(out, '\n');
    mlx_value_destroy(&value);
}

static void set_percentage(mlx_value_t *map, const mlx_menu_t *menu)
{
    if (mlx_menu_percentage(menu) >= 0)
        mlx_value_set_int(map, "percentage", mlx_menu_percentage(menu));
}

static void set_markup(mlx_value_t *map, const char *key, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *markup = mlx_markup_escape(text);
    mlx_value_set_str(map, key, markup);
}

static void write_waybar(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    (void)options;
    mlx_value_t *map = mlx_value_map();
    set_markup(map, "text", mlx_menu_title(menu));
    mlx_value_set_str(map, "alt", mlx_level_name(mlx_menu_level(menu)));
    set_markup(map, "tooltip", mlx_menu_tooltip(menu));
    mlx_value_set_str(map, "class", mlx_level_name(mlx_menu_level(menu)));
    set_percentage(map, menu);
    write_line(out, map);
}

static void write_i3blocks(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    (void)options;
    char colour[8];
    snprintf(colour, sizeof colour, "#%06x", mlx_level_rgb(mlx_menu_level(menu)));
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "full_text", mlx_menu_title(menu));
    mlx_value_set_str(map, "short_text", mlx_menu_badge(menu));
    if (mlx_menu_level(menu) != MLX_LEVEL_IDLE)
        mlx_value_set_str(map, "color", colour);
    write_line(out, map);
}

static void write_json(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    (void)options;
    static const char *const kinds[] = {
        [MLX_ITEM_TEXT] = "text", [MLX_ITEM_SEPARATOR] = "separator", [MLX_ITEM_ACTION] = "action"};
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "title", mlx_menu_title(menu));
    mlx_value_set_str(map, "badge", mlx_menu_badge(menu));
    mlx_value_set_str(map, "level", mlx_level_name(mlx_menu_level(menu)));
    set_percentage(map, menu);
    mlx_value_t *items = mlx_value_set(map, "items", mlx_value_list());
    for (size_t i = 0; i < mlx_menu_count(menu); i++) {
        const mlx_menu_item_t *item = mlx_menu_at(menu, i);
        mlx_value_t *entry = mlx_value_append(items, mlx_value_map());
        mlx_value_set_str(entry, "id", item->id);
        mlx_value_set_str(entry, "kind", kinds[item->kind]);
        mlx_value_set_str(entry, "text", item->text);
        mlx_value_set_bool(entry, "enabled", item->enabled);
        mlx_value_set_str(entry, "action", mlx_action_name(item->action));
    }
    write_line(out, map);
}

static void write_short(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    (void)options;
    mlx_buf_printf(out, "%s\n", mlx_menu_title(menu));
}

static void write_plain(mlx_buf_t *out, const mlx_menu_t *menu, const mlx_bar_options_t *options)
{
    (void)options;
    mlx_buf_puts(out, mlx_menu_title(menu));
    for (size_t i = 0; i < mlx_menu_count(menu); i++)
        if (mlx_menu_at(menu, i)->kind == MLX_ITEM_TEXT)
            mlx_buf_printf(out, " | %s", mlx_menu_at(menu, i)->text);
    mlx_buf_putc(out, '\n');
}

const mlx_bar_format_t mlx_bar_formats[] = {
    {"swiftbar", write_swiftbar}, {"xbar", write_xbar},   {"waybar", write_waybar},
    {"i3blocks", write_i3blocks}, {"plain", write_plain}, {"short", write_short},
    {"json", write_json},
};

const size_t mlx_bar_formats_count = MLX_COUNT(mlx_bar_formats);

const mlx_bar_format_t *mlx_bar_format_find(const char *name)
{
    for (size_t i = 0; i < mlx_bar_formats_count; i++)
        if (strcmp(mlx_bar_formats[i].name, name) == 0)
            return &mlx_bar_formats[i];
    return NULL;
}
