/*  Logs as files and journals: where they are, how they rotate, what is skipped of a flood. */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "services/watcher/logs/log_place.h"
#include "services/watcher/logs/log_source.h"
#include "services/watcher/logs/log_tail.h"
#include "tests/watcher/proc_tree.h"

enum {
    PORT = 38765,
    DEADLINE_MS = 10000
};

static char dir[64];

static char *path_of(const char *name)
{
    return mlx_format("%s/%s", dir, name);
}

static void put(const char *path, const char *text, const char *mode)
{
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, mode);
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
}

/* ---- following ---- */

typedef struct {
    char text[4096];
    size_t count;
} lines_t;

static void on_line(void *arg, const char *line)
{
    lines_t *lines = arg;
    lines->count++;
    size_t len = strlen(lines->text);
    snprintf(lines->text + len, sizeof lines->text - len, "%.100s|", line);
}

static void expect(mlx_log_tail_t *tail, const char *text)
{
    lines_t lines = {.count = 0};
    mlx_error_t err = {0};
    if (mlx_log_tail_read(tail, on_line, &lines, &err) < 0)
        fail_msg("%s", err.text);
    assert_string_equal(lines.text, text);
}

static void follows_what_is_appended_and_rotated(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("server.log");
    MLX_CLEANUP(mlx_free_p) char *old = path_of("server-1.log");
    put(path, "before\nto", "w");
    mlx_log_tail_t *tail = mlx_log_tail_new(path, geteuid());
    expect(tail, "");
    put(path, "rn\r\na\nb", "a"); /* the end of a line of which the beginning was not seen */
    expect(tail, "a|");
    put(path, "c\n", "a");
    expect(tail, "bc|");
    put(path, "last\n", "a");
    assert_int_equal(rename(path, old), 0);
    put(path, "first\n", "w");
    put(old, "late\n", "a");
    expect(tail, "last|late|first|");
    put(path, "x\n", "w"); /* cut: shorter than before */
    expect(tail, "x|");
    put(path, "y\nlonger than it was\n", "w"); /* cut and beyond */
    expect(tail, "y|longer than it was|");
    int fd = open(path, O_WRONLY); /* cut under a writer that does not append */
    assert_int_equal(lseek(fd, 0, SEEK_END), 21);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(write(fd, "z\n", 2), 2);
    close(fd);
    expect(tail, "z|");
    unlink(path);
    lines_t none = {.count = 0};
    assert_true(mlx_log_tail_read(tail, on_line, &none, NULL) < 0);
    put(path, "again\n", "w");
    expect(tail, "again|");
    mlx_log_tail_destroy(&tail);
}

static void takes_only_regular_files_of_the_owner(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("fifo");
    assert_int_equal(mkfifo(path, 0600), 0);
    mlx_error_t err = {0};
    mlx_log_tail_t *tail = mlx_log_tail_new(path, geteuid());
    lines_t none = {.count = 0};
    assert_true(mlx_log_tail_read(tail, on_line, &none, &err) < 0);
    assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
    mlx_log_tail_destroy(&tail);
    MLX_CLEANUP(mlx_free_p) char *file = path_of("plain");
    put(file, "", "w");
    tail = mlx_log_tail_new(file, geteuid() + 4711);
    assert_true(mlx_log_tail_read(tail, on_line, &none, &err) < 0);
    mlx_log_tail_destroy(&tail);
}

static void skips_most_of_a_flood_and_says_so(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("flood.log");
    put(path, "", "w");
    mlx_log_tail_t *tail = mlx_log_tail_new(path, geteuid());
    expect(tail, "");
    char line[101];
    memset(line, 'x', sizeof line - 1);
    line[sizeof line - 2] = '\n';
    line[sizeof line - 1] = '\0';
    FILE *file = fopen(path, "a");
    for (int i = 0; i < 100000; i++)
        fputs(line, file);
    fputs("end\n", file);
    fclose(file);
    lines_t lines = {.count = 0};
    ssize_t got = mlx_log_tail_read(tail, on_line, &lines, NULL);
    assert_true(got > 0 && got <= MLX_LOG_TURN_BYTES);
    assert_true(mlx_log_tail_skipped(tail) + (uint64_t)got == 10000004);
    assert_true(lines.count > 1000 && strlen(lines.text) > 0 && lines.text[0] == 'x');
    mlx_log_tail_destroy(&tail);
}

