#include "rig.h"
#include "common/base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base/file.h"
#include "common/os/os.h"
#include "screen.h"

#define WATCHER "org.kde.StatusNotifierWatcher"
#define NOTIFIER "org.freedesktop.Notifications"

enum {
    STEP_MS = 10
};

/*  Time. */

static void on_step(void *arg)
{
    rig_t *self = arg;
    mlx_loop_stop(self->loop);
}

void rig_limit(rig_t *self, int64_t ms)
{
    self->deadline_us = mlx_now_us() + ms * 1000;
}

static void look_at_child(rig_t *self)
{
    int status;
    if (self->pid && waitpid(self->pid, &status, WNOHANG) == self->pid) {
        self->pid = 0;
        self->status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
}

void rig_step(rig_t *self, const char *condition)
{
    if (mlx_now_us() > self->deadline_us)
        fail_msg("not in time: %s\nstdout: %s\nstderr: %s", condition, rig_stdout(self),
                 rig_stderr(self));
    mlx_timer_t *timer = mlx_loop_after(self->loop, STEP_MS, on_step, self);
    (void)timer;
    mlx_loop_run(self->loop);
    look_at_child(self);
}

void rig_pass(rig_t *self, int64_t ms)
{
    int64_t end = mlx_now_us() + ms * 1000;
    rig_limit(self, ms + 10000);
    while (mlx_now_us() < end)
        rig_step(self, "time passes");
}

/*  The tray's watcher, host and the notification daemon, on one connection. */

static int on_register(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    rig_t *self = arg;
    const char *name;
    (void)error;
    if (sd_bus_message_read(m, "s", &name) < 0)
        return -EINVAL;
    snprintf(self->item, sizeof self->item, "%s", name);
    self->registrations++;
    return sd_bus_reply_method_return(m, "");
}

static int get_true(sd_bus *bus, const char *path, const char *interface, const char *property,
                    sd_bus_message *reply, void *arg, sd_bus_error *error)
{
    (void)bus, (void)path, (void)interface, (void)property, (void)arg, (void)error;
    return sd_bus_message_append(reply, "b", 1);
}

static const sd_bus_vtable watcher_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("RegisterStatusNotifierItem", "s", "", on_register, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_PROPERTY("IsStatusNotifierHostRegistered", "b", get_true, 0, 0),
    SD_BUS_VTABLE_END,
};

void rig_watcher(rig_t *self, bool present)
{
    sd_bus *bus = mlx_dbus_bus(self->dbus);
    if (present)
        assert_true(sd_bus_request_name(bus, WATCHER, 0) >= 0);
    else
        assert_true(sd_bus_release_name(bus, WATCHER) >= 0);
    mlx_dbus_flush(self->dbus);
}

static int on_notify(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    rig_t *self = arg;
    const char *app, *icon, *title, *text, *key;
    (void)error;
    assert_true(sd_bus_message_read(m, "susss", &app, &self->note_replaces, &icon, &title, &text) >
                0);
    snprintf(self->note_title, sizeof self->note_title, "%s", title);
    snprintf(self->note_text, sizeof self->note_text, "%s", text);
    assert_true(sd_bus_message_skip(m, "as") > 0);
    assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        sd_bus_message_read(m, "s", &key);
        if (strcmp(key, "urgency") == 0)
            sd_bus_message_read(m, "v", "y", &self->note_urgency);
        else
            sd_bus_message_skip(m, "v");
        sd_bus_message_exit_container(m);
    }
    self->notes++;
    return sd_bus_reply_method_return(m, "u", 1000 + (uint32_t)self->notes);
}

static const sd_bus_vtable notifier_vtable[] = {
    SD_BUS_VTABLE_START(0),
    SD_BUS_METHOD("Notify", "susssasa{sv}i", "u", on_notify, SD_BUS_VTABLE_UNPRIVILEGED),
    SD_BUS_VTABLE_END,
};

static int on_item_signal(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    rig_t *self = arg;
    uint32_t revision;
    (void)error;
    const struct {
        const char *name;
        int *count;
    } table[] = {
        {"LayoutUpdated", &self->layouts},   {"ItemsPropertiesUpdated", &self->properties},
        {"NewIcon", &self->icons},           {"NewToolTip", &self->tooltips},
        {"XAyatanaNewLabel", &self->labels},
    };
    for (size_t i = 0; i < MLX_COUNT(table); i++)
        if (strcmp(sd_bus_message_get_member(m), table[i].name) == 0)
            ++*table[i].count;
    if (sd_bus_message_is_signal(m, MENU, "LayoutUpdated") &&
        sd_bus_message_read(m, "u", &revision) > 0)
        self->revision = revision;
    return 0;
}

