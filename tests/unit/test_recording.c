/*  Recordings: what is written is read, nothing else is believed; names are masked, times moved. */
#include "common/base/recording.h"
#include "proto/message.h"
#include "proto/pack.h"
#include "tools/mlxctl/as_now.h"
#include "tools/mlxctl/mask.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

typedef struct {
    char dir[256];
    char path[300];
} place_t;

static int set_up(void **state)
{
    place_t *place = mlx_alloc(1, sizeof *place);
    const char *tmp = getenv("TMPDIR");
    (void)snprintf(place->dir, sizeof place->dir, "%s/mlx-recording-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(place->dir));
    (void)snprintf(place->path, sizeof place->path, "%s/a.mlxrec", place->dir);
    *state = place;
    return 0;
}

static int tear_down(void **state)
{
    place_t *place = *state;
    (void)unlink(place->path);
    assert_int_equal(rmdir(place->dir), 0);
    free(place);
    return 0;
}

static mlx_recording_writer_t *create(const place_t *place)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *head = mlx_value_map();
    mlx_error_t err = {0};
    mlx_value_set_int(head, "started", 1700000000000000);
    mlx_value_set_str(head, "host", "host-1");
    mlx_recording_writer_t *writer = mlx_recording_create(place->path, head, &err);
    assert_non_null(writer);
    return writer;
}

static int add(mlx_recording_writer_t *writer, int64_t at_us, const char *topic, const void *body,
               size_t len)
{
    mlx_error_t err = {0};
    const mlx_recorded_t record = {at_us, topic, strlen(topic), body, len};
    return mlx_recording_add(writer, &record, &err);
}

static void test_what_is_written_is_read(void **state)
{
    const place_t *place = *state;
    mlx_recording_writer_t *writer = create(place);
    unsigned char *large = mlx_alloc(MLX_RECORDING_BODY_MAX + 1, 1);
    assert_int_equal(add(writer, 10, "sensor.memory", "\0\1\2", 3), 0);
    assert_int_equal(add(writer, 5, "sensor.cpu", "x", 1), 0); /* a clock that goes back */
    assert_int_equal(add(writer, 20, "sensor.power", large, MLX_RECORDING_BODY_MAX), 0);
    assert_int_equal(add(writer, 20, "sensor.power", large, MLX_RECORDING_BODY_MAX + 1), -1);
    assert_int_equal(add(writer, 20, "no topic", "x", 1), -1);
    assert_int_equal(add(writer, MLX_RECORDING_LONGEST_US + 1, "sensor.cpu", "x", 1), -1);
    assert_int_equal(mlx_recording_finish(&writer, NULL), 0);
    assert_null(writer);
    struct stat st;
    assert_int_equal(stat(place->path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    mlx_error_t err = {0};
    mlx_recording_t *file = mlx_recording_open(place->path, &err);
    assert_non_null(file);
    assert_string_equal(mlx_value_str(mlx_recording_head(file), "host"), "host-1");
    mlx_recorded_t record;
    assert_int_equal(mlx_recording_next(file, &record, &err), 1);
    assert_int_equal(record.at_us, 10);
    assert_string_equal(record.topic, "sensor.memory");
    assert_int_equal(record.body_len, 3);
    assert_memory_equal(record.body, "\0\1\2", 3);
    assert_int_equal(mlx_recording_next(file, &record, &err), 1);
    assert_int_equal(record.at_us, 10);
    assert_int_equal(mlx_recording_next(file, &record, &err), 1);
    assert_int_equal(record.body_len, MLX_RECORDING_BODY_MAX);
    assert_int_equal(mlx_recording_next(file, &record, &err), 0);
    assert_int_equal(mlx_recording_next(file, &record, &err), 0);
    assert_false(mlx_recording_cut(file));
    mlx_recording_close(&file);
    free(large);
}

static void test_nothing_is_overwritten(void **state)
{
    const place_t *place = *state;
    mlx_recording_writer_t *writer = create(place);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *head = mlx_value_map();
    mlx_error_t err = {0};
    assert_null(mlx_recording_create(place->path, head, &err));
    assert_int_equal(err.code, MLX_ERR_DATA_LOSS);
    assert_int_equal(mlx_recording_finish(&writer, NULL), 0);
}

/*  Cut at every byte a file gives its whole messages, and says that it was cut. */
static void test_a_file_that_was_cut(void **state)
{
    const place_t *place = *state;
    mlx_recording_writer_t *writer = create(place);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(add(writer, i, "sensor.cpu", "body", 4), 0);
        assert_int_equal(mlx_recording_sync(writer, NULL), 0);
    }
    assert_int_equal(mlx_recording_finish(&writer, NULL), 0);
    struct stat st;
    assert_int_equal(stat(place->path, &st), 0);
    size_t most = 0;
    for (off_t len = st.st_size - 1; len >= 0; len--) {
        assert_int_equal(truncate(place->path, len), 0);
        mlx_error_t err = {0};
        mlx_recording_t *file = mlx_recording_open(place->path, &err);
        mlx_recorded_t record;
        size_t messages = 0;
        int rc = 1;
        while (file && (rc = mlx_recording_next(file, &record, &err)) == 1)
            messages++;
        assert_true(messages <= 3);
        if (file)
            assert_int_equal(rc, 0);
        most = messages > most ? messages : most;
        mlx_recording_close(&file);
    }
    assert_int_equal(most, 3);
}

/*  Plain bytes are read as they are, so that each of them can be made here. */
static void check_refused(const place_t *place, const void *bytes, size_t len, const char *why)
{
    FILE *out = fopen(place->path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(bytes, 1, len, out), len);
    assert_int_equal(fclose(out), 0);
    mlx_error_t err = {0};
    mlx_recorded_t record;
    mlx_recording_t *file = mlx_recording_open(place->path, &err);
    int rc = file ? 1 : -1;
    while (rc == 1)
        rc = mlx_recording_next(file, &record, &err);
    assert_int_equal(rc, -1);
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.text, why));
    mlx_recording_close(&file);
}

