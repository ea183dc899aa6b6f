/*  Back ends on the recorded replies of Ollama, on samples of the others' documented replies, and
 *  on bodies that no server should send. */
#include "common/runtime/runtime.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "proto/buf.h"

static const mlx_runtime_query_t *query(const char *kind, const char *path)
{
    const mlx_runtime_backend_t *backend = mlx_runtime_backend(kind);
    assert_non_null(backend);
    for (size_t i = 0; i < MLX_RUNTIME_QUERIES_MAX && backend->queries[i].path; i++)
        if (!strcmp(backend->queries[i].path, path))
            return &backend->queries[i];
    fail_msg("%s does not ask for %s", kind, path);
    return NULL;
}

static int parse(const char *kind, const char *path, const char *body, mlx_runtime_state_t *state)
{
    mlx_error_t err = {0};
    int rc = query(kind, path)->parse(body, strlen(body), state, &err);
    assert_int_equal(rc != 0, err.text[0] != '\0');
    return rc;
}

static char *fixture(const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("tests/fixtures/%s", name);
    mlx_error_t err = {0};
    char *body = mlx_file_read(path, 1 << 20, NULL, &err);
    if (!body)
        fail_msg("%s", err.text);
    return body;
}

static const char *str(const mlx_value_t *map, const char *key)
{
    const char *s = mlx_value_str(map, key);
    return s ? s : "(absent)";
}

static int64_t num(const mlx_value_t *map, const char *key)
{
    int64_t i = -1;
    mlx_value_int(map, key, &i);
    return i;
}

static void ollama_reads_its_recordings(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    MLX_CLEANUP(mlx_free_p) char *idle = fixture("ollama/ps-idle.json");
    MLX_CLEANUP(mlx_free_p) char *loaded = fixture("ollama/ps-loaded.json");
    MLX_CLEANUP(mlx_free_p) char *forever = fixture("ollama/ps-keepalive-forever.json");
    MLX_CLEANUP(mlx_free_p) char *version = fixture("ollama/version.json");

    assert_int_equal(parse("ollama", "/api/ps", loaded, &s), 0);
    assert_int_equal(mlx_value_size(s.models), 1);
    const mlx_value_t *m = mlx_value_at(s.models, 0);
    assert_string_equal(str(m, "name"), "tiny-random:latest");
    assert_string_equal(str(m, "digest"),
                        "7338d06a0c1c4df9622f7675b1aa413ccfd75a9668bfa57fa3db68bbdf366835");
    assert_int_equal(num(m, "size"), 23561501);
    assert_int_equal(num(m, "vram"), 0);
    assert_int_equal(num(m, "context"), 2048);
    assert_string_equal(str(m, "quantization"), "F16");
    assert_string_equal(str(m, "parameter_size"), "3.44M");
    assert_string_equal(str(m, "family"), "llama");
    assert_string_equal(str(m, "format"), "gguf");
    /*  date -u -d 2026-11-23T19:09:22 +%s */
    assert_int_equal(num(m, "expires_at"), 1795460962006980);

    assert_int_equal(parse("ollama", "/api/ps", forever, &s), 0);
    assert_int_equal(num(mlx_value_at(s.models, 0), "expires_at"), -1);
    assert_int_equal(parse("ollama", "/api/ps", idle, &s), 0);
    assert_int_equal(mlx_value_size(s.models), 0);
    assert_non_null(s.models);
    assert_int_equal(parse("ollama", "/api/ps", "{\"models\":null}", &s), 0);
    assert_int_equal(parse("ollama", "/api/version", version, &s), 0);
    assert_string_equal(s.version, "0.32.15");
}

static void ollama_reads_times_with_a_zone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t us;
    } cases[] = {
        {"2026-11-23T20:09:22.5+01:00", 1795460962500000},
        {"2026-11-23T15:39:22-03:30", 1795460962000000},
        {"0001-01-01T00:00:00Z", -1},
        {"2318-01-01T00:00:00Z", -1},
        {"yesterday", -1},
        {"2026-11-23T20:09:22", -1},
        {"2026-11-23T20:09:22+x", -1},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
        MLX_CLEANUP(mlx_free_p)
        char *body =
            mlx_format("{\"models\":[{\"model\":\"m\",\"expires_at\":\"%s\"}]}", cases[i].text);
        assert_int_equal(parse("ollama", "/api/ps", body, &s), 0);
        assert_int_equal(num(mlx_value_at(s.models, 0), "expires_at"), cases[i].us);
    }
}

