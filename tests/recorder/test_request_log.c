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
#include "services/recorder/request_log.h"
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

static void each_is_less_than_sixty_bytes(void **state)
{
    enum {
        MANY = 20000
    };
    rig_t *rig = start(state);
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
    mlx_history_store_figures_t figures;
    assert_int_equal(mlx_history_store_figures(rig->store, &figures, NULL), 0);
    double each = (double)(figures.bytes - figures.free) / MANY;
    print_message("          %.1f bytes a request\n", each);
    assert_true(each < 60);
    stop(&rig);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_field_comes_back, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(they_are_found_and_paged, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(the_old_go_and_texts_with_them, scratch_make,
                                        scratch_remove),
        cmocka_unit_test_setup_teardown(texts_are_bounded, scratch_make, scratch_remove),
        cmocka_unit_test_setup_teardown(each_is_less_than_sixty_bytes, scratch_make,
                                        scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