#define HEAD "MLXREC1\n\0\0\0\0\0\0\0\0\0\0\1\0\0\0\x80" /* an empty map */

static void test_what_is_no_recording(void **state)
{
    const place_t *place = *state;
    static const struct {
        const char *bytes;
        size_t len;
        const char *why;
    } rows[] = {
#define ROW(text, why) {text, sizeof(text) - 1, why}
        ROW("", "not a recording"),
        ROW("MLXREC2\n", "not a recording"),
        ROW("MLXREC1\n", "not a recording"),
        ROW("MLXREC1\n\0\0\0\0\0\0\0\0\0\0\1\0\0\0\x90", "not a recording"),
        ROW(HEAD "\xff\xff\xff\xff\xff\xff\xff\xff\1\0\0\0\0\0a", "out of bounds"),
        ROW(HEAD "\1\0\0\0\0\0\0\0\xff\xff\0\0\0\0", "larger than any message"),
        ROW(HEAD "\1\0\0\0\0\0\0\0\1\0\xff\xff\xff\xff", "larger than any message"),
        ROW(HEAD "\2\0\0\0\0\0\0\0\1\0\0\0\0\0a\1\0\0\0\0\0\0\0\1\0\0\0\0\0a", "out of bounds"),
        ROW(HEAD "\1\0\0\0\0\0\0\0\1\0\0\0\0\0/", "topic is not valid"),
        ROW("\x1f\x8b\x08\0\0\0\0\0\0\3garbage", "not a recording"),
#undef ROW
    };
    for (size_t i = 0; i < MLX_COUNT(rows); i++)
        check_refused(place, rows[i].bytes, rows[i].len, rows[i].why);
    mlx_error_t err = {0};
    (void)unlink(place->path);
    assert_null(mlx_recording_open(place->path, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_null(mlx_recording_open(place->dir, &err));
    assert_non_null(strstr(err.text, "not a regular file"));
    assert_int_equal(mkfifo(place->path, 0600), 0);
    assert_null(mlx_recording_open(place->path, &err)); /* does not wait for a writer */
    assert_non_null(strstr(err.text, "not a regular file"));
}

static void test_a_byte_that_was_changed(void **state)
{
    const place_t *place = *state;
    mlx_recording_writer_t *writer = create(place);
    for (int i = 0; i < 50; i++)
        assert_int_equal(add(writer, i, "sensor.cpu", "some body that compresses", 25), 0);
    assert_int_equal(mlx_recording_finish(&writer, NULL), 0);
    struct stat st;
    assert_int_equal(stat(place->path, &st), 0);
    MLX_CLEANUP(mlx_close_p) int fd = open(place->path, O_RDWR);
    for (off_t at = 0; at < st.st_size; at++) {
        unsigned char byte, wrong;
        assert_int_equal(pread(fd, &byte, 1, at), 1);
        wrong = byte ^ 0x55;
        assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
        mlx_recorded_t record;
        mlx_recording_t *file = mlx_recording_open(place->path, NULL);
        while (file && mlx_recording_next(file, &record, NULL) == 1)
            assert_true(record.topic_len <= MLX_RECORDING_TOPIC_MAX);
        mlx_recording_close(&file);
        assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    }
}

static void check_text(mlx_mask_t *mask, const char *text, const char *right)
{
    MLX_CLEANUP(mlx_free_p) char *got = mlx_mask_text(mask, text);
    assert_string_equal(got, right);
}

static void test_names_are_masked(void **state)
{
    (void)state;
    mlx_mask_t *mask = mlx_mask_new(false);
    assert_string_equal(mlx_mask_name(mask, MLX_MASK_HOST, "studio"), "host-1");
    assert_string_equal(mlx_mask_name(mask, MLX_MASK_USER, "al"), "user-1");
    check_text(mask, "Studio says studios", "host-1 says studios");
    check_text(mask, "/home/alice/.mlx-cache of al", "/home/user-2/.mlx-cache of user-1");
    check_text(mask, "/Users/Shared/x /Users/bob/y alice's",
               "/Users/Shared/x /Users/user-3/y user-2's");
    check_text(mask, "http://eve:secret@mac.lan:11434/v1", "http://user-4@host-2:11434/v1");
    check_text(mask, "mac.lan and mac and MAC.", "host-2 and host-2 and host-2.");
    check_text(mask, "http://127.0.0.1:11434 http://[::1]:1 http://localhost",
               "http://127.0.0.1:11434 http://[::1]:1 http://localhost");
    check_text(mask, "http://10.1.2.3:80 http://[fe80::1]:80", "http://host-3:80 http://host-4:80");
    check_text(mask, "", "");
    check_text(mask, "qwen2.5:7b-al:al", "qwen2.5:7b-user-1:user-1");
    mlx_mask_destroy(&mask);
    assert_null(mask);
}

static mlx_message_t activity(void)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_t *running = mlx_value_set(d, "running", mlx_value_list());
    mlx_value_t *request = mlx_value_append(running, mlx_value_map());
    mlx_value_t *last = mlx_value_set(d, "last", mlx_value_map());
    mlx_value_set_str(request, "client", "Xcode");
    mlx_value_set_str(request, "model", "llama3.2:3b");
    mlx_value_set_int(request, "tokens", 12);
    mlx_value_set_int(last, "t", 1000000000);
    return (mlx_message_t){.topic = mlx_strdup("runtime.ollama.studio_lan-11434.activity"),
                           .host = mlx_strdup("studio.lan"),
                           .src = mlx_strdup("sidecar"),
                           .boot = mlx_strdup("0123456789abcdef"),
                           .seq = 7,
                           .t = 2000000000,
                           .d = d};
}

static void test_a_message_is_masked(void **state)
{
    (void)state;
    mlx_mask_t *mask = mlx_mask_new(false);
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = activity();
    mlx_mask_message(mask, &message);
    assert_string_equal(message.host, "host-1");
    assert_string_equal(message.src, "program-1");
    assert_string_equal(message.topic, "runtime.ollama.endpoint-1.activity");
    const mlx_value_t *request = mlx_value_at(mlx_value_get(message.d, "running"), 0);
    assert_string_equal(mlx_value_str(request, "client"), "program-2");
    assert_string_equal(mlx_value_str(request, "model"), "llama3.2:3b");
    assert_int_equal(message.seq, 7);
    mlx_mask_destroy(&mask);
}

static void test_a_message_as_of_now(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_message_clear) mlx_message_t message = activity();
    const mlx_as_now_t how = {.from = "studio.lan",
                              .to = "other",
                              .run = "r-0",
                              .heard_us = 2000500000,
                              .now_us = 9000500000};
    mlx_as_now(&how, &message);
    assert_string_equal(message.host, "other");
    assert_string_equal(message.boot, "0123456789abcdef-r-0");
    assert_int_equal(message.t, 9000000000); /* as late as it was */
    int64_t t = 0;
    assert_true(mlx_value_int(mlx_value_get(message.d, "last"), "t", &t));
    assert_int_equal(t, 8000000000);
    message.t = MLX_TIME_MAX_US;
    mlx_as_now(&how, &message);
    assert_int_equal(message.t, MLX_TIME_MAX_US);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_what_is_written_is_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_nothing_is_overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_file_that_was_cut, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_what_is_no_recording, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_a_byte_that_was_changed, set_up, tear_down),
        cmocka_unit_test(test_names_are_masked),
        cmocka_unit_test(test_a_message_is_masked),
        cmocka_unit_test(test_a_message_as_of_now),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
