/*  Requests kept: every field comes back as it was told, few bytes each, found again by client,
 *  model and time, and gone when they are too old. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "proto/json.h"
#include "scratch.h"
#include "services/recorder/event_log.h"
#include "services/recorder/request_log.h"
#include "services/recorder/spread.h"
#include "services/recorder/store.h"

#define DAY_US (INT64_C(86400) * 1000000)
#define T0 (SCRATCH_T0 * 1000)

typedef struct {
    scratch_t *scratch;
    mlx_history_store_t *store;
    mlx_request_log_t *log;
} rig_t;

static rig_t *start(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    rig->scratch = *state;
    rig->store = mlx_history_store_open(rig->scratch->path, NULL);
    assert_non_null(rig->store);
    rig->log = mlx_request_log_new(90);
    return rig;
}

static void stop(rig_t **rig)
{
    mlx_request_log_destroy(&(*rig)->log);
    mlx_history_store_destroy(&(*rig)->store);
    mlx_free_p(rig);
}

static mlx_db_t *db(const rig_t *rig)
{
    return mlx_history_store_db(rig->store);
}

static void put(rig_t *rig, const char *json, int64_t t_us)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_json_parse(json, strlen(json), NULL);
    assert_non_null(d);
    mlx_message_t message = {
        .topic = "runtime.ollama.127_0_0_1-11434.request", .host = "studio", .t = t_us, .d = d};
    mlx_request_log_put(rig->log, &message);
}

static void flush(rig_t *rig, int64_t now_us)
{
    mlx_error_t err = {0};
    if (mlx_request_log_flush(rig->log, db(rig), now_us, &err))
        fail_msg("%s", err.text);
}

static mlx_value_t *list(rig_t *rig, const char *args)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_json_parse(args, strlen(args), NULL);
    mlx_value_t *result = mlx_request_log_list(rig->log, db(rig), ask, &err);
    if (!result)
        fail_msg("%s", err.text);
    return result;
}

static size_t count(rig_t *rig, const char *args)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, args);
    return mlx_value_size(mlx_value_get(result, "requests"));
}

static void every_field_comes_back(void **state)
{
    static const char all[] =
        "{\"end\":1767225600000000,\"start\":1767225597500000,\"host\":\"studio\","
        "\"runtime\":\"ollama\",\"endpoint\":\"127_0_0_1-11434\",\"model\":\"qwen3:8b\","
        "\"client\":\"chat.py\",\"process\":\"chat.py\",\"pid\":4242,\"agent\":\"ollama-python/"
        "0.5\","
        "\"key\":\"0badcafe\",\"address\":\"127.0.0.1\",\"api\":\"chat\",\"prompt_tokens\":2717,"
        "\"cached_tokens\":1024,\"tokens\":0,\"draft_tokens\":200,\"draft_accepted\":122,"
        "\"queue\":0.25,\"load\":1.5,\"ttft\":0.375,\"prompt_tokens_per_second\":810.25,"
        "\"tokens_per_second\":61.75,\"outcome\":\"client_abort\",\"status\":200,"
        "\"source\":\"tap\",\"exact\":true,\"joules\":12.5}";
    rig_t *rig = start(state);
    put(rig, all, T0);
    put(rig, "{\"source\":\"slots\"}", T0 + 1); /* nothing else is known: nothing else is there */
    flush(rig, T0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, "{}");
    const mlx_value_t *requests = mlx_value_get(result, "requests");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *want = mlx_json_parse(all, strlen(all), NULL);
    const mlx_value_t *got = mlx_value_at(requests, 1);
    assert_int_equal(mlx_value_size(requests), 2);
    assert_int_equal(mlx_value_size(got), mlx_value_size(want));
    for (size_t i = 0; i < mlx_value_size(want); i++) {
        const char *key = mlx_value_key(want, i);
        double a = 0, b = 0;
        bool number = mlx_value_real(want, key, &a) && mlx_value_real(got, key, &b);
        if (number ? a != b : !mlx_value_equal(mlx_value_at(want, i), mlx_value_get(got, key)))
            fail_msg("%s came back as another", key);
    }
    assert_int_equal(mlx_value_size(mlx_value_at(requests, 0)), 5); /* end, source, whence */
    stop(&rig);
}

