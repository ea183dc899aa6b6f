/*  The energy ledger: what it says adds up to the integral of the power, whatever happens on the
 *  way. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "proto/catalogue.h"
#include "scratch.h"
#include "services/recorder/energy.h"
#include "services/recorder/energy_report.h"

#define SECOND INT64_C(1000000)
#define MINUTE (60 * SECOND)
#define T0 (SCRATCH_T0 * 1000)

static const double idle_watts = 40;

typedef struct {
    scratch_t *scratch;
    mlx_history_store_t *store;
    mlx_request_log_t *log;
    mlx_joules_t *energy;
    int64_t now;
    double truth; /* joules that the sensors told of */
    double before;
    int64_t last;
    int running;
} rig_t;

static const mlx_energy_prices_t free_of_charge = {.price = NAN, .co2 = NAN};

static mlx_db_t *db(const rig_t *rig)
{
    return mlx_history_store_db(rig->store);
}

static void start_ledger(rig_t *rig)
{
    mlx_error_t err = {0};
    rig->log = mlx_request_log_new(90);
    rig->energy = mlx_energy_new(730);
    if (mlx_energy_load(rig->energy, db(rig), rig->log, &err))
        fail_msg("%s", err.text);
}

/*  As a process that is killed: nothing more is written. */
static void kill_ledger(rig_t *rig)
{
    mlx_energy_destroy(&rig->energy);
    mlx_request_log_destroy(&rig->log);
}

static rig_t *start(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    rig->scratch = *state;
    rig->store = mlx_history_store_open(rig->scratch->path, NULL);
    assert_non_null(rig->store);
    rig->now = T0 - T0 % (3600 * SECOND) + 10 * MINUTE;
    start_ledger(rig);
    return rig;
}

static void stop(rig_t **rig)
{
    kill_ledger(*rig);
    mlx_history_store_destroy(&(*rig)->store);
    mlx_free_p(rig);
}

/*  Takes D. */
static void say(rig_t *rig, const char *topic, mlx_value_t *d)
{
    mlx_error_t err = {0};
    char name[100];
    if (mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s: %s", topic, err.text);
    strcpy(name, topic);
    mlx_message_t message = {.topic = name, .host = name, .t = rig->now, .d = d};
    mlx_energy_message(rig->energy, &message);
    if (strstr(topic, ".request"))
        mlx_request_log_put(rig->log, &message);
    mlx_value_destroy(&d);
}

/*  A reading; WATTS below 0: there is none. */
static void power(rig_t *rig, double watts)
{
    mlx_value_t *d = mlx_value_map();
    if (watts >= 0)
        mlx_value_set_real(d, "total", watts);
    say(rig, "sensor.power", d);
    if (watts >= 0 && rig->before >= 0 && rig->last && rig->now - rig->last <= 15 * SECOND)
        rig->truth += (watts + rig->before) / 2 * (double)(rig->now - rig->last) * 1e-6;
    rig->before = watts;
    rig->last = rig->now;
}

static void activity(rig_t *rig)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "busy", rig->running > 0);
    mlx_value_set_int(d, "requests", rig->running);
    say(rig, "runtime.ollama.here.activity", d);
}

/*  A request that ends now. */
static void request(rig_t *rig, const char *model, const char *client, double seconds, int tokens)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "model", model);
    mlx_value_set_str(d, "client", client);
    mlx_value_set_int(d, "start", rig->now - (int64_t)(seconds * 1e6));
    mlx_value_set_int(d, "end", rig->now);
    mlx_value_set_int(d, "tokens", tokens);
    say(rig, "runtime.ollama.here.request", d);
}

static void flush(rig_t *rig)
{
    mlx_error_t err = {0};
    if (mlx_request_log_flush(rig->log, db(rig), rig->now, &err) ||
        mlx_energy_flush(rig->energy, db(rig), rig->now, &err))
        fail_msg("%s", err.text);
}

/*  SECONDS at WATTS: a reading a second, a flush every five. */
static void pass(rig_t *rig, int seconds, double watts)
{
    for (int i = 0; i < seconds; i++) {
        rig->now += SECOND;
        power(rig, watts);
        activity(rig);
        if (rig->now / SECOND % 5 == 0)
            flush(rig);
    }
}

static mlx_value_t *list_at(rig_t *rig, const char *by, const mlx_energy_prices_t *prices)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "by", by);
    mlx_value_t *result = mlx_energy_list(db(rig), prices, args, rig->now, &err);
    if (!result)
        fail_msg("%s", err.text);
    return result;
}

static mlx_value_t *list(rig_t *rig, const char *by)
{
    return list_at(rig, by, &free_of_charge);
}

static double figure(const mlx_value_t *map, const char *key)
{
    double value = NAN;
    mlx_value_real(map, key, &value);
    return value;
}

