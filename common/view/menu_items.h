/*  menu_items.h - the list of items that a menu is made of; for menu_view.c and its parts
 *
 *      mlx_menu_items_text(&items, "memory", mlx_format("Memory: %s", text));
 *      mlx_menu_items_open(&items, "host1", mlx_strdup("mini: idle"));
 *      mlx_menu_items_text(&items, "model", ...);           its id is "host1.model"
 *      mlx_menu_items_close(&items);
 */
#ifndef MLX_COMMON_VIEW_MENU_ITEMS_H
#define MLX_COMMON_VIEW_MENU_ITEMS_H

#include "common/view/menu_view.h"

typedef struct {
    mlx_menu_item_t *items;
    size_t count;
    char *within; /* id of the submenu that is open, or NULL */
} mlx_menu_items_t;

/*  Add an item and take over TEXT; the result, borrowed until the next one, is enabled when it can
 *  be clicked. */
mlx_menu_item_t *mlx_menu_items_add(mlx_menu_items_t *self, mlx_item_kind_t kind, const char *id,
                                    char *text, mlx_action_t action);
void mlx_menu_items_text(mlx_menu_items_t *self, const char *id, char *text);

/*  What is added until close is in the submenu ID. There are none within others. */
void mlx_menu_items_open(mlx_menu_items_t *self, const char *id, char *text);
void mlx_menu_items_close(mlx_menu_items_t *self);

void mlx_menu_items_clear(mlx_menu_items_t *self);
bool mlx_menu_items_equal(const mlx_menu_items_t *a, const mlx_menu_items_t *b);

#endif
