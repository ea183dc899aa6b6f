/*  The gateway's small parts: who may ask, what they may ask, what a reader has missed, the
 *  socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "proto/measures.h"
#include "proto/otel.h"
#include "services/gateway/assets.h"
#include "services/gateway/events.h"
#include "services/gateway/guard.h"
#include "services/gateway/listen.h"
#include "services/gateway/range.h"

static const int64_t NOW = 1764061200000000;

/* ---- guard ---- */

static void only_our_names_are_hosts(void **state)
{
    static const char *const ours[] = {"localhost:11490", "LocalHost:11490", "127.0.0.1:11490",
                                       "[::1]:11490"};
    static const char *const foreign[] = {"evil.example:11490",
                                          "localhost",
                                          "localhost:80",
                                          "localhost:114900",
                                          "127.0.0.1:11491",
                                          "127.0.0.2:11490",
                                          "localhost.evil.example:11490",
                                          "localhost:11490:11490",
                                          ":11490",
                                          "",
                                          "192.168.1.7:11490",
                                          "studio:11490",
                                          "[::1]",
                                          "::1:11490",
                                          "localhost :11490",
                                          "localhost\t:11490",
                                          "[::1]x:11490"};
    const mlx_guard_t guard = {.port = 11490, .name = "studio"};
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(ours); i++)
        assert_true(mlx_guard_host(&guard, ours[i]));
    for (size_t i = 0; i < MLX_COUNT(foreign); i++)
        if (mlx_guard_host(&guard, foreign[i]))
            fail_msg("%s was taken", foreign[i]);
    assert_false(mlx_guard_host(&guard, NULL));
}

static void addresses_are_ours_when_open(void **state)
{
    const mlx_guard_t guard = {.port = 11490, .open = true, .name = "studio"};
    (void)state;
    assert_true(mlx_guard_host(&guard, "192.168.1.7:11490"));
    assert_true(mlx_guard_host(&guard, "[fe80::1]:11490"));
    assert_true(mlx_guard_host(&guard, "studio:11490"));
    assert_false(mlx_guard_host(&guard, "192.168.1.7.evil.example:11490"));
    assert_false(mlx_guard_host(&guard, "[fe80::1:11490"));
    assert_false(mlx_guard_host(&guard, "[]:11490"));
    assert_false(mlx_guard_host(&guard, "evil.example:11490"));
}

static void only_our_page_is_an_origin(void **state)
{
    const mlx_guard_t guard = {.port = 11490};
    (void)state;
    assert_true(mlx_guard_origin(&guard, NULL));
    assert_true(mlx_guard_origin(&guard, "http://localhost:11490"));
    assert_false(mlx_guard_origin(&guard, "https://localhost:11490"));
    assert_false(mlx_guard_origin(&guard, "http://localhost:3000"));
    assert_false(mlx_guard_origin(&guard, "http://localhost:11490/"));
    assert_false(mlx_guard_origin(&guard, "http://evil.example"));
    assert_false(mlx_guard_origin(&guard, "null"));
    assert_false(mlx_guard_origin(&guard, ""));
}

/* ---- range ---- */

static int parse(mlx_range_t *range, const char *series, const char *since, const char *until,
                 const char *points)
{
    mlx_error_t err = {0};
    int rc = mlx_range_parse(
        range,
        &(mlx_range_text_t){.series = series, .since = since, .until = until, .points = points},
        NOW, &err);
    assert_true(rc == 0 || (err.code == MLX_ERR_USAGE && err.text[0]));
    return rc;
}

static void range_has_defaults(void **state)
{
    mlx_range_t range;
    (void)state;
    assert_int_equal(parse(&range, "studio/sensor.cpu/utilization", NULL, NULL, NULL), 0);
    assert_string_equal(range.series, "studio/sensor.cpu/utilization");
    assert_int_equal(range.until_us, NOW);
    assert_int_equal(range.since_us, NOW - 3600 * 1000000LL);
    assert_int_equal(range.points, 600);
}

static void range_takes_moments_and_distances(void **state)
{
    mlx_range_t range;
    (void)state;
    assert_int_equal(parse(&range, "s", "1764000000.25", "1764000001", "2"), 0);
    assert_int_equal(range.since_us, 1764000000250000);
    assert_int_equal(range.until_us, 1764000001000000);
    assert_int_equal(range.points, 2);
    assert_int_equal(parse(&range, "s", "7d", "1h 30m", "4000"), 0);
    assert_int_equal(range.since_us, NOW - 7 * 86400 * 1000000LL);
    assert_int_equal(range.until_us, NOW - 5400 * 1000000LL);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_range_args(&range);
    int64_t points = 0;
    assert_true(mlx_value_int(args, "points", &points) && points == 4000);
}

