/*  Settings: defaults, sources and their order, mistakes and what they are called */
#include "common/base/config.h"

#include "common/base/config_edit.h"
#include "common/base/config_table.h"
#include "common/base/file.h"
#include "fake_env.h"
#include "proto/json.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define EMPTY FAKE_ENV("HOME=/home/u")

static int load(mlx_config_t *config, const char *text, mlx_error_t *err)
{
    return mlx_config_load_text(config, text, strlen(text), "config.yaml", err);
}

static void test_defaults(void **state)
{
    (void)state;
    mlx_config_t *config = mlx_config_new(EMPTY);
    assert_true(mlx_config_real(config, "sampler.rate_hz") == 1.0);
    assert_true(mlx_config_bool(config, "watcher.tap"));
    assert_int_equal(mlx_config_int(config, "recorder.raw_hours"), 48);
    assert_true(mlx_config_real(config, "recorder.raw_hours") == 48.0);
    assert_string_equal(mlx_config_str(config, "log.level"), "info");
    assert_null(mlx_config_str(config, "host"));
    assert_null(mlx_config_str(config, "cache.dir"));
    assert_int_equal(mlx_value_type(mlx_config_value(config, "bus.peers")), MLX_LIST);
    assert_int_equal(mlx_value_size(mlx_config_value(config, "bus.peers")), 0);
    assert_null(mlx_config_path(config));
    mlx_config_destroy(&config);
    assert_null(config);
    mlx_config_destroy(&config);
}

static void test_file_of_every_type(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(EMPTY);
    assert_int_equal(load(config,
                          "host: studio\n"
                          "sampler:\n  rate_hz: 2.5\n  disable: [nvml, 'hwmon']\n"
                          "watcher:\n  tap: off\n"
                          "  runtimes:\n    - kind: ollama\n      url: http://h:1\n"
                          "    - {kind: vllm, url: http://v:2}\n"
                          "recorder: {path: ~/db/h.db, raw_hours: 10}\n"
                          "log:\n  level: debug\n"
                          "menubar:\n",
                          &err),
                     0);
    assert_string_equal(err.text, "");
    assert_string_equal(mlx_config_str(config, "host"), "studio");
    assert_true(mlx_config_real(config, "sampler.rate_hz") == 2.5);
    assert_false(mlx_config_bool(config, "watcher.tap"));
    assert_string_equal(mlx_config_str(config, "recorder.path"), "/home/u/db/h.db");
    assert_int_equal(mlx_config_int(config, "recorder.raw_hours"), 10);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, mlx_config_value(config, "sampler.disable"), false);
    mlx_json_write(&text, mlx_config_value(config, "watcher.runtimes"), false);
    assert_string_equal(mlx_buf_str(&text), "[\"nvml\",\"hwmon\"]"
                                            "[{\"kind\":\"ollama\",\"url\":\"http://h:1\"},"
                                            "{\"kind\":\"vllm\",\"url\":\"http://v:2\"}]");
    mlx_config_destroy(&config);
}

static void test_precedence(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(FAKE_ENV("MLX_SAMPLER_RATE_HZ=3", "MLX_LOG_LEVEL=debug",
                                                   "MLX_SAMPLER_DISABLE=nvml, drm",
                                                   "MLX_WATCHER_RUNTIMES=[{kind: ollama, url: u}]",
                                                   "MLX_GATEWAY_LISTEN=", "MLX_WATCHER_TAP=0"));
    /* In the wrong order on purpose. */
    assert_int_equal(mlx_config_set(config, "sampler.rate_hz", "4", &err), 0);
    assert_int_equal(mlx_config_load_env(config, &err), 0);
    assert_int_equal(load(config,
                          "sampler: {rate_hz: 2}\nlog: {level: error}\nbus: {hwm: 50}\n"
                          "watcher: {tap: true}\n",
                          &err),
                     0);
    assert_string_equal(err.text, "");
    assert_true(mlx_config_real(config, "sampler.rate_hz") == 4.0);
    assert_string_equal(mlx_config_str(config, "log.level"), "debug");
    assert_int_equal(mlx_config_int(config, "bus.hwm"), 50);
    assert_false(mlx_config_bool(config, "watcher.tap"));
    assert_int_equal(mlx_value_size(mlx_config_value(config, "sampler.disable")), 2);
    assert_int_equal(mlx_value_size(mlx_config_value(config, "watcher.runtimes")), 1);
    assert_string_equal(mlx_config_str(config, "gateway.listen"), "127.0.0.1:11490");
    mlx_config_destroy(&config);
}

