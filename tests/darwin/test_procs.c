/*  Processes of macOS: hostile argument areas, other users, sockets. */
#include "double/dd.h"
#include "services/watcher/listeners.h"
#include "services/watcher/procs.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

typedef struct {
    int calls;
    int stop_after; /* 0: never */
    pid_t pid, ppid;
    uid_t uid;
    char parent[MLX_PROCS_NAME_MAX];
    size_t argc;
    char last[64];
    size_t bytes; /* of all arguments */
} seen_t;

static bool see(void *arg, const mlx_proc_t *proc)
{
    seen_t *seen = arg;
    seen->pid = proc->pid;
    seen->ppid = proc->ppid;
    seen->uid = proc->uid;
    seen->argc = proc->argc;
    strcpy(seen->parent, proc->parent_name);
    assert_null(proc->argv[proc->argc]);
    for (size_t i = 0; i < proc->argc; i++)
        seen->bytes += strlen(proc->argv[i]);
    if (proc->argc && strlen(proc->argv[proc->argc - 1]) < sizeof seen->last)
        strcpy(seen->last, proc->argv[proc->argc - 1]);
    return ++seen->calls != seen->stop_after;
}

static dd_process_t *add_process(int pid, int ppid, const char *name, const void *area, size_t len)
{
    dd_process_t *self = &dd.processes[dd.process_count++];
    *self = (dd_process_t){
        .pid = pid, .ppid = ppid, .uid = 501, .name = name, .area = area, .area_len = len};
    return self;
}

static seen_t find(const char *prefix)
{
    mlx_error_t err = {0};
    seen_t seen = {0};
    assert_int_equal(mlx_procs_find("/proc", prefix, see, &seen, &err), 0);
    return seen;
}

#define AREA(argc, text) argc "\0\0\0" text
static const char runner[] = AREA("\4", "/opt/ollama/llama-server\0\0\0\0\0"
                                        "/opt/ollama/llama-server\0--port\0"
                                        "51234\0--host\0PATH=/bin\0SECRET=1");

static void finds_the_runner_and_its_parent(void **unused)
{
    (void)unused;
    add_process(1, 0, "launchd", NULL, 0);
    add_process(70, 1, "ollama", NULL, 0);
    add_process(71, 70, "llama-server", runner, sizeof runner);
    seen_t seen = find("llama-server");
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.pid, 71);
    assert_int_equal(seen.ppid, 70);
    assert_int_equal(seen.uid, 501);
    assert_string_equal(seen.parent, "ollama");
    assert_int_equal(seen.argc, 4); /* and nothing of the environment */
    assert_string_equal(seen.last, "--host");
    assert_int_equal(find("llama-server-2").calls, 0);
    assert_int_equal(find("opt").calls, 0);
}

static void other_users_process_has_a_name_only(void **unused)
{
    (void)unused;
    add_process(71, 4, "llama-server", NULL, 0);
    seen_t seen = find("llama-");
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.argc, 0);
    assert_string_equal(seen.parent, ""); /* 4 is gone */
    assert_int_equal(find("ollama").calls, 0);
}

static void name_as_long_as_its_place(void **unused)
{
    (void)unused;
    add_process(70, 1, "a-parent-whose-name-is-longer-than-16-bytes", NULL, 0);
    add_process(71, 70, "llama-server", runner, sizeof runner);
    seen_t seen = find("llama-server");
    assert_string_equal(seen.parent, "a-parent-whose-n");
}

static void search_stops_when_told(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    for (int pid = 71; pid < 74; pid++)
        add_process(pid, 1, "llama-server", runner, sizeof runner);
    assert_int_equal(find("llama-server").calls, 3);
    seen_t seen = {.stop_after = 2};
    assert_int_equal(mlx_procs_find("/proc", "llama-server", see, &seen, &err), 0);
    assert_int_equal(seen.calls, 2);
    assert_int_equal(mlx_procs_find("/proc", "", see, &seen, &err), -1);
    assert_int_equal(err.code, MLX_ERR_USAGE);
}

