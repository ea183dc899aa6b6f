/*  Packing, the catalogue and the envelope: what goes over the wire. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/held.h"
#include "proto/catalogue.h"
#include "proto/message.h"
#include "proto/pack.h"

static mlx_value_t *unpack(const char *bytes, size_t len, mlx_error_t *err)
{
    /* A buffer of exactly LEN bytes: an overrun by one is seen by the sanitizer. */
    char *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    mlx_value_t *value = mlx_unpack(copy, len, err);
    free(copy);
    return value;
}

#define REFUSE(bytes, reason)                                                                      \
    do {                                                                                           \
        mlx_error_t err = {0};                                                                     \
        assert_null(unpack(bytes, sizeof(bytes) - 1, &err));                                       \
        assert_int_equal(err.code, MLX_ERR_USAGE);                                                 \
        assert_non_null(strstr(err.text, reason));                                                 \
    } while (0)

static mlx_value_t *every_type(void)
{
    mlx_value_t *map = mlx_value_map();
    mlx_value_set(map, "nothing", mlx_value_null());
    mlx_value_set_bool(map, "yes", true);
    mlx_value_set_int(map, "least", INT64_MIN);
    mlx_value_set_int(map, "most", INT64_MAX);
    mlx_value_set_real(map, "pi", 3.141592653589793);
    mlx_value_set_str(map, "text", "gr\u00fc\u00dfe");
    mlx_value_set(map, "bytes", mlx_value_new_strn("a\0b", 3));
    mlx_value_t *list = mlx_value_set(map, "list", mlx_value_list());
    for (int i = 0; i < 100; i++)
        mlx_value_append(list, mlx_value_new_int(i * i * i - 1000));
    return map;
}

static void round_trip_keeps_every_type(void **state)
{
    (void)state;
    mlx_value_t *before = every_type();
    mlx_buf_t buf = {0};
    mlx_pack(&buf, before);
    mlx_error_t err = {0};
    mlx_value_t *after = unpack(buf.data, buf.len, &err);
    assert_non_null(after);
    assert_true(mlx_value_equal(before, after));
    mlx_value_destroy(&before);
    mlx_value_destroy(&after);
    mlx_buf_clear(&buf);
}

static void every_cut_is_refused(void **state)
{
    (void)state;
    mlx_value_t *value = every_type();
    mlx_buf_t buf = {0};
    mlx_pack(&buf, value);
    for (size_t len = 0; len < buf.len; len++)
        assert_null(unpack(buf.data, len, NULL));
    mlx_value_destroy(&value);
    mlx_buf_clear(&buf);
}

static void hostile_bytes_are_refused(void **state)
{
    (void)state;
    REFUSE("\xdf\xff\xff\xff\xff", "cut short"); /* map of 4 billion entries in five bytes */
    REFUSE("\xdd\xff\xff\xff\xff", "cut short"); /* list of the same */
    REFUSE("\xdb\xff\xff\xff\xff", "cut short"); /* string of 4 GiB */
    REFUSE("\xc1", "reserved");
    REFUSE("\xc4\x01x", "ext, bin"); /* bin */
    REFUSE("\xd4\x01x", "ext, bin"); /* ext */
    REFUSE("\xcf\xff\xff\xff\xff\xff\xff\xff\xff", "2^63");
    REFUSE("\x81\x01\x01", "map key"); /* key that is not a string */
    REFUSE("\x81\xa2"
           "a\0\x01",
           "map key"); /* key with a NUL byte */
    REFUSE("\x01\x02", "behind");
}

/*  Whoever reads what we write may rely on UTF-8, whatever came in. */
static void broken_text_is_mended(void **state)
{
    (void)state;
    mlx_value_t *value = mlx_value_map();
    mlx_buf_t buf = {0};
    mlx_value_set_str(value,
                      "a\xff"
                      "b",
                      "\xc3(x\xe2");
    mlx_value_set_str(value, "\xc3\xbc", "\xe2\x82\xac");
    mlx_pack(&buf, value);
    mlx_value_destroy(&value);
    value = unpack(buf.data, buf.len, NULL);
    assert_non_null(value);
    assert_string_equal(mlx_value_str(value, "a\xef\xbf\xbd"
                                             "b"),
                        "\xef\xbf\xbd(x\xef\xbf\xbd");
    assert_string_equal(mlx_value_str(value, "\xc3\xbc"), "\xe2\x82\xac");
    mlx_value_destroy(&value);
    mlx_buf_clear(&buf);
    assert_null(mlx_unpack(NULL, 0, NULL));
}

