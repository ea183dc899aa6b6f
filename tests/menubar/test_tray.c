/*  The tray for real: the program itself on a private session bus, with a tray, a notification
 *  daemon and a bus of the suite around it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "rig.h"
#include "screen.h"

#define MODEL RIG_MODEL

static int setup(void **state)
{
    *state = rig_new();
    return 0;
}

static int teardown(void **state)
{
    rig_destroy((rig_t **)state);
    return 0;
}

/*  Whether mlx-menubar is on the session bus BUS. */
static bool is_there(sd_bus *bus)
{
    sd_bus_message *reply = NULL;
    int there = 0;
    int rc = sd_bus_call_method(bus, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                "org.freedesktop.DBus", "NameHasOwner", NULL, &reply, "s",
                                "dev.mlx_suite.Menubar");
    assert_true(rc >= 0 && sd_bus_message_read(reply, "b", &there) > 0);
    sd_bus_message_unref(reply);
    return there;
}

static void registers_whenever_a_tray_appears(void **state)
{
    rig_t *rig = *state;
    char first[128];
    rig_start(rig, "tray", NULL);
    UNTIL(rig, is_there(mlx_dbus_bus(rig->dbus)));
    rig_pass(rig, 300);
    assert_true(rig->pid > 0); /* it lives without a tray */
    rig_watcher(rig, true);
    UNTIL(rig, rig->registrations == 1);
    snprintf(first, sizeof first, "%s", rig->item);
    assert_memory_equal(first, "org.kde.StatusNotifierItem-", 27);
    for (int round = 2; round <= 4; round++) {
        rig_watcher(rig, false);
        rig_watcher(rig, true);
        UNTIL(rig, rig->registrations == round);
    }
    assert_string_equal(rig->item, first);
    /* Other names on the bus are none of its business. */
    sd_bus_request_name(mlx_dbus_bus(rig->dbus), "org.example.Other", 0);
    rig_pass(rig, 200);
    assert_int_equal(rig->registrations, 4);
}

static void registers_at_once_where_the_tray_is_there(void **state)
{
    rig_t *rig = *state;
    rig_watcher(rig, true);
    rig_start(rig, "tray", NULL);
    UNTIL(rig, rig->registrations == 1);
    rig_pass(rig, 200);
    assert_int_equal(rig->registrations, 1);
}

static void check_icon(rig_t *rig)
{
    sd_bus_message *m = rig_call(rig, ITEM, "Get", "ss", ITEM, "IconPixmap");
    assert_non_null(m);
    assert_true(sd_bus_message_enter_container(m, 'v', "a(iiay)") > 0);
    assert_true(sd_bus_message_enter_container(m, 'a', "(iiay)") > 0);
    for (int size = 22; size <= 44; size += 22) {
        int32_t width, height;
        const uint8_t *pixels;
        const void *data;
        size_t bytes, white = 0;
        assert_true(sd_bus_message_enter_container(m, 'r', "iiay") > 0);
        assert_true(sd_bus_message_read(m, "ii", &width, &height) > 0);
        assert_true(sd_bus_message_read_array(m, 'y', &data, &bytes) > 0);
        sd_bus_message_exit_container(m);
        assert_int_equal(width, size);
        assert_int_equal(height, size);
        assert_int_equal(bytes, size * size * 4);
        pixels = data;
        assert_int_equal(pixels[0], 0); /* a corner is outside of the disc */
        const uint8_t *top =
            &pixels[(size_t)(size + size / 2) * 4]; /* second row: the disc, green */
        assert_int_equal(top[0], 255);
        assert_int_equal(top[1] << 16 | top[2] << 8 | top[3], mlx_level_rgb(MLX_LEVEL_BUSY));
        for (size_t i = 0; i < bytes; i += 4)
            white += pixels[i] == 255 && pixels[i + 1] == 255 && pixels[i + 3] == 255;
        assert_in_range(white, 20, 400); /* the digits */
    }
}