/*  The areas are heap blocks of exactly their size: one byte read beyond is a report. */
static seen_t hostile(const char *bytes, size_t len)
{
    char *area = malloc(len);
    assert_non_null(area);
    memcpy(area, bytes, len);
    dd.process_count = 0;
    add_process(9, 1, "llama-server", area, len);
    seen_t seen = find("llama");
    free(area);
    return seen;
}

static void hostile_argument_areas(void **unused)
{
    (void)unused;
    static const char negative[] = "\xff\xff\xff\xff/x\0llama\0";
    static const char huge[] = "\xff\xff\xff\x7f/x\0llama\0b\0c";
    static const char no_end[] = "\2\0\0\0/x\0llama\0unterminated";
    static const char no_path_end[] = "\1\0\0\0llamallama";
    static const char only_nuls[] = "\1\0\0\0\0\0\0\0\0\0";
    assert_int_equal(hostile("", 0 + 1).argc, 0);
    assert_int_equal(hostile("\1\0\0", 4).argc, 0);
    assert_int_equal(hostile(negative, sizeof negative - 1).argc, 0);
    assert_int_equal(hostile(huge, sizeof huge - 1).argc, 2); /* "c" has no end */
    assert_int_equal(hostile(no_end, sizeof no_end - 1).argc, 1);
    assert_int_equal(hostile(no_path_end, sizeof no_path_end - 1).argc, 0);
    assert_int_equal(hostile(only_nuls, sizeof only_nuls - 1).argc, 0);
}

static void arguments_are_bounded(void **unused)
{
    (void)unused;
    size_t len = 1 << 20;
    char *area = calloc(len, 1);
    assert_non_null(area);
    memcpy(area, "\xff\xff\xff\x7f/x\0\0llama", 14);
    for (size_t i = 14; i + 2 < len; i += 2)
        memcpy(area + i, "\0a", 2);
    seen_t seen = hostile(area, len);
    assert_int_equal(seen.argc, MLX_PROCS_ARGS_MAX);
    memset(area + 14, 'x', len - 14); /* a second argument of a megabyte */
    seen = hostile(area, len);
    assert_int_equal(seen.argc, 1);
    assert_string_equal(seen.last, "llama");
    memset(area + 8, 'x', len - 8); /* a first one of a megabyte: the system's name decides */
    seen = hostile(area, len);
    assert_int_equal(seen.calls, 1);
    assert_int_equal(seen.argc, 0);
    free(area);
}

/*  Every cut of a good area, and every byte of its head replaced: no report, nothing beyond. */
static void no_cut_and_no_flip_is_followed(void **unused)
{
    (void)unused;
    for (size_t len = 1; len <= sizeof runner; len++)
        hostile(runner, len);
    for (size_t at = 0; at < sizeof runner; at++)
        for (int byte = 0; byte < 256; byte += 17) {
            char bytes[sizeof runner];
            memcpy(bytes, runner, sizeof bytes);
            bytes[at] = (char)byte;
            hostile(bytes, sizeof bytes);
        }
}

static void add_socket(dd_process_t *self, int family, const uint8_t *address, uint16_t port,
                       bool listens)
{
    size_t i = self->socket_count++;
    self->sockets[i].family = family;
    self->sockets[i].port = port;
    self->sockets[i].listens = listens;
    memcpy(self->sockets[i].address, address, 16);
}

static bool listens(pid_t pid, uint16_t port)
{
    mlx_error_t err = {0};
    bool answer = false;
    assert_int_equal(mlx_procs_listens("/proc", pid, port, &answer, &err), 0);
    return answer;
}