static void llamacpp_reads_models_and_props(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    MLX_CLEANUP(mlx_free_p) char *models = fixture("llama-server/v1-models.json");
    assert_int_equal(parse("llamacpp", "/v1/models", models, &s), 0);
    assert_int_equal(mlx_value_size(s.models), 1);
    const mlx_value_t *m = mlx_value_at(s.models, 0);
    assert_string_equal(str(m, "name"), "SmolLM2-135M-Instruct.Q4_1.gguf");
    assert_string_equal(str(m, "quantization"), "Q4_1");
    assert_string_equal(str(m, "parameter_size"), "134.52M");
    assert_int_equal(num(m, "size"), 96576768);
    assert_int_equal(num(m, "context"), 2048);

    /*  An older one says less of its model, and the context in /props only. */
    static const char older[] = "{\"data\":[{\"id\":\"my-model\",\"owned_by\":\"llamacpp\","
                                "\"meta\":{\"n_params\":7600000000}}]}";
    MLX_CLEANUP(mlx_free_p) char *props = fixture("ollama/runner/props.json");
    assert_int_equal(parse("llamacpp", "/v1/models", older, &s), 0);
    assert_int_equal(parse("llamacpp", "/props", props, &s), 0);
    assert_string_equal(s.version, "b11669-Debian");
    m = mlx_value_at(s.models, 0);
    assert_string_equal(str(m, "name"), "my-model");
    assert_string_equal(str(m, "parameter_size"), "7.6B");
    assert_int_equal(num(m, "context"), 2048);
}

static void llamacpp_reads_slots(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    MLX_CLEANUP(mlx_free_p) char *fresh = fixture("llama-server/slots-fresh.json");
    MLX_CLEANUP(mlx_free_p) char *busy = fixture("llama-server/slots-busy.json");
    assert_int_equal(parse("llamacpp", "/slots", fresh, &s), 0);
    assert_true(s.has_slots && s.slots.count == 1 && !s.slots.slots[0].processing);
    assert_int_equal(s.slots.slots[0].task, -1);
    assert_int_equal(parse("llamacpp", "/slots", busy, &s), 0);
    assert_true(s.slots.slots[0].processing && s.slots.slots[0].decoded > 0);
    assert_int_equal(s.slots.slots[0].task, 67);
    assert_int_equal(s.slots.slots[0].prompt_cached, 31);
    assert_int_equal(parse("llamacpp", "/slots", "{\"error\":1}", &s), -1);
    assert_false(s.has_slots);
}

static void llamacpp_reads_metrics(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    MLX_CLEANUP(mlx_free_p) char *metrics = fixture("llama-server/metrics-busy.txt");
    assert_int_equal(parse("llamacpp", "/metrics", metrics, &s), 0);
    assert_true(s.counters.tokens_total == 60 && s.counters.prompt_tokens_total == 37);
    assert_true(s.counters.tokens_seconds == 0.45882 && s.counters.running == 1);
    assert_true(s.counters.prompt_tokens_seconds == 0.161306 && isnan(s.counters.ttft_sum));
    assert_int_equal(parse("llamacpp", "/metrics", "<html>", &s), -1);
    assert_false(s.has_counters);
}