/*  The title; *TEXT is what is below it. */
static const char *get_tooltip(rig_t *rig, const char **text)
{
    const char *icon, *title;
    sd_bus_message *m = rig_call(rig, ITEM, "Get", "ss", ITEM, "ToolTip");
    assert_true(sd_bus_message_enter_container(m, 'v', "(sa(iiay)ss)") > 0);
    assert_true(sd_bus_message_enter_container(m, 'r', "sa(iiay)ss") > 0);
    sd_bus_message_read(m, "s", &icon);
    sd_bus_message_skip(m, "a(iiay)");
    sd_bus_message_read(m, "ss", &title, text);
    return title;
}

static void item_has_what_panels_ask_for(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    assert_non_null(rig_call(rig, ITEM, "GetAll", "s", ITEM));
    assert_string_equal(rig_text(rig, "Id"), "mlx-menubar");
    assert_string_equal(rig_text(rig, "Category"), "Hardware");
    assert_string_equal(rig_text(rig, "Status"), "Active");
    assert_string_equal(rig_text(rig, "IconName"), ""); /* would win over the pixmap */
    assert_string_equal(rig_text(rig, "XAyatanaLabel"), "42 tok/s");
    check_icon(rig);
    const char *text, *menu;
    assert_string_equal(get_tooltip(rig, &text), "42 tok/s");
    assert_non_null(strstr(text, "Memory: 14.2 GB / 48.0 GB (30%)"));
    sd_bus_message *m = rig_call(rig, ITEM, "Get", "ss", ITEM, "Menu");
    assert_true(sd_bus_message_read(m, "v", "o", &menu) > 0);
    assert_string_equal(menu, "/MenuBar");
}

static void menu_is_the_seeds(void **state)
{
    rig_t *rig = *state;
    static const struct {
        const char *label;
        bool enabled;
    } want[] = {{"Current Model: " MODEL, false},
                {"Performance: 42.3 tok/s", false},
                {"Memory: 14.2 GB / 48.0 GB (30%)", false},
                {"GPU Usage: 67%", false},
                {"Temperature: 48\u00b0C", false},
                {"Cache: 21.5 GB (43.0 GB saved)", false},
                {"Run Benchmark", true},
                {"View History", true},
                {"Preferences", true},
                {"Quit", true}};
    rig_start_seed(rig);
    for (size_t i = 0; i < MLX_COUNT(want); i++) {
        bool enabled = !want[i].enabled;
        if (rig_find(rig, want[i].label, &enabled) < 0)
            fail_msg("no item \"%s\"", want[i].label);
        assert_int_equal(enabled, want[i].enabled);
    }
    int32_t benchmark = rig_find(rig, "Run Benchmark", NULL);
    const char *text;
    int need = 1;
    sd_bus_message *m = rig_call(rig, MENU, "GetProperty", "is", benchmark, "label");
    assert_true(sd_bus_message_read(m, "v", "s", &text) > 0);
    assert_string_equal(text, "Run Benchmark");
    m = rig_call(rig, MENU, "AboutToShow", "i", 0);
    assert_true(sd_bus_message_read(m, "b", &need) > 0 && !need);
    assert_non_null(rig_call(rig, MENU, "AboutToShowGroup", "ai", 1, 0));
    assert_null(rig_call(rig, MENU, "GetLayout", "iias", 12345, -1, 0)); /* no such item */
    assert_non_null(rig_call(rig, MENU, "GetLayout", "iias", benchmark, -1, 0));
}

static void group_properties_are_those_asked_for(void **state)
{
    rig_t *rig = *state;
    int32_t number, got;
    const char *key, *label;
    rig_start_seed(rig);
    number = rig_find(rig, "View History", NULL);
    sd_bus_message *m =
        rig_call(rig, MENU, "GetGroupProperties", "aias", 2, number, 999, 1, "label");
    assert_true(sd_bus_message_enter_container(m, 'a', "(ia{sv})") > 0);
    assert_true(sd_bus_message_enter_container(m, 'r', "ia{sv}") > 0);
    assert_true(sd_bus_message_read(m, "i", &got) > 0);
    assert_int_equal(got, number);
    assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    assert_true(sd_bus_message_read(m, "{sv}", &key, "s", &label) > 0);
    assert_string_equal(label, "View History");
    assert_true(sd_bus_message_at_end(m, 0)); /* the label only */
    sd_bus_message_exit_container(m);
    sd_bus_message_exit_container(m);
    assert_true(sd_bus_message_at_end(m, 0)); /* and nothing for 999 */
}