static void open_desktop(rig_t *self)
{
    mlx_error_t err = {0};
    self->dbus = mlx_dbus_new(self->loop, NULL, NULL, &err);
    if (!self->dbus)
        fail_msg("%s: run this under dbus-run-session", err.text);
    sd_bus *bus = mlx_dbus_bus(self->dbus);
    assert_true(sd_bus_add_object_vtable(bus, &self->watcher, "/StatusNotifierWatcher", WATCHER,
                                         watcher_vtable, self) >= 0);
    assert_true(sd_bus_add_object_vtable(bus, NULL, "/org/freedesktop/Notifications", NOTIFIER,
                                         notifier_vtable, self) >= 0);
    assert_true(sd_bus_request_name(bus, NOTIFIER, 0) >= 0);
    assert_true(sd_bus_add_match(bus, NULL, "type='signal',interface='" ITEM "'", on_item_signal,
                                 self) >= 0);
    assert_true(sd_bus_add_match(bus, NULL, "type='signal',interface='" MENU "'", on_item_signal,
                                 self) >= 0);
    mlx_dbus_flush(self->dbus);
}

/*  The bencher. */

static void on_command(void *arg, mlx_request_t *request, const char *cmd, const mlx_value_t *args)
{
    rig_t *self = arg;
    (void)args;
    assert_string_equal(cmd, "bench.run");
    self->runs++;
    self->held = request;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *progress = mlx_value_map();
    mlx_value_set_str(progress, "id", "run-1");
    mlx_value_set_str(progress, "phase", "prompts");
    mlx_value_set_int(progress, "prompt", 3);
    mlx_value_set_int(progress, "prompts", 10);
    mlx_request_progress(request, progress);
}

static void on_cancel(void *arg, mlx_request_t *request)
{
    rig_t *self = arg;
    mlx_error_t err = {0};
    (void)request;
    self->cancels++;
    mlx_error_set(&err, MLX_ERR_INTERRUPTED, "cancelled by its caller");
    mlx_request_error(&self->held, &err);
}

/*  Processes. */

static int output_of(rig_t *self, const char *program, const char *stream)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s.%s", self->dir, program, stream);
    return open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
}

static pid_t spawn(rig_t *self, const char *program, const char *const *args, const char *env)
{
    const char *argv[8] = {program};
    MLX_CLEANUP(mlx_free_p) char *own = mlx_os_executable(NULL);
    *strrchr(own, '/') = 0;
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/%s", own, program);
    MLX_CLEANUP(mlx_free_p) char *search = mlx_format("%s/bin:%s", self->dir, getenv("PATH"));
    for (size_t i = 0; args && args[i]; i++)
        argv[i + 1] = args[i];
    /* Before the fork, so that nobody takes what an earlier run wrote for this one's. */
    MLX_CLEANUP(mlx_close_p) int out = output_of(self, program, "stdout");
    MLX_CLEANUP(mlx_close_p) int errors = output_of(self, program, "stderr");
    pid_t pid = fork();
    if (pid)
        return pid;
    dup2(self->stdout_fd ? self->stdout_fd : out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    setenv("LC_ALL", "C.UTF-8", 1);
    setenv("MLX_RUNTIME_DIR", self->dir, 1);
    setenv("MLX_HOST", SCREEN_HOST, 1);
    setenv("HOME", self->dir, 1);
    setenv("XDG_CONFIG_HOME", self->dir, 1);
    setenv("PATH", search, 1);
    unsetenv("MLX_CONFIG");
    if (env)
        putenv((char *)env);
    execv(path, (char *const *)argv);
    _exit(127);
}

void rig_start_with(rig_t *self, const char *const *args, const char *env)
{
    self->pid = spawn(self, "mlx-menubar", args, env);
}

void rig_start(rig_t *self, const char *format, const char *env)
{
    const char *args[] = {"--format", format, NULL};
    rig_start_with(self, args, env);
}

static void read_output(rig_t *self, const char *stream, char *text, size_t size)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/mlx-menubar.%s", self->dir, stream);
    MLX_CLEANUP(mlx_free_p) char *content = mlx_file_read(path, size - 1, NULL, NULL);
    snprintf(text, size, "%s", content ? content : "");
}

