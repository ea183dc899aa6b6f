/*  The watch over speeds: an update that costs a tenth is found within twenty requests and named;
 *  years of updates that cost nothing raise no alarm. MLX_LONG=N simulates N hundred years. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "scratch.h"
#include "services/recorder/findings.h"
#include "services/recorder/speed_watch.h"

#define SECOND INT64_C(1000000)
#define DAY (86400 * SECOND)
#define T0 (SCRATCH_T0 * 1000)

static uint64_t seed = 20261130;

static double roll(void)
{
    return ((double)(scratch_roll(&seed) >> 11) + 0.5) / 9007199254740992.0;
}

static double normal(void)
{
    return sqrt(-2 * log(roll())) * cos(2 * M_PI * roll());
}

/*  Student's t with three degrees, scaled to a standard deviation of one: heavy tails. */
static double heavy(void)
{
    double sum = 0, z = normal();
    for (int i = 0; i < 3; i++) {
        double n = normal();
        sum += n * n;
    }
    return z / sqrt(sum);
}

/*  A world of requests: by day more of them, and slower ones; contexts of 128 to 8192 tokens. */
typedef struct {
    int64_t t;
    double rate; /* requests a day */
    double day;  /* how much slower by day */
    double noise;
    double drift, drift_sd; /* of neighbours in common */
    double hours;           /* that it takes to be another one; 0: some twenty requests */
    double loss;
} world_t;

static mlx_speed_t next(world_t *world)
{
    double hour = fmod((double)world->t / 3600e6, 24), depth = 7 + 6 * roll();
    double busy = hour > 8 && hour < 20 ? 1.7 : 0.3;
    double pause_us = -log(roll()) * 86400e6 / world->rate / busy;
    double kept = world->hours > 0 ? exp(-pause_us / world->hours / 3600e6) : 0.95;
    world->t += (int64_t)pause_us;
    hour = fmod((double)world->t / 3600e6, 24);
    world->drift = kept * world->drift + sqrt(1 - kept * kept) * world->drift_sd * normal();
    double log_speed = log(60) - 0.04 * (depth - 10) - (hour > 9 && hour < 18 ? world->day : 0) +
                       world->noise * heavy() + world->drift + log(1 - world->loss);
    return (mlx_speed_t){.t_us = world->t, .log_speed = (float)log_speed, .depth = (float)depth};
}

/*  After how many requests a loss is told; 0: not within MOST. */
static size_t told_after(world_t *world, size_t before, double loss, size_t most, double rush)
{
    static mlx_speed_t was[MLX_SPEED_BEFORE_MAX], is[MLX_SPEED_AFTER_MAX];
    mlx_speed_loss_t found;
    for (size_t i = 0; i < before; i++)
        was[i] = next(world);
    world->t += (int64_t)(roll() * 3 * (double)DAY);
    world->loss = loss;
    world->rate *= rush;
    for (size_t m = 0; m < most;) {
        is[m++] = next(world);
        if (mlx_speed_is_look(m) && mlx_speed_lost(was, before, is, m, &found))
            return m;
    }
    return 0;
}

static world_t world_of(int which)
{
    static const double noises[] = {0.02, 0.03, 0.04}, days[] = {0, 0.05, 0.1};
    return (world_t){.t = T0 + (int64_t)(roll() * (double)DAY),
                     .rate = 5 + 95 * roll(),
                     .noise = noises[which % 3],
                     .day = days[which / 3 % 3],
                     .drift_sd = which % 2 ? 0.01 : 0};
}

static void years_without_a_false_alarm(void **state)
{
    enum {
        UPDATES = 26 /* a year */
    };
    int hundreds = getenv("MLX_LONG") ? atoi(getenv("MLX_LONG")) : 0, alarms = 0;
    int years = hundreds ? 100 * hundreds : 10;
    (void)state;
    for (int i = 0; i < years * UPDATES; i++) {
        world_t world = world_of(i);
        size_t before = MLX_SPEED_BEFORE_MIN + (size_t)(320 * roll());
        /* All of what comes may fall into one afternoon. */
        alarms += told_after(&world, before, 0, MLX_SPEED_AFTER_MAX, 10) > 0;
    }
    print_message("          %d false alarms in %d years\n", alarms, years);
    assert_true(alarms * 100 < years || alarms == 0);
}