static void a_click_counts_once(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Run Benchmark", NULL));
    UNTIL(rig, rig->runs == 1);
    UNTIL(rig, rig_find(rig, "Cancel Benchmark (prompt 3 of 10)", NULL) > 0);
    /* xfce sends clicks as a group; unknown items are named in the reply. */
    int32_t number = rig_find(rig, "Cancel Benchmark", NULL);
    sd_bus_message *m = rig_call(rig, MENU, "EventGroup", "a(isvu)", 2, number, "clicked", "i", 0,
                                 7u, 4321, "clicked", "i", 0, 7u);
    const void *unknown;
    size_t size;
    assert_non_null(m);
    assert_true(sd_bus_message_read_array(m, 'i', &unknown, &size) > 0);
    assert_int_equal(size, sizeof(int32_t));
    assert_int_equal(*(const int32_t *)unknown, 4321);
    UNTIL(rig, rig->cancels == 1);
    UNTIL(rig, rig->notes == 1);
    assert_string_equal(rig->note_title, "Benchmark: cancelled");
    UNTIL(rig, rig_find(rig, "Run Benchmark", NULL) > 0);
    m = rig_call(rig, MENU, "EventGroup", "a(isvu)", 1, rig_find(rig, "Run Benchmark", NULL),
                 "clicked", "i", 0, 7u);
    assert_non_null(m);
    UNTIL(rig, rig->runs == 2);
    rig_pass(rig, 200);
    assert_int_equal(rig->runs, 2);
    assert_int_equal(rig->cancels, 1);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "model", MODEL);
    mlx_value_set_real(mlx_value_set(result, "tokens_per_second", mlx_value_map()), "mean", 40.25);
    mlx_request_done(&rig->held, result);
    UNTIL(rig, rig->notes == 2);
    assert_string_equal(rig->note_title, "Benchmark: 40.2 tok/s");
    assert_string_equal(rig->note_text, MODEL);
}

static void what_is_not_enabled_is_refused(void **state)
{
    rig_t *rig = *state;
    bool enabled = true;
    rig_watcher(rig, true);
    rig_publish(rig, "sensor.memory", screen_memory()); /* no runtime: nothing to measure */
    rig_start(rig, "tray", NULL);
    UNTIL(rig, rig->registrations == 1);
    UNTIL(rig, rig_find(rig, "Memory: 14.2 GB", NULL) > 0);
    int32_t benchmark = rig_find(rig, "Run Benchmark", &enabled);
    assert_false(enabled);
    rig_click(rig, benchmark);
    rig_click(rig, rig_find(rig, "Memory", NULL));
    assert_non_null(
        rig_call(rig, MENU, "EventGroup", "a(isvu)", 1, benchmark, "clicked", "i", 0, 7u));
    assert_non_null(rig_call(rig, MENU, "Event", "isvu", rig_find(rig, "Quit", NULL), "hovered",
                             "i", 0, 7u)); /* no click */
    assert_null(rig_call(rig, MENU, "Event", "isvu", 999, "clicked", "i", 0, 7u));
    /* Commands arrive in order: once the benchmark's note is there, no other came before. */
    rig_publish_screen(rig, MODEL, NAN);
    UNTIL(rig, rig_find(rig, "Run Benchmark", &enabled) > 0 && enabled);
    rig_click(rig, benchmark);
    UNTIL(rig, rig_find(rig, "Cancel Benchmark (prompt 3 of 10)", NULL) > 0);
    assert_int_equal(rig->runs, 1);
    assert_true(rig->pid > 0);
}

static void texts_and_structure_are_told_apart(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    int layouts = rig->layouts, properties = rig->properties;
    rig_publish(rig, "sensor.gpu.0", screen_gpu(60));
    UNTIL(rig, rig->properties == properties + 1);
    assert_true(rig_find(rig, "Temperature: 60\u00b0C", NULL) > 0);
    assert_int_equal(rig->layouts, layouts);
    uint32_t revision = rig->revision;
    mlx_value_t *alert = mlx_value_map();
    mlx_value_set_str(alert, "state", "firing");
    rig_publish(rig, "alert.hot", alert);
    UNTIL(rig, rig->layouts == layouts + 1);
    assert_int_equal(rig->revision, revision + 1);
    assert_true(rig_find(rig, "\u26a0 hot", NULL) > 0); /* its rule, where it has no words */
}