static void they_are_found_and_paged(void **state)
{
    rig_t *rig = start(state);
    for (int i = 0; i < 40; i++) {
        char json[256];
        snprintf(json, sizeof json,
                 "{\"end\":%lld,\"model\":\"m%d\",\"client\":\"%s\",\"address\":\"10.0.0.%d\"}",
                 (long long)(T0 + i / 2 * 1000000), i % 2, i % 4 ? "curl" : "Chat.app", i);
        put(rig, json, T0 + DAY_US);
    }
    flush(rig, T0);
    assert_int_equal(count(rig, "{}"), 40);
    assert_int_equal(count(rig, "{\"model\":\"m1\"}"), 20);
    assert_int_equal(count(rig, "{\"client\":\"chat\"}"), 10);
    assert_int_equal(count(rig, "{\"client\":\"10.0.0.39\"}"), 1);
    assert_int_equal(count(rig, "{\"client\":\"nobody\"}"), 0);
    assert_int_equal(count(rig, "{\"since\":1767225610000000}"), 20);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *first = list(rig, "{\"limit\":30}");
    int64_t cursor = 0;
    assert_true(mlx_value_int(first, "cursor", &cursor));
    char more[64];
    snprintf(more, sizeof more, "{\"limit\":30,\"cursor\":%lld}", (long long)cursor);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *rest = list(rig, more);
    assert_int_equal(mlx_value_size(mlx_value_get(rest, "requests")), 10);
    assert_null(mlx_value_get(rest, "cursor"));
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *bad = mlx_json_parse("{\"limit\":501}", 13, NULL);
    assert_null(mlx_request_log_list(rig->log, db(rig), bad, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    stop(&rig);
}

static void the_old_go_and_texts_with_them(void **state)
{
    rig_t *rig = start(state);
    put(rig, "{\"model\":\"old\"}", T0);
    put(rig, "{\"model\":\"new\"}", T0 + 60 * DAY_US);
    flush(rig, T0 + 60 * DAY_US);
    flush(rig, T0 + 93 * DAY_US);
    assert_int_equal(count(rig, "{}"), 1);
    stop(&rig);
    rig = start(state); /* the texts are read again */
    assert_int_equal(count(rig, "{\"model\":\"new\"}"), 1);
    mlx_stmt_t *q =
        mlx_db_query(db(rig), NULL, "SELECT count(*) FROM request_text WHERE text = ?", "s", "old");
    assert_int_equal(mlx_stmt_step(q, NULL), 1);
    assert_int_equal(mlx_stmt_int(q, 0), 0);
    mlx_stmt_destroy(&q);
    stop(&rig);
}

/*  A flood of new texts costs no more than their bound. */
static void texts_are_bounded(void **state)
{
    rig_t *rig = start(state);
    for (int i = 0; i < MLX_REQUEST_LOG_TEXTS + 50; i++) {
        char json[64];
        snprintf(json, sizeof json, "{\"agent\":\"a%d\"}", i);
        put(rig, json, T0 + i);
    }
    flush(rig, T0 + DAY_US);
    assert_int_equal(count(rig, "{\"limit\":500}"), 500);
    assert_int_equal(count(rig, "{\"client\":\"a4145\"}"), 0);
    assert_int_equal(count(rig, "{\"client\":\"a4001\"}"), 1);
    stop(&rig);
}

static int64_t bytes_used(rig_t *rig)
{
    mlx_history_store_figures_t figures;
    assert_int_equal(mlx_history_store_figures(rig->store, &figures, NULL), 0);
    return figures.bytes - figures.free;
}

/*  Above an empty database, whose tables have a page each; with their share of the sketches. */
static void each_is_less_than_sixty_bytes(void **state)
{
    enum {
        MANY = 20000
    };
    rig_t *rig = start(state);
    int64_t empty = bytes_used(rig);
    uint64_t seed = 7;
    for (int i = 0; i < MANY; i++) {
        char json[700];
        uint64_t r = scratch_roll(&seed);
        int64_t end = T0 + i * INT64_C(4000000) + (int64_t)(r % 999983);
        snprintf(
            json, sizeof json,
            "{\"start\":%lld,\"end\":%lld,\"model\":\"m%d\",\"client\":\"c%d\",\"process\":\"c%d\","
            "\"pid\":%d,\"agent\":\"a%d\",\"key\":\"k%d\",\"address\":\"127.0.0.1\","
            "\"api\":\"chat\",\"prompt_tokens\":%d,\"cached_tokens\":%d,\"tokens\":%d,"
            "\"queue\":0.0%d,\"ttft\":0.%d,\"prompt_tokens_per_second\":%d.%d,"
            "\"tokens_per_second\":%d.%d,\"outcome\":\"ok\",\"status\":200,\"source\":\"tap\","
            "\"exact\":true,\"joules\":%d.%d}",
            (long long)(end - (int64_t)(r % 20000000)), (long long)end, (int)(r % 5), (int)(r % 9),
            (int)(r % 9), (int)(r % 400000), (int)(r % 7), (int)(r % 3), (int)(r % 5000),
            (int)(r % 900), (int)(r % 700), (int)(r % 90), (int)(r % 900), (int)(r % 1500),
            (int)(r % 89), (int)(r % 120), (int)(r % 97), (int)(r % 4000), (int)(r % 10));
        put(rig, json, end);
    }
    flush(rig, T0 + DAY_US);
    double each = (double)(bytes_used(rig) - empty) / MANY;
    print_message("          %.1f bytes a request\n", each);
    assert_true(each < 60);
    stop(&rig);
}

static mlx_value_t *spread(rig_t *rig, const char *args, int64_t now_us)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_json_parse(args, strlen(args), NULL);
    assert_non_null(ask);
    mlx_value_t *result = mlx_spread_list(db(rig), rig->log, ask, now_us, &err);
    if (!result)
        fail_msg("%s", err.text);
    return result;
}

static void assert_spread(rig_t *rig, const char *args, int64_t now_us, int64_t count, double p50,
                          size_t points)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = spread(rig, args, now_us);
    int64_t n = 0, in_points = 0, k = 0;
    double got = 0;
    const mlx_value_t *list = mlx_value_get(result, "points");
    assert_true(mlx_value_int(result, "count", &n));
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        assert_true(mlx_value_int(mlx_value_at(list, i), "count", &k));
        in_points += k;
    }
    if (n != count || in_points != count || mlx_value_size(list) != points)
        fail_msg("%s: %lld requests, %lld in %zu points", args, (long long)n, (long long)in_points,
                 mlx_value_size(list));
    assert_true(mlx_value_real(result, "p50", &got));
    if (!(got > p50 * 0.98 - 1e-9 && got < p50 * 1.02 + 1e-9))
        fail_msg("%s: p50 is %g", args, got);
}

