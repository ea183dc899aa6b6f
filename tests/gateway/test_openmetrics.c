/*  What Prometheus gets: the whole text for a small machine, then everything that could spoil
 *  it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/json.h"
#include "proto/catalogue.h"
#include "services/gateway/openmetrics.h"

static const int64_t NOW = 1764061200000000;

static void put_from(mlx_overview_t *overview, const char *host, const char *src, const char *topic,
                     int64_t age_us, const char *json)
{
    mlx_error_t err = {0};
    mlx_message_t message = {.topic = mlx_strdup(topic),
                             .host = mlx_strdup(host),
                             .src = mlx_strdup(src),
                             .boot = mlx_strdup("b"),
                             .seq = 1,
                             .t = NOW - age_us,
                             .d = mlx_json_parse(json, strlen(json), &err)};
    assert_non_null(message.d);
    mlx_overview_put(overview, &message);
    mlx_message_clear(&message);
}

static void put(mlx_overview_t *overview, const char *topic, const char *json)
{
    put_from(overview, "studio", "test", topic, 0, json);
}

/*  The exposition; caller frees it. */
static char *text_of(mlx_overview_t *overview, mlx_metrics_format_t format)
{
    mlx_buf_t out = {0};
    mlx_openmetrics_write(overview, NOW, format, &out);
    mlx_openmetrics_end(&out);
    return mlx_buf_take(&out);
}

static void put_machine(mlx_overview_t *overview)
{
    put(overview, "sensor.gpu.0",
        "{\"name\":\"RTX 4090\",\"utilization\":0.67,\"memory_used\":9000000000,\"energy\":12.5}");
    put(overview, "runtime.ollama.local.models",
        "{\"reachable\":true,\"models\":[{\"name\":\"qwen3:8b\",\"quantization\":\"Q4_K_M\","
        "\"size\":6600000000}]}");
    put(overview, "runtime.ollama.local.activity",
        "{\"busy\":true,\"tokens_per_second\":42.25,\"requests_total\":17}");
    put(overview, "service.sampler.health", "{\"state\":\"up\"}");
    put(overview, "service.cache.health", "{\"state\":\"degraded\"}");
    put(overview, "alert.hot", "{\"state\":\"firing\"}");
}

static void is_this_text(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put_machine(overview);
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_string_equal(
        text,
        "# HELP mlx_gpu_utilization_ratio time the GPU was busy\n"
        "# TYPE mlx_gpu_utilization_ratio gauge\n"
        "# UNIT mlx_gpu_utilization_ratio ratio\n"
        "mlx_gpu_utilization_ratio{host=\"studio\",gpu=\"0\",name=\"RTX 4090\"} 0.67\n"
        "# HELP mlx_gpu_memory_used_bytes GPU memory in use\n"
        "# TYPE mlx_gpu_memory_used_bytes gauge\n"
        "# UNIT mlx_gpu_memory_used_bytes bytes\n"
        "mlx_gpu_memory_used_bytes{host=\"studio\",gpu=\"0\",name=\"RTX 4090\"} 9000000000\n"
        "# HELP mlx_gpu_energy_joules energy used since the driver was loaded\n"
        "# TYPE mlx_gpu_energy_joules counter\n"
        "# UNIT mlx_gpu_energy_joules joules\n"
        "mlx_gpu_energy_joules_total{host=\"studio\",gpu=\"0\",name=\"RTX 4090\"} 12.5\n"
        "# HELP mlx_runtime_up the runtime answers\n"
        "# TYPE mlx_runtime_up gauge\n"
        "mlx_runtime_up{host=\"studio\",runtime=\"ollama\",endpoint=\"local\"} 1\n"
        "# HELP mlx_model_loaded models that are loaded now\n"
        "# TYPE mlx_model_loaded info\n"
        "mlx_model_loaded_info{host=\"studio\",runtime=\"ollama\",endpoint=\"local\","
        "model=\"qwen3:8b\",quantization=\"Q4_K_M\"} 1\n"
        "# HELP mlx_model_memory_bytes memory the model occupies\n"
        "# TYPE mlx_model_memory_bytes gauge\n"
        "# UNIT mlx_model_memory_bytes bytes\n"
        "mlx_model_memory_bytes{host=\"studio\",runtime=\"ollama\",endpoint=\"local\","
        "model=\"qwen3:8b\",quantization=\"Q4_K_M\"} 6600000000\n"
        "# HELP mlx_runtime_busy a request is being worked on\n"
        "# TYPE mlx_runtime_busy gauge\n"
        "mlx_runtime_busy{host=\"studio\",runtime=\"ollama\",endpoint=\"local\"} 1\n"
        "# HELP mlx_generation_tokens_per_second generation speed now, all requests; absent: idle\n"
        "# TYPE mlx_generation_tokens_per_second gauge\n"
        "mlx_generation_tokens_per_second{host=\"studio\",runtime=\"ollama\",endpoint=\"local\"}"
        " 42.25\n"
        "# HELP mlx_requests requests ended\n"
        "# TYPE mlx_requests counter\n"
        "mlx_requests_total{host=\"studio\",runtime=\"ollama\",endpoint=\"local\"} 17\n"
        "# HELP mlx_service_up 1 when up: up, degraded or down\n"
        "# TYPE mlx_service_up gauge\n"
        "mlx_service_up{host=\"studio\",service=\"cache\"} 0\n"
        "mlx_service_up{host=\"studio\",service=\"sampler\"} 1\n"
        "# HELP mlx_alert_firing 1 when firing: firing or resolved\n"
        "# TYPE mlx_alert_firing gauge\n"
        "mlx_alert_firing{host=\"studio\",rule=\"hot\"} 1\n"
        "# EOF\n");
    mlx_overview_destroy(&overview);
}