static void hostile_text_stays_text(void **state)
{
    static const char evil[] =
        "<img src='x' onerror=\"1\">&_\x1b[2J\x1b]0;t\a\r\n\u202egpj\xc2\x85\u2028"
        "end";
    rig_t *rig = *state;
    const char *text;
    rig_start_seed(rig);
    mlx_value_t *alert = mlx_value_map();
    mlx_value_set_str(alert, "state", "firing");
    mlx_value_set_str(alert, "summary", evil);
    rig_publish(rig, "alert.hot", alert);
    rig_publish_screen(rig, evil, 42.3);
    static const char *const places[] = {"Current Model: <img src='x' onerror=\"1\">&__",
                                         "\u26a0 <img src='x' onerror=\"1\">&__"};
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        UNTIL(rig, rig_find(rig, places[i], NULL) > 0);
        sd_bus_message *m =
            rig_call(rig, MENU, "GetProperty", "is", rig_find(rig, places[i], NULL), "label");
        assert_true(sd_bus_message_read(m, "v", "s", &text) > 0);
        rig_check_clean(text);
    }
    get_tooltip(rig, &text);
    assert_null(strchr(text, '<')); /* panels take it for markup */
    rig_click(rig, rig_find(rig, "Run Benchmark", NULL));
    UNTIL(rig, rig->runs == 1);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
    mlx_value_set_str(result, "model", evil);
    mlx_value_set_real(mlx_value_set(result, "tokens_per_second", mlx_value_map()), "mean", 40.25);
    mlx_request_done(&rig->held, result);
    UNTIL(rig, strstr(rig->note_title, "40.2"));
    assert_null(strchr(rig->note_text, '<')); /* so do notification daemons */
    rig_check_clean(rig->note_text);
}

static void updates_come_once_a_second_and_only_when_needed(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    int icons = rig->icons, labels = rig->labels, properties = rig->properties;
    for (int i = 0; i < 30; i++) {
        rig_publish(rig, "sensor.gpu.0", screen_gpu(50 + i));
        rig_pass(rig, 100);
    }
    int updates = rig->properties - properties;
    print_message("%d updates in 3 s of 30 changes\n", updates);
    assert_in_range(updates, 2, 4);
    assert_int_equal(rig->icons, icons); /* the number in the picture did not change */
    assert_int_equal(rig->labels, labels);
    UNTIL(rig, rig_find(rig, "Temperature: 79", NULL) > 0);
    properties = rig->properties;
    rig_publish(rig, "sensor.gpu.0", screen_gpu(79.1)); /* reads the same */
    rig_pass(rig, 1200);
    assert_int_equal(rig->properties, properties);
    rig_publish(rig, "runtime.ollama.local.activity", screen_activity(MODEL, 50));
    UNTIL(rig, rig->icons == icons + 1 && rig->labels == labels + 1);
    assert_string_equal(rig_text(rig, "XAyatanaLabel"), "50 tok/s");
}

static void history_opens_where_it_is_served(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    int32_t history = rig_find(rig, "View History", NULL);
    rig_click(rig, history);
    UNTIL(rig, rig->notes == 1);
    assert_non_null(strstr(rig->note_title, "no gateway is running"));
    UNTIL(rig, rig_find(rig, "The history page is not available", NULL) > 0); /* without a daemon */
    rig_publish(rig, "service.gateway.health", screen_health("up"));
    rig_publish(rig, "sensor.gpu.0", screen_gpu(61));
    UNTIL(rig, rig_find(rig, "Temperature: 61", NULL) > 0); /* so the health has arrived */
    rig_click(rig, history);
    UNTIL(rig, rig->opened[0]);
    assert_string_equal(rig->opened, "http://127.0.0.1:11490/#history");
    rig->opened[0] = 0;
    assert_non_null(rig_call(rig, ITEM, "Activate", "ii", 5, 5));
    UNTIL(rig, rig->opened[0]);
    assert_string_equal(rig->opened, "http://127.0.0.1:11490/#history");
}