/*  One request an hour for ten days of two models, one of which is slow; besides failed ones and
 *  rows that tell several at once; then the requests themselves go, and the days stay. */
static void percentiles_outlive_requests(void **state)
{
    rig_t *rig = start(state);
    int64_t now = T0 + 10 * DAY_US;
    for (int i = 0; i < 240; i++)
        for (int k = 0; k < 4; k++) {
            char json[256];
            int64_t end = T0 + i * (DAY_US / 24) + k + 1;
            snprintf(json, sizeof json,
                     "{\"start\":%lld,\"end\":%lld,\"model\":\"%s\",\"outcome\":\"%s\","
                     "\"ttft\":%s,\"tokens\":%d%s}",
                     (long long)(end - 2000000), (long long)end, k ? "fast" : "slow",
                     k == 2 ? "error" : "ok", k ? "0.25" : "4.5", k >= 2 ? 9999 : 100,
                     k == 3 ? ",\"requests\":3" : "");
            put(rig, json, now);
        }
    flush(rig, now);
    assert_spread(rig, "{\"measure\":\"ttft\",\"model\":\"slow\",\"since\":0}", now, 240, 4.5, 10);
    assert_spread(rig, "{\"measure\":\"ttft\",\"model\":\"fast\"}", now, 24, 0.25, 24);
    assert_spread(rig, "{\"measure\":\"latency\",\"since\":0}", now, 480, 2, 10);
    assert_spread(rig, "{\"measure\":\"tokens\",\"since\":0}", now, 480, 100, 10);
    /* From noon to noon, three days: parts of days are read from the requests. */
    char args[128];
    snprintf(args, sizeof args, "{\"measure\":\"tokens\",\"since\":%lld,\"until\":%lld}",
             (long long)(T0 + 2 * DAY_US), (long long)(T0 + 4 * DAY_US + DAY_US / 2));
    assert_spread(rig, args, now, 120, 100, 3);
    flush(rig, T0 + 95 * DAY_US); /* five days of requests are gone */
    assert_spread(rig, "{\"measure\":\"tokens\",\"since\":0}", now, 480, 100, 10);
    flush(rig, T0 + 300 * DAY_US);
    assert_int_equal(count(rig, "{}"), 0);
    assert_spread(rig, "{\"measure\":\"tokens\",\"since\":0}", now, 480, 100, 10);
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *bad = mlx_json_parse("{\"measure\":\"x\"}", 15, NULL);
    assert_null(mlx_spread_list(db(rig), rig->log, bad, now, &err));
    assert_int_equal(err.code, MLX_ERR_USAGE);
    stop(&rig);
}