/*  A line that does not end is cut, not kept. */
static void bounds_a_line(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("long.log");
    put(path, "", "w");
    mlx_log_tail_t *tail = mlx_log_tail_new(path, geteuid());
    expect(tail, "");
    for (int i = 0; i < 1000; i++)
        put(path, "0123456789abcdef0123456789abcdef", "a");
    expect(tail, "");
    put(path, "\nshort\n", "a");
    lines_t lines = {.count = 0};
    assert_true(mlx_log_tail_read(tail, on_line, &lines, NULL) > 0);
    assert_int_equal(lines.count, 2);
    mlx_log_tail_destroy(&tail);
}

/* ---- places ---- */

static void reads_units_and_containers(void **state)
{
    (void)state;
    static const struct {
        const char *text, *unit, *path;
        bool user;
    } groups[] = {
        {"0::/system.slice/ollama.service\n", "ollama.service", "", false},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/llama.service\n",
         "llama.service", "", true},
        {"0::/user.slice/user-1000.slice/user@1000.service/app.slice/vte-spawn-1.scope\n", "", "",
         false},
        {"0::/user.slice/user-1000.slice/user@1000.service\n", "", "", false},
        {"0::/system.slice/--evil .service\n", "", "", false},
        {"0::/system.slice/docker-0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef."
         "scope\n",
         "",
         "/var/lib/docker/containers/"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef/"
         "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef-json.log",
         false},
        {"0::/docker/../../etc\n", "", "", false},
        {"", "", "", false},
    };
    for (size_t i = 0; i < MLX_COUNT(groups); i++) {
        mlx_log_place_t place = {.how = MLX_LOG_NOWHERE};
        mlx_log_place_of_cgroup(groups[i].text, &place);
        assert_string_equal(place.unit, groups[i].unit);
        assert_string_equal(place.path, groups[i].path);
        assert_true(place.user_unit == groups[i].user);
    }
}

/*  A made-up /proc with one server in it. */
static void make_server(char *root, const char *argv0, const char *output)
{
    proc_tree_new(root);
    proc_tree_add(root, "200", 1, (int)geteuid(), ARGS(argv0, "serve"));
    proc_tree_listen(root, "200", PORT);
    MLX_CLEANUP(mlx_free_p) char *link = mlx_format("%s/200/fd/2", root);
    assert_int_equal(symlink(output, link), 0);
}

static void finds_the_output_of_the_server(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("stderr.log");
    put(path, "", "w");
    char root[] = PROC_TREE;
    make_server(root, "/opt/llama-server", path);
    mlx_log_place_t place;
    mlx_log_place_find(&place, mlx_log_grammar("llamacpp"), PORT, root);
    assert_int_equal(place.how, MLX_LOG_FILE);
    assert_true(place.owner == geteuid());
    mlx_log_place_find(&place, mlx_log_grammar("llamacpp"), PORT + 1, root);
    assert_int_equal(place.how, MLX_LOG_NOWHERE);
    assert_string_equal(place.reason, "its process was not found on this machine");
    proc_tree_remove(root);
}

static void says_where_else_it_goes(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    make_server(root, "/usr/bin/ollama", "/dev/pts/4711");
    mlx_log_place_t place;
    mlx_log_place_find(&place, mlx_log_grammar("ollama"), PORT, root);
    assert_int_equal(place.how, MLX_LOG_NOWHERE);
    assert_string_equal(place.reason, "its log goes to a terminal");
    const char unit[] = "0::/system.slice/ollama.service\n";
    proc_tree_put(root, "200", "cgroup", unit, strlen(unit));
    mlx_log_place_find(&place, mlx_log_grammar("ollama"), PORT, root);
    assert_int_equal(place.how, MLX_LOG_NOWHERE); /* a unit that writes to a terminal */
    MLX_CLEANUP(mlx_free_p) char *link = mlx_format("%s/200/fd/2", root);
    unlink(link);
    assert_int_equal(symlink("socket:[4711]", link), 0);
    mlx_log_place_find(&place, mlx_log_grammar("ollama"), PORT, root);
    assert_int_equal(place.how, MLX_LOG_UNIT);
    assert_string_equal(place.unit, "ollama.service");
    proc_tree_remove(root);
}