static const mlx_value_t *row(const mlx_value_t *result, const char *key, const char *name)
{
    const mlx_value_t *rows = mlx_value_get(result, "rows");
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const char *is = mlx_value_str(mlx_value_at(rows, i), key);
        if (is && strcmp(is, name) == 0)
            return mlx_value_at(rows, i);
    }
    return NULL;
}

static void near(double value, double wanted, double share)
{
    if (!(fabs(value - wanted) <= share * fabs(wanted)))
        fail_msg("%g, not %g", value, wanted);
}

/*  Two requests, of which the second overlaps with the first: 10 s alone at 100 W above idle, 10 s
 *  together, 10 s alone. */
static void what_ran_shares_what_is_above_idle(void **state)
{
    rig_t *rig = start(state);
    pass(rig, 300, idle_watts);
    rig->running = 1;
    pass(rig, 20, idle_watts + 100);
    request(rig, "a", "chat", 20, 400);
    pass(rig, 10, idle_watts + 100);
    request(rig, "b", "editor", 20, 100);
    rig->running = 0;
    pass(rig, 300, idle_watts);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *models = list(rig, "model");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *clients = list(rig, "client");
    near(figure(row(models, "model", "a"), "joules"), 1500, 0.05);
    near(figure(row(models, "model", "b"), "joules"), 1500, 0.05);
    near(figure(row(clients, "client", "editor"), "joules_per_token"), 15, 0.05);
    near(figure(models, "idle_power"), idle_watts, 0.001);
    const mlx_value_t *total = mlx_value_get(models, "total");
    near(figure(total, "joules"), 3000, 0.03);
    assert_true(figure(total, "metered") == 2);
    near(figure(total, "measured"), 5 * 60 * 40 + 30 * 140 + 4 * 60 * 40, 0.01);
    assert_null(mlx_value_get(total, "cost")); /* without a price nothing is said of money */
    assert_null(mlx_value_get(total, "co2"));
    stop(&rig);
}

/*  Hours of everything: noise, overlapping requests, gaps, a sleep, restarts, kills, a request
 *  that runs for longer than anything waits for. */
static void all_of_it_is_the_integral(void **state)
{
    rig_t *rig = start(state);
    uint64_t seed = 7;
    int left[6] = {0};
    double ran[6] = {0};
    pass(rig, 90, idle_watts);
    int hours = getenv("MLX_LONG") ? 12 : 1;
    for (int i = 0; i < hours * 3600; i++) {
        int kinds = i > 600 ? 5 : 4;
        rig->running = 0;
        for (int k = 0; k < kinds; k++) {
            if (left[k] == 0 && scratch_roll(&seed) % 40 == 0)
                left[k] = k == 4 ? 2400 : 1 + (int)(scratch_roll(&seed) % 30);
            rig->running += left[k] > 0;
        }
        double noise = (double)(scratch_roll(&seed) % 1000) / 50;
        rig->now += SECOND;
        if (i % 3000 == 2000) /* the machine sleeps */
            rig->now += 1200 * SECOND;
        if (i % 700 < 30) /* the sensors are silent */
            (void)0;
        else
            power(rig, i % 1100 < 20 ? -1 : idle_watts + noise + 90 * rig->running);
        activity(rig);
        for (int k = 0; k < kinds; k++)
            if (left[k] > 0 && (ran[k]++, --left[k] == 0)) {
                char name[2] = {(char)('a' + k), '\0'};
                request(rig, name, "chat", ran[k], 10);
                ran[k] = 0;
            }
        if (i % 5 == 0)
            flush(rig);
        if (i % 2500 == 2400) {
            kill_ledger(rig); /* within a second after a flush, or four */
            start_ledger(rig);
        }
    }
    rig->running = 0;
    pass(rig, 2000, idle_watts);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, "day");
    const mlx_value_t *total = mlx_value_get(result, "total");
    double open = 60 * idle_watts; /* the minute that is not settled */
    near(figure(total, "measured") + open, rig->truth, 0.01);
    near(figure(total, "joules") + figure(total, "base") + figure(total, "other") +
             figure(total, "unsplit"),
         figure(total, "measured"), 1e-6);
    assert_true(figure(total, "unknown") > 1200);
    near(figure(total, "known") + figure(total, "unknown") + 60,
         (double)(rig->now - (T0 - T0 % (3600 * SECOND) + 10 * MINUTE)) * 1e-6, 0.001);
    assert_true(figure(total, "joules") > 5 * figure(total, "other"));
    stop(&rig);
}

