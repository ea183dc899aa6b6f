/*  Each rule: a case in which it must speak, and a healthy one beside it in which it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "finding_rig.h"

typedef struct {
    const char *rule;
    line_t sick[4], healthy[4];
    int minutes;
    const char *says; /* part of what is told */
} case_t;

static const case_t cases[] = {
    {.rule = "prompt_truncated",
     .sick = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
              {OLLAMA "activity", LAST("\"prompt_tokens\":4096,\"tokens\":20")}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                 {OLLAMA "activity", LAST("\"prompt_tokens\":2000,\"tokens\":900")}},
     .minutes = 1,
     .says = "its 4096 tokens are the whole context of 4096; load it with more context"},
    {.rule = "prompt_truncated", /* the server's log tells how long it was */
     .sick = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
              {OLLAMA "activity", "{\"busy\":false,\"cut\":{\"t\":$,\"asked\":16000,"
                                  "\"kept\":4096}}"}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, /* that was another model's */
                 {OLLAMA "activity", "{\"busy\":false,\"cut\":{\"t\":$,\"asked\":16000,"
                                     "\"kept\":8192}}"}},
     .minutes = 1,
     .says = "m:1b: a prompt was cut to 4096 of its 16000 tokens: its context is 4096; load it "
             "with more context: OLLAMA_CONTEXT_LENGTH=20480 ollama serve"},
    {.rule = "context_full", /* clients leave ":latest" out */
     .sick = {{OLLAMA "models", LOADED("m:1b:latest", WHOLE)},
              {OLLAMA "activity", LAST("\"prompt_tokens\":3000,\"tokens\":800")}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                 {OLLAMA "activity", LAST("\"prompt_tokens\":3000,\"tokens\":200")}},
     .minutes = 1,
     .says = "took 3800 of the 4096 tokens"},
    {.rule = "cpu_layers",
     .sick = {{"sensor.gpu.0", "{\"memory_total\":8000000000,\"memory_used\":7500000000}"},
              {OLLAMA "models",
               LOADED("m:1b", "\"size\":9000000000,\"vram\":4900000000,\"context\":8192")}},
     .healthy = {{"sensor.gpu.0", "{\"memory_total\":16000000000,\"memory_used\":9500000000}"},
                 {OLLAMA "models", LOADED("m:1b", WHOLE)}},
     .minutes = 1,
     .says = "4.1 GB of its 9.0 GB are not on the GPU (of 8.0 GB)"},
    {.rule = "cpu_layers", /* without a GPU the processor is where layers belong */
     .sick = {{"sensor.gpu.0", "{\"memory_total\":8000000000}"},
              {OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":0")}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":0")}},
     .minutes = 1,
     .says = "9.0 GB of its 9.0 GB"},
    {.rule = "throttled",
     .sick = {{"sensor.gpu.0", "{\"temperature\":92,\"throttle\":[\"hw_thermal_slowdown\"]}"},
              {OLLAMA "activity", "{\"busy\":true,\"model\":\"m:1b\"}"}},
     .healthy = {{"sensor.gpu.0", "{\"temperature\":60,\"throttle\":[\"applications_clocks\"]}"},
                 {OLLAMA "activity", "{\"busy\":true,\"model\":\"m:1b\"}"}},
     .minutes = 1,
     .says = "GPU 0 is throttled while it generates: hw_thermal_slowdown, 92 degrees"},
    {.rule = "throttled", /* a card that has nothing to do may rest as it likes */
     .sick = {{"sensor.gpu.1",
               "{\"power\":99,\"power_limit\":100,\"throttle\":[\"sw_power_cap\"]}"},
              {OLLAMA "activity", "{\"busy\":true}"}},
     .healthy = {{"sensor.gpu.1", "{\"power\":9,\"throttle\":[\"sw_power_cap\"]}"},
                 {OLLAMA "activity", "{\"busy\":false}"}},
     .minutes = 1,
     .says = "sw_power_cap, 99 of 100 W"},
    {.rule = "throttled",
     .sick = {{"sensor.temperature", "{\"thermal_state\":\"heavy\"}"},
              {OLLAMA "activity", "{\"busy\":true}"}},
     .healthy = {{"sensor.temperature", "{\"thermal_state\":\"nominal\"}"},
                 {OLLAMA "activity", "{\"busy\":true}"}},
     .minutes = 1,
     .says = "the machine is hot (heavy)"},
    {.rule = "queueing", /* 6 s to the first token, of which the prompt took 0.5 s */
     .sick = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
              {OLLAMA "activity",
               LAST("\"ttft\":6,\"prompt_tokens\":500,\"prompt_tokens_per_second\":1000")}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                 {OLLAMA "activity",
                  LAST("\"ttft\":6,\"prompt_tokens\":3500,\"prompt_tokens_per_second\":600")}},
     .minutes = 1,
     .says = "waited for their turn in 10 minutes, up to 5.5 s"},
    {.rule = "idle_model",
     .sick = {{"sensor.gpu.0", "{\"memory_total\":10000000000,\"memory_used\":9500000000}"},
              {OLLAMA "models", LOADED("m:1b", WHOLE)}},
     .healthy = {{"sensor.gpu.0", "{\"memory_total\":48000000000,\"memory_used\":9500000000}"},
                 {OLLAMA "models", LOADED("m:1b", WHOLE)}},
     .minutes = 33,
     .says = "holds 9.0 GB of 10.0 GB of GPU memory and was not used for 3"},
    {.rule = "two_copies",
     .sick = {{OLLAMA "models", LOADED("org/M-1b:latest", WHOLE)},
              {LLAMA "models", LOADED("m-1b.gguf", WHOLE)}},
     .healthy = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {LLAMA "models", LOADED("m:7b", WHOLE)}},
     .minutes = 1,
     .says = "is loaded twice"},
};