static void older_format_names_counters_whole(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put_machine(overview);
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_TEXT);
    assert_non_null(strstr(text, "# TYPE mlx_requests_total counter\nmlx_requests_total{"));
    assert_non_null(strstr(text, "# TYPE mlx_model_loaded_info gauge\nmlx_model_loaded_info{"));
    assert_null(strstr(text, " info\n"));
    mlx_overview_destroy(&overview);
}

static void asks_decide_the_format(void **state)
{
    (void)state;
    assert_int_equal(mlx_openmetrics_negotiate(NULL), MLX_METRICS_TEXT);
    assert_int_equal(mlx_openmetrics_negotiate("*/*"), MLX_METRICS_TEXT);
    assert_int_equal(mlx_openmetrics_negotiate("application/openmetrics-text;version=1.0.0,*/*"),
                     MLX_METRICS_OPENMETRICS);
    assert_non_null(strstr(mlx_openmetrics_type(MLX_METRICS_OPENMETRICS), "openmetrics-text"));
}

static void hostile_names_stay_inside_their_quotes(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put(overview, "runtime.ollama.local.models",
        "{\"models\":[{\"name\":\"a\\\"} 1\\nmlx_evil 2\\\\\",\"size\":1},"
        "{\"name\":\"nul\\u0007\\t\\r\\u007f\",\"size\":2},{\"name\":\"\xc3\xa9\",\"size\":3}]}");
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_non_null(strstr(text, "model=\"a\\\"} 1\\nmlx_evil 2\\\\\"} 1\n"));
    assert_non_null(strstr(text, "model=\"nul????\"} 2\n"));
    assert_non_null(strstr(text, "model=\"\xc3\xa9\"} 3\n"));
    assert_null(strstr(text, "\nmlx_evil"));
    mlx_overview_destroy(&overview);
}

static void bytes_that_are_no_text_are_replaced(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put_from(overview, "ho\xff\"st", "test", "sensor.memory", 0, "{\"used\":1}");
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_TEXT);
    assert_non_null(strstr(text, "{host=\"ho\xef\xbf\xbd\\\"st\"} 1\n"));
    mlx_overview_destroy(&overview);
}

static void same_series_is_given_once(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put(overview, "runtime.ollama.local.models",
        "{\"models\":[{\"name\":\"m\",\"size\":1},{\"name\":\"m\",\"size\":2},"
        "{\"name\":\"m\",\"quantization\":\"Q8\",\"size\":3}]}");
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_non_null(strstr(text, "model=\"m\"} 1\n"));
    assert_null(strstr(text, "model=\"m\"} 2\n"));
    assert_non_null(strstr(text, "model=\"m\",quantization=\"Q8\"} 3\n"));
    mlx_overview_destroy(&overview);
}

