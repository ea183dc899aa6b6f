#include "tray_item.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "icon.h"
#include "markup.h"
#include "tray_menu.h"

#define INTERFACE "org.kde.StatusNotifierItem"
#define PATH "/StatusNotifierItem"
#define WATCHER "org.kde.StatusNotifierWatcher"
#define WATCHER_PATH "/StatusNotifierWatcher"
#define APP "MLXDash"
#define WIDEST_LABEL "1888 tok/s"

static const int icon_sizes[] = {22, 44};

struct mlx_tray_item {
    mlx_dbus_t *dbus;
    char *name; /* ours on the bus */
    sd_bus_slot *object;
    sd_bus_slot *match;
    sd_bus_slot *call; /* registration under way */
    mlx_tray_activate_fn fn;
    void *arg;
    char *title;
    char *badge;
    char *tooltip;
    mlx_level_t level;
    uint8_t *icons[MLX_COUNT(icon_sizes)];
};

/*  Properties. */

typedef const char *(*text_fn)(const mlx_tray_item_t *self);

static const char *title_of(const mlx_tray_item_t *self)
{
    return self->title;
}

static const struct {
    const char *property;
    const char *text;
    text_fn fn; /* instead of text */
} texts[] = {
    {"Category", "Hardware", NULL},
    {"Id", "mlx-menubar", NULL},
    {"Title", APP, NULL},
    {"Status", "Active", NULL},
    {"IconName", "", NULL},
    {"IconThemePath", "", NULL},
    {"OverlayIconName", "", NULL},
    {"AttentionIconName", "", NULL},
    {"XAyatanaLabel", NULL, title_of},
    {"XAyatanaLabelGuide", WIDEST_LABEL, NULL},
};

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)error;
    for (size_t i = 0; i < MLX_COUNT(texts); i++)
        if (strcmp(texts[i].property, property) == 0)
            return sd_bus_message_append(reply, "s",
                                         texts[i].fn ? texts[i].fn(arg) : texts[i].text);
    return sd_bus_message_append(reply, "s", "");
}

static int get_window(sd_bus *bus, const char *path, const char *interface, const char *property,
                      sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "i", 0);
}

/*  A click is for the menu; there is no window that Activate could show instead. */
static int get_is_menu(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "b", 1);
}

static int get_menu(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "o", MLX_TRAY_MENU_PATH);
}

/*  Always a pixmap: a theme's icon name that the theme does not have shows as nothing at all. */
static int get_icon(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    const mlx_tray_item_t *self = arg;
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    int rc = sd_bus_message_open_container(reply, 'a', "(iiay)");
    for (size_t i = 0; rc >= 0 && i < MLX_COUNT(icon_sizes); i++) {
        size_t side = (size_t)icon_sizes[i];
        sd_bus_message_open_container(reply, 'r', "iiay");
        sd_bus_message_append(reply, "ii", icon_sizes[i], icon_sizes[i]);
        sd_bus_message_append_array(reply, 'y', self->icons[i], side * side * 4);
        rc = sd_bus_message_close_container(reply);
    }
    return rc < 0 ? rc : sd_bus_message_close_container(reply);
}

static int get_no_icon(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "a(iiay)", 0);
}

/*  The text of a tool tip is markup of a small subset of HTML. */
static int get_tooltip(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    const mlx_tray_item_t *self = arg;
    (void)bus, (void)path, (void)interface, (void)property, (void)error;
    return sd_bus_message_append(reply, "(sa(iiay)ss)", "", 0, self->title, self->tooltip);
}

/*  Methods. */

static int on_activate(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_item_t *self = arg;
    (void)error;
    self->fn(self->arg);
    return sd_bus_reply_method_return(m, "");
}