const char *rig_stdout(rig_t *self)
{
    static char text[16384];
    read_output(self, "stdout", text, sizeof text);
    return text;
}

const char *rig_stderr(rig_t *self)
{
    static char text[4096];
    read_output(self, "stderr", text, sizeof text);
    return text;
}

static void end(pid_t *pid)
{
    if (*pid) {
        kill(*pid, SIGKILL);
        waitpid(*pid, NULL, 0);
    }
    *pid = 0;
}

static void on_opened(void *arg, int fd, unsigned events)
{
    rig_t *self = arg;
    (void)events;
    ssize_t n = read(fd, self->opened, sizeof self->opened - 1);
    self->opened[n > 0 ? n : 0] = 0;
    self->opened[strcspn(self->opened, "\n")] = 0;
}

/*  xdg-open as the desktop would have it, but it only reports. */
static void make_opener(rig_t *self)
{
    char path[128];
    snprintf(path, sizeof path, "%s/opened", self->dir);
    assert_int_equal(mkfifo(path, 0600), 0);
    self->fifo = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    assert_true(self->fifo >= 0);
    mlx_loop_watch(self->loop, self->fifo, MLX_READ, on_opened, self);
    snprintf(path, sizeof path, "%s/bin", self->dir);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/bin/xdg-open", self->dir);
    FILE *script = fopen(path, "w");
    assert_non_null(script);
    fprintf(script, "#!/bin/sh\necho \"$1\" >%s/opened\n", self->dir);
    fclose(script);
    chmod(path, 0700);
}

static bool bus_is_up(rig_t *self)
{
    return mlx_bus_probe(self->dir, NULL) == 0;
}

rig_t *rig_new(void)
{
    rig_t *self = mlx_alloc(1, sizeof *self);
    snprintf(self->dir, sizeof self->dir, "/tmp/mlx-test-tray-XXXXXX");
    assert_non_null(mkdtemp(self->dir));
    self->loop = mlx_loop_new();
    make_opener(self);
    open_desktop(self);
    self->bus_pid = spawn(self, "mlx-bus", NULL, NULL);
    UNTIL(self, bus_is_up(self));
    mlx_bus_options_t publisher = {.run_dir = self->dir, .host = SCREEN_HOST, .src = "sampler"};
    mlx_bus_options_t bencher = {.run_dir = self->dir, .host = SCREEN_HOST, .src = "bencher"};
    self->publisher = mlx_bus_new(self->loop, &publisher, NULL);
    self->bencher = mlx_bus_new(self->loop, &bencher, NULL);
    mlx_bus_serve(self->bencher, on_command, on_cancel, self);
    return self;
}

void rig_destroy(rig_t **self_p)
{
    rig_t *self = *self_p;
    *self_p = NULL;
    end(&self->pid);
    end(&self->bus_pid);
    mlx_bus_destroy(&self->publisher);
    mlx_bus_destroy(&self->bencher);
    sd_bus_message_unref(self->reply);
    sd_bus_slot_unref(self->watcher);
    mlx_dbus_destroy(&self->dbus);
    mlx_loop_destroy(&self->loop);
    close(self->fifo);
    MLX_CLEANUP(mlx_free_p) char *command = mlx_format("rm -rf %s", self->dir);
    assert_int_equal(system(command), 0);
    free(self);
}

/*  Messages. */

void rig_publish(rig_t *self, const char *topic, mlx_value_t *d)
{
    mlx_bus_publish(self->publisher, topic, d);
    mlx_value_destroy(&d);
}

void rig_publish_screen(rig_t *self, const char *model, double rate)
{
    rig_publish(self, "sensor.memory", screen_memory());
    rig_publish(self, "runtime.ollama.local.models", screen_models(model));
    rig_publish(self, "runtime.ollama.local.activity", screen_activity(model, rate));
    rig_publish(self, "sensor.gpu.0", screen_gpu(48));
    rig_publish(self, "cache.status", screen_cache());
}

static int on_reply(sd_bus_message *m, void *arg, sd_bus_error *error)
{
    rig_t *self = arg;
    (void)error;
    self->reply = sd_bus_message_ref(m);
    return 0;
}