static void list_of_any_length_is_bounded(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t json = {0};
    mlx_buf_puts(&json, "{\"models\":[");
    for (int i = 0; i < 1000; i++)
        mlx_buf_printf(&json, "%s{\"name\":\"m%d\",\"size\":1}", i ? "," : "", i);
    mlx_buf_puts(&json, "]}");
    put(overview, "runtime.ollama.local.models", mlx_buf_str(&json));
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_non_null(strstr(text, "model=\"m255\"} 1\n"));
    assert_null(strstr(text, "model=\"m256\""));
    mlx_overview_destroy(&overview);
}

static void stale_and_wrong_values_are_dropped(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put_from(overview, "studio", "test", "sensor.cpu", MLX_OVERVIEW_STALE_US + 1,
             "{\"utilization\":0.5}");
    put(overview, "sensor.memory", "{\"used\":\"much\",\"total\":null,\"available\":[1]}");
    put(overview, "service.x.health", "{\"errors\":-1,\"state\":3}");
    put(overview, "no.such.topic", "{\"used\":1}");
    MLX_CLEANUP(mlx_free_p) char *text = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_string_equal(text, "# EOF\n");
    mlx_overview_destroy(&overview);
}

static void alert_holds_as_long_as_its_source_lives(void **state)
{
    (void)state;
    mlx_overview_t *overview = mlx_overview_new("studio");
    put_from(overview, "studio", "recorder", "alert.hot", 3600 * 1000000LL,
             "{\"state\":\"firing\"}");
    MLX_CLEANUP(mlx_free_p) char *dead = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_string_equal(dead, "# EOF\n");
    put_from(overview, "other", "recorder", "service.recorder.health", 0, "{}");
    MLX_CLEANUP(mlx_free_p) char *elsewhere = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_string_equal(elsewhere, "# EOF\n");
    put(overview, "service.recorder.health", "{}");
    MLX_CLEANUP(mlx_free_p) char *alive = text_of(overview, MLX_METRICS_OPENMETRICS);
    assert_non_null(strstr(alive, "mlx_alert_firing{host=\"studio\",rule=\"hot\"} 1\n"));
    mlx_overview_destroy(&overview);
}

static void check_families(const mlx_field_t *fields, mlx_value_t *seen)
{
    for (; fields && fields->key; fields++) {
        if (fields->metric) {
            if (mlx_value_get(seen, fields->metric))
                fail_msg("%s stands twice in the catalogue", fields->metric);
            mlx_value_set_bool(seen, fields->metric, true);
            assert_true(fields->kind != MLX_METRIC_NONE);
            assert_true(strspn(fields->metric, "abcdefghijklmnopqrstuvwxyz0123456789_") ==
                        strlen(fields->metric));
            assert_true((fields->kind == MLX_METRIC_STATE) == (fields->is != NULL));
            assert_null(strpbrk(fields->help, "\\\n\""));
        }
        check_families(fields->fields, seen);
    }
}

static void catalogue_is_fit_for_metrics(void **state)
{
    (void)state;
    size_t count;
    const mlx_topic_t *topics = mlx_catalogue_topics(&count);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *seen = mlx_value_map();
    for (size_t i = 0; i < count; i++) {
        size_t segments = 0, labels = topics[i].labels ? 1 : 0;
        for (const char *c = topics[i].pattern; *c; c++)
            segments += *c == '<';
        for (const char *c = topics[i].labels; c && *c; c++)
            labels += *c == ',';
        if (segments != labels)
            fail_msg("%s: %zu segments, %zu labels", topics[i].pattern, segments, labels);
        check_families(topics[i].fields, seen);
    }
    assert_true(mlx_value_size(seen) > 30);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(is_this_text),
        cmocka_unit_test(older_format_names_counters_whole),
        cmocka_unit_test(asks_decide_the_format),
        cmocka_unit_test(hostile_names_stay_inside_their_quotes),
        cmocka_unit_test(bytes_that_are_no_text_are_replaced),
        cmocka_unit_test(same_series_is_given_once),
        cmocka_unit_test(list_of_any_length_is_bounded),
        cmocka_unit_test(stale_and_wrong_values_are_dropped),
        cmocka_unit_test(alert_holds_as_long_as_its_source_lives),
        cmocka_unit_test(catalogue_is_fit_for_metrics),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
