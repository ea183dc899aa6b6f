#include "tray_menu.h"

#include <stdlib.h>
#include <string.h>

#define INTERFACE "com.canonical.dbusmenu"

enum {
    ROOT = 0,
    ITEMS_MAX = 256 /* more than the view-model ever has */
};

typedef struct {
    int32_t number; /* on the bus */
    mlx_item_kind_t kind;
    char *label;
    bool enabled;
    bool nested;
    mlx_mark_t mark;
    bool chosen;
    mlx_action_t action;
    const char *setting;
} entry_t;

struct mlx_tray_menu {
    mlx_dbus_t *dbus;
    sd_bus_slot *slot;
    mlx_tray_action_fn fn;
    void *arg;
    uint32_t revision;
    entry_t entries[ITEMS_MAX];
    size_t count;
    char *names[ITEMS_MAX]; /* item ids by number - 1 */
};

/*  Entries. */

/*  The number of item ID, the same for ever: the ids of the view-model are few. */
static int32_t number_of(mlx_tray_menu_t *self, const char *id)
{
    for (int i = 0; i < ITEMS_MAX; i++) {
        if (!self->names[i])
            self->names[i] = mlx_strdup(id);
        if (strcmp(self->names[i], id) == 0)
            return i + 1;
    }
    mlx_panic("more than %d kinds of menu items", ITEMS_MAX);
}

/*  An underscore would underline the next letter as an access key. */
static char *label_of(const char *text)
{
    mlx_buf_t label = {0};
    for (; *text; text++) {
        if (*text == '_')
            mlx_buf_putc(&label, '_');
        mlx_buf_putc(&label, *text);
    }
    return mlx_buf_take(&label);
}

static void clear_entries(entry_t *entries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(entries[i].label);
}

static const entry_t *find(const mlx_tray_menu_t *self, int32_t number)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->entries[i].number == number)
            return &self->entries[i];
    return NULL;
}

static bool same_look(const entry_t *a, const entry_t *b)
{
    return a->enabled == b->enabled && a->chosen == b->chosen && strcmp(a->label, b->label) == 0;
}

static bool same_structure(const entry_t *a, size_t a_count, const entry_t *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = a[i].number == b[i].number && a[i].kind == b[i].kind && a[i].mark == b[i].mark &&
               a[i].nested == b[i].nested;
    return same;
}

/*  Writing messages. */

static bool wanted(char **names, const char *name)
{
    if (!names || !names[0])
        return true;
    for (; *names; names++)
        if (strcmp(*names, name) == 0)
            return true;
    return false;
}

/*  a{sv} of ENTRY (NULL: the root), only those in NAMES. Errors show when the message is sent. */
static void append_properties(sd_bus_message *m, const entry_t *entry, char **names)
{
    sd_bus_message_open_container(m, 'a', "{sv}");
    if (!entry) {
        if (wanted(names, "children-display"))
            sd_bus_message_append(m, "{sv}", "children-display", "s", "submenu");
    } else if (entry->kind == MLX_ITEM_SEPARATOR) {
        if (wanted(names, "type"))
            sd_bus_message_append(m, "{sv}", "type", "s", "separator");
    } else {
        if (wanted(names, "label"))
            sd_bus_message_append(m, "{sv}", "label", "s", entry->label);
        if (wanted(names, "enabled"))
            sd_bus_message_append(m, "{sv}", "enabled", "b", (int)entry->enabled);
        if (entry->kind == MLX_ITEM_MENU && wanted(names, "children-display"))
            sd_bus_message_append(m, "{sv}", "children-display", "s", "submenu");
        if (entry->mark != MLX_MARK_NONE && wanted(names, "toggle-type"))
            sd_bus_message_append(m, "{sv}", "toggle-type", "s",
                                  entry->mark == MLX_MARK_RADIO ? "radio" : "checkmark");
        if (entry->mark != MLX_MARK_NONE && wanted(names, "toggle-state"))
            sd_bus_message_append(m, "{sv}", "toggle-state", "i", (int)entry->chosen);
    }
    sd_bus_message_close_container(m);
}