/*  LM Studio's newest file in its newest folder; Ollama's own below the user's home. */
static void finds_files_below_home(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    proc_tree_new(root);
    MLX_CLEANUP(mlx_free_p)
    char *make = mlx_format("mkdir -p %s/.lmstudio/server-logs/2026-07 "
                            "%s/.lmstudio/server-logs/2026-08 %s/.ollama/logs",
                            dir, dir, dir);
    assert_int_equal(system(make), 0);
    MLX_CLEANUP(mlx_free_p) char *first = path_of(".lmstudio/server-logs/2026-08/2026-08-19.1.log");
    MLX_CLEANUP(mlx_free_p)
    char *second = path_of(".lmstudio/server-logs/2026-08/2026-08-19.2.log");
    MLX_CLEANUP(mlx_free_p) char *ollama = path_of(".ollama/logs/server.log");
    put(first, "", "w");
    put(second, "", "w");
    put(ollama, "", "w");
    mlx_log_place_t place;
    mlx_log_place_find(&place, mlx_log_grammar("lmstudio"), PORT, root);
    assert_string_equal(place.path, second);
    assert_true(place.newest);
    mlx_log_place_find(&place, mlx_log_grammar("ollama"), PORT, root);
    assert_string_equal(place.path, ollama);
    unlink(ollama);
    proc_tree_remove(root);
}

/* ---- all together ---- */

typedef struct {
    mlx_loop_t *loop;
    mlx_log_source_t *source;
    size_t ended;
    double tokens;
    int problems;
    bool late;
} play_t;

static void on_ended(void *arg, const mlx_ended_t *request)
{
    play_t *play = arg;
    play->ended++;
    play->tokens = request->tokens;
    mlx_loop_stop(play->loop);
}

static void on_changed(void *arg)
{
    (void)arg;
}

static void on_problem(void *arg, const char *text)
{
    play_t *play = arg;
    (void)text;
    play->problems++;
}

static void on_late(void *arg)
{
    play_t *play = arg;
    play->late = true;
    mlx_loop_stop(play->loop);
}

static void on_tick(void *arg)
{
    play_t *play = arg;
    if (mlx_log_source_reason(play->source))
        mlx_loop_stop(play->loop);
}

static void play_source(play_t *play, const char *kind, const char *root)
{
    *play = (play_t){.loop = mlx_loop_new()};
    play->source = mlx_log_source_new(&(mlx_log_source_options_t){.loop = play->loop,
                                                                  .kind = kind,
                                                                  .port = PORT,
                                                                  .proc_root = root,
                                                                  .ended = {on_ended, play},
                                                                  .changed = on_changed,
                                                                  .problem = on_problem,
                                                                  .arg = play});
    assert_non_null(play->source);
    mlx_log_source_models(play->source, 1);
}

static void run(play_t *play)
{
    mlx_timer_t *deadline = mlx_loop_after(play->loop, DEADLINE_MS, on_late, play);
    mlx_loop_run(play->loop);
    if (!play->late)
        mlx_loop_cancel(play->loop, &deadline);
    assert_false(play->late);
}

static void end(play_t *play)
{
    mlx_log_source_destroy(&play->source);
    mlx_loop_destroy(&play->loop);
}

#define A_REQUEST                                                                                  \
    "slot launch_slot_: id  0 | task 5 | processing task, is_child = 0\n"                          \
    "slot print_timing: id  0 | task 5 | eval time = 1000.00 ms / 51 tokens (\n"                   \
    "slot      release: id  0 | task 5 | stop processing: n_tokens = 58, truncated = 0\n"

