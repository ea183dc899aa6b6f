/*  Each rule at its threshold: just below it says nothing, just above it speaks. And what must not
 *  make it speak: evidence that is missing or old, a clock that was set, a state that comes and
 *  goes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "finding_rig.h"

#define GPU "sensor.gpu.0"
#define BUSY "{\"busy\":true,\"model\":\"m:1b\"}"
#define WAIT(ttft, tokens)                                                                         \
    LAST("\"ttft\":" ttft ",\"prompt_tokens\":" tokens ",\"prompt_tokens_per_second\":1000")
#define CARD(used) "{\"memory_total\":10000000000,\"memory_used\":" used "}"
#define HOT(word) "{\"vendor\":\"amd\",\"throttle\":[\"" word "\"]}"

typedef struct {
    const char *rule;
    line_t below[4], above[4];
    int seconds;
} edge_t;

static const edge_t edges[] = {
    {"prompt_truncated",
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", LAST("\"prompt_tokens\":4094,\"tokens\":1")}},
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", LAST("\"prompt_tokens\":4095,\"tokens\":1")}},
     30},
    {"prompt_truncated", /* what is kept is not of this context */
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", "{\"busy\":false,\"cut\":{\"t\":$,\"asked\":9000,\"kept\":2047}}"}},
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", "{\"busy\":false,\"cut\":{\"t\":$,\"asked\":9000,\"kept\":2048}}"}},
     30},
    {"context_full",
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", LAST("\"prompt_tokens\":3000,\"tokens\":686")}},
     {{OLLAMA "models", LOADED("m:1b", WHOLE)},
      {OLLAMA "activity", LAST("\"prompt_tokens\":3000,\"tokens\":687")}},
     30},
    {"cpu_layers", /* bytes: 97 % of 9,000,000,000 */
     {{GPU, CARD("1")},
      {OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":8730000001")}},
     {{GPU, CARD("1")},
      {OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":8729999999")}},
     60},
    {"cpu_layers", /* not for so long */
     {{GPU, CARD("1")}, {OLLAMA "models", LOADED("m:1b", "\"size\":9,\"vram\":9")}},
     {{GPU, CARD("1")}, {OLLAMA "models", LOADED("m:1b", "\"size\":9,\"vram\":8")}},
     25},
    {"throttled", /* the words that the drivers have */
     {{GPU, HOT("application clocks")}, {OLLAMA "activity", BUSY}},
     {{GPU, HOT("temperature")}, {OLLAMA "activity", BUSY}},
     60},
    {"throttled",
     {{GPU, HOT("sync boost")}, {OLLAMA "activity", BUSY}},
     {{GPU, HOT("processor hot")}, {OLLAMA "activity", BUSY}},
     60},
    {"throttled",
     {{GPU, HOT("other")}, {OLLAMA "activity", BUSY}},
     {{GPU, HOT("current")}, {OLLAMA "activity", BUSY}},
     60},
    {"throttled",
     {{"sensor.temperature", "{\"thermal_state\":\"moderate\"}"}, {OLLAMA "activity", BUSY}},
     {{"sensor.temperature", "{\"thermal_state\":\"sleeping\"}"}, {OLLAMA "activity", BUSY}},
     60},
    {"queueing", /* 2 s beyond the prompt's own time */
     {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {OLLAMA "activity", WAIT("2.499", "500")}},
     {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {OLLAMA "activity", WAIT("2.501", "500")}},
     30},
    {"queueing", /* and more than half of the whole */
     {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {OLLAMA "activity", WAIT("8", "4001")}},
     {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {OLLAMA "activity", WAIT("8", "3999")}},
     30},
    {"idle_model", /* a fifth of the memory, of which four fifths are in use */
     {{GPU, CARD("8000000000")},
      {OLLAMA "models", LOADED("m:1b", "\"size\":1999999999,\"vram\":1999999999")}},
     {{GPU, CARD("8000000000")},
      {OLLAMA "models", LOADED("m:1b", "\"size\":2000000000,\"vram\":2000000000")}},
     33 * 60},
    {"idle_model",
     {{GPU, CARD("7999999999")}, {OLLAMA "models", LOADED("m:1b", WHOLE)}},
     {{GPU, CARD("8000000001")}, {OLLAMA "models", LOADED("m:1b", WHOLE)}},
     33 * 60},
};