static const mlx_value_t *described(const mlx_value_t *list, const char *key)
{
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (strcmp(mlx_value_str(mlx_value_at(list, i), "key"), key) == 0)
            return mlx_value_at(list, i);
    return NULL;
}

static void assert_source(const mlx_value_t *list, const char *key, const char *source,
                          const char *place)
{
    const mlx_value_t *map = described(list, key);
    assert_non_null(map);
    assert_string_equal(mlx_value_str(map, "source"), source);
    if (place)
        assert_string_equal(mlx_value_str(map, "place"), place);
    else
        assert_null(mlx_value_str(map, "place"));
    assert_non_null(mlx_value_str(map, "help"));
}

static void test_describe_says_where_from(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(FAKE_ENV("MLX_LOG_LEVEL=debug"));
    assert_int_equal(mlx_config_load_env(config, &err), 0);
    assert_int_equal(load(config, "bus:\n\n  hwm: 50\n", &err), 0);
    assert_int_equal(mlx_config_set(config, "host", "h", &err), 0);
    mlx_value_t *list = mlx_config_describe(config);
    assert_int_equal(mlx_value_size(list), mlx_settings_count);
    assert_source(list, "log.level", "environment", "MLX_LOG_LEVEL");
    assert_source(list, "bus.hwm", "file", "config.yaml:3");
    assert_source(list, "host", "flag", "host");
    assert_source(list, "cache.dir", "default", NULL);
    assert_null(mlx_value_get(described(list, "cache.dir"), "value"));
    mlx_value_destroy(&list);
    mlx_config_destroy(&config);
}