static void each_rule_speaks_and_is_silent(void **state)
{
    rig_t *rig = *state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        const case_t *c = &cases[i];
        MLX_CLEANUP(mlx_free_p) char *begin = mlx_format("%s firing: ", c->rule);
        mlx_buf_reset(&rig->told);
        pass(rig, c->healthy, c->minutes * MINUTE);
        if (strstr(mlx_buf_str(&rig->told), c->rule))
            fail_msg("case %zu: %s", i, mlx_buf_str(&rig->told));
        pass(rig, c->sick, c->minutes * MINUTE);
        const char *told = mlx_buf_str(&rig->told);
        if (!strstr(told, begin) || !strstr(told, c->says))
            fail_msg("case %zu: no %s in %s", i, begin, told);
        teardown(state);
        setup(state);
        rig = *state;
    }
}

static void swap_counts_since_the_load(void **state)
{
    rig_t *rig = *state;
    const line_t before[] = {
        {"sensor.memory", "{\"swap_used\":3000000000}"}, {OLLAMA "models", NOTHING}, {NULL, NULL}};
    const line_t quiet[] = {{"sensor.memory", "{\"swap_used\":3100000000}"},
                            {OLLAMA "models", LOADED("m:1b", WHOLE)},
                            {NULL, NULL}};
    const line_t sick[] = {{"sensor.memory", "{\"swap_used\":5100000000}"},
                           {OLLAMA "models", LOADED("m:1b", WHOLE)},
                           {NULL, NULL}};
    pass(rig, before, MINUTE);
    pass(rig, quiet, 5 * MINUTE);
    assert_string_equal(mlx_buf_str(&rig->told), "");
    pass(rig, sick, MINUTE);
    assert_non_null(
        strstr(mlx_buf_str(&rig->told), "swap grew by 2.0 GB since m:1b was loaded, 5"));
    assert_non_null(strstr(mlx_buf_str(&rig->told), "ollama stop m:1b"));
    mlx_buf_reset(&rig->told);
    pass(rig, before, MINUTE);
    assert_non_null(strstr(mlx_buf_str(&rig->told), "swapping resolved"));
}

/*  TIMES loads, each for three minutes; WIDE: every other one with more context. */
static void load_often(rig_t *rig, int times, bool wide)
{
    static const line_t nothing[] = {{OLLAMA "models", NOTHING}, {NULL, NULL}};
    static const line_t narrow_list[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {NULL, NULL}};
    static const line_t wide_list[] = {
        {OLLAMA "models",
         LOADED("m:1b", "\"size\":9000000000,\"vram\":9000000000,\"context\":16384")},
        {NULL, NULL}};
    pass(rig, nothing, MINUTE);
    for (int i = 0; i < times; i++) {
        pass(rig, wide && i % 2 ? wide_list : narrow_list, 3 * MINUTE);
        if (!wide)
            pass(rig, nothing, MINUTE);
    }
}

static void loads_are_counted(void **state)
{
    rig_t *rig = *state;
    load_often(rig, 3, false);
    assert_string_equal(mlx_buf_str(&rig->told), "");
    load_often(rig, 2, false);
    assert_non_null(strstr(mlx_buf_str(&rig->told), "m:1b was loaded 4 times in an hour; keep it"));
    teardown(state);
    setup(state);
    rig = *state;
    load_often(rig, 4, true);
    assert_non_null(strstr(mlx_buf_str(&rig->told), "contexts of 4096 and 16384 tokens"));
}