static void deep_and_wide_values_are_refused(void **state)
{
    (void)state;
    char deep[64];
    memset(deep, 0x91, sizeof deep);
    deep[sizeof deep - 1] = 0x01;
    mlx_error_t err = {0};
    assert_null(unpack(deep, sizeof deep, &err));
    assert_non_null(strstr(err.text, "deeply"));
    size_t wide_len = 5 + MLX_PACK_MAX_VALUES + 1;
    char *wide = calloc(1, wide_len);
    memcpy(wide, "\xdd\x00\x01\x00\x01", 5); /* 65537 zeros */
    assert_null(mlx_unpack(wide, wide_len, &err));
    assert_non_null(strstr(err.text, "too many"));
    free(wide);
    char *large = calloc(1, MLX_PACK_MAX_BYTES + 1);
    assert_null(mlx_unpack(large, MLX_PACK_MAX_BYTES + 1, &err));
    assert_non_null(strstr(err.text, "at most"));
    free(large);
}

static void peek_finds_strings_without_unpacking(void **state)
{
    (void)state;
    static const mlx_pack_key_t keys[] = {MLX_PACK_KEY("host"), MLX_PACK_KEY("src"),
                                          MLX_PACK_KEY("pid")};
    mlx_span_t spans[3];
    const char body[] = "\x83\xa4host\xa2vm\xa3pid\x07\xa1"
                        "d\x81\xa3src\xa5inner";
    assert_int_equal(mlx_pack_peek(body, sizeof body - 1, keys, 3, spans, NULL), 0);
    assert_int_equal(spans[0].len, 2);
    assert_memory_equal(spans[0].data, "vm", 2);
    assert_null(spans[1].data); /* only the top level counts */
    assert_null(spans[2].data); /* no string */
    assert_int_equal(mlx_pack_peek("\x91\x01", 2, keys, 3, spans, NULL), -1);
}

static void topics_match_their_patterns(void **state)
{
    (void)state;
    assert_string_equal(mlx_catalogue_find("sensor.gpu.0")->pattern, "sensor.gpu.<n>");
    assert_string_equal(mlx_catalogue_find("runtime.ollama.127_0_0_1-11434.models")->pattern,
                        "runtime.<kind>.<endpoint>.models");
    assert_null(mlx_catalogue_find("sensor.gpu"));
    assert_null(mlx_catalogue_find("sensor.gpu.0.more"));
    assert_null(mlx_catalogue_find("sensor.gpu."));
    assert_null(mlx_catalogue_find("sensor.memory2"));
    assert_null(mlx_catalogue_find(""));
}

static void topic_names_are_checked(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool valid;
    } cases[] = {
        {"a", true},
        {"sensor.gpu.0", true},
        {"a-b_c.9", true},
        {"", false},
        {".", false},
        {"a.", false},
        {".a", false},
        {"a..b", false},
        {"A", false},
        {"a b", false},
        {"a\n", false},
        {"a/b", false},
        {"1.2.3.4.5.6.7.8", true},
        {"1.2.3.4.5.6.7.8.9", false},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++)
        assert_int_equal(mlx_topic_valid(cases[i].name, strlen(cases[i].name)), cases[i].valid);
    char *segment = mlx_topic_segment("Qwen2.5:7B/x");
    assert_string_equal(segment, "qwen2_5_7b_x");
    free(segment);
}