static void test_mistakes(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error, *hint;
    } cases[] = {
        {"sampler:\n  rate: 1\n", "config.yaml:2:3: there is no setting \"sampler.rate\"",
         "did you mean \"sampler.rate_hz\"?"},
        {"samplr:\n  rate_hz: 1\n", "config.yaml:1:1: there is no setting \"samplr\"",
         "did you mean \"sampler\"?"},
        {"sampler.rate_hz: 1\n", "config.yaml:1:1: \"sampler.rate_hz\" must be nested", "section"},
        {"qqqqqqqqqqqqqqqqqqqq: 1\n", "there is no setting", "mlxctl config"},
        {"sampler:\n  rate_hz: fast\n",
         "config.yaml:2:12: sampler.rate_hz is \"fast\", but must be a number", ""},
        {"sampler:\n  rate_hz: 20\n",
         "config.yaml:2:12: sampler.rate_hz is \"20\", but must be 0.1 to 10", ""},
        {"sampler:\n  rate_hz: nan\n", "must be a number", ""},
        {"sampler:\n  rate_hz: [1]\n", "config.yaml:2:12: sampler.rate_hz must be a number", ""},
        {"sampler:\n  disable: nvml\n", "must be a list of strings", ""},
        {"sampler:\n  disable: [[a]]\n", "must be a list of strings", ""},
        {"sampler: 3\n", "config.yaml:1:10: sampler must contain settings", ""},
        {"watcher:\n  tap: maybe\n", "must be true or false", ""},
        {"bus:\n  hwm: 1e3\n", "must be a whole number", ""},
        {"bus:\n  hwm: 99999999999999999999\n", "must be a whole number", ""},
        {"log:\n  level: warn\n", "must be one of error|warning|info|debug",
         "did you mean \"warning\"?"},
        {"host: {a: 1}\n", "host must be a name", ""},
        {"host: ''\n", "must be a name of 1 to 128 bytes", ""},
        {"host: \"a\\tb\"\n", "must be a name of 1 to 128 bytes", ""},
        {"host: Alice Mac\n", "config.yaml:1:7", ""},
        {"host: \"a\\u202Eb\"\n", "must be a name of 1 to 128 bytes", ""},
        {"bus: {peers: [{host: a b, endpoint: x, key: y}]}\n", "must be a name of 1 to 128", ""},
        {"host: \"a\\0b\"\n", "NUL", ""},
        {"cache:\n  dir: here\n", "must be an absolute path", ""},
        {"host: a\nbus: {}\nhost: b\n", "config.yaml:3:1: \"host\" was already set in line 1", ""},
        {"bus:\n  hwm: 20\n  hwm: 30\n", "config.yaml:3:3: \"hwm\" was already set in line 2", ""},
        {"watcher:\n  runtimes:\n  - kind: ollama\n",
         "config.yaml:3:5: this entry of watcher.runtimes lacks \"url\"", ""},
        {"watcher:\n  runtimes: [{kind: olama, url: u}]\n", "must be one of", "\"ollama\""},
        {"watcher:\n  runtimes: [{kid: ollama, url: u}]\n", "has no field \"kid\"", "\"kind\""},
        {"watcher:\n  runtimes: [ollama]\n", "must be a list of maps", ""},
        {"a: &x 1\n", "config.yaml:1:4: anchors and aliases are not supported", ""},
        {"a: *x\n", "anchors and aliases", ""},
        {"a: !!str b\n", "tags are not supported", ""},
        {"host: a\n---\nhost: b\n", "config.yaml:2:1: only one document", ""},
        {"host: a\n\tb: 1\n", "config.yaml:2:1:", ""},
        {"host: \"open\n", "config.yaml:", ""},
        {"[1]: 2\n", "a key must be a word", ""},
        {"- a\n", "the file must consist of sections", ""},
        {"host: \xff\xfe\n", "config.yaml:1:", ""},
        {"a: [[[[[[[[[[1]]]]]]]]]]\n", "nested deeper than 8", ""},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_error_t err = {0};
        mlx_config_t *config = mlx_config_new(EMPTY);
        assert_int_equal(load(config, cases[i].text, &err), -1);
        assert_int_equal(err.code, MLX_ERR_USAGE);
        if (!strstr(err.text, cases[i].error) || !strstr(err.hint, cases[i].hint))
            fail_msg("%s gives \"%s; %s\", not \"%s; %s\"", cases[i].text, err.text, err.hint,
                     cases[i].error, cases[i].hint);
        mlx_config_destroy(&config);
    }
}

static void test_harmless_files(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "", "# nothing\n", "---\n", "bus:\n", "bus: ~\nhost: null\n", "{}", "bus: {hwm: }\n"};
    for (size_t i = 0; i < MLX_COUNT(texts); i++) {
        mlx_error_t err = {0};
        mlx_config_t *config = mlx_config_new(EMPTY);
        assert_int_equal(load(config, texts[i], &err), 0);
        assert_int_equal(mlx_config_int(config, "bus.hwm"), 10000);
        mlx_config_destroy(&config);
    }
}

static void test_sizes_are_bounded(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(EMPTY);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_buf_puts(&text, "sampler: {disable: [");
    for (int i = 0; i < 1001; i++)
        mlx_buf_puts(&text, "a,");
    mlx_buf_puts(&text, "]}");
    assert_int_equal(load(config, text.data, &err), -1);
    assert_non_null(strstr(err.text, "more than 1000 entries"));
    mlx_buf_reset(&text);
    while (text.len <= (size_t)1024 * 1024)
        mlx_buf_puts(&text, "# a comment that fills the file\n");
    assert_int_equal(load(config, text.data, &err), -1);
    assert_string_equal(err.text, "config.yaml is larger than 1048576 bytes");
    mlx_config_destroy(&config);
}