static int on_nothing(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    (void)arg, (void)error;
    return sd_bus_reply_method_return(m, "");
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Category", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Id", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Title", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("Status", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("WindowId", "i", get_window, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("IconName", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("IconPixmap", "a(iiay)", get_icon, 0, 0),
    SD_BUS_PROPERTY("IconThemePath", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("OverlayIconName", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("OverlayIconPixmap", "a(iiay)", get_no_icon, 0, 0),
    SD_BUS_PROPERTY("AttentionIconName", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("AttentionIconPixmap", "a(iiay)", get_no_icon, 0, 0),
    SD_BUS_PROPERTY("ToolTip", "(sa(iiay)ss)", get_tooltip, 0, 0),
    SD_BUS_PROPERTY("ItemIsMenu", "b", get_is_menu, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Menu", "o", get_menu, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("XAyatanaLabel", "s", get_text, 0, 0),
    SD_BUS_PROPERTY("XAyatanaLabelGuide", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_METHOD("Activate", "ii", "", on_activate, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("SecondaryActivate", "ii", "", on_activate, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("ContextMenu", "ii", "", on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Scroll", "is", "", on_nothing, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("NewTitle", "", 0),
    SD_BUS_SIGNAL("NewIcon", "", 0),
    SD_BUS_SIGNAL("NewAttentionIcon", "", 0),
    SD_BUS_SIGNAL("NewOverlayIcon", "", 0),
    SD_BUS_SIGNAL("NewToolTip", "", 0),
    SD_BUS_SIGNAL("NewStatus", "s", 0),
    SD_BUS_SIGNAL("XAyatanaNewLabel", "ss", 0),
    SD_BUS_VTABLE_END,
};

/*  Registration. */

static int on_registered(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_item_t *self = arg;
    (void)m, (void)error;
    /* A refusal means that there is no tray now: its name will appear. */
    self->call = sd_bus_slot_unref(self->call);
    return 0;
}

static void register_item(mlx_tray_item_t *self)
{
    self->call = sd_bus_slot_unref(self->call);
    sd_bus_call_method_async(mlx_dbus_bus(self->dbus), &self->call, WATCHER, WATCHER_PATH, WATCHER,
                             "RegisterStatusNotifierItem", on_registered, self, "s", self->name);
}

static int on_watcher(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    const char *name, *old_owner, *new_owner;
    (void)error;
    int rc = sd_bus_message_read(m, "sss", &name, &old_owner, &new_owner);
    if (rc >= 0 && new_owner[0])
        register_item(arg);
    return 0;
}

/*  The match names the watcher as argument 0: without it each name on the bus would wake us. */
static int join(mlx_tray_item_t *self)
{
    sd_bus *bus = mlx_dbus_bus(self->dbus);
    int rc = sd_bus_add_object_vtable(bus, &self->object, PATH, INTERFACE, vtable, self);
    if (rc >= 0)
        rc = sd_bus_add_match(bus, &self->match,
                              "type='signal',sender='org.freedesktop.DBus',"
                              "path='/org/freedesktop/DBus',interface='org.freedesktop.DBus',"
                              "member='NameOwnerChanged',arg0='" WATCHER "'",
                              on_watcher, self);
    return rc < 0 ? rc : sd_bus_request_name(bus, self->name, 0);
}

mlx_tray_item_t *mlx_tray_item_new(mlx_dbus_t *dbus, mlx_tray_activate_fn fn, void *arg,
                                   mlx_error_t *err)
{
    mlx_tray_item_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_tray_item_t){.dbus = dbus,
                              .fn = fn,
                              .arg = arg,
                              .name = mlx_format("%s-%d-1", INTERFACE, (int)getpid()),
                              .title = mlx_strdup(""),
                              .badge = mlx_strdup(""),
                              .tooltip = mlx_strdup("")};
    for (size_t i = 0; i < MLX_COUNT(icon_sizes); i++)
        self->icons[i] = mlx_icon_draw(icon_sizes[i], self->level, self->badge);
    int rc = join(self);
    if (rc < 0) {
        mlx_dbus_error(err, rc, "put the tray icon on the session bus");
        mlx_tray_item_destroy(&self);
        return NULL;
    }
    register_item(self);
    mlx_dbus_flush(dbus);
    return self;
}

void mlx_tray_item_destroy(mlx_tray_item_t **self_p)
{
    mlx_tray_item_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    sd_bus_slot_unref(self->call);
    sd_bus_slot_unref(self->match);
    sd_bus_slot_unref(self->object);
    for (size_t i = 0; i < MLX_COUNT(icon_sizes); i++)
        free(self->icons[i]);
    free(self->name);
    free(self->title);
    free(self->badge);
    free(self->tooltip);
    free(self);
}

static void tell(const mlx_tray_item_t *self, const char *signal_name)
{
    sd_bus_emit_signal(mlx_dbus_bus(self->dbus), PATH, INTERFACE, signal_name, "");
}

/*  Take over TEXT (owned) if it differs. */
static bool replace(char **old, char *text)
{
    bool changed = strcmp(*old, text) != 0;
    free(*old);
    *old = text;
    return changed;
}

void mlx_tray_item_update(mlx_tray_item_t *self, const mlx_menu_t *view)
{
    bool new_title = replace(&self->title, mlx_strdup(mlx_menu_title(view)));
    bool new_tooltip = replace(&self->tooltip, mlx_markup_escape(mlx_menu_tooltip(view)));
    bool new_icon = replace(&self->badge, mlx_strdup(mlx_menu_badge(view))) ||
                    self->level != mlx_menu_level(view);
    self->level = mlx_menu_level(view);
    if (new_icon) {
        for (size_t i = 0; i < MLX_COUNT(icon_sizes); i++) {
            free(self->icons[i]);
            self->icons[i] = mlx_icon_draw(icon_sizes[i], self->level, self->badge);
        }
        tell(self, "NewIcon");
    }
    if (new_title)
        sd_bus_emit_signal(mlx_dbus_bus(self->dbus), PATH, INTERFACE, "XAyatanaNewLabel", "ss",
                           self->title, WIDEST_LABEL);
    if (new_title || new_tooltip)
        tell(self, "NewToolTip");
    mlx_dbus_flush(self->dbus);
}