/* ---- drawn from requests ---- */

/*  A request of COUNT seconds that ends now, told as a server's log or the tap tell it. */
static void ask(rig_t *rig, int seconds, const char *more)
{
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("{\"start\":%lld,\"end\":$,\"model\":\"m:1b\",\"outcome\":\"ok\",%s}",
                            (long long)(rig->now - seconds * SECOND), more);
    say(rig, OLLAMA "request", json);
    mlx_findings_tick(rig->findings, rig->now);
}

/*  COUNT prompts of one conversation that grows by EACH tokens, of which CACHED were known. */
static void talk(rig_t *rig, int count, int each, int cached)
{
    for (int i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *json = mlx_format("\"client\":\"editor\",\"prompt_tokens\":%d,\"tokens\":%d,"
                                "\"cached_tokens\":%d",
                                4000 + i * each, each / 2, i ? cached : 0);
        rig->now += MINUTE;
        ask(rig, 5, json);
    }
}

static void a_broken_prompt_cache_is_found(void **state)
{
    static const line_t list[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {NULL, NULL}};
    rig_t *rig = *state;
    pass(rig, list, MINUTE);
    talk(rig, 12, 300, 3900); /* healthy: what was there before is found */
    talk(rig, 5, 300, 2600);  /* and so is more than half of it */
    talk(rig, 3, 300, 212);   /* two in a row may happen */
    talk(rig, 6, 3000, 212);  /* documents, each longer than the one before: no conversation */
    assert_string_equal(mlx_buf_str(&rig->told), "");
    talk(rig, 4, 300, 212);
    const char *told = mlx_buf_str(&rig->told);
    assert_non_null(strstr(told,
                           "prompt_cache firing: m:1b: the prompt cache is broken at token 212: "
                           "3 requests in a row of editor were read again from there, 12264"));
    assert_non_null(strstr(told, "mlxctl requests --client editor"));
}

/*  One load of a model of 9 GB that took SECONDS, in which another request ended or not. */
static void load_for(rig_t *rig, int seconds, bool queued)
{
    static const line_t nothing[] = {{OLLAMA "models", NOTHING}, {NULL, NULL}};
    static const line_t list[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {NULL, NULL}};
    pass(rig, nothing, MINUTE);
    rig->now += seconds * SECOND;
    say(rig, list[0].topic, list[0].json);
    rig->now += 2 * SECOND;
    if (queued)
        ask(rig, 3, "\"client\":\"other\"");
    MLX_CLEANUP(mlx_free_p)
    char *json = mlx_format("\"client\":\"curl\",\"load\":%d", seconds);
    ask(rig, seconds + 4, json);
    pass(rig, list, MINUTE);
}

static void a_slow_disk_is_found(void **state)
{
    rig_t *rig = *state;
    load_for(rig, 32, false); /* 281 MB/s */
    load_for(rig, 60, true);  /* perhaps it waited for the other one */
    assert_string_equal(mlx_buf_str(&rig->told), "");
    load_for(rig, 42, false);
    assert_non_null(
        strstr(mlx_buf_str(&rig->told), "slow_load firing: m:1b took 42 s to load: 9.0 GB at 214"));
    assert_non_null(strstr(mlx_buf_str(&rig->told), "mlxctl pin m:1b"));
}

#define KIND(quantization, bytes)                                                                  \
    LOADED("m:1b", "\"size\":" bytes ",\"vram\":" bytes ",\"family\":\"qwen3\","                   \
                   "\"parameter_size\":\"8.2B\",\"quantization\":\"" quantization "\"")

/*  COUNT replies at RATE of the model as LIST tells it. */
static void reply(rig_t *rig, const char *list, int count, double rate)
{
    const line_t lines[] = {{OLLAMA "models", NOTHING}, {NULL, NULL}};
    const line_t loaded[] = {{OLLAMA "models", list}, {NULL, NULL}};
    pass(rig, lines, MINUTE);
    for (int i = 0; i < count; i++) {
        MLX_CLEANUP(mlx_free_p)
        char *json = mlx_format("\"client\":\"curl\",\"tokens\":200,\"tokens_per_second\":%.2f",
                                rate * (1 + 0.03 * (i % 3 - 1)));
        pass(rig, loaded, 10 * MINUTE);
        ask(rig, 5, json);
    }
}