static size_t times_told(const rig_t *rig, const char *rule, const char *state)
{
    MLX_CLEANUP(mlx_free_p) char *line = mlx_format("%s %s: ", rule, state);
    size_t count = 0;
    for (const char *at = mlx_buf_str(&rig->told); (at = strstr(at, line)); at++)
        count++;
    return count;
}

static void renew(void **state)
{
    teardown(state);
    setup(state);
}

static void below_nothing_above_one(void **state)
{
    for (size_t i = 0; i < MLX_COUNT(edges); i++) {
        const edge_t *edge = &edges[i];
        pass(*state, edge->below, edge->seconds * SECOND);
        if (times_told(*state, edge->rule, "firing"))
            fail_msg("edge %zu, below: %s", i, mlx_buf_str(&((rig_t *)*state)->told));
        renew(state);
        pass(*state, edge->above, edge->seconds * SECOND);
        if (times_told(*state, edge->rule, "firing") != 1)
            fail_msg("edge %zu, above: %s", i, mlx_buf_str(&((rig_t *)*state)->told));
        renew(state);
    }
}

/*  The same with one thing not known: no finding, of whatever rule. */
static void what_is_not_known_is_not_held_against_anybody(void **state)
{
    static const line_t blind[][4] = {
        {{OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":9000000000")},
         {OLLAMA "activity", LAST("\"prompt_tokens\":4096,\"tokens\":20")}}, /* what context? */
        {{OLLAMA "models", LOADED("m:1b", WHOLE)}, {OLLAMA "activity", LAST("\"tokens\":4096")}},
        {{OLLAMA "activity", LAST("\"prompt_tokens\":4096,\"tokens\":20")}},
        {{OLLAMA "models", LOADED("m:1b", WHOLE)},
         {OLLAMA "activity", "{\"busy\":false,\"cut\":{\"t\":$,\"kept\":4096}}"}},
        {{OLLAMA "models", LOADED("m:1b", "\"size\":9000000000,\"vram\":1")}}, /* no GPU told */
        {{GPU, CARD("1")}, {OLLAMA "models", LOADED("m:1b", "\"size\":9000000000")}},
        {{GPU, CARD("1")}, {OLLAMA "models", LOADED("m:1b", "\"vram\":5")}},
        {{GPU, "{\"memory_total\":10000000000}"}, {OLLAMA "models", LOADED("m:1b", WHOLE)}},
        {{GPU, HOT("temperature")}, {OLLAMA "activity", "{\"busy\":false}"}},
        {{GPU, HOT("temperature")}}, /* nobody says whether it works */
        {{GPU, "{\"temperature\":105}"}, {OLLAMA "activity", BUSY}},
        {{OLLAMA "models", LOADED("m:1b", WHOLE)},
         {OLLAMA "activity", LAST("\"ttft\":60,\"prompt_tokens\":500")}}, /* at what speed? */
        {{"sensor.memory", "{\"total\":9}"}, {OLLAMA "models", LOADED("m:1b", WHOLE)}},
    };
    for (size_t i = 0; i < MLX_COUNT(blind); i++) {
        pass(*state, blind[i], 33 * MINUTE);
        if (*mlx_buf_str(&((rig_t *)*state)->told))
            fail_msg("%zu: %s", i, mlx_buf_str(&((rig_t *)*state)->told));
        renew(state);
    }
}

/*  A sensor that died says nothing of now, and a server that cannot be reached nothing of what it
 *  has loaded. */
static void old_evidence_is_none(void **state)
{
    rig_t *rig = *state;
    static const line_t once[] = {{GPU, HOT("temperature")}, {NULL, NULL}};
    static const line_t busy[] = {{OLLAMA "activity", BUSY}, {NULL, NULL}};
    for (int i = 0; i < 20; i++) {
        pass(rig, once, 5 * SECOND); /* one reading, then half a minute without */
        pass(rig, busy, 45 * SECOND);
    }
    assert_string_equal(mlx_buf_str(&rig->told), "");
}

/*  The clock is set, or the machine slept, for US: nobody left a model unused for so long, and
 *  nothing of the time before stands for as long as the clock was set back. */