/*  Each field of each topic: OpenMetrics names are unique, well formed and carry their unit. */
static void check_fields(const mlx_field_t *fields)
{
    static const struct {
        mlx_unit_t unit;
        const char *suffix;
    } suffixes[] = {
        {MLX_UNIT_BYTES, "_bytes"},   {MLX_UNIT_SECONDS, "_seconds"}, {MLX_UNIT_WATTS, "_watts"},
        {MLX_UNIT_JOULES, "_joules"}, {MLX_UNIT_CELSIUS, "_celsius"}, {MLX_UNIT_RATIO, "_ratio"},
        {MLX_UNIT_HERTZ, "_hertz"},
    };
    for (const mlx_field_t *field = fields; field && field->key; field++) {
        assert_non_null(field->help);
        assert_true((field->kind != MLX_METRIC_NONE) == (field->metric != NULL));
        for (size_t i = 0; field->metric && i < MLX_COUNT(suffixes); i++) {
            size_t len = strlen(field->metric), tail = strlen(suffixes[i].suffix);
            if (field->unit == suffixes[i].unit)
                assert_string_equal(field->metric + len - tail, suffixes[i].suffix);
        }
        for (const mlx_field_t *other = fields; other != field; other++)
            assert_string_not_equal(other->key, field->key);
        check_fields(field->fields);
    }
}

static void catalogue_is_consistent(void **state)
{
    (void)state;
    size_t count;
    const mlx_topic_t *topics = mlx_catalogue_topics(&count);
    for (size_t i = 0; i < count; i++) {
        check_fields(topics[i].fields);
        /* One message may be lost before a value counts as stale. */
        assert_true(topics[i].period_s * 2 < MLX_HELD_STALE_S);
        if (!strchr(topics[i].pattern, '<'))
            assert_ptr_equal(mlx_catalogue_find(topics[i].pattern), &topics[i]);
    }
    const mlx_catalogue_command_t *commands = mlx_catalogue_commands(&count);
    for (size_t i = 0; i < count; i++) {
        check_fields(commands[i].args);
        check_fields(commands[i].result);
    }
    mlx_value_t *page = mlx_catalogue_describe();
    assert_true(mlx_value_size(mlx_value_get(page, "topics")) > 10);
    mlx_value_destroy(&page);
}

static void wrong_types_contradict_the_catalogue(void **state)
{
    (void)state;
    const mlx_topic_t *memory = mlx_catalogue_find("sensor.memory");
    mlx_error_t err = {0};
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_int(d, "used", 1);
    mlx_value_set_int(d, "pressure", 1); /* an int is a real, too */
    mlx_value_set_str(d, "of the future", "is ignored");
    assert_int_equal(mlx_catalogue_check(memory, d, &err), 0);
    mlx_value_set_str(d, "used", "much");
    assert_int_equal(mlx_catalogue_check(memory, d, &err), -1);
    assert_non_null(strstr(err.text, "\"used\" is string, the catalogue says int"));
    mlx_value_remove(d, "used");
    mlx_value_append(mlx_value_set(d, "missing", mlx_value_list()), mlx_value_new_int(1));
    assert_int_equal(mlx_catalogue_check(memory, d, &err), -1);
    mlx_value_destroy(&d);
}

static void message_round_trip(void **state)
{
    (void)state;
    mlx_value_t *d = every_type();
    mlx_message_t out = {.host = "vm", .src = "sampler", .boot = "0011", .seq = 7, .t = 42, .d = d};
    mlx_buf_t body = {0};
    mlx_error_t err = {0};
    mlx_message_t in;
    mlx_message_pack(&out, &body);
    assert_int_equal(mlx_message_unpack(&in, "sensor.cpu", 10, body.data, body.len, &err), 0);
    assert_string_equal(in.topic, "sensor.cpu");
    assert_string_equal(in.host, "vm");
    assert_int_equal(in.seq, 7);
    assert_true(mlx_value_equal(in.d, d));
    mlx_value_t *tree = mlx_message_value(&in);
    mlx_message_t again;
    assert_int_equal(mlx_message_from_value(&again, tree, &err), 0);
    assert_true(mlx_value_equal(again.d, d));
    mlx_value_destroy(&tree);
    mlx_message_clear(&again);
    mlx_message_clear(&in);
    mlx_buf_clear(&body);
    mlx_value_destroy(&d);
}

