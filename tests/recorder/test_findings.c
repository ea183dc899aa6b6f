/*  Each rule: a case in which it must speak, and a healthy one beside it in which it must not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "proto/catalogue.h"
#include "services/recorder/findings.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define T0 INT64_C(1795000000000000)

typedef struct {
    mlx_findings_t *findings;
    int64_t now;
    mlx_buf_t told; /* "rule state: summary; remedy" lines */
} rig_t;

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    rig_t *rig = arg;
    mlx_error_t err = {0};
    if (mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    mlx_buf_printf(&rig->told, "%s %s: %s; %s\n", topic + strlen("finding."),
                   mlx_value_str(d, "state"), mlx_value_str(d, "summary"),
                   mlx_value_str(d, "remedy"));
}

static int setup(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    rig->now = T0;
    rig->findings = mlx_findings_new(&(mlx_findings_hooks_t){.publish = publish, .arg = rig});
    *state = rig;
    return 0;
}

static int teardown(void **state)
{
    rig_t *rig = *state;
    mlx_findings_destroy(&rig->findings);
    mlx_buf_clear(&rig->told);
    mlx_free_p(&rig);
    return 0;
}

/*  JSON, of which "$" stands for the time now in microseconds. */
static void say(rig_t *rig, const char *topic, const char *json)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    char name[200];
    mlx_error_t err = {0};
    for (; *json; json++)
        if (*json == '$')
            mlx_buf_printf(&text, "%lld", (long long)rig->now);
        else
            mlx_buf_putc(&text, *json);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_json_parse(text.data, text.len, &err);
    if (!d || mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    snprintf(name, sizeof name, "%s", topic);
    mlx_message_t message = {.topic = name, .t = rig->now, .d = d};
    mlx_findings_message(rig->findings, &message);
}

typedef struct {
    const char *topic, *json;
} line_t;

/*  The lines again every five seconds, as their services would. */
static void pass(rig_t *rig, const line_t *lines, int64_t us)
{
    for (int64_t end = rig->now + us; rig->now < end; rig->now += 5 * SECOND) {
        for (const line_t *line = lines; line->topic; line++)
            say(rig, line->topic, line->json);
        mlx_findings_tick(rig->findings, rig->now);
    }
}

#define OLLAMA "runtime.ollama.here."
#define LLAMA "runtime.llamacpp.there."
#define LOADED(name, more)                                                                         \
    "{\"reachable\":true,\"kind\":\"ollama\",\"url\":\"http://"                                    \
    "here\",\"models\":[{\"name\":\"" name "\"," more "}]}"
#define NOTHING "{\"reachable\":true,\"kind\":\"ollama\",\"url\":\"http://here\",\"models\":[]}"
#define WHOLE "\"size\":9000000000,\"vram\":9000000000,\"context\":4096"
#define LAST(more)                                                                                 \
    "{\"busy\":false,\"model\":\"m:1b\",\"last\":{\"model\":\"m:1b\",\"t\":$," more "}}"

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
        RUN(a_healthy_day_gives_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
