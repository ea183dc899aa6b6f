/*  The healthy corpus: hours of machines at ordinary work, of which nothing is found; and the same
 *  with one thing wrong, which each rule finds. Made by corpus/make.py. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/recording.h"
#include "proto/catalogue.h"
#include "scratch.h"
#include "services/recorder/findings.h"
#include "services/recorder/recorder.h"

#define TICK_US INT64_C(30000000)
#define HOUR_US INT64_C(3600000000)

typedef struct {
    mlx_message_t *messages;
    size_t count;
    mlx_buf_t told; /* topics of findings that fire */
} corpus_t;

static int64_t clock_us; /* the recorder's clock has no argument */

static int64_t wall_us(void)
{
    return clock_us;
}

static void on_publish(void *arg, const char *topic, const mlx_value_t *d)
{
    corpus_t *self = arg;
    if (mlx_starts_with(topic, "finding.") && strcmp(mlx_value_str(d, "state"), "firing") == 0)
        mlx_buf_printf(&self->told, "%s: %s\n", topic, mlx_value_str(d, "summary"));
}

static int corpus_load(void **state)
{
    mlx_error_t err = {0};
    corpus_t *self = mlx_alloc(1, sizeof *self);
    mlx_recording_t *file = mlx_recording_open(CORPUS, &err);
    mlx_recorded_t r;
    if (!file)
        fail_msg("%s", err.text);
    while (mlx_recording_next(file, &r, &err) == 1) {
        self->messages = mlx_grow(self->messages, self->count, sizeof *self->messages);
        mlx_message_t *message = &self->messages[self->count];
        *message = (mlx_message_t){0};
        if (mlx_message_unpack(message, r.topic, r.topic_len, r.body, r.body_len, &err) ||
            mlx_catalogue_check(mlx_catalogue_find(message->topic), message->d, &err))
            fail_msg("%s: %s", r.topic, err.text);
        self->count++;
    }
    assert_false(mlx_recording_cut(file));
    mlx_recording_close(&file);
    *state = self;
    return 0;
}

static int corpus_free(void **state)
{
    corpus_t *self = *state;
    for (size_t i = 0; i < self->count; i++)
        mlx_message_clear(&self->messages[i]);
    free(self->messages);
    mlx_buf_clear(&self->told);
    free(self);
    return 0;
}

/* ---- healthy ---- */

static void on_problem(void *arg, const char *kind, const char *text)
{
    (void)arg;
    fail_msg("%s: %s", kind, text);
}

static void on_health(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
}

static mlx_recorder_t *recorder_of(corpus_t *self, const scratch_t *scratch,
                                   const mlx_value_t *rules, const char *host)
{
    mlx_error_t err = {0};
    mlx_recorder_t *recorder = mlx_recorder_new(
        &(mlx_recorder_options_t){
            .history = {.path = scratch->path, .raw_hours = 48, .minute_days = 90},
            .request_days = 90,
            .energy_days = 730,
            .system = "",
            .driver = "",
            .prices = {.price = (double)NAN, .co2 = (double)NAN},
            .rules = rules,
            .host = host,
            .wall_us = wall_us,
            .publish = on_publish,
            .problem = on_problem,
            .health = on_health,
            .arg = self},
        &err);
    if (!recorder)
        fail_msg("%s", err.text);
    return recorder;
}