static void nothing_known_is_not_nothing(void **state)
{
    rig_t *rig = start(state);
    for (int i = 0; i < 400; i++) {
        rig->now += 10 * SECOND;
        activity(rig);
        if (i % 10 == 0)
            request(rig, "a", "chat", 5, 100);
        flush(rig);
    }
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, "model");
    const mlx_value_t *a = row(result, "model", "a");
    assert_true(figure(a, "requests") > 20 && figure(a, "metered") == 0);
    assert_null(mlx_value_get(a, "joules"));
    assert_null(mlx_value_get(a, "joules_per_token"));
    assert_null(mlx_value_get(mlx_value_get(result, "total"), "measured"));
    assert_non_null(mlx_value_get(result, "reason"));
    stop(&rig);
}

/*  What a kill takes away is at most what was said since the flush before it. */
static void a_kill_loses_the_last_flush(void **state)
{
    rig_t *rig = start(state);
    pass(rig, 100, idle_watts);
    for (int i = 0; i < 12; i++) {
        rig->running = 1;
        pass(rig, 7, 200);
        request(rig, "a", "chat", 7, 10);
        rig->running = 0;
        pass(rig, 1 + i % 5, idle_watts);
        pass(rig, 4, idle_watts);
        kill_ledger(rig);
        start_ledger(rig);
    }
    pass(rig, 300, idle_watts);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, "model");
    const mlx_value_t *total = mlx_value_get(result, "total");
    /* Each hole of less than five seconds is bridged by a straight line. */
    double off = figure(total, "measured") + 60 * idle_watts - rig->truth;
    assert_true(fabs(off) < 12 * 5 * (200 - idle_watts) / 2);
    assert_true(figure(total, "requests") >= 10);
    stop(&rig);
}

static void prices_go_by_the_hour(void **state)
{
    mlx_error_t err = {0};
    (void)state;
    setenv("TZ", "Asia/Kathmandu", 1); /* 5:45 ahead */
    tzset();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *tariffs = mlx_value_list();
    mlx_value_t *night = mlx_value_append(tariffs, mlx_value_map());
    mlx_value_set_real(night, "from", 22);
    mlx_value_set_real(night, "to", 6);
    mlx_value_set_real(night, "price", 0.1);
    mlx_energy_prices_t prices = {.price = 0.4, .tariffs = tariffs, .co2 = 400, .currency = "NPR"};
    int64_t midnight = T0 - (5 * 60 + 45) * MINUTE;
    assert_int_equal(mlx_energy_check_tariffs(tariffs, &err), 0);
    assert_true(mlx_hour_begin(midnight + 61 * MINUTE) == midnight + 60 * MINUTE);
    assert_true(mlx_energy_price_at(&prices, midnight) == 0.1);
    assert_true(mlx_energy_price_at(&prices, midnight + 359 * MINUTE) == 0.1);
    assert_true(mlx_energy_price_at(&prices, midnight + 360 * MINUTE) == 0.4);
    assert_true(mlx_energy_price_at(&prices, midnight + 22 * 60 * MINUTE) == 0.1);
    mlx_value_set_real(night, "to", 6.5);
    assert_int_not_equal(mlx_energy_check_tariffs(tariffs, &err), 0);
    mlx_value_set_real(night, "to", 6);
    rig_t *rig = start(state);
    rig->now = midnight + 4 * 60 * MINUTE;
    rig->now += 4 * 60 * MINUTE;
    mlx_energy_row_t row = {.hour_us = midnight, .model = "a", .joules = 3.6e6, .requests = 1};
    mlx_energy_log_add(db(rig), &row, NULL);
    row.hour_us = midnight + 7 * 60 * MINUTE;
    mlx_energy_log_add(db(rig), &row, NULL);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list_at(rig, "day", &prices);
    near(figure(mlx_value_get(result, "total"), "cost"), 0.5, 1e-9);
    near(figure(mlx_value_get(result, "total"), "co2"), 800, 1e-9);
    assert_int_equal(mlx_value_size(mlx_value_get(result, "rows")), 1);
    stop(&rig);
    unsetenv("TZ");
    tzset();
}

/*  A clock that is set back, and one that has jumped a year ahead and comes back. */
static void clocks_may_jump(void **state)
{
    rig_t *rig = start(state);
    pass(rig, 600, idle_watts);
    rig->now -= 300 * SECOND;
    rig->last = 0;
    pass(rig, 600, idle_watts);
    rig->now += 86400 * 365 * SECOND;
    pass(rig, 1200, idle_watts);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = list(rig, "total");
    assert_true(figure(mlx_value_get(result, "total"), "unknown") > 86400);
    near(figure(mlx_value_get(result, "total"), "base"), (600 + 600 + 1200 - 60) * idle_watts,
         0.05);
    stop(&rig);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {
        TEST(what_ran_shares_what_is_above_idle),
        TEST(all_of_it_is_the_integral),
        TEST(nothing_known_is_not_nothing),
        TEST(a_kill_loses_the_last_flush),
        TEST(prices_go_by_the_hour),
        TEST(clocks_may_jump),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
