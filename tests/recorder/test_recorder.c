/*  From messages to series, results and alarms; a damaged database. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "proto/pack.h"
#include "scratch.h"
#include "services/recorder/fields.h"
#include "services/recorder/recorder.h"
#include "services/recorder/rules.h"

typedef struct {
    scratch_t *scratch;
    mlx_recorder_t *recorder;
    mlx_value_t *rules;
    mlx_buf_t alarms;   /* "topic state summary" lines */
    mlx_buf_t problems; /* "kind: text" lines */
    char *health;
} rig_t;

static int64_t clock_us; /* the recorder's clock has no argument */

static int64_t wall_us(void)
{
    return clock_us;
}

static void publish(void *arg, const char *topic, const mlx_value_t *d)
{
    rig_t *rig = arg;
    if (strncmp(topic, "alert.", 6) == 0)
        mlx_buf_printf(&rig->alarms, "%s %s %s\n", topic, mlx_value_str(d, "state"),
                       mlx_value_str(d, "summary"));
    mlx_error_t err = {0};
    if (mlx_catalogue_check(mlx_catalogue_find(topic), d, &err))
        fail_msg("%s", err.text);
}

static void problem(void *arg, const char *kind, const char *text)
{
    rig_t *rig = arg;
    mlx_buf_printf(&rig->problems, "%s: %s\n", kind, text);
}

static void health(void *arg, const char *reason)
{
    rig_t *rig = arg;
    free(rig->health);
    rig->health = mlx_strdup(reason);
}

static int rig_start(rig_t *rig, mlx_error_t *err)
{
    mlx_recorder_options_t options = {
        .history = {.path = rig->scratch->path, .raw_hours = 48, .minute_days = 90},
        .request_days = 90,
        .energy_days = 730,
        .system = "",
        .driver = "",
        .prices = {.price = (double)NAN, .co2 = (double)NAN},
        .rules = rig->rules,
        .host = "studio",
        .wall_us = wall_us,
        .publish = publish,
        .problem = problem,
        .health = health,
        .arg = rig};
    rig->recorder = mlx_recorder_new(&options, err);
    return rig->recorder ? 0 : -1;
}

static int rig_make(void **state)
{
    rig_t *rig = mlx_alloc(1, sizeof *rig);
    void *scratch;
    clock_us = SCRATCH_T0 * 1000;
    rig->rules = mlx_value_list();
    *state = rig;
    if (scratch_make(&scratch))
        return -1;
    rig->scratch = scratch;
    return 0;
}

static int rig_remove(void **state)
{
    rig_t *rig = *state;
    void *scratch = rig->scratch;
    mlx_recorder_destroy(&rig->recorder);
    mlx_value_destroy(&rig->rules);
    mlx_buf_clear(&rig->alarms);
    mlx_buf_clear(&rig->problems);
    free(rig->health);
    free(rig);
    return scratch_remove(&scratch);
}

static mlx_value_t *rule(rig_t *rig, const char *name, const char *topic, const char *field)
{
    mlx_value_t *map = mlx_value_append(rig->rules, mlx_value_map());
    mlx_value_set_str(map, "name", name);
    mlx_value_set_str(map, "topic", topic);
    mlx_value_set_str(map, "field", field);
    return map;
}

/*  Takes D. */
static void say_from(rig_t *rig, const char *host, const char *topic, mlx_value_t *d)
{
    mlx_message_t message = {.topic = mlx_strdup(topic),
                             .host = mlx_strdup(host),
                             .src = mlx_strdup("test"),
                             .boot = mlx_strdup("b"),
                             .seq = 1,
                             .t = clock_us,
                             .d = d};
    mlx_recorder_message(rig->recorder, &message);
    mlx_message_clear(&message);
}

static void say(rig_t *rig, const char *topic, mlx_value_t *d)
{
    say_from(rig, "studio", topic, d);
}

static mlx_value_t *one(const char *key, double value)
{
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, key, value);
    return d;
}

static void wait_s(int64_t seconds)
{
    clock_us += seconds * 1000000;
}