static void a_slow_quantization_is_found(void **state)
{
    rig_t *rig = *state;
    reply(rig, KIND("Q4_K_M", "5000000000"), 6, 34);
    reply(rig, KIND("Q3_K_S", "4000000000"), 6, 30);  /* a little slower: within what varies */
    reply(rig, KIND("IQ2_XXS", "3100000000"), 4, 21); /* four are not enough */
    reply(rig, KIND("Q8_0", "8700000000"), 6, 20);    /* bigger is slower: as it must be */
    assert_string_equal(mlx_buf_str(&rig->told), "");
    reply(rig, KIND("IQ2_XXS", "3100000000"), 6, 21);
    assert_non_null(strstr(mlx_buf_str(&rig->told),
                           "this GPU is slow at IQ2_XXS: m:1b makes 20.4 tok/s with 3.1 GB, m:1b "
                           "34.0 with 5.0 GB of the same qwen3 8.2B; use Q4_K_M"));
}

#define SERVER(kind, version)                                                                      \
    "{\"reachable\":true,\"kind\":\"" kind "\",\"url\":\"http://here\",\"models\":[],"             \
    "\"version\":\"" version "\"}"

static void an_old_server_is_found(void **state)
{
    static const line_t good[] = {{OLLAMA "models", SERVER("ollama", "0.17.1")},
                                  {LLAMA "models", SERVER("llamacpp", "b5662-cc66a7f")},
                                  {NULL, NULL}};
    static const line_t unknown[] = {{OLLAMA "models", SERVER("ollama", "0.0.0")},
                                     {LLAMA "models", SERVER("llamacpp", "b0-unknown")},
                                     {NULL, NULL}};
    static const line_t old[] = {{OLLAMA "models", SERVER("ollama", "0.17.0")}, {NULL, NULL}};
    static const line_t older[] = {{LLAMA "models", SERVER("llamacpp", "b5661")}, {NULL, NULL}};
    rig_t *rig = *state;
    pass(rig, good, 3 * MINUTE);
    pass(rig, unknown, 3 * MINUTE);
    assert_string_equal(mlx_buf_str(&rig->told), "");
    pass(rig, old, 3 * MINUTE);
    assert_non_null(strstr(mlx_buf_str(&rig->told), "ollama at http://here is 0.17.0, older than "
                                                    "0.17.1: a crafted GGUF"));
    pass(rig, older, 3 * MINUTE);
    assert_non_null(strstr(mlx_buf_str(&rig->told), "is b5661, older than b5662"));
}

/*  Which client asks for which context. */
static void who_reloads_is_named(void **state)
{
    static const line_t wide[] = {
        {OLLAMA "models",
         LOADED("m:1b", "\"size\":9000000000,\"vram\":9000000000,\"context\":16384")},
        {NULL, NULL}};
    static const line_t narrow[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {NULL, NULL}};
    rig_t *rig = *state;
    pass(rig, narrow, MINUTE);
    for (int i = 0; i < 5; i++) {
        pass(rig, i % 2 ? narrow : wide, MINUTE);
        ask(rig, 62, i % 2 ? "\"client\":\"curl\",\"load\":2" : "\"client\":\"editor\",\"load\":2");
    }
    assert_non_null(
        strstr(mlx_buf_str(&rig->told), "contexts of 4096 (curl) and 16384 (editor) tokens"));
}

/*  A working day: requests every minute, one load in the morning, nothing wrong. */
static void a_healthy_day_gives_none(void **state)
{
    rig_t *rig = *state;
    const line_t day[] = {
        {"sensor.gpu.0", "{\"memory_total\":24000000000,\"memory_used\":21000000000,"
                         "\"temperature\":71,\"utilization\":0.9,\"throttle\":[]}"},
        {"sensor.memory", "{\"swap_used\":200000000}"},
        {"sensor.temperature", "{\"thermal_state\":\"nominal\"}"},
        {OLLAMA "models", LOADED("m:1b", WHOLE)},
        {OLLAMA "activity",
         "{\"busy\":true,\"model\":\"m:1b\",\"requests\":1,\"last\":{\"model\":\"m:1b\",\"t\":$,"
         "\"prompt_tokens\":1200,\"tokens\":300,\"ttft\":1.3,"
         "\"prompt_tokens_per_second\":1000}}"},
        {NULL, NULL}};
    pass(rig, day, 8 * 60 * MINUTE);
    assert_string_equal(mlx_buf_str(&rig->told), "");
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUN(each_rule_speaks_and_is_silent),
        RUN(swap_counts_since_the_load),
        RUN(loads_are_counted),
        RUN(a_broken_prompt_cache_is_found),
        RUN(a_slow_disk_is_found),
        RUN(a_slow_quantization_is_found),
        RUN(an_old_server_is_found),
        RUN(who_reloads_is_named),
        RUN(a_healthy_day_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