static void incomplete_envelopes_are_refused(void **state)
{
    (void)state;
    static const char *const keys[] = {"v", "host", "src", "boot", "seq", "t", "d"};
    for (size_t i = 0; i < MLX_COUNT(keys); i++) {
        mlx_value_t *map = mlx_value_map();
        mlx_value_set_int(map, "v", MLX_CATALOGUE_VERSION);
        mlx_value_set_str(map, "host", "vm");
        mlx_value_set_str(map, "src", "x");
        mlx_value_set_str(map, "boot", "0");
        mlx_value_set_int(map, "seq", 1);
        mlx_value_set_int(map, "t", 1);
        mlx_value_set(map, "d", mlx_value_map());
        mlx_buf_t body = {0};
        mlx_error_t err = {0};
        mlx_message_t message;
        mlx_pack(&body, map);
        assert_int_equal(mlx_message_unpack(&message, "a", 1, body.data, body.len, &err), 0);
        mlx_message_clear(&message);
        mlx_value_remove(map, keys[i]);
        mlx_buf_reset(&body);
        mlx_pack(&body, map);
        assert_int_equal(mlx_message_unpack(&message, "a", 1, body.data, body.len, &err), -1);
        assert_non_null(strstr(err.text, keys[i]));
        mlx_value_destroy(&map);
        mlx_buf_clear(&body);
    }
    mlx_message_t message;
    mlx_error_t err = {0};
    const char newer[] = "\x81\xa1v\x02";
    assert_int_equal(mlx_message_unpack(&message, "a", 1, newer, sizeof newer - 1, &err), -1);
    assert_non_null(strstr(err.text, "version 2"));
}

static void envelopes_out_of_bounds_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *key;
        int64_t value;
        int rc;
    } cases[] = {
        {"v", MLX_CATALOGUE_VERSION, 0},
        {"v", MLX_CATALOGUE_VERSION - 1, -1},
        {"v", MLX_CATALOGUE_VERSION + 1, -1},
        {"seq", MLX_SEQ_MAX, 0},
        {"seq", MLX_SEQ_MAX + 1, -1},
        {"seq", 0, -1},
        {"t", MLX_TIME_MAX_US, 0},
        {"t", MLX_TIME_MAX_US + 1, -1},
        {"t", 0, 0},
        {"t", -1, -1},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *map = mlx_value_map();
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
        MLX_CLEANUP(mlx_message_clear) mlx_message_t message = {0};
        mlx_value_set_int(map, "v", MLX_CATALOGUE_VERSION);
        mlx_value_set_str(map, "host", "vm");
        mlx_value_set_str(map, "src", "x");
        mlx_value_set_str(map, "boot", "0");
        mlx_value_set_int(map, "seq", 1);
        mlx_value_set_int(map, "t", 1);
        mlx_value_set(map, "d", mlx_value_map());
        mlx_value_set_int(map, cases[i].key, cases[i].value);
        mlx_pack(&body, map);
        if (mlx_message_unpack(&message, "a", 1, body.data, body.len, NULL) != cases[i].rc)
            fail_msg("%s of %lld", cases[i].key, (long long)cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip_keeps_every_type),
        cmocka_unit_test(every_cut_is_refused),
        cmocka_unit_test(hostile_bytes_are_refused),
        cmocka_unit_test(broken_text_is_mended),
        cmocka_unit_test(deep_and_wide_values_are_refused),
        cmocka_unit_test(peek_finds_strings_without_unpacking),
        cmocka_unit_test(topics_match_their_patterns),
        cmocka_unit_test(topic_names_are_checked),
        cmocka_unit_test(catalogue_is_consistent),
        cmocka_unit_test(wrong_types_contradict_the_catalogue),
        cmocka_unit_test(message_round_trip),
        cmocka_unit_test(incomplete_envelopes_are_refused),
        cmocka_unit_test(envelopes_out_of_bounds_are_refused),
    };
    return cmocka_run_group_tests_name("protocol", tests, NULL, NULL);
}