static mlx_value_t *ask(rig_t *rig, const char *cmd, mlx_value_t *args)
{
    mlx_error_t err = {0};
    mlx_value_t *result = mlx_recorder_answer(rig->recorder, cmd, args, &err);
    if (!result)
        fail_msg("%s: %s", cmd, err.text);
    mlx_value_destroy(&args);
    return result;
}

static void append_path(void *arg, const char *path, const mlx_field_t *field, double value)
{
    mlx_buf_printf(arg, "%s%s=%g ", path, mlx_field_recorded(field) ? "" : "!", value);
}

static void the_catalogue_says_what_is_a_series(void **state)
{
    (void)state;
    mlx_buf_t paths = {0};
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", true);
    mlx_value_set_str(d, "kind", "ollama");
    mlx_value_set_int(d, "unknown", 3);
    mlx_value_t *models = mlx_value_set(d, "models", mlx_value_list());
    mlx_value_t *model = mlx_value_append(models, mlx_value_map());
    mlx_value_set_str(model, "name", "hf.co/a/b:Q4[x]\n");
    mlx_value_set_str(model, "quantization", "Q4");
    mlx_value_set_int(model, "vram", 5);
    mlx_value_set_int(model, "context", 4096);
    mlx_value_set_int(model, "expires_at", 7);
    mlx_value_set_int(mlx_value_append(models, mlx_value_map()), "vram", 6);
    mlx_fields_each(mlx_catalogue_find("runtime.ollama.x.models"), d, append_path, &paths);
    assert_string_equal(mlx_buf_str(&paths),
                        "reachable=1 models!=2 models[hf.co/a/b:Q4_x__,Q4].vram=5 "
                        "models[hf.co/a/b:Q4_x__,Q4].context!=4096 "
                        "models[hf.co/a/b:Q4_x__,Q4].expires_at!=7 ");
    mlx_value_destroy(&d);
    mlx_buf_reset(&paths);
    d = mlx_value_map();
    mlx_value_t *last = mlx_value_set(d, "last", mlx_value_map());
    mlx_value_set_str(last, "model", "qwen3:8b");
    mlx_value_set_real(last, "ttft", 0.25);
    mlx_fields_each(mlx_catalogue_find("runtime.ollama.x.activity"), d, append_path, &paths);
    assert_string_equal(mlx_buf_str(&paths), "last[qwen3:8b].ttft=0.25 ");
    mlx_value_destroy(&d);
    mlx_buf_clear(&paths);
    assert_true(mlx_path_is("last[qwen3:8b].ttft", "last.ttft"));
    assert_true(mlx_path_is("a", "a"));
    assert_false(mlx_path_is("a", "ab"));
    assert_false(mlx_path_is("ab", "a"));
}

static void messages_become_series_that_commands_answer(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(rig_start(rig, NULL), 0);
    for (int i = 0; i < 30; i++) {
        say(rig, "sensor.cpu", one("utilization", i / 100.0));
        say(rig, "cache.progress", one("eta", 3)); /* not retained: not kept */
        wait_s(1);
    }
    mlx_recorder_tick(rig->recorder);
    mlx_value_t *result = ask(rig, "history.series", mlx_value_map());
    assert_int_equal(mlx_value_size(mlx_value_get(result, "series")), 1);
    mlx_value_destroy(&result);
    mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "series", "sensor.cpu/utilization");
    mlx_value_set_real(args, "step", 10);
    result = ask(rig, "history.query", args);
    const mlx_value_t *points = mlx_value_get(result, "points");
    assert_int_equal(mlx_value_size(points), 3);
    double mean;
    assert_true(mlx_value_as_real(mlx_value_at(mlx_value_at(points, 1), 3), &mean));
    assert_float_equal(mean, 0.145, 1e-9);
    assert_string_equal(mlx_value_str(result, "unit"), "ratio");
    assert_string_equal(mlx_value_str(result, "series"), "studio/sensor.cpu/utilization");
    mlx_value_destroy(&result);
    args = mlx_value_map();
    mlx_value_set_str(args, "series", "studio/sensor.cpu/utilization");
    result = ask(rig, "history.export", args);
    assert_int_equal(mlx_value_size(mlx_value_get(result, "rows")), 30);
    assert_null(mlx_value_get(result, "cursor"));
    mlx_value_destroy(&result);
    result = ask(rig, "history.info", mlx_value_map());
    int64_t samples;
    assert_true(mlx_value_int(result, "samples", &samples) && samples == 30);
    mlx_value_destroy(&result);
}