static void range_refuses_the_rest(void **state)
{
    static const struct {
        const char *series, *since, *until, *points;
    } bad[] = {
        {NULL, NULL, NULL, NULL},
        {"", NULL, NULL, NULL},
        {"a\nb", NULL, NULL, NULL},
        {"a\x7f", NULL, NULL, NULL},
        {"s", "", NULL, NULL},
        {"s", "soon", NULL, NULL},
        {"s", "-1h", NULL, NULL},
        {"s", "1h", "2h", NULL},
        {"s", "1 hour ago", NULL, NULL},
        {"s", "1.2.3", NULL, NULL},
        {"s", "99999999999", NULL, NULL},
        {"s", "9999999d", NULL, NULL},
        {"s", "nan", NULL, NULL},
        {"s", NULL, NULL, "0"},
        {"s", NULL, NULL, "1"},
        {"s", NULL, NULL, "4001"},
        {"s", NULL, NULL, "-5"},
        {"s", NULL, NULL, "5x"},
        {"s", NULL, NULL, "9999999"},
        {"s", NULL, NULL, ""},
    };
    mlx_range_t range;
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(bad); i++)
        if (parse(&range, bad[i].series, bad[i].since, bad[i].until, bad[i].points) == 0)
            fail_msg("row %zu was taken", i);
    char name[MLX_RANGE_SERIES_MAX + 2];
    memset(name, 'a', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(parse(&range, name, NULL, NULL, NULL), -1);
    assert_int_equal(parse(&range, name + 1, NULL, NULL, NULL), 0);
}

/* ---- events ---- */

static void put(mlx_events_t *events, const char *topic, const char *host, int64_t value)
{
    mlx_message_t message = {.topic = mlx_strdup(topic),
                             .host = mlx_strdup(host),
                             .src = mlx_strdup("test"),
                             .boot = mlx_strdup("b"),
                             .seq = value,
                             .t = NOW,
                             .d = mlx_value_map()};
    mlx_value_set_int(message.d, "value", value);
    mlx_events_put(events, &message);
    mlx_message_clear(&message);
}

static size_t count(const mlx_buf_t *text, const char *word)
{
    size_t n = 0;
    for (const char *at = mlx_buf_str(text); (at = strstr(at, word)); at++)
        n++;
    return n;
}

static void reader_gets_the_newest_of_each(void **state)
{
    mlx_events_t *events = mlx_events_new();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    uint64_t seen = 0;
    (void)state;
    assert_false(mlx_events_read(events, &seen, &out));
    for (int64_t i = 1; i <= 100; i++) {
        put(events, "sensor.a", "x", i);
        put(events, "sensor.a", "y", i + 1000);
        put(events, "sensor.b", "x", i + 2000);
    }
    assert_true(mlx_events_read(events, &seen, &out));
    assert_int_equal(count(&out, "event: message\n"), 3);
    assert_int_equal(count(&out, "\"value\":100}"), 1);
    assert_int_equal(count(&out, "\"value\":1100}"), 1);
    assert_int_equal(count(&out, "\"value\":2100}"), 1);
    mlx_buf_reset(&out);
    assert_false(mlx_events_read(events, &seen, &out));
    put(events, "sensor.b", "x", 7);
    assert_true(mlx_events_read(events, &seen, &out));
    assert_int_equal(count(&out, "data: "), 1);
    mlx_events_destroy(&events);
}

static void headline_that_says_the_same_is_no_news(void **state)
{
    mlx_events_t *events = mlx_events_new();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *headline = mlx_value_map();
    uint64_t seen = 0;
    (void)state;
    mlx_value_set_str(headline, "model", "two\nlines");
    mlx_events_headline(events, headline);
    assert_true(mlx_events_read(events, &seen, &out));
    assert_string_equal(mlx_buf_str(&out),
                        "event: headline\ndata: {\"model\":\"two\\nlines\"}\n\n");
    mlx_events_headline(events, headline);
    assert_false(mlx_events_read(events, &seen, &out));
    mlx_value_set_int(headline, "alerts", 1);
    mlx_events_headline(events, headline);
    assert_true(mlx_events_read(events, &seen, &out));
    mlx_events_destroy(&events);
}

static void topics_are_bounded(void **state)
{
    mlx_events_t *events = mlx_events_new();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    uint64_t seen = 0;
    (void)state;
    for (int i = 0; i < 17000; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "alert.r%05d", i);
        put(events, topic, "x", i);
    }
    mlx_events_read(events, &seen, &out);
    size_t shown = count(&out, "event: message\n");
    assert_true(shown <= 16384 && shown > 12000);
    assert_int_equal(count(&out, "alert.r16999\""), 1); /* the oldest made room */
    assert_int_equal(count(&out, "alert.r00000\""), 0);
    mlx_events_destroy(&events);
}