static void append_item(sd_bus_message *m, int32_t number, const entry_t *entry, char **names)
{
    sd_bus_message_open_container(m, 'r', "ia{sv}");
    sd_bus_message_append(m, "i", number);
    append_properties(m, entry, names);
    sd_bus_message_close_container(m);
}

/*  Is ENTRY a child of PARENT (NULL: the root)? */
static bool is_child(const mlx_tray_menu_t *self, const entry_t *entry, const entry_t *parent)
{
    const entry_t *holder = entry;
    while (holder->nested && holder > self->entries)
        holder--;
    return parent ? entry->nested && holder == parent : !entry->nested;
}

/*  (ia{sv}av): a node with its children down to DEPTH levels (negative: all). */
static void append_node(sd_bus_message *m, const mlx_tray_menu_t *self, const entry_t *entry,
                        int32_t depth, char **names)
{
    sd_bus_message_open_container(m, 'r', "ia{sv}av");
    sd_bus_message_append(m, "i", entry ? entry->number : ROOT);
    append_properties(m, entry, names);
    sd_bus_message_open_container(m, 'a', "v");
    for (size_t i = 0; depth != 0 && i < self->count; i++) {
        if (!is_child(self, &self->entries[i], entry))
            continue;
        sd_bus_message_open_container(m, 'v', "(ia{sv}av)");
        append_node(m, self, &self->entries[i], depth < 0 ? depth : depth - 1, names);
        sd_bus_message_close_container(m);
    }
    sd_bus_message_close_container(m);
    sd_bus_message_close_container(m);
}

/*  Methods. */

static void free_strv(char ***strv_p)
{
    for (char **s = *strv_p; s && *s; s++)
        free(*s);
    free(*strv_p);
}

static int no_such_item(sd_bus_message *m, int32_t number)
{
    return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "no menu item %d", number);
}

static int on_get_layout(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_menu_t *self = arg;
    int32_t parent, depth;
    MLX_CLEANUP(free_strv) char **names = NULL;
    MLX_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    (void)error;
    int rc = sd_bus_message_read(m, "ii", &parent, &depth);
    if (rc >= 0)
        rc = sd_bus_message_read_strv(m, &names);
    if (rc < 0)
        return rc;
    const entry_t *entry = find(self, parent);
    if (!entry && parent != ROOT)
        return no_such_item(m, parent);
    rc = sd_bus_message_new_method_return(m, &reply);
    if (rc < 0)
        return rc;
    sd_bus_message_append(reply, "u", self->revision);
    append_node(reply, self, entry, depth, names);
    return sd_bus_send(NULL, reply, NULL);
}

static int on_get_group_properties(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_menu_t *self = arg;
    const void *data;
    size_t size;
    MLX_CLEANUP(free_strv) char **names = NULL;
    MLX_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    (void)error;
    int rc = sd_bus_message_read_array(m, 'i', &data, &size);
    if (rc >= 0)
        rc = sd_bus_message_read_strv(m, &names);
    if (rc >= 0)
        rc = sd_bus_message_new_method_return(m, &reply);
    if (rc < 0)
        return rc;
    const int32_t *numbers = data;
    size_t count = size / sizeof *numbers;
    sd_bus_message_open_container(reply, 'a', "(ia{sv})");
    for (size_t i = 0; count == 0 && i < self->count; i++)
        append_item(reply, self->entries[i].number, &self->entries[i], names);
    for (size_t i = 0; i < count; i++) {
        const entry_t *entry = find(self, numbers[i]);
        if (entry || numbers[i] == ROOT)
            append_item(reply, numbers[i], entry, names);
    }
    sd_bus_message_close_container(reply);
    return sd_bus_send(NULL, reply, NULL);
}

