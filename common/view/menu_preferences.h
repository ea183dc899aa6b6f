/*  menu_preferences.h - the submenu of what a person chooses about the menu itself */
#ifndef MLX_COMMON_VIEW_MENU_PREFERENCES_H
#define MLX_COMMON_VIEW_MENU_PREFERENCES_H

#include "common/view/menu_items.h"

void mlx_menu_add_preferences(mlx_menu_items_t *items, const mlx_menu_options_t *options);

#endif