/*  Requests that the recorder of HOST has kept. */
static size_t play_healthy(corpus_t *self, const char *host)
{
    void *scratch;
    mlx_error_t err = {0};
    assert_int_equal(scratch_make(&scratch), 0);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *rules = mlx_value_list();
    clock_us = self->messages[0].t;
    mlx_recorder_t *recorder = recorder_of(self, scratch, rules, host);
    int64_t next_us = clock_us + TICK_US;
    for (size_t i = 0; i < self->count; i++) {
        if (strcmp(self->messages[i].host, host) != 0)
            continue;
        clock_us = self->messages[i].t > clock_us ? self->messages[i].t : clock_us;
        mlx_recorder_message(recorder, &self->messages[i]);
        if (clock_us < next_us)
            continue;
        mlx_recorder_tick(recorder);
        next_us = clock_us + TICK_US;
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_int(args, "limit", 500);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *kept = mlx_recorder_answer(recorder, "requests.list", args, &err);
    mlx_recorder_destroy(&recorder);
    assert_int_equal(scratch_remove(&scratch), 0);
    return mlx_value_size(mlx_value_get(kept, "requests"));
}

static void healthy_hours_give_no_finding(void **state)
{
    static const char *const hosts[] = {"notebook", "workstation", "server"};
    corpus_t *self = *state;
    assert_true(self->messages[self->count - 1].t - self->messages[0].t > 3 * HOUR_US);
    for (size_t i = 0; i < MLX_COUNT(hosts); i++)
        assert_true(play_healthy(self, hosts[i]) > 50);
    assert_string_equal(mlx_buf_str(&self->told), "");
}

/* ---- with one thing wrong ---- */

typedef void (*spoil_fn)(const char *topic, mlx_value_t *d);

static mlx_value_t *first_model(mlx_value_t *d)
{
    return mlx_value_at(mlx_value_get(d, "models"), 0);
}

static void fill_context(const char *topic, mlx_value_t *d)
{
    (void)topic;
    mlx_value_t *last = mlx_value_get(d, "last");
    if (last)
        mlx_value_set_int(last, "prompt_tokens", 32768);
}

static void nearly_fill_context(const char *topic, mlx_value_t *d)
{
    (void)topic;
    mlx_value_t *last = mlx_value_get(d, "last");
    if (last)
        mlx_value_set_int(last, "prompt_tokens", 31000);
}

static void leave_the_gpu(const char *topic, mlx_value_t *d)
{
    (void)topic;
    if (first_model(d))
        mlx_value_set_int(first_model(d), "vram", 30000000000);
}

static void hold_down(const char *topic, mlx_value_t *d)
{
    if (strcmp(topic, "sensor.gpu.0") == 0)
        mlx_value_append(mlx_value_set(d, "throttle", mlx_value_list()),
                         mlx_value_new_str("sw_thermal_slowdown"));
}

static void wait_long(const char *topic, mlx_value_t *d)
{
    (void)topic;
    mlx_value_t *last = mlx_value_get(d, "last");
    if (last)
        mlx_value_set_real(last, "ttft", 90);
}

static void have_less_memory(const char *topic, mlx_value_t *d)
{
    if (strcmp(topic, "sensor.gpu.0") == 0)
        mlx_value_set_int(d, "memory_total", 42000000000);
}

static void swap_out(const char *topic, mlx_value_t *d)
{
    static int64_t grown;
    (void)topic;
    grown += 10000000;
    mlx_value_set_int(d, "swap_used", grown);
}

/*  The model goes and comes every ten minutes. */
static void come_and_go(const char *topic, mlx_value_t *d)
{
    static int asked;
    (void)topic;
    if (asked++ / 16 % 2)
        mlx_value_set(d, "models", mlx_value_list());
}

static const struct {
    const char *rule, *host, *topic; /* begin of the topics to spoil */
    spoil_fn spoil;
} wrongs[] = {
    {"prompt_truncated", "workstation", "runtime.vllm.127_0_0_1-8000.activity", fill_context},
    {"context_full", "workstation", "runtime.vllm.127_0_0_1-8000.activity", nearly_fill_context},
    {"cpu_layers", "workstation", "runtime.vllm.127_0_0_1-8000.models", leave_the_gpu},
    {"throttled", "workstation", "sensor.gpu.", hold_down},
    {"queueing", "server", "runtime.llamacpp.127_0_0_1-8080.activity", wait_long},
    {"idle_model", "workstation", "sensor.gpu.", have_less_memory},
    {"swapping", "notebook", "sensor.memory", swap_out},
    {"reloaded", "workstation", "runtime.vllm.127_0_0_1-8000.models", come_and_go},
};

static void play_wrong(corpus_t *self, size_t number)
{
    mlx_findings_t *findings =
        mlx_findings_new(&(mlx_findings_hooks_t){.publish = on_publish, .arg = self});
    for (size_t i = 0; i < self->count; i++) {
        mlx_message_t message = self->messages[i];
        if (strcmp(message.host, wrongs[number].host) != 0)
            continue;
        bool spoilt = mlx_starts_with(message.topic, wrongs[number].topic);
        if (spoilt) {
            message.d = mlx_value_copy(message.d);
            wrongs[number].spoil(message.topic, message.d);
        }
        mlx_findings_message(findings, &message);
        if (strstr(message.topic, ".activity"))
            mlx_findings_tick(findings, message.t);
        if (spoilt)
            mlx_value_destroy(&message.d);
    }
    mlx_findings_destroy(&findings);
}

static void each_rule_sees_what_is_wrong_in_them(void **state)
{
    corpus_t *self = *state;
    for (size_t i = 0; i < MLX_COUNT(wrongs); i++) {
        MLX_CLEANUP(mlx_free_p) char *topic = mlx_format("finding.%s: ", wrongs[i].rule);
        mlx_buf_reset(&self->told);
        play_wrong(self, i);
        if (!strstr(mlx_buf_str(&self->told), topic))
            fail_msg("no %s in \"%s\"", topic, mlx_buf_str(&self->told));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(healthy_hours_give_no_finding),
        cmocka_unit_test(each_rule_sees_what_is_wrong_in_them),
    };
    return cmocka_run_group_tests(tests, corpus_load, corpus_free);
}