/*  More names than one message takes come page by page, each once. */
static void many_series_are_listed_in_pages(void **state)
{
    rig_t *rig = *state;
    enum {
        HOSTS = 2600,
        LONG = 240
    };
    assert_int_equal(rig_start(rig, NULL), 0);
    for (int i = 0; i < HOSTS; i++) {
        MLX_CLEANUP(mlx_free_p) char *host = mlx_format("%0*d", LONG, i);
        say_from(rig, host, "sensor.cpu", one("utilization", 0.5));
    }
    mlx_recorder_tick(rig->recorder);
    MLX_CLEANUP(mlx_free_p) char *after = NULL;
    size_t pages = 0, names = 0;
    do {
        mlx_value_t *args = mlx_value_map();
        mlx_value_set_str(args, "after", after);
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = ask(rig, "history.series", args);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t packed = {0};
        const mlx_value_t *list = mlx_value_get(result, "series");
        mlx_pack(&packed, result);
        assert_true(packed.len < MLX_PACK_MAX_BYTES);
        for (size_t i = 0; i < mlx_value_size(list); i++, names++)
            assert_int_equal(atoi(mlx_value_as_str(mlx_value_at(list, i), NULL)), names);
        pages++;
        free(after);
        after = mlx_value_str(result, "next") ? mlx_strdup(mlx_value_str(result, "next")) : NULL;
    } while (after && pages < 10);
    assert_int_equal(names, HOSTS);
    assert_int_equal(pages, 2);
}

static void commands_refuse_what_makes_no_sense(void **state)
{
    rig_t *rig = *state;
    static const struct {
        const char *cmd, *key, *value;
        mlx_code_t code;
    } cases[] = {{"history.query", "series", "sensor.cpu/utilisation", MLX_ERR_NOT_FOUND},
                 {"history.query", "other", "x", MLX_ERR_USAGE},
                 {"history.export", "series", "x", MLX_ERR_NOT_FOUND},
                 {"history.nothing", "series", "x", MLX_ERR_USAGE}};
    assert_int_equal(rig_start(rig, NULL), 0);
    say(rig, "sensor.cpu", one("utilization", 0.5));
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_error_t err = {0};
        mlx_value_t *args = mlx_value_map();
        mlx_value_set_str(args, cases[i].key, cases[i].value);
        assert_null(mlx_recorder_answer(rig->recorder, cases[i].cmd, args, &err));
        assert_int_equal(err.code, cases[i].code);
        if (i == 0)
            assert_non_null(strstr(err.hint, "sensor.cpu/utilization"));
        mlx_value_destroy(&args);
    }
}

static void a_result_is_stored_whole_and_once(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(rig_start(rig, NULL), 0);
    for (int i = 0; i < 4; i++) {
        mlx_value_t *d = mlx_value_map();
        mlx_value_set_str(d, "id", i < 2 ? "first" : i == 2 ? "second" : NULL);
        mlx_value_set_str(d, "model", i < 2 ? "qwen3:8b" : "llama3.2:1b");
        mlx_value_set_real(mlx_value_set(d, "tokens_per_second", mlx_value_map()), "median", 42.5);
        mlx_value_set(d, "future", mlx_value_list());
        say(rig, "bench.result", d);
        wait_s(1);
    }
    assert_non_null(strstr(mlx_buf_str(&rig->problems), "without an id"));
    mlx_value_t *result = ask(rig, "bench.list", mlx_value_map());
    const mlx_value_t *list = mlx_value_get(result, "results");
    assert_int_equal(mlx_value_size(list), 2);
    assert_string_equal(mlx_value_str(mlx_value_at(list, 0), "id"), "second");
    assert_string_equal(mlx_value_str(mlx_value_at(list, 1), "host"), "studio");
    assert_non_null(mlx_value_get(mlx_value_at(list, 1), "future"));
    mlx_value_destroy(&result);
    mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "model", "qwen3:8b");
    result = ask(rig, "bench.list", args);
    assert_int_equal(mlx_value_size(mlx_value_get(result, "results")), 1);
    mlx_value_destroy(&result);
}