static void sockets_that_listen_nearby(void **unused)
{
    (void)unused;
    static const uint8_t loopback[16] = {127, 0, 0, 1}, any[16] = {0}, lan[16] = {192, 168, 1, 7},
                         loopback6[16] = {[15] = 1}, lan6[16] = {0xfe, 0x80, [15] = 9},
                         mapped[16] = {[10] = 0xff, 0xff, 127, 0, 0, 1},
                         mapped_lan[16] = {[10] = 0xff, 0xff, 10, 0, 0, 1};
    dd_process_t *self = add_process(7, 1, "llama-server", NULL, 0);
    add_socket(self, 4, loopback, 1001, true);
    add_socket(self, 4, any, 1002, true);
    add_socket(self, 4, lan, 1003, true);
    add_socket(self, 4, loopback, 1004, false);
    add_socket(self, 6, loopback6, 1005, true);
    add_socket(self, 6, lan6, 1006, true);
    add_socket(self, 46, mapped, 1007, true);
    add_socket(self, 46, mapped_lan, 1008, true);
    assert_true(listens(7, 1001));
    assert_true(listens(7, 1002));
    assert_false(listens(7, 1003));
    assert_false(listens(7, 1004));
    assert_true(listens(7, 1005));
    assert_false(listens(7, 1006));
    assert_true(listens(7, 1007));
    assert_false(listens(7, 1008));
    assert_false(listens(7, 1009));
}

static void lists_what_listens(void **unused)
{
    (void)unused;
    static const uint8_t loopback[16] = {127, 0, 0, 1}, any[16] = {0}, loopback6[16] = {[15] = 1},
                         mapped[16] = {[10] = 0xff, 0xff, 10, 0, 0, 7};
    mlx_listening_t list[8];
    size_t count = 0;
    dd_process_t *self = add_process(7, 1, "llama-server", runner, sizeof runner);
    add_socket(self, 4, loopback, 1001, true);
    add_socket(self, 4, loopback, 1002, false);
    add_socket(self, 46, any, 1003, true);
    add_socket(self, 6, loopback6, 1004, true);
    add_socket(self, 46, mapped, 1005, true);
    add_process(8, 1, "other", NULL, 0)->error = EPERM;
    assert_int_equal(mlx_listeners_read("/proc", list, 8, &count, NULL), 0);
    assert_int_equal(count, 4);
    static const char *const hosts[] = {"127.0.0.1", "127.0.0.1", "::1", "10.0.0.7"};
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(list[i].pid, 7);
        assert_int_equal(list[i].uid, 501);
        assert_string_equal(list[i].host, hosts[i]);
    }
    assert_int_equal(mlx_listeners_read("/proc", list, 2, &count, NULL), 0);
    assert_int_equal(count, 2);
    seen_t seen = {0};
    assert_int_equal(mlx_procs_get("/proc", 7, see, &seen), 0);
    assert_int_equal(seen.argc, 4);
    assert_int_equal(mlx_procs_get("/proc", 99, see, &seen), -1);
}

static void sockets_that_are_not_shown(void **unused)
{
    (void)unused;
    mlx_error_t err = {0};
    bool answer = true;
    assert_int_equal(mlx_procs_listens("/proc", 99, 1, &answer, &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    add_process(7, 1, "llama-server", NULL, 0)->error = EPERM;
    assert_int_equal(mlx_procs_listens("/proc", 7, 1, &answer, &err), -1);
    assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
    add_process(8, 1, "llama-server", NULL, 0)->vanishes = true;
    assert_int_equal(mlx_procs_listens("/proc", 8, 1, &answer, &err), -1);
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
}

static int teardown(void **unused)
{
    (void)unused;
    dd_reset();
    return 0;
}

#define TEST(function) cmocka_unit_test_teardown(function, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(finds_the_runner_and_its_parent),
        TEST(other_users_process_has_a_name_only),
        TEST(name_as_long_as_its_place),
        TEST(search_stops_when_told),
        TEST(hostile_argument_areas),
        TEST(arguments_are_bounded),
        TEST(no_cut_and_no_flip_is_followed),
        TEST(sockets_that_listen_nearby),
        TEST(lists_what_listens),
        TEST(sockets_that_are_not_shown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