static void preferences_open_an_example_first(void **state)
{
    rig_t *rig = *state;
    char path[128];
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Edit All Settings", NULL));
    UNTIL(rig, rig->opened[0]);
    snprintf(path, sizeof path, "%s/mlx/config.yaml", rig->dir);
    assert_string_equal(rig->opened, path);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, 65536, NULL, NULL);
    assert_non_null(text);
    assert_non_null(strstr(text, "menubar"));
}

static void a_failing_opener_is_said(void **state)
{
    rig_t *rig = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/bin/xdg-open", rig->dir);
    FILE *script = fopen(path, "w");
    fputs("#!/bin/sh\nexit 3\n", script);
    fclose(script);
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Edit All Settings", NULL));
    UNTIL(rig, rig->notes == 1);
    assert_non_null(strstr(rig->note_title, "No program could open "));
}

static mlx_value_t *alert(const char *alert_state)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", alert_state);
    mlx_value_set_str(d, "summary", "GPU at 92 <b>degrees</b>\nfor 30 s");
    return d;
}

static void alerts_are_told_once(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    rig_publish(rig, "alert.old", alert("resolved")); /* no news */
    rig_publish(rig, "alert.hot", alert("firing"));
    UNTIL(rig, rig->notes == 1);
    assert_string_equal(rig->note_title, "Alert: hot");
    assert_string_equal(rig->note_text, "GPU at 92 &lt;b&gt;degrees&lt;/b&gt;?for 30 s");
    assert_int_equal(rig->note_urgency, 2);
    assert_int_equal(rig->note_replaces, 0);
    rig_publish(rig, "alert.hot", alert("firing"));
    rig_publish(rig, "alert.hot", alert("resolved"));
    UNTIL(rig, rig->notes == 2);
    assert_string_equal(rig->note_title, "Over: hot");
    assert_int_equal(rig->note_replaces, 1001);
}

static void alerts_can_be_switched_off(void **state)
{
    rig_t *rig = *state;
    char path[128];
    snprintf(path, sizeof path, "%s/mlx", rig->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/mlx/config.yaml", rig->dir);
    FILE *file = fopen(path, "w");
    fputs("menubar:\n  notifications: false\n  title: memory\n", file);
    fclose(file);
    rig_start_seed(rig);
    assert_string_equal(rig_text(rig, "XAyatanaLabel"), "30%");
    rig_publish(rig, "alert.hot", alert("firing"));
    UNTIL(rig, rig_find(rig, "\u26a0 GPU at 92", NULL) > 0);
    assert_int_equal(rig->notes, 0);
}

static void names_are_safe_on_the_bus(void **state)
{
    rig_t *rig = *state;
    rig_watcher(rig, true);
    rig_publish_screen(rig, "my_model\n\xff<b>", 42.3);
    rig_start(rig, "tray", NULL);
    UNTIL(rig, rig->registrations == 1);
    /* An underscore alone would be an access key; a broken byte would end the connection. */
    UNTIL(rig, rig_find(rig, "Current Model: my__model?", NULL) > 0);
    sd_bus_message *m = rig_call(rig, ITEM, "Get", "ss", ITEM, "ToolTip");
    const char *icon, *title, *text;
    assert_true(sd_bus_message_enter_container(m, 'v', "(sa(iiay)ss)") > 0);
    assert_true(sd_bus_message_enter_container(m, 'r', "sa(iiay)ss") > 0);
    sd_bus_message_read(m, "s", &icon);
    sd_bus_message_skip(m, "a(iiay)");
    sd_bus_message_read(m, "ss", &title, &text);
    assert_non_null(strstr(text, "&lt;b&gt;"));
    assert_true(rig->pid > 0);
}

static void quit_quits(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    rig_click(rig, rig_find(rig, "Quit", NULL));
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, 0);
    assert_string_equal(rig_stderr(rig), "");
}

static void there_is_one_icon(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    pid_t first = rig->pid;
    rig_start(rig, "tray", NULL);
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, MLX_ERR_BUSY);
    assert_non_null(strstr(rig_stderr(rig), "already has a tray icon"));
    rig->pid = first;
}