/*  Whoever makes up a name for each request fills no more than the rows of a day. */
static void names_in_a_day_are_bounded(void **state)
{
    rig_t *rig = start(state);
    for (int i = 0; i < 500; i++) {
        char json[128];
        snprintf(json, sizeof json, "{\"end\":%lld,\"model\":\"m%d\",\"tokens\":5}",
                 (long long)(T0 + i + 1), i);
        put(rig, json, T0 + DAY_US);
        if (i % 100 == 99)
            flush(rig, T0 + DAY_US);
    }
    mlx_stmt_t *q = mlx_db_query(db(rig), NULL, "SELECT count(*) FROM spread", "");
    assert_int_equal(mlx_stmt_step(q, NULL), 1);
    assert_in_range(mlx_stmt_int(q, 0), 60, 65);
    mlx_stmt_destroy(&q);
    flush(rig, T0 + 200 * DAY_US);
    assert_spread(rig, "{\"measure\":\"tokens\",\"since\":0}", T0 + 2 * DAY_US, 500, 5, 1);
    stop(&rig);
}

static void hear(mlx_event_log_t *log, int64_t t_us, const char *json)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_json_parse(json, strlen(json), NULL);
    assert_non_null(d);
    mlx_event_log_message(log, &(mlx_message_t){.topic = "runtime.ollama.127_0_0_1-11434.models",
                                                .host = "studio",
                                                .t = t_us,
                                                .d = d});
}

/*  What is when the recorder starts is not an event, nor is a server that does not answer. */
static void what_happened_is_listed(void **state)
{
    static const char *const want[] = {
        "qwen3 loaded", "old freed",    "ollama went from 0.1 to 0.2",
        "hot firing",   "hot resolved", "asleep or stopped for 3600 s"};
    rig_t *rig = start(state);
    mlx_event_log_t *log = mlx_event_log_new();
    hear(log, T0,
         "{\"reachable\":true,\"kind\":\"ollama\",\"version\":\"0.1\","
         "\"models\":[{\"name\":\"old\"}]}");
    hear(log, T0 + 1,
         "{\"reachable\":true,\"kind\":\"ollama\",\"version\":\"0.1\","
         "\"models\":[{\"name\":\"qwen3\",\"state\":\"loaded\"},"
         "{\"name\":\"x\",\"state\":\"unloaded\"}]}");
    hear(log, T0 + 2, "{\"reachable\":false}");
    hear(log, T0 + 3,
         "{\"reachable\":true,\"kind\":\"ollama\",\"version\":\"0.2\","
         "\"models\":[{\"name\":\"qwen3\"}]}");
    static const char *const states[] = {"resolved", "firing", "firing", "resolved"};
    for (int i = 0; i < 4; i++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
        mlx_value_set_str(d, "state", states[i]);
        mlx_event_log_alert(log, "hot", d, T0 + 4 + i);
    }
    assert_int_equal(mlx_event_log_flush(log, db(rig), T0 + 8, NULL), 0);
    assert_int_equal(mlx_event_log_flush(log, db(rig), T0 + 8 + INT64_C(3600000000), NULL), 0);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *list = mlx_event_log_list(db(rig), T0, T0 + DAY_US, NULL);
    assert_int_equal(mlx_value_size(list), MLX_COUNT(want));
    for (size_t i = 0; i < MLX_COUNT(want); i++)
        assert_string_equal(mlx_value_str(mlx_value_at(list, i), "text"), want[i]);
    mlx_event_log_destroy(&log);
    stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_comes_back, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(they_are_found_and_paged, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(the_old_go_and_texts_with_them, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(percentiles_outlive_requests, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(names_in_a_day_are_bounded, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(what_happened_is_listed, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(texts_are_bounded, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(each_is_less_than_sixty_bytes, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
