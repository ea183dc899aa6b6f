/*  rig.h - the tray for real: mlx-bus and mlx-menubar as processes, the desktop around them
 *  played here
 *
 *  In one loop: a StatusNotifierWatcher with its host, a notification daemon, a publisher, a
 *  bencher, and an xdg-open that tells what it was asked to open. Run it under dbus-run-session.
 *
 *      rig_t *rig = rig_new();
 *      rig_watcher(rig, true); rig_start(rig, "tray");
 *      UNTIL(rig, rig->registrations == 1);
 *      rig_destroy(&rig);
 */
#ifndef MLX_TESTS_MENUBAR_RIG_H
#define MLX_TESTS_MENUBAR_RIG_H

#include <sys/types.h>

#include "common/bus/bus.h"
#include "tools/menubar/dbus.h"

#define ITEM "org.kde.StatusNotifierItem"
#define MENU "com.canonical.dbusmenu"
#define RIG_MODEL "deepseek-r1:14b" /* of the seed's screen */

typedef struct {
    char dir[64];
    mlx_loop_t *loop;
    int64_t deadline_us;
    mlx_dbus_t *dbus;
    pid_t bus_pid;
    pid_t pid;  /* mlx-menubar; 0: not running */
    int status; /* its exit status once it ended */
    mlx_bus_t *publisher;
    mlx_bus_t *bencher;
    int fifo;
    int stdout_fd; /* what it gets as standard output; 0: a file */

    /* the tray */
    sd_bus_slot *watcher;
    char item[128]; /* the name that registered last */
    int registrations;
    int layouts; /* signals of each kind */
    int properties;
    int icons;
    int tooltips;
    int labels;
    uint32_t revision;

    /* the notification daemon */
    int notes;
    char note_title[256];
    char note_text[512];
    uint32_t note_replaces;
    uint8_t note_urgency;

    /* the bencher */
    int runs;
    int cancels;
    mlx_request_t *held;

    char opened[512]; /* by xdg-open; "" before */
    sd_bus_message *reply;
} rig_t;

/*  Everything but mlx-menubar runs. */
rig_t *rig_new(void);
void rig_destroy(rig_t **self);

/*  The tray's name on the session bus comes or goes. */
void rig_watcher(rig_t *self, bool present);

/*  Start mlx-menubar --format FORMAT, with ENV ("NAME=value") on top of the rig's; may be NULL. */
void rig_start(rig_t *self, const char *format, const char *env);

/*  The same with any arguments, of which the last is NULL. */
void rig_start_with(rig_t *self, const char *const *args, const char *env);

/*  Put the seed's screen on the bus. */
void rig_publish_screen(rig_t *self, const char *model, double rate);
void rig_publish(rig_t *self, const char *topic, mlx_value_t *d); /* takes D over */

/*  Call METHOD of the item (PATH starts with "/Status") or its menu. The reply is borrowed until
 *  the next call; NULL when it is an error. */
sd_bus_message *rig_call(rig_t *self, const char *interface, const char *method, const char *types,
                         ...);

/*  The item whose "label" starts with PREFIX in the layout, submenus included: its number, or -1.
 *  *ENABLED may be NULL. */
int32_t rig_find(rig_t *self, const char *prefix, bool *enabled);

/*  Start the tray with the seed's screen, and wait until it shows that. */
void rig_start_seed(rig_t *self);
void rig_click(rig_t *self, int32_t number);

/*  PROPERTY of the item; borrowed until the next call. */
const char *rig_text(rig_t *self, const char *property);

/*  What mlx-menubar wrote on stdout and stderr; borrowed until the next call of the same. */
const char *rig_stdout(rig_t *self);
const char *rig_stderr(rig_t *self);

/*  Let things happen until CONDITION holds; fails with its text after ten seconds. */
#define UNTIL(rig, condition)                                                                      \
    do {                                                                                           \
        rig_limit(rig, 10000);                                                                     \
        while (!(condition))                                                                       \
            rig_step(rig, #condition);                                                             \
    } while (0)

void rig_limit(rig_t *self, int64_t ms);
void rig_step(rig_t *self, const char *condition);

/*  Let MS pass, for what is measured over a time. */
void rig_pass(rig_t *self, int64_t ms);

/*  TEXT has no byte that commands a terminal, begins a line or turns the text around. */
void rig_check_clean(const char *text);

/*  A property of the tray's item. Borrowed until the next call. */
const char *rig_text(rig_t *rig, const char *property);

#endif
