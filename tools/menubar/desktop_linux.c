#include "desktop.h"

#include <stdlib.h>
#include <string.h>

#include "dbus.h"
#include "markup.h"
#include "opener.h"

#define NOTIFIER "org.freedesktop.Notifications"

enum {
    NOTES_MAX = 64
};

/*  The id of the newest notification of a key, by which the next one replaces it. */
typedef struct {
    char *key; /* NULL: free */
    uint32_t id;
    sd_bus_slot *call;
} known_t;

struct mlx_desktop {
    mlx_loop_t *loop;
    mlx_opener_t *opener;
    mlx_dbus_t *dbus;
    bool lost;
    mlx_desktop_failed_fn fn;
    void *arg;
    known_t known[NOTES_MAX];
};

static void on_lost(void *arg)
{
    mlx_desktop_t *self = arg;
    self->lost = true;
    self->fn(self->arg, NULL);
}

mlx_desktop_t *mlx_desktop_new(mlx_loop_t *loop, mlx_desktop_failed_fn fn, void *arg)
{
    mlx_desktop_t *self = mlx_alloc(1, sizeof *self);
    *self = (mlx_desktop_t){.loop = loop, .opener = mlx_opener_new(fn, arg), .fn = fn, .arg = arg};
    return self;
}

void mlx_desktop_destroy(mlx_desktop_t **self_p)
{
    mlx_desktop_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < NOTES_MAX; i++) {
        sd_bus_slot_unref(self->known[i].call);
        free(self->known[i].key);
    }
    mlx_dbus_destroy(&self->dbus);
    mlx_opener_destroy(&self->opener);
    free(self);
}

int mlx_desktop_open(mlx_desktop_t *self, const char *what, mlx_error_t *err)
{
    const char *argv[] = {"xdg-open", what, NULL};
    if (mlx_opener_run(self->opener, argv, what, err))
        return mlx_error_hint(err, "install xdg-utils, or open %s yourself", what);
    return 0;
}

void mlx_desktop_reap(mlx_desktop_t *self)
{
    mlx_opener_reap(self->opener);
}

size_t mlx_desktop_opening(const mlx_desktop_t *self)
{
    return mlx_opener_running(self->opener);
}

struct mlx_dbus *mlx_desktop_dbus(mlx_desktop_t *self, mlx_error_t *err)
{
    if (!self->dbus)
        self->dbus = mlx_dbus_new(self->loop, on_lost, self, err);
    return self->dbus;
}

/*  The one of KEY, a free one, or the last when all are taken. */
static known_t *known_of(mlx_desktop_t *self, const char *key)
{
    known_t *known = self->known;
    while (known < self->known + NOTES_MAX - 1 && known->key && strcmp(known->key, key) != 0)
        known++;
    if (!known->key || strcmp(known->key, key) != 0) {
        free(known->key);
        known->key = mlx_strdup(key);
        known->id = 0;
    }
    return known;
}

/*  An error means that no notification daemon is there: the menu says it as well. */
static int on_shown(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    known_t *known = arg;
    (void)error;
    if (!sd_bus_message_is_method_error(m, NULL))
        sd_bus_message_read(m, "u", &known->id);
    known->call = sd_bus_slot_unref(known->call);
    return 0;
}

void mlx_desktop_notify(mlx_desktop_t *self, const char *key, mlx_note_t note, const char *title,
                        const char *text)
{
    if (self->lost || !mlx_desktop_dbus(self, NULL))
        return;
    /* The body is markup of a small subset of HTML; the summary is not. */
    MLX_CLEANUP(mlx_free_p) char *body = mlx_markup_escape(text);
    known_t *known = known_of(self, key);
    uint8_t urgency = note == MLX_NOTE_ALERT ? 2 : 1;
    known->call = sd_bus_slot_unref(known->call);
    sd_bus_call_method_async(mlx_dbus_bus(self->dbus), &known->call, NOTIFIER,
                             "/org/freedesktop/Notifications", NOTIFIER, "Notify", on_shown, known,
                             "susssasa{sv}i", "MLXDash", known->id, "", title, body, 0, 2,
                             "urgency", "y", urgency, "desktop-entry", "s", "mlx-menubar", -1);
    mlx_dbus_flush(self->dbus);
}