sd_bus_message *rig_call(rig_t *self, const char *interface, const char *method, const char *types,
                         ...)
{
    sd_bus_message *m = NULL;
    va_list args;
    self->reply = sd_bus_message_unref(self->reply);
    assert_true(sd_bus_message_new_method_call(
                    mlx_dbus_bus(self->dbus), &m, self->item,
                    strcmp(interface, MENU) == 0 ? "/MenuBar" : "/StatusNotifierItem",
                    strcmp(method, "GetAll") == 0 || strcmp(method, "Get") == 0
                        ? "org.freedesktop.DBus.Properties"
                        : interface,
                    method) >= 0);
    va_start(args, types);
    assert_true(sd_bus_message_appendv(m, types, args) >= 0);
    va_end(args);
    assert_true(sd_bus_call_async(mlx_dbus_bus(self->dbus), NULL, m, on_reply, self, 0) >= 0);
    sd_bus_message_unref(m);
    mlx_dbus_flush(self->dbus);
    UNTIL(self, self->reply != NULL);
    return sd_bus_message_is_method_error(self->reply, NULL) ? NULL : self->reply;
}

/*  Read a{sv} of a menu item: its label (borrowed) and whether it is enabled. */
static void read_properties(sd_bus_message *m, const char **label, int *enabled)
{
    const char *key;
    assert_true(sd_bus_message_enter_container(m, 'a', "{sv}") > 0);
    while (sd_bus_message_enter_container(m, 'e', "sv") > 0) {
        sd_bus_message_read(m, "s", &key);
        if (strcmp(key, "label") == 0)
            sd_bus_message_read(m, "v", "s", label);
        else if (strcmp(key, "enabled") == 0)
            sd_bus_message_read(m, "v", "b", enabled);
        else
            sd_bus_message_skip(m, "v");
        sd_bus_message_exit_container(m);
    }
    sd_bus_message_exit_container(m);
}

/*  Look through av, the children of a node, and theirs; what is found last counts. */
static void find_in(sd_bus_message *m, const char *prefix, int32_t *found, bool *enabled)
{
    assert_true(sd_bus_message_enter_container(m, 'a', "v") > 0);
    while (sd_bus_message_enter_container(m, 'v', "(ia{sv}av)") > 0) {
        const char *label = "";
        int on = 1;
        int32_t number;
        assert_true(sd_bus_message_enter_container(m, 'r', "ia{sv}av") > 0);
        sd_bus_message_read(m, "i", &number);
        read_properties(m, &label, &on);
        if (strncmp(label, prefix, strlen(prefix)) == 0) {
            *found = number;
            if (enabled)
                *enabled = on;
        }
        find_in(m, prefix, found, enabled);
        sd_bus_message_exit_container(m);
        sd_bus_message_exit_container(m);
    }
    sd_bus_message_exit_container(m);
}

int32_t rig_find(rig_t *self, const char *prefix, bool *enabled)
{
    uint32_t revision;
    int32_t number, found = -1;
    sd_bus_message *m = rig_call(self, MENU, "GetLayout", "iias", 0, -1, 0);
    assert_non_null(m);
    assert_true(sd_bus_message_read(m, "u", &revision) > 0);
    assert_true(sd_bus_message_enter_container(m, 'r', "ia{sv}av") > 0);
    assert_true(sd_bus_message_read(m, "i", &number) > 0);
    sd_bus_message_skip(m, "a{sv}");
    find_in(m, prefix, &found, enabled);
    return found;
}

void rig_check_clean(const char *text)
{
    static const char *const never[] = {"\x1b", "\n", "\r", "\a", "\xc2\x85", "\u202e", "\u2028"};
    for (size_t i = 0; i < MLX_COUNT(never); i++)
        if (strstr(text, never[i]))
            fail_msg("%zu in \"%s\"", i, text);
}

/*  The desktop's side. */

void rig_start_seed(rig_t *rig)
{
    rig_watcher(rig, true);
    rig_publish_screen(rig, RIG_MODEL, 42.3);
    rig_start(rig, "tray", NULL);
    UNTIL(rig, rig->registrations == 1);
    UNTIL(rig, rig_find(rig, "Performance: 42.3 tok/s", NULL) > 0);
}

void rig_click(rig_t *rig, int32_t number)
{
    assert_non_null(rig_call(rig, MENU, "Event", "isvu", number, "clicked", "i", 0, 7u));
}

const char *rig_text(rig_t *rig, const char *property)
{
    const char *text = NULL;
    sd_bus_message *m = rig_call(rig, ITEM, "Get", "ss", ITEM, property);
    assert_non_null(m);
    assert_true(sd_bus_message_read(m, "v", "s", &text) > 0);
    return text;
}
