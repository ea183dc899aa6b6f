/*  tray_menu.h - the tray's menu on D-Bus: com.canonical.dbusmenu, the form that every host draws
 *
 *      mlx_tray_menu_t *menu = mlx_tray_menu_new(dbus, on_action, self, &err);
 *      mlx_tray_menu_update(menu, view);
 *
 *  An item keeps its number as long as the process lives. A change of text or of being enabled is
 *  ItemsPropertiesUpdated, so that an open menu does not flicker; only a change of the list itself
 *  is LayoutUpdated. Clicks come as Event or EventGroup (xfce sends the latter only), and hosts may
 *  send them for items that are not enabled: those are refused here. Interface:
 *  https://github.com/AyatanaIndicators/libdbusmenu, libdbusmenu-glib/dbus-menu.xml
 */
#ifndef MLX_TOOLS_MENUBAR_TRAY_MENU_H
#define MLX_TOOLS_MENUBAR_TRAY_MENU_H

#include "common/view/menu_view.h"
#include "dbus.h"

#define MLX_TRAY_MENU_PATH "/MenuBar"

typedef struct mlx_tray_menu mlx_tray_menu_t;

typedef void (*mlx_tray_action_fn)(void *arg, mlx_action_t action, const char *setting);

/*  FN is called for each accepted click, with the setting of MLX_ACTION_SET or NULL. NULL with ERR
 *  when the object cannot be put on the bus. */
mlx_tray_menu_t *mlx_tray_menu_new(mlx_dbus_t *dbus, mlx_tray_action_fn fn, void *arg,
                                   mlx_error_t *err);
void mlx_tray_menu_destroy(mlx_tray_menu_t **self);

/*  Show VIEW; tells the hosts what changed. */
void mlx_tray_menu_update(mlx_tray_menu_t *self, const mlx_menu_t *view);

#endif