static void what_the_overview_forgot_is_gone(void **state)
{
    mlx_events_t *events = mlx_events_new();
    mlx_overview_t *overview = mlx_overview_new("x");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    uint64_t seen = 0;
    (void)state;
    put(events, "alert.a", "x", 1);
    assert_true(mlx_events_keep(events, overview) > 0);
    mlx_events_read(events, &seen, &out);
    assert_int_equal(count(&out, "event: message\n"), 0);
    mlx_overview_destroy(&overview);
    mlx_events_destroy(&events);
}

/* ---- listen, assets ---- */

static void addresses_are_understood(void **state)
{
    static const char *const bad[] = {
        "",      "127.0.0.1",       "127.0.0.1:",  ":80",          "example.com:80", "::1:80",
        "[::1]", "127.0.0.1:99999", "127.0.0.1:x", "[127.0.0.1:1", "1.2.3.4.5:80"};
    mlx_listener_t listener;
    mlx_error_t err = {0};
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(bad); i++) {
        if (mlx_listen(&listener, bad[i], &err) == 0)
            fail_msg("%s was taken", bad[i]);
        assert_int_equal(err.code, MLX_ERR_USAGE);
    }
    assert_int_equal(mlx_listen(&listener, "localhost:0", &err), 0);
    assert_true(listener.port > 0 && !listener.open);
    mlx_listener_t second;
    assert_int_equal(mlx_listen(&second, listener.address, &err), -1);
    assert_int_equal(err.code, MLX_ERR_BUSY);
    assert_non_null(strstr(err.hint, "gateway.listen"));
    close(listener.fd);
    assert_int_equal(mlx_listen(&listener, "0.0.0.0:0", &err), 0);
    assert_true(listener.open);
    close(listener.fd);
}

static void page_is_inside_and_small(void **state)
{
    static const char *const paths[] = {
        "/",           "/style.css", "/theme.js",   "/actions.js", "/alarms.js",   "/app.js",
        "/bench.js",   "/cache.js",  "/control.js", "/energy.js",  "/fleet.js",    "/format.js",
        "/history.js", "/plot.js",   "/sweep.js",   "/tiles.js",   "/requests.js", "/icon.svg"};
    size_t sum = 0;
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(paths); i++) {
        const mlx_asset_t *asset = mlx_asset_find(paths[i]);
        assert_non_null(asset);
        sum += asset->len;
    }
    print_message("          %zu bytes\n", sum);
    assert_true(sum > 10000 && sum < 112000); /* 120 KB with what HTTP adds */
    assert_null(mlx_asset_find("/../etc/passwd"));
    assert_null(mlx_asset_find(""));
}

/*  What OpenTelemetry is told comes from fields that the catalogue has, in units it knows. */
static void otel_names_are_of_the_catalogue(void **state)
{
    (void)state;
    size_t count, measure_count;
    const mlx_otel_name_t *names = mlx_otel_names(&count);
    for (size_t i = 0; i < count; i++) {
        const mlx_topic_t *topic = mlx_catalogue_find(names[i].topic);
        assert_non_null(topic);
        const mlx_field_t *list =
            names[i].list ? mlx_field_find(topic->fields, names[i].list) : NULL;
        const mlx_field_t *field =
            mlx_field_find(list ? list->fields : topic->fields, names[i].key);
        assert_non_null(field);
        assert_true(field->unit != MLX_UNIT_NONE);
        for (size_t j = 0; j < i; j++) /* one name stands together and is of one kind */
            if (strcmp(names[i].name, names[j].name) == 0) {
                assert_string_equal(names[i - 1].name, names[i].name);
                assert_int_equal(names[i].adds_up, names[j].adds_up);
            }
    }
    const mlx_measure_t *measures = mlx_measures(&measure_count);
    assert_int_equal(measure_count, MLX_MEASURE_COUNT);
    for (size_t i = 0; i < measure_count; i++)
        for (const double *bound = measures[i].bounds; bound[1] > 0; bound++)
            assert_true(bound[0] < bound[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_our_names_are_hosts),
        cmocka_unit_test(addresses_are_ours_when_open),
        cmocka_unit_test(only_our_page_is_an_origin),
        cmocka_unit_test(range_has_defaults),
        cmocka_unit_test(range_takes_moments_and_distances),
        cmocka_unit_test(range_refuses_the_rest),
        cmocka_unit_test(reader_gets_the_newest_of_each),
        cmocka_unit_test(headline_that_says_the_same_is_no_news),
        cmocka_unit_test(topics_are_bounded),
        cmocka_unit_test(what_the_overview_forgot_is_gone),
        cmocka_unit_test(what_the_overview_forgot_is_gone),
        cmocka_unit_test(addresses_are_understood),
        cmocka_unit_test(page_is_inside_and_small),
        cmocka_unit_test(otel_names_are_of_the_catalogue),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