static void test_mistakes_outside_the_file(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    mlx_config_t *config = mlx_config_new(FAKE_ENV("MLX_SAMPLER_RATE_HZ=0.01"));
    assert_int_equal(mlx_config_load_env(config, &err), -1);
    assert_string_equal(err.text,
                        "MLX_SAMPLER_RATE_HZ: sampler.rate_hz is \"0.01\", but must be 0.1 to 10");
    assert_int_equal(mlx_config_set(config, "sampler.rate", "1", &err), -1);
    assert_string_equal(err.hint, "did you mean \"sampler.rate_hz\"?");
    assert_int_equal(mlx_config_set(config, "bus.peers", "[{host: h", &err), -1);
    assert_ptr_equal(strstr(err.text, "bus.peers:"), err.text);
    mlx_config_destroy(&config);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static void test_open(void **state)
{
    (void)state;
    char dir[] = "/tmp/mlx-test-config-XXXXXX", path[64], variable[80], home[80];
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/c.yaml", dir);
    snprintf(variable, sizeof variable, "MLX_CONFIG=%s", path);
    snprintf(home, sizeof home, "HOME=%s", dir);
    mlx_error_t err = {0};

    /* Nothing at the usual place is fine; a file that was asked for must be there. */
    mlx_config_t *config = mlx_config_open(FAKE_ENV(home), NULL, &err);
    assert_non_null(config);
    assert_null(mlx_config_path(config));
    mlx_config_destroy(&config);
    assert_null(mlx_config_open(FAKE_ENV(home, variable), NULL, &err));
    assert_int_equal(err.code, MLX_ERR_NOT_FOUND);
    assert_null(mlx_config_open(FAKE_ENV(home), path, &err));

    write_file(path, "host: from-file\nbus: {hwm: 77}\n");
    config = mlx_config_open(FAKE_ENV(home, variable, "MLX_HOST=from-env"), NULL, &err);
    assert_non_null(config);
    assert_string_equal(mlx_config_str(config, "host"), "from-env");
    assert_int_equal(mlx_config_int(config, "bus.hwm"), 77);
    assert_string_equal(mlx_config_path(config), path);
    mlx_config_destroy(&config);

    write_file(path, "hots: x\n");
    assert_null(mlx_config_open(FAKE_ENV(home, variable), NULL, &err));
    assert_ptr_equal(strstr(err.text, path), err.text);
    unlink(path);
    rmdir(dir);
}

/*  The example file without the # before its settings. */
static char *uncommented(const char *text)
{
    mlx_buf_t out = {0};
    for (const char *c = text; *c; c++)
        if (*c != '#' || c[1] == ' ')
            mlx_buf_putc(&out, *c);
    return mlx_buf_take(&out);
}

static void test_example_file(void **state)
{
    (void)state;
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t example = {0};
    mlx_config_write_example(&example);
    mlx_config_t *plain = mlx_config_new(EMPTY), *as_is = mlx_config_new(EMPTY),
                 *active = mlx_config_new(EMPTY);
    assert_int_equal(load(as_is, example.data, &err), 0);
    MLX_CLEANUP(mlx_free_p) char *all = uncommented(example.data);
    assert_int_equal(load(active, all, &err), 0);
    assert_string_equal(err.text, "");
    mlx_value_t *list = mlx_config_describe(active);
    for (size_t i = 0; i < mlx_settings_count; i++) {
        const char *key = mlx_settings[i].key;
        assert_true(mlx_value_equal(mlx_config_value(as_is, key), mlx_config_value(plain, key)));
        /* Every setting is in the file, those with a default by that default. */
        assert_string_equal(mlx_value_str(described(list, key), "source"), "file");
        if (mlx_settings[i].fallback)
            assert_true(
                mlx_value_equal(mlx_config_value(active, key), mlx_config_value(plain, key)));
    }
    for (size_t c = 0, column = 0; c < example.len; c++) {
        column = example.data[c] == '\n' ? 0 : column + 1;
        assert_true(column <= 120);
    }
    mlx_value_destroy(&list);
    mlx_config_destroy(&plain);
    mlx_config_destroy(&as_is);
    mlx_config_destroy(&active);
}

/*  One setting changes, and nothing that a person wrote. */
static void test_edit(void **state)
{
    (void)state;
    static const struct {
        const char *before;
        const char *after; /* NULL: refused */
    } cases[] = {
        {"", "menubar:\n  title: memory\n"},
        {"host: a", "host: a\nmenubar:\n  title: memory\n"},
        {"menubar:\n  # mine\n", "menubar:\n  title: memory\n  # mine\n"},
        {"menubar:\n    units: metric\n\nhost: a\n",
         "menubar:\n    title: memory\n    units: metric\n\nhost: a\n"},
        {"menubar:  # bar\n  units: metric\n  title: gpu   # mine\nhost: a\n",
         "menubar:  # bar\n  units: metric\n  title: memory # mine\nhost: a\n"},
        {"menubar:\r\n  title: gpu\r\nhost: a\r\n", "menubar:\r\n  title: memory\nhost: a\r\n"},
        {"#menubar:\n#  title: gpu\n", "#menubar:\n#  title: gpu\nmenubar:\n  title: memory\n"},
        {"menubar:\n  title: \"gpu\"", "menubar:\n  title: memory\n"},
        {"alert:\n  rules:\n    - {name: menubar, topic: sensor.memory, field: used, above: 1}\n",
         "alert:\n  rules:\n    - {name: menubar, topic: sensor.memory, field: used, above: 1}\n"
         "menubar:\n  title: memory\n"},
        {"menubar: {title: gpu}\n", NULL},
        {"menubar:\n  title:\n    gpu\n", NULL},
        {"{menubar: {title: gpu}}\n", NULL},
        {"\"menubar\":\n  title: gpu\n", NULL},
        {"no.such: 1\n", NULL},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_error_t err = {0};
        MLX_CLEANUP(mlx_free_p)
        char *got = mlx_config_edited(cases[i].before, "menubar.title", "memory", "f", &err);
        if (!cases[i].after) {
            if (got)
                fail_msg("%s became %s", cases[i].before, got);
            assert_int_equal(err.code, MLX_ERR_USAGE);
            continue;
        }
        if (!got)
            fail_msg("%s: %s", cases[i].before, err.text);
        assert_string_equal(got, cases[i].after);
    }
}

/*  Through a link, with its mode, and as a whole or not at all. */
static void test_edit_of_a_file(void **state)
{
    (void)state;
    struct stat st;
    char dir[] = "/tmp/mlx-test-edit-XXXXXX";
    assert_non_null(mkdtemp(dir));
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/config.yaml", dir);
    MLX_CLEANUP(mlx_free_p) char *link = mlx_format("%s/link", dir);
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(mlx_config_edit(path, "menubar.title", "gpu", NULL), 0);
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mlx_config_edit(link, "menubar.notifications", "false", NULL), 0);
    assert_true(lstat(link, &st) == 0 && S_ISLNK(st.st_mode));
    assert_true(stat(path, &st) == 0 && (st.st_mode & 0777) == 0640);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, 4096, NULL, NULL);
    assert_string_equal(text, "menubar:\n  notifications: false\n  title: gpu\n");
    unlink(link);
    unlink(path);
    assert_int_equal(rmdir(dir), 0); /* nothing lies beside it */
}

static void test_table_is_sound(void **state)
{
    (void)state;
    for (size_t i = 0; i < mlx_settings_count; i++) {
        const mlx_setting_t *s = &mlx_settings[i];
        assert_non_null(s->help);
        assert_int_equal(s->help[strlen(s->help) - 1], '.');
        assert_non_null(s->used_by);
        assert_true(s->fallback || s->example);
        assert_true((s->type == MLX_SETTING_MAPS) == (s->fields != NULL));
        assert_true((s->type == MLX_SETTING_WORD) == (s->words != NULL));
        for (size_t k = 0; k < i; k++)
            assert_string_not_equal(s->key, mlx_settings[k].key);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_file_of_every_type),
        cmocka_unit_test(test_precedence),
        cmocka_unit_test(test_describe_says_where_from),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_harmless_files),
        cmocka_unit_test(test_sizes_are_bounded),
        cmocka_unit_test(test_mistakes_outside_the_file),
        cmocka_unit_test(test_open),
        cmocka_unit_test(test_example_file),
        cmocka_unit_test(test_edit),
        cmocka_unit_test(test_edit_of_a_file),
        cmocka_unit_test(test_table_is_sound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