static void a_rule_fires_after_its_time_and_resolves(void **state)
{
    rig_t *rig = *state;
    mlx_value_t *hot = rule(rig, "hot", "sensor.gpu.*", "temperature");
    mlx_value_set_real(hot, "above", 90);
    mlx_value_set_real(hot, "for_s", 10);
    assert_int_equal(rig_start(rig, NULL), 0);
    for (int i = 0; i < 10; i++, wait_s(1))
        say(rig, "sensor.gpu.0", one("temperature", 95));
    say(rig, "sensor.gpu.0", one("temperature", 80)); /* cool for a moment: counted again */
    for (int i = 0; i < 10; i++, wait_s(1))
        say(rig, "sensor.gpu.0", one("temperature", 95));
    assert_int_equal(rig->alarms.len, 0);
    say(rig, "sensor.gpu.0", one("temperature", 95));
    assert_string_equal(mlx_buf_str(&rig->alarms),
                        "alert.hot firing studio/sensor.gpu.0/temperature is 95\u00b0C, above "
                        "90\u00b0C\n");
    mlx_buf_reset(&rig->alarms);
    /* A second source does not fire again, and the first that cools does not resolve alone. */
    for (int i = 0; i < 12; i++, wait_s(1))
        say(rig, "sensor.gpu.1", one("temperature", 95));
    say(rig, "sensor.gpu.0", one("temperature", 80));
    assert_int_equal(rig->alarms.len, 0);
    say(rig, "sensor.gpu.1", one("temperature", 80));
    assert_non_null(strstr(mlx_buf_str(&rig->alarms), "alert.hot resolved"));
}

/*  A value that a slow sensor gave long ago neither fires a rule nor keeps it firing. */
static void a_stale_value_is_absent(void **state)
{
    rig_t *rig = *state;
    mlx_value_set_real(rule(rig, "hot", "sensor.gpu.*", "temperature"), "above", 90);
    assert_int_equal(rig_start(rig, NULL), 0);
    for (int age = 30; age >= 10; age -= 20, wait_s(1)) {
        mlx_value_t *d = one("temperature", 95);
        mlx_value_t *note =
            mlx_value_append(mlx_value_set(d, "held", mlx_value_list()), mlx_value_map());
        mlx_value_set_str(note, "field", "temperature");
        mlx_value_set_real(note, "age", age);
        say(rig, "sensor.gpu.0", d);
        assert_int_equal(rig->alarms.len > 0, age < 20);
    }
    mlx_value_t *d = one("temperature", 95);
    mlx_value_t *note =
        mlx_value_append(mlx_value_set(d, "held", mlx_value_list()), mlx_value_map());
    mlx_value_set_str(note, "field", "temperature");
    mlx_value_set_real(note, "age", 21);
    say(rig, "sensor.gpu.0", d);
    assert_non_null(strstr(mlx_buf_str(&rig->alarms), "alert.hot resolved"));
}

