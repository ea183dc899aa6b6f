#include "common/view/menu_preferences.h"

static void add_choice(mlx_menu_items_t *items, const char *id, const char *text,
                       const char *setting, mlx_mark_t mark, bool chosen)
{
    mlx_menu_item_t *item =
        mlx_menu_items_add(items, MLX_ITEM_ACTION, id, mlx_strdup(text), MLX_ACTION_SET);
    item->setting = setting;
    item->mark = mark;
    item->chosen = chosen;
}

void mlx_menu_add_preferences(mlx_menu_items_t *items, const mlx_menu_options_t *options)
{
    static const struct {
        mlx_title_t title;
        const char *id;
        const char *text;
        const char *setting;
    } titles[] = {
        {MLX_TITLE_TOKENS, "title-speed", "Show Tokens per Second", "menubar.title=tok/s"},
        {MLX_TITLE_MEMORY, "title-memory", "Show Memory", "menubar.title=memory"},
        {MLX_TITLE_GPU, "title-gpu", "Show GPU", "menubar.title=gpu"},
    };
    mlx_menu_items_open(items, "preferences", mlx_strdup("Preferences"));
    for (size_t i = 0; i < MLX_COUNT(titles); i++)
        add_choice(items, titles[i].id, titles[i].text, titles[i].setting, MLX_MARK_RADIO,
                   options->title == titles[i].title);
    add_choice(items, "units", "Degrees Fahrenheit",
               options->fahrenheit ? "menubar.units=metric" : "menubar.units=imperial",
               MLX_MARK_CHECK, options->fahrenheit);
    add_choice(items, "notifications", "Notify of Alerts",
               options->notifies ? "menubar.notifications=false" : "menubar.notifications=true",
               MLX_MARK_CHECK, options->notifies);
    mlx_menu_item_t *start = mlx_menu_items_add(items, MLX_ITEM_ACTION, "autostart",
                                                mlx_strdup("Start at Login"), MLX_ACTION_AUTOSTART);
    start->mark = MLX_MARK_CHECK;
    start->chosen = options->autostart;
    mlx_menu_items_add(items, MLX_ITEM_ACTION, "edit", mlx_strdup("Edit All Settings"),
                       MLX_ACTION_PREFERENCES);
    mlx_menu_items_close(items);
}
