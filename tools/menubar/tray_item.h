/*  tray_item.h - the icon in the tray: org.kde.StatusNotifierItem, registered whenever a tray
 *  appears
 *
 *      mlx_tray_item_t *item = mlx_tray_item_new(dbus, on_activate, self, &err);
 *      mlx_tray_item_update(item, view);
 *
 *  The tray (StatusNotifierWatcher) may start after us, stop and return: we register each time its
 *  name gets an owner. Panels differ in what they show, so everything says the number: the picture
 *  itself, the tool tip and the label beside the icon.
 *  Interface: https://www.freedesktop.org/wiki/Specifications/StatusNotifierItem/, and
 *  XAyatanaLabel of Ubuntu's panels.
 */
#ifndef MLX_TOOLS_MENUBAR_TRAY_ITEM_H
#define MLX_TOOLS_MENUBAR_TRAY_ITEM_H

#include "common/view/menu_view.h"
#include "dbus.h"

typedef struct mlx_tray_item mlx_tray_item_t;

typedef void (*mlx_tray_activate_fn)(void *arg);

/*  FN is called on a click that is not for the menu. NULL with ERR when the object cannot be put on
 *  the bus. */
mlx_tray_item_t *mlx_tray_item_new(mlx_dbus_t *dbus, mlx_tray_activate_fn fn, void *arg,
                                   mlx_error_t *err);
void mlx_tray_item_destroy(mlx_tray_item_t **self);

/*  Show VIEW; tells the tray what changed, and only that. */
void mlx_tray_item_update(mlx_tray_item_t *self, const mlx_menu_t *view);

#endif