static void absence_and_silence_resolve(void **state)
{
    rig_t *rig = *state;
    mlx_value_set_real(rule(rig, "throttled", "sensor.gpu.0", "throttle"), "above", 0);
    mlx_value_t *down = rule(rig, "Down!", "runtime.*.models", "reachable");
    mlx_value_set_real(down, "below", 0.5);
    mlx_value_set_str(down, "text", "the runtime does not answer");
    assert_int_equal(rig_start(rig, NULL), 0);
    mlx_value_t *d = mlx_value_map();
    mlx_value_append(mlx_value_set(d, "throttle", mlx_value_list()), mlx_value_new_str("thermal"));
    say(rig, "sensor.gpu.0", d);
    d = mlx_value_map();
    mlx_value_set_bool(d, "reachable", false);
    say(rig, "runtime.ollama.x.models", d);
    assert_non_null(strstr(mlx_buf_str(&rig->alarms), "alert.throttled firing"));
    assert_non_null(
        strstr(mlx_buf_str(&rig->alarms), "alert.down_ firing the runtime does not answer"));
    wait_s(1);
    say(rig, "sensor.gpu.0", one("temperature", 50));
    assert_non_null(strstr(mlx_buf_str(&rig->alarms), "alert.throttled resolved"));
    mlx_recorder_tick(rig->recorder);
    assert_null(strstr(mlx_buf_str(&rig->alarms), "alert.down_ resolved"));
    wait_s(301);
    mlx_recorder_tick(rig->recorder);
    assert_non_null(strstr(mlx_buf_str(&rig->alarms), "alert.down_ resolved"));
}

static void a_drop_is_judged_by_the_models_own_history(void **state)
{
    rig_t *rig = *state;
    mlx_value_set_real(rule(rig, "slow", "runtime.*.activity", "last.tokens_per_second"), "drop",
                       0.3);
    assert_int_equal(rig_start(rig, NULL), 0);
    static const struct {
        const char *model;
        double speed;
        int times;
        bool fires;
    } cases[] = {{"fast", 100, 200, false},
                 {"small", 20, 200, false},
                 {"fast", 75, 1, false},
                 {"new", 1, 50, false},
                 {"fast", 60, 1, true}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        for (int k = 0; k < cases[i].times; k++, wait_s(1)) {
            mlx_value_t *d = mlx_value_map();
            mlx_value_t *last = mlx_value_set(d, "last", mlx_value_map());
            mlx_value_set_str(last, "model", cases[i].model);
            mlx_value_set_real(last, "tokens_per_second", cases[i].speed);
            say(rig, "runtime.ollama.x.activity", d);
        }
        assert_int_equal(strstr(mlx_buf_str(&rig->alarms), "alert.slow firing") != NULL,
                         cases[i].fires);
        wait_s(700); /* what is usual is asked again */
    }
}

static void bad_rules_are_refused(void **state)
{
    rig_t *rig = *state;
    mlx_error_t err = {0};
    rule(rig, "hot", "sensor.gpu.0", "temperature");
    assert_int_equal(rig_start(rig, &err), -1);
    assert_int_equal(err.code, MLX_ERR_USAGE);
    assert_non_null(strstr(err.text, "no limit"));
    mlx_value_set_real(mlx_value_at(rig->rules, 0), "above", 1);
    mlx_value_set_real(rule(rig, "HOT", "sensor.gpu.0", "temperature"), "above", 2);
    assert_int_equal(rig_start(rig, &err), -1);
    assert_non_null(strstr(err.text, "twice"));
}

static void a_message_from_the_future_is_dropped(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(rig_start(rig, NULL), 0);
    wait_s(86400);
    mlx_value_t *d = one("utilization", 0.5);
    mlx_message_t message = {
        .topic = mlx_strdup("sensor.cpu"), .host = mlx_strdup("x"), .t = clock_us, .d = d};
    wait_s(-86400);
    mlx_recorder_message(rig->recorder, &message);
    mlx_message_clear(&message);
    assert_non_null(strstr(mlx_buf_str(&rig->problems), "clock"));
    mlx_value_t *result = ask(rig, "history.series", mlx_value_map());
    assert_int_equal(mlx_value_size(mlx_value_get(result, "series")), 0);
    mlx_value_destroy(&result);
}

static int files_like(const scratch_t *scratch, const char *part)
{
    int count = 0;
    DIR *folder = opendir(scratch->dir);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strstr(entry->d_name, part) != NULL;
    closedir(folder);
    return count;
}

static void scribble(const scratch_t *scratch, off_t at, size_t len)
{
    MLX_CLEANUP(mlx_close_p) int fd = open(scratch->path, O_WRONLY | O_CREAT, 0600);
    char *junk = mlx_alloc(len, 1);
    memset(junk, 0x5a, len);
    assert_int_equal(pwrite(fd, junk, len, at), len);
    free(junk);
}

