/*  The tray: an icon (tray_item.h) and its menu (tray_menu.h) on the session bus. */
#include <errno.h>
#include <stdlib.h>

#include "dbus.h"
#include "frontend.h"
#include "tray_item.h"
#include "tray_menu.h"

/*  Whoever owns this name has the icon. */
#define ONLY_ONE "dev.mlx_suite.Menubar"

typedef struct {
    mlx_frontend_host_t host;
    mlx_tray_item_t *item;
    mlx_tray_menu_t *menu;
} tray_t;

static void on_action(void *arg, mlx_action_t action, const char *setting)
{
    tray_t *self = arg;
    self->host.act(self->host.arg, action, setting);
}

static void on_activate(void *arg)
{
    on_action(arg, MLX_ACTION_HISTORY, NULL);
}

static int claim(mlx_dbus_t *dbus, mlx_error_t *err)
{
    int rc = sd_bus_request_name(mlx_dbus_bus(dbus), ONLY_ONE, 0);
    if (rc == -EEXIST) {
        mlx_error_set(err, MLX_ERR_BUSY, "this session already has a tray icon");
        return mlx_error_hint(err, "quit it from its menu first");
    }
    return rc < 0 ? mlx_dbus_error(err, rc, "claim a name on the session bus") : 0;
}

int mlx_frontend_tray_open(const mlx_frontend_t *frontend, const mlx_frontend_host_t *host,
                           void **state, mlx_error_t *err)
{
    (void)frontend;
    mlx_dbus_t *dbus = mlx_desktop_dbus(host->desktop, err);
    if (!dbus || claim(dbus, err))
        return -1;
    tray_t *self = mlx_alloc(1, sizeof *self);
    *state = self;
    self->host = *host;
    self->menu = mlx_tray_menu_new(dbus, on_action, self, err);
    if (self->menu)
        self->item = mlx_tray_item_new(dbus, on_activate, self, err);
    return self->item ? 0 : -1;
}

int mlx_frontend_tray_draw(void *state, const mlx_menu_t *menu, mlx_error_t *err)
{
    tray_t *self = state;
    (void)err;
    mlx_tray_menu_update(self->menu, menu);
    mlx_tray_item_update(self->item, menu);
    return 0;
}

void mlx_frontend_tray_close(void **state)
{
    tray_t *self = *state;
    *state = NULL;
    if (!self)
        return;
    mlx_tray_item_destroy(&self->item);
    mlx_tray_menu_destroy(&self->menu);
    free(self);
}