static void a_tenth_is_found_within_twenty(void **state)
{
    int runs = getenv("MLX_LONG") ? 5000 : 60, found = 0;
    (void)state;
    for (int i = 0; i < runs; i++) {
        world_t world = world_of(i);
        found += told_after(&world, 300, 0.1, 20, 1) > 0;
    }
    print_message("          %d of %d losses of a tenth found within 20 requests\n", found, runs);
    assert_true(found * 100 >= runs * 95);
}

/*  Hours that differ by 2 %: how far apart sessions are is known when there were enough of them. */
static void a_tenth_is_found_though_hours_differ(void **state)
{
    int runs = getenv("MLX_LONG") ? 1000 : 24, found = 0, later = 0;
    (void)state;
    for (int i = 0; i < runs; i++) {
        world_t world = world_of(i);
        world.drift_sd = 0.02;
        world.hours = 1;
        size_t after = told_after(&world, 1500, 0.1, MLX_SPEED_AFTER_MAX, 1);
        found += after > 0 && after <= 20;
        later += after > 0;
    }
    print_message("          %d of %d losses found within 20 requests, %d within 60\n", found, runs,
                  later);
    assert_true(found * 100 >= runs * 88 && later * 100 >= runs * 97);
}

/*  All that comes after an update may fall into one hour, which is slow as hours are: that is known
 *  from the hours before, though their requests came one by one. */
static void one_slow_hour_is_no_loss(void **state)
{
    static mlx_speed_t was[1500], is[MLX_SPEED_AFTER_MAX];
    mlx_speed_loss_t loss;
    int alarms = 0, runs = 10;
    (void)state;
    for (int run = 0; run < runs; run++) {
        world_t world = {.t = T0, .rate = 60, .noise = 0.02, .drift_sd = 0.04, .hours = 1};
        for (size_t i = 0; i < MLX_COUNT(was); i++)
            was[i] = next(&world);
        for (size_t m = 0; m < MLX_COUNT(is);) {
            is[m] = next(&world);
            is[m].t_us = world.t = was[MLX_COUNT(was) - 1].t_us + DAY + (int64_t)m * 20 * SECOND;
            is[m].log_speed =
                (float)(log(60) - 0.04 * ((double)is[m].depth - 10) - 0.09 + 0.02 * heavy());
            m++;
            if (mlx_speed_is_look(m) && mlx_speed_lost(was, MLX_COUNT(was), is, m, &loss)) {
                alarms++;
                break;
            }
        }
    }
    print_message("          %d alarms of %d\n", alarms, runs);
    assert_int_equal(alarms, 0);
}

/* ---- through messages, the database and the rule ---- */

typedef struct {
    scratch_t *scratch;
    mlx_history_store_t *store;
    mlx_request_log_t *log;
    mlx_speed_watch_t *watch;
    mlx_findings_t *findings;
    mlx_buf_t told;
    world_t world;
    const char *version;
} rig_t;

static void on_finding(void *arg, const char *topic, const mlx_value_t *d)
{
    rig_t *rig = arg;
    mlx_buf_printf(&rig->told, "%s %s: %s; %s\n", topic, mlx_value_str(d, "state"),
                   mlx_value_str(d, "summary"), mlx_value_str(d, "remedy"));
}

static void open_watch(rig_t *rig, const char *system)
{
    mlx_error_t err = {0};
    mlx_speed_watch_destroy(&rig->watch);
    rig->watch = mlx_speed_watch_new(system, "");
    if (mlx_speed_watch_load(rig->watch, mlx_history_store_db(rig->store), rig->log, &err))
        fail_msg("%s", err.text);
}

/*  Takes D. */
static void say(rig_t *rig, const char *topic, mlx_value_t *d)
{
    char name[100], host[] = "studio";
    strcpy(name, topic);
    mlx_message_t message = {.topic = name, .host = host, .t = rig->world.t, .d = d};
    mlx_speed_watch_message(rig->watch, &message);
    if (strstr(topic, ".request"))
        mlx_request_log_put(rig->log, &message);
    mlx_value_destroy(&d);
}

static void say_models(rig_t *rig)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_t *list = mlx_value_set(d, "models", mlx_value_list());
    mlx_value_t *model = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(d, "version", rig->version);
    mlx_value_set_str(model, "name", "qwen3:latest");
    mlx_value_set_str(model, "quantization", "Q4_K_M");
    mlx_value_set_int(model, "context", 8192);
    say(rig, "runtime.ollama.here.models", d);
}