static void check_begun_anew(rig_t *rig)
{
    assert_int_equal(rig_start(rig, NULL), 0);
    assert_int_equal(files_like(rig->scratch, "history.db.damaged-20260101-"), 1);
    assert_non_null(strstr(rig->health, "was damaged: saved as"));
    assert_non_null(strstr(mlx_buf_str(&rig->problems), "damaged: "));
    say(rig, "sensor.cpu", one("utilization", 0.5));
    mlx_recorder_tick(rig->recorder);
    assert_non_null(rig->health); /* until the next start */
    mlx_value_t *result = ask(rig, "history.series", mlx_value_map());
    assert_int_equal(mlx_value_size(mlx_value_get(result, "series")), 1);
    mlx_value_destroy(&result);
}

static void a_file_that_is_no_database_is_set_aside(void **state)
{
    rig_t *rig = *state;
    scribble(rig->scratch, 0, 20000);
    check_begun_anew(rig);
}

static void a_damaged_page_is_set_aside(void **state)
{
    rig_t *rig = *state;
    assert_int_equal(rig_start(rig, NULL), 0);
    assert_null(rig->health);
    say(rig, "sensor.cpu", one("utilization", 0.5));
    mlx_recorder_destroy(&rig->recorder);
    scribble(rig->scratch, 8192, 40000);
    check_begun_anew(rig);
}

/*  More than SQLite keeps in memory, so that it has to read the file again. */
static void store_large_results(rig_t *rig)
{
    char *large = mlx_alloc(1000001, 1);
    memset(large, 'x', 1000000);
    for (int i = 0; i < 6; i++, wait_s(1)) {
        MLX_CLEANUP(mlx_free_p) char *id = mlx_format("run %d", i);
        mlx_value_t *d = mlx_value_map();
        mlx_value_set_str(d, "id", id);
        mlx_value_set_str(d, "future", large);
        say(rig, "bench.result", d);
    }
    free(large);
}

/*  The disk turns bad while we run: noticed at the next read, and the recorder goes on. */
static void damage_while_running_is_survived(void **state)
{
    rig_t *rig = *state;
    mlx_error_t err = {0};
    assert_int_equal(rig_start(rig, NULL), 0);
    store_large_results(rig);
    mlx_recorder_destroy(&rig->recorder);
    assert_int_equal(rig_start(rig, NULL), 0);
    scribble(rig->scratch, 65536, 5000000);
    mlx_value_t *args = mlx_value_map();
    assert_null(mlx_recorder_answer(rig->recorder, "bench.list", args, &err));
    mlx_value_destroy(&args);
    assert_int_equal(err.code, MLX_ERR_DATA_LOSS);
    assert_int_equal(files_like(rig->scratch, "history.db.damaged-20260101-"), 1);
    say(rig, "sensor.cpu", one("utilization", 0.5));
    mlx_recorder_tick(rig->recorder);
    assert_non_null(strstr(rig->health, "was damaged: saved as"));
    mlx_value_t *result = ask(rig, "history.series", mlx_value_map());
    assert_int_equal(mlx_value_size(mlx_value_get(result, "series")), 1);
    mlx_value_destroy(&result);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_make, rig_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_catalogue_says_what_is_a_series),
        TEST(messages_become_series_that_commands_answer),
        TEST(many_series_are_listed_in_pages),
        TEST(commands_refuse_what_makes_no_sense),
        TEST(a_result_is_stored_whole_and_once),
        TEST(a_rule_fires_after_its_time_and_resolves),
        TEST(a_stale_value_is_absent),
        TEST(absence_and_silence_resolve),
        TEST(a_drop_is_judged_by_the_models_own_history),
        TEST(bad_rules_are_refused),
        TEST(a_message_from_the_future_is_dropped),
        TEST(a_file_that_is_no_database_is_set_aside),
        TEST(a_damaged_page_is_set_aside),
        TEST(damage_while_running_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