static int on_get_property(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    int32_t number;
    const char *name;
    (void)error;
    int rc = sd_bus_message_read(m, "is", &number, &name);
    if (rc < 0)
        return rc;
    const entry_t *entry = find(arg, number);
    if (entry && entry->kind != MLX_ITEM_SEPARATOR && strcmp(name, "label") == 0)
        return sd_bus_reply_method_return(m, "v", "s", entry->label);
    if (entry && strcmp(name, "enabled") == 0)
        return sd_bus_reply_method_return(m, "v", "b", (int)entry->enabled);
    if (entry && entry->kind == MLX_ITEM_SEPARATOR && strcmp(name, "type") == 0)
        return sd_bus_reply_method_return(m, "v", "s", "separator");
    return sd_bus_reply_method_errorf(m, SD_BUS_ERROR_INVALID_ARGS, "item %d has no such property",
                                      number);
}

/*  One event of (isvu); *NUMBER is set. >0: there is such an item; then *CLICKED is it when the
 *  event is a click that counts, else NULL. */
static int read_event(mlx_tray_menu_t *self, sd_bus_message *m, int32_t *number,
                      const entry_t **clicked)
{
    const char *event;
    uint32_t time;
    int rc = sd_bus_message_read(m, "is", number, &event);
    if (rc >= 0)
        rc = sd_bus_message_skip(m, "v");
    if (rc >= 0)
        rc = sd_bus_message_read(m, "u", &time);
    if (rc < 0)
        return rc;
    const entry_t *entry = find(self, *number);
    bool counts = entry && entry->enabled && entry->action != MLX_ACTION_NONE;
    *clicked = counts && strcmp(event, "clicked") == 0 ? entry : NULL;
    return entry || *number == ROOT ? 1 : 0;
}

static int on_event(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_menu_t *self = arg;
    int32_t number;
    const entry_t *clicked;
    (void)error;
    int rc = read_event(self, m, &number, &clicked);
    if (rc < 0)
        return rc;
    if (rc == 0)
        return no_such_item(m, number);
    if (clicked)
        self->fn(self->arg, clicked->action, clicked->setting);
    return sd_bus_reply_method_return(m, "");
}

/*  Several events at once; the reply names those of unknown items. */
static int on_event_group(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    mlx_tray_menu_t *self = arg;
    int32_t number, unknown[ITEMS_MAX];
    const entry_t *clicked;
    size_t unknown_count = 0;
    MLX_CLEANUP(sd_bus_message_unrefp) sd_bus_message *reply = NULL;
    (void)error;
    int rc = sd_bus_message_enter_container(m, 'a', "(isvu)");
    while (rc >= 0 && (rc = sd_bus_message_enter_container(m, 'r', "isvu")) > 0) {
        rc = read_event(self, m, &number, &clicked);
        if (rc == 0 && unknown_count < MLX_COUNT(unknown))
            unknown[unknown_count++] = number;
        if (rc > 0 && clicked)
            self->fn(self->arg, clicked->action, clicked->setting);
        if (rc >= 0)
            rc = sd_bus_message_exit_container(m);
    }
    if (rc >= 0)
        rc = sd_bus_message_new_method_return(m, &reply);
    if (rc >= 0)
        rc = sd_bus_message_append_array(reply, 'i', unknown, unknown_count * sizeof *unknown);
    return rc < 0 ? rc : sd_bus_send(NULL, reply, NULL);
}

/*  Nothing is made on demand: what is on the bus is what there is. */
static int on_about_to_show(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    (void)arg, (void)error;
    return sd_bus_reply_method_return(m, "b", 0);
}

static int on_about_to_show_group(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    (void)arg, (void)error;
    return sd_bus_reply_method_return(m, "aiai", 0, 0);
}

/*  Properties. */

static int get_version(sd_bus *bus, const char *path, const char *interface, const char *property,
                       sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "u", UINT32_C(3));
}

static int get_text(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)arg, (void)error;
    return sd_bus_message_append(reply, "s",
                                 strcmp(property, "TextDirection") == 0 ? "ltr" : "normal");
}

static int get_no_paths(sd_bus *bus, const char *path, const char *interface, const char *property,
                        sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "as", 0);
}