static void vllm_reads_its_counters(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    static const char metrics[] =
        "vllm:num_requests_running{engine=\"0\",model_name=\"m\"} 3.0\n"
        "vllm:num_requests_running{engine=\"1\",model_name=\"m\"} 1.0\n"
        "vllm:generation_tokens_total{engine=\"0\",model_name=\"m\"} 1.2e+06\n"
        "vllm:generation_tokens_total{engine=\"1\",model_name=\"m\"} 5\n"
        "vllm:prompt_tokens_total{engine=\"0\",model_name=\"m\"} 77\n"
        "vllm:request_success_total{finished_reason=\"stop\",model_name=\"m\"} 10\n"
        "vllm:request_success_total{finished_reason=\"error\",model_name=\"m\"} 2\n"
        "vllm:time_to_first_token_seconds_bucket{le=\"0.1\",model_name=\"m\"} 4\n"
        "vllm:time_to_first_token_seconds_sum{model_name=\"m\"} 1.5\n"
        "vllm:time_to_first_token_seconds_count{model_name=\"m\"} 12\n"
        "vllm:request_generation_tokens_bucket{le=\"1.0\",model_name=\"m\"} 3\n"
        "vllm:request_generation_tokens_sum{engine=\"0\",model_name=\"m\"} 400\n"
        "vllm:request_generation_tokens_sum{engine=\"1\",model_name=\"m\"} 5\n"
        "vllm:request_prompt_tokens_sum{model_name=\"m\"} 70\n"
        "vllm:e2e_request_latency_seconds_sum{model_name=\"m\"} 8.5\n"
        "vllm:request_queue_time_seconds_sum{model_name=\"m\"} 0.25\n"
        "vllm:request_decode_time_seconds_sum{model_name=\"m\"} 6\n";
    assert_int_equal(parse("vllm", "/metrics", metrics, &s), 0);
    assert_true(s.counters.running == 4 && s.counters.tokens_total == 1200005);
    assert_true(s.counters.prompt_tokens_total == 77);
    assert_true(s.counters.requests_total == 12 && s.counters.errors_total == 2);
    assert_true(s.counters.ttft_sum == 1.5 && s.counters.ttft_count == 12);
    assert_true(s.counters.ended_tokens == 405 && s.counters.ended_prompt_tokens == 70);
    assert_true(s.counters.ended_seconds == 8.5 && s.counters.queue_sum == 0.25);
    assert_true(s.counters.ended_decode_seconds == 6 && isnan(s.counters.tokens_seconds));
    assert_int_equal(parse("vllm", "/metrics", "python_gc_objects_total 3\n", &s), -1);
    assert_int_equal(parse("vllm", "/v1/models",
                           "{\"data\":[{\"id\":\"org/m\",\"owned_by\":\"vllm\",\"max_model_len\":"
                           "4096},{\"id\":7}]}",
                           &s),
                     0);
    assert_int_equal(mlx_value_size(s.models), 1);
    assert_int_equal(num(mlx_value_at(s.models, 0), "context"), 4096);
    assert_int_equal(parse("vllm", "/version", "{\"version\":\"0.11.0\"}", &s), 0);
    assert_string_equal(s.version, "0.11.0");
}

static const char *claimed_by(const char *path, const char *body)
{
    size_t count;
    const mlx_runtime_backend_t *const *all = mlx_runtime_backends(&count);
    for (size_t i = 0; i < count; i++)
        if (!strcmp(all[i]->probe_path, path) &&
            all[i]->claims(&(mlx_runtime_answer_t){path, 200, body, strlen(body), ""}))
            return all[i]->kind;
    return "nobody";
}

static void each_kind_knows_its_own(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_free_p) char *ps = fixture("ollama/ps-loaded.json");
    MLX_CLEANUP(mlx_free_p) char *v1 = fixture("ollama/v1-models.json");
    MLX_CLEANUP(mlx_free_p) char *llama = fixture("llama-server/v1-models.json");
    MLX_CLEANUP(mlx_free_p) char *mlx = fixture("mlx_lm/v1-models.json");
    assert_string_equal(claimed_by("/v1/models", llama), "llamacpp");
    assert_string_equal(claimed_by("/v1/models", mlx), "openai");
    assert_string_equal(claimed_by("/api/ps", ps), "ollama");
    assert_string_equal(claimed_by("/api/ps", "{\"version\":\"1\"}"), "nobody");
    assert_string_equal(claimed_by("/v1/models", v1), "openai");
    assert_string_equal(
        claimed_by("/v1/models", "{\"data\":[{\"id\":\"a\",\"owned_by\":\"vllm\"}]}"), "vllm");
    assert_string_equal(claimed_by("/v1/models", "{\"data\":[]}"), "openai");
    assert_string_equal(claimed_by("/v1/models", "<html>"), "nobody");
    assert_string_equal(claimed_by("/v1/models", "{}"), "nobody");
}

static void names_are_cut_and_cleaned(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t body = {0};
    mlx_buf_puts(&body, "{\"data\":[{\"id\":\"a\\u001b[31m\\u007f");
    for (int i = 0; i < 1000; i++)
        mlx_buf_puts(&body, "\xc3\xa9");
    mlx_buf_puts(&body, "\"}]}");
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    assert_int_equal(parse("openai", "/v1/models", body.data, &s), 0);
    const char *name = str(mlx_value_at(s.models, 0), "name");
    assert_memory_equal(name, "a?[31m?\xc3\xa9", 9);
    size_t len = strlen(name);
    assert_true(len < MLX_RUNTIME_TEXT_MAX && len >= MLX_RUNTIME_TEXT_MAX - 2);
    assert_memory_equal(name + len - 2, "\xc3\xa9", 2);
}