static void tells_requests_of_a_file(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *path = path_of("play.log");
    put(path, A_REQUEST, "w");
    char root[] = PROC_TREE;
    make_server(root, "llama-server", path);
    play_t play;
    play_source(&play, "llamacpp", root);
    assert_true(mlx_log_source_reading(play.source));
    put(path, A_REQUEST, "a");
    run(&play);
    assert_int_equal(play.ended, 1); /* what was there before is not told */
    assert_true(play.tokens == 51);
    end(&play);
    proc_tree_remove(root);
}

/*  A journalctl of our own that prints and stays, or that is denied. */
static void put_journalctl(const char *script)
{
    MLX_CLEANUP(mlx_free_p) char *path = path_of("journalctl");
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format("#!/bin/sh\necho \"$@\" >%s/asked\n%s\n", dir, script);
    put(path, text, "w");
    chmod(path, 0700);
}

static void tells_requests_of_a_unit(void **state)
{
    (void)state;
    char root[] = PROC_TREE;
    make_server(root, "/usr/bin/ollama", "socket:[4711]");
    const char unit[] = "0::/system.slice/ollama.service\n";
    proc_tree_put(root, "200", "cgroup", unit, strlen(unit));
    put_journalctl(
        "echo '{\"MESSAGE\":\"slot launch_slot_: id  0 | task 5 | processing task\"}'\n"
        "echo '{\"MESSAGE\":\"slot print_timing: id  0 | task 5 | eval time = 1000.00 ms / "
        "51 tokens (\"}'\n"
        "echo '{\"MESSAGE\":\"slot release: id 0 | task 5 | stop processing: n_tokens = "
        "58, t\"}'\n"
        "exec sleep 60");
    play_t play;
    play_source(&play, "ollama", root);
    run(&play);
    assert_int_equal(play.ended, 1);
    assert_true(play.tokens == 51);
    mlx_log_source_models(play.source, 2);
    assert_false(mlx_log_source_reading(play.source)); /* whose request would it be? */
    assert_non_null(strstr(mlx_log_source_reason(play.source), "several models"));
    end(&play);
    char asked[256] = "";
    MLX_CLEANUP(mlx_free_p) char *path = path_of("asked");
    MLX_CLEANUP(mlx_fclose_p) FILE *file = fopen(path, "r");
    assert_non_null(fgets(asked, sizeof asked, file));
    assert_non_null(strstr(asked, "--system --unit ollama.service --follow --lines=0"));

    put_journalctl("echo 'No journal files were opened due to insufficient permissions.' >&2");
    play_source(&play, "ollama", root);
    mlx_timer_t *tick = mlx_loop_every(play.loop, 50, on_tick, &play);
    run(&play);
    assert_non_null(strstr(mlx_log_source_reason(play.source), "group systemd-journal"));
    mlx_loop_cancel(play.loop, &tick);
    end(&play);
    proc_tree_remove(root);
}

static int set_up(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/mlx-logs-XXXXXX");
    assert_non_null(mkdtemp(dir));
    MLX_CLEANUP(mlx_free_p) char *search = mlx_format("%s:%s", dir, getenv("PATH"));
    setenv("PATH", search, 1);
    return setenv("HOME", dir, 1);
}

static int tear_down(void **state)
{
    (void)state;
    proc_tree_remove(dir);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(follows_what_is_appended_and_rotated),
        cmocka_unit_test(takes_only_regular_files_of_the_owner),
        cmocka_unit_test(skips_most_of_a_flood_and_says_so),
        cmocka_unit_test(bounds_a_line),
        cmocka_unit_test(reads_units_and_containers),
        cmocka_unit_test(finds_the_output_of_the_server),
        cmocka_unit_test(says_where_else_it_goes),
        cmocka_unit_test(finds_files_below_home),
        cmocka_unit_test(tells_requests_of_a_file),
        cmocka_unit_test(tells_requests_of_a_unit),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