static const sd_bus_vtable vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_PROPERTY("Version", "u", get_version, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("Status", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("TextDirection", "s", get_text, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_PROPERTY("IconThemePath", "as", get_no_paths, 0, SD_BUS_VTABLE_PROPERTY_CONST),
    SD_BUS_METHOD("GetLayout", "iias", "u(ia{sv}av)", on_get_layout, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetGroupProperties", "aias", "a(ia{sv})", on_get_group_properties,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("GetProperty", "is", "v", on_get_property, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("Event", "isvu", "", on_event, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("EventGroup", "a(isvu)", "ai", on_event_group, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("AboutToShow", "i", "b", on_about_to_show, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_METHOD("AboutToShowGroup", "ai", "aiai", on_about_to_show_group,
                  SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_SIGNAL("ItemsPropertiesUpdated", "a(ia{sv})a(ias)", 0),
    SD_BUS_SIGNAL("LayoutUpdated", "ui", 0),
    SD_BUS_SIGNAL("ItemActivationRequested", "iu", 0),
    SD_BUS_VTABLE_END,
};

mlx_tray_menu_t *mlx_tray_menu_new(mlx_dbus_t *dbus, mlx_tray_action_fn fn, void *arg,
                                   mlx_error_t *err)
{
    mlx_tray_menu_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_tray_menu_t){.dbus = dbus, .fn = fn, .arg = arg, .revision = 1};
    int rc = sd_bus_add_object_vtable(mlx_dbus_bus(dbus), &self->slot, MLX_TRAY_MENU_PATH,
                                      INTERFACE, vtable, self);
    if (rc >= 0)
        return self;
    mlx_dbus_error(err, rc, "put the menu on the session bus");
    mlx_tray_menu_destroy(&self);
    return NULL;
}

void mlx_tray_menu_destroy(mlx_tray_menu_t **self_p)
{
    mlx_tray_menu_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    sd_bus_slot_unref(self->slot);
    clear_entries(self->entries, self->count);
    for (size_t i = 0; i < ITEMS_MAX; i++)
        free(self->names[i]);
    free(self);
}

/*  ItemsPropertiesUpdated for the entries that differ from OLD, if any. */
static void tell_changes(mlx_tray_menu_t *self, const entry_t *old)
{
    MLX_CLEANUP(sd_bus_message_unrefp) sd_bus_message *m = NULL;
    bool any = false;
    if (sd_bus_message_new_signal(mlx_dbus_bus(self->dbus), &m, MLX_TRAY_MENU_PATH, INTERFACE,
                                  "ItemsPropertiesUpdated") < 0)
        return;
    sd_bus_message_open_container(m, 'a', "(ia{sv})");
    for (size_t i = 0; i < self->count; i++)
        if (!same_look(&self->entries[i], &old[i])) {
            append_item(m, self->entries[i].number, &self->entries[i], NULL);
            any = true;
        }
    sd_bus_message_close_container(m);
    sd_bus_message_append(m, "a(ias)", 0);
    if (any)
        sd_bus_send(NULL, m, NULL);
}

void mlx_tray_menu_update(mlx_tray_menu_t *self, const mlx_menu_t *view)
{
    entry_t old[ITEMS_MAX];
    size_t old_count = self->count;
    memcpy(old, self->entries, sizeof old);
    self->count = 0;
    for (size_t i = 0; i < mlx_menu_count(view) && i < ITEMS_MAX; i++) {
        const mlx_menu_item_t *item = mlx_menu_at(view, i);
        self->entries[self->count++] = (entry_t){.number = number_of(self, item->id),
                                                 .kind = item->kind,
                                                 .label = label_of(item->text),
                                                 .enabled = item->enabled,
                                                 .nested = item->nested,
                                                 .mark = item->mark,
                                                 .chosen = item->chosen,
                                                 .action = item->action,
                                                 .setting = item->setting};
    }
    if (same_structure(self->entries, self->count, old, old_count))
        tell_changes(self, old);
    else
        sd_bus_emit_signal(mlx_dbus_bus(self->dbus), MLX_TRAY_MENU_PATH, INTERFACE, "LayoutUpdated",
                           "ui", ++self->revision, ROOT);
    clear_entries(old, old_count);
    mlx_dbus_flush(self->dbus);
}