static void jump(void **state, int64_t us)
{
    static const line_t healthy[] = {{GPU, CARD("9500000000")},
                                     {"sensor.memory", "{\"swap_used\":0}"},
                                     {OLLAMA "models", LOADED("m:1b", WHOLE)},
                                     {OLLAMA "activity", WAIT("1", "500")},
                                     {NULL, NULL}};
    static const line_t sick[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                                  {OLLAMA "activity", LAST("\"prompt_tokens\":4096")},
                                  {NULL, NULL}};
    rig_t *rig = *state;
    pass(rig, healthy, 12 * MINUTE);
    rig->now += us;
    pass(rig, healthy, 12 * MINUTE);
    if (*mlx_buf_str(&rig->told))
        fail_msg("%lld s: %s", (long long)(us / SECOND), mlx_buf_str(&rig->told));
    pass(rig, sick, MINUTE);
    assert_int_equal(times_told(rig, "prompt_truncated", "firing"), 1);
    rig->now += us;
    pass(rig, healthy, 12 * MINUTE);
    assert_int_equal(times_told(rig, "prompt_truncated", "resolved"), 1);
    pass(rig, sick, MINUTE); /* and it is still seen */
    assert_int_equal(times_told(rig, "prompt_truncated", "firing"), 2);
    renew(state);
}

static void a_clock_that_jumps(void **state)
{
    static const int64_t jumps[] = {-1, 1, -60, 60, -1800, 1800, -86400, 86400, -31536000};
    for (size_t i = 0; i < MLX_COUNT(jumps); i++)
        jump(state, jumps[i] * SECOND);
}

/*  One that comes and goes is told a few times, not all day. */
static void what_flaps_is_told_a_few_times(void **state)
{
    static const line_t sick[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                                  {OLLAMA "activity", LAST("\"prompt_tokens\":4000,\"tokens\":9")},
                                  {NULL, NULL}};
    static const line_t well[] = {{OLLAMA "models", LOADED("m:1b", WHOLE)},
                                  {OLLAMA "activity", LAST("\"prompt_tokens\":40,\"tokens\":9")},
                                  {NULL, NULL}};
    rig_t *rig = *state;
    for (int i = 0; i < 240; i++) {
        pass(rig, sick, MINUTE);
        pass(rig, well, MINUTE);
    }
    assert_true(times_told(rig, "context_full", "firing") >= 1);
    assert_true(times_told(rig, "context_full", "firing") <= 4);
    pass(rig, well, 20 * MINUTE);
    assert_int_equal(times_told(rig, "context_full", "resolved"),
                     times_told(rig, "context_full", "firing"));
}

/*  Two models that are both met do not take turns. */
static void two_subjects_do_not_take_turns(void **state)
{
#define TWO(first, second)                                                                         \
    "{\"reachable\":true,\"kind\":\"ollama\",\"models\":["                                         \
    "{\"name\":\"a\",\"size\":9000000000,\"vram\":" first "},"                                     \
    "{\"name\":\"b\",\"size\":9000000000,\"vram\":" second "}]}"
    static const line_t both[] = {{GPU, CARD("1")}, {OLLAMA "models", TWO("1", "1")}, {NULL, NULL}};
    static const line_t second[] = {
        {GPU, CARD("1")}, {OLLAMA "models", TWO("9000000000", "1")}, {NULL, NULL}};
    rig_t *rig = *state;
    for (int i = 0; i < 60; i++) {
        pass(rig, both, 10 * SECOND);
        pass(rig, second, 10 * SECOND);
    }
    assert_int_equal(times_told(rig, "cpu_layers", "firing"), 1);
    pass(rig, second, 2 * MINUTE); /* now it is the other one alone */
    assert_int_equal(times_told(rig, "cpu_layers", "firing"), 2);
    assert_int_equal(times_told(rig, "cpu_layers", "resolved"), 0);
}

int main(void)
{
#define RUN(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        RUN(below_nothing_above_one),        RUN(what_is_not_known_is_not_held_against_anybody),
        RUN(old_evidence_is_none),           RUN(a_clock_that_jumps),
        RUN(what_flaps_is_told_a_few_times), RUN(two_subjects_do_not_take_turns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