/*  COUNT requests; every third of them overlaps with another, which is much slower for it. */
static void ask(rig_t *rig, int count)
{
    for (int i = 0; i < count; i++) {
        mlx_speed_t one = next(&rig->world);
        bool alone = i % 3 != 2;
        say_models(rig);
        for (int k = 0; k < (alone ? 1 : 2); k++) {
            mlx_value_t *d = mlx_value_map();
            mlx_value_set_str(d, "model", "qwen3");
            mlx_value_set_str(d, "outcome", "ok");
            mlx_value_set_int(d, "start", one.t_us - 10 * SECOND);
            mlx_value_set_int(d, "end", one.t_us + k);
            mlx_value_set_int(d, "tokens", 200);
            mlx_value_set_int(d, "prompt_tokens", (int64_t)exp2((double)one.depth) - 164);
            mlx_value_set_real(d, "tokens_per_second",
                               exp((double)one.log_speed) * (k == 0 ? 1 : 0.5));
            say(rig, "runtime.ollama.here.request", d);
        }
        mlx_findings_slower(rig->findings, mlx_speed_watch_slower(rig->watch, rig->world.t));
        mlx_findings_tick(rig->findings, rig->world.t);
    }
    mlx_error_t err = {0};
    mlx_db_t *db = mlx_history_store_db(rig->store);
    if (mlx_request_log_flush(rig->log, db, rig->world.t, &err) ||
        mlx_speed_watch_flush(rig->watch, db, &err))
        fail_msg("%s", err.text);
}

static void it_is_named_with_its_cause(void **state)
{
    rig_t rig = {.scratch = *state, .version = "0.32.14"};
    rig.world = (world_t){.t = T0, .rate = 60, .noise = 0.03, .day = 0.05};
    rig.store = mlx_history_store_open(rig.scratch->path, NULL);
    rig.log = mlx_request_log_new(90);
    rig.findings = mlx_findings_new(&(mlx_findings_hooks_t){.publish = on_finding, .arg = &rig});
    open_watch(&rig, "Linux 6.1.0-18");
    ask(&rig, 300);
    open_watch(&rig, "Linux 6.1.0-20"); /* an update that costs nothing */
    ask(&rig, 100);
    assert_int_equal(rig.told.len, 0);
    rig.world.loss = 0.12;
    ask(&rig, 30); /* slower without a cause that we know: nothing is claimed */
    assert_int_equal(rig.told.len, 0);
    rig.world.loss = 0;
    ask(&rig, 100);
    rig.version = "0.32.15";
    rig.world.loss = 0.12;
    ask(&rig, 10);
    open_watch(&rig, "Linux 6.1.0-20"); /* restarted in between: nothing is forgotten */
    ask(&rig, 20);
    const char *told = mlx_buf_str(&rig.told);
    print_message("          %s", told);
    assert_non_null(strstr(told, "finding.regression firing: qwen3:latest (Q4_K_M, context 8192)"));
    assert_non_null(strstr(told, "ollama went from 0.32.14 to 0.32.15: "));
    assert_non_null(strstr(told, "go back to ollama 0.32.14"));
    assert_null(strstr(told, "system"));
    const mlx_slower_t *slower = mlx_speed_watch_slower(rig.watch, rig.world.t);
    assert_true(slower->loss.low < 0.88 && slower->loss.high > 0.88 && slower->after <= 20);
    assert_true(slower->last_us < slower->first_us && slower->changed_us <= slower->first_us);
    rig.version = "0.32.16"; /* mended: it is over */
    rig.world.loss = 0;
    ask(&rig, 60);
    assert_non_null(strstr(mlx_buf_str(&rig.told), "finding.regression resolved"));
    mlx_findings_destroy(&rig.findings);
    mlx_speed_watch_destroy(&rig.watch);
    mlx_request_log_destroy(&rig.log);
    mlx_history_store_destroy(&rig.store);
    mlx_buf_clear(&rig.told);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(years_without_a_false_alarm),
        cmocka_unit_test(a_tenth_is_found_within_twenty),
        cmocka_unit_test(a_tenth_is_found_though_hours_differ),
        cmocka_unit_test(one_slow_hour_is_no_loss),
        cmocka_unit_test_setup_teardown(it_is_named_with_its_cause, scratch_make, scratch_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