static void no_session_bus_is_one_line(void **state)
{
    rig_t *rig = *state;
    rig_start(rig, "tray", "DBUS_SESSION_BUS_ADDRESS=unix:path=/nonexistent/bus");
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, MLX_ERR_UNAVAILABLE);
    const char *text = rig_stderr(rig);
    assert_memory_equal(text, "mlx-menubar: no session bus:", 28);
    assert_ptr_equal(strchr(text, '\n'), text + strlen(text) - 1);
}

/*  Start a session bus of its own. It writes its address to a pipe once it listens. */
static pid_t start_session(const rig_t *rig, char *env, size_t size)
{
    int fds[2];
    char print[32], address[128];
    assert_int_equal(pipe(fds), 0);
    snprintf(address, sizeof address, "--address=unix:path=%s/session", rig->dir);
    snprintf(print, sizeof print, "--print-address=%d", fds[1]);
    pid_t pid = fork();
    if (pid == 0) {
        execlp("dbus-daemon", "dbus-daemon", "--session", "--nofork", address, print, (char *)NULL);
        _exit(127);
    }
    close(fds[1]);
    int prefix = snprintf(env, size, "DBUS_SESSION_BUS_ADDRESS=");
    ssize_t n = read(fds[0], env + prefix, size - (size_t)prefix - 1);
    assert_true(n > 0);
    env[prefix + n] = 0;
    env[strcspn(env, "\n")] = 0;
    close(fds[0]);
    return pid;
}

static void the_end_of_the_session_is_one_line(void **state)
{
    rig_t *rig = *state;
    char env[256];
    sd_bus *bus = NULL;
    pid_t session = start_session(rig, env, sizeof env);
    assert_true(sd_bus_new(&bus) >= 0);
    assert_true(sd_bus_set_address(bus, strchr(env, '=') + 1) >= 0);
    assert_true(sd_bus_set_bus_client(bus, 1) >= 0);
    assert_true(sd_bus_start(bus) >= 0);
    rig_start(rig, "tray", env);
    UNTIL(rig, is_there(bus));
    sd_bus_flush_close_unref(bus);
    kill(session, SIGKILL);
    waitpid(session, NULL, 0);
    UNTIL(rig, rig->pid == 0);
    assert_int_equal(rig->status, MLX_ERR_UNAVAILABLE);
    /* Whatever it was doing at that moment: one line, and it names the session bus. */
    const char *said = rig_stderr(rig);
    assert_non_null(strstr(said, "the session bus"));
    assert_string_equal(strchr(said, '\n'), "\n");
}

static long kilobytes(pid_t pid, const char *file, const char *key)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, file);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, 65536, NULL, NULL);
    const char *line = text ? strstr(text, key) : NULL;
    return line ? strtol(line + strlen(key), NULL, 10) : -1;
}

static void it_is_small(void **state)
{
    rig_t *rig = *state;
    rig_start_seed(rig);
    long rss = kilobytes(rig->pid, "status", "VmRSS:");
    long pss = kilobytes(rig->pid, "smaps_rollup", "Pss:");
    print_message("tray: RSS %ld kB, PSS %ld kB\n", rss, pss);
    assert_true(rss > 0);
#ifndef MLX_SANITIZED /* sanitizers cost more than the program */
    assert_in_range(rss, 1, 20 * 1024);
#endif
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(registers_whenever_a_tray_appears),
        TEST(registers_at_once_where_the_tray_is_there),
        TEST(item_has_what_panels_ask_for),
        TEST(menu_is_the_seeds),
        TEST(group_properties_are_those_asked_for),
        TEST(a_click_counts_once),
        TEST(what_is_not_enabled_is_refused),
        TEST(texts_and_structure_are_told_apart),
        TEST(hostile_text_stays_text),
        TEST(updates_come_once_a_second_and_only_when_needed),
        TEST(history_opens_where_it_is_served),
        TEST(preferences_open_an_example_first),
        TEST(a_failing_opener_is_said),
        TEST(alerts_are_told_once),
        TEST(alerts_can_be_switched_off),
        TEST(names_are_safe_on_the_bus),
        TEST(quit_quits),
        TEST(there_is_one_icon),
        TEST(no_session_bus_is_one_line),
        TEST(the_end_of_the_session_is_one_line),
        TEST(it_is_small),
    };
    return cmocka_run_group_tests_name("tray", tests, NULL, NULL);
}