static void long_lists_are_cut(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t ps = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t v1 = {0};
    for (int i = 0; i < 3000; i++) {
        mlx_buf_printf(&ps, "%s{\"name\":\"m%d\"}", i ? "," : "{\"models\":[", i);
        mlx_buf_printf(&v1, "%s{\"id\":\"m%d\"}", i ? "," : "{\"data\":[", i);
    }
    mlx_buf_puts(&ps, "]}");
    mlx_buf_puts(&v1, "]}");
    static const char *const v1_kinds[] = {"llamacpp", "vllm", "openai"};
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    assert_int_equal(parse("ollama", "/api/ps", ps.data, &s), 0);
    assert_int_equal(mlx_value_size(s.models), MLX_RUNTIME_MODELS_MAX);
    for (size_t i = 0; i < MLX_COUNT(v1_kinds); i++) {
        assert_int_equal(parse(v1_kinds[i], "/v1/models", v1.data, &s), 0);
        bool lists_all = mlx_runtime_backend(v1_kinds[i])->lists_all;
        assert_int_equal(mlx_value_size(lists_all ? s.available : s.models),
                         MLX_RUNTIME_MODELS_MAX);
    }
}

/*  Every parser of every kind, on every body that it should survive: an error with a text, or a
 *  state without what was wrong. */
static void survives_hostile_bodies(void **state)
{
    (void)state;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t deep = {0};
    for (int i = 0; i < 200000; i++)
        mlx_buf_puts(&deep, "{\"models\":[");
    const char *const bodies[] = {
        "",
        "\x00\xff\xfe garbage",
        "null",
        "[]",
        "7",
        "\"text\"",
        "{\"models\":[{\"name\":\"half",
        "{\"models\":7,\"data\":7,\"version\":7}",
        "{\"models\":[null,7,[],{}],\"data\":[null,7,[],{}]}",
        "{\"models\":[{\"name\":\"m\",\"size\":-5,\"details\":[],\"expires_at\":7,"
        "\"context_length\":1e300,\"size_vram\":\"x\"}],\"version\":{}}",
        "{\"data\":[{\"id\":\"m\",\"meta\":7,\"owned_by\":[]}]}",
        "<!DOCTYPE html><html><body>It works!</body></html>",
        "{\"models\":[],\"models\":[]}",
        deep.data,
    };
    size_t count;
    const mlx_runtime_backend_t *const *all = mlx_runtime_backends(&count);
    for (size_t b = 0; b < MLX_COUNT(bodies); b++)
        for (size_t k = 0; k < count; k++) {
            all[k]->claims(
                &(mlx_runtime_answer_t){all[k]->probe_path, 200, bodies[b], strlen(bodies[b]), ""});
            for (const mlx_runtime_query_t *q = all[k]->queries;
                 q < all[k]->queries + MLX_RUNTIME_QUERIES_MAX && q->path; q++) {
                MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
                parse(all[k]->kind, q->path, bodies[b], &s);
            }
        }
    MLX_CLEANUP(mlx_runtime_clear) mlx_runtime_state_t s = {.models = NULL};
    assert_int_equal(parse("ollama", "/api/ps", bodies[9], &s), 0);
    const mlx_value_t *m = mlx_value_at(s.models, 0);
    assert_int_equal(mlx_value_size(m), 1); /* the name, and nothing made up */
}

static void an_unknown_kind_is_none(void **state)
{
    (void)state;
    assert_null(mlx_runtime_backend("nosuch"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ollama_reads_its_recordings),
        cmocka_unit_test(ollama_reads_times_with_a_zone),
        cmocka_unit_test(llamacpp_reads_models_and_props),
        cmocka_unit_test(llamacpp_reads_slots),
        cmocka_unit_test(llamacpp_reads_metrics),
        cmocka_unit_test(vllm_reads_its_counters),
        cmocka_unit_test(each_kind_knows_its_own),
        cmocka_unit_test(names_are_cut_and_cleaned),
        cmocka_unit_test(long_lists_are_cut),
        cmocka_unit_test(survives_hostile_bodies),
        cmocka_unit_test(an_unknown_kind_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
