/*  API keys: read only where they are safe, sent only where they belong, and said nowhere. */
#include <sys/stat.h>

#include "common/runtime/keys.h"
#include "proto/json.h"
#include "tests/watcher/play.h"
#include "tests/watcher/script.h"

static const char KEY[] = "sk-tst-5f0e9a7d";
static const char MODELS[] = "{\"data\":[{\"id\":\"m.gguf\",\"owned_by\":\"llamacpp\"}]}";
static const char PROPS[] = "{\"build_info\":\"b1\"}";

static void put(const char *path, const char *text, mode_t mode)
{
    FILE *file = fopen(path, "we");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static mlx_value_t *add(mlx_value_t *list, const char *url, const char *field, const char *value)
{
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "kind", "auto");
    mlx_value_set_str(item, "url", url);
    if (field)
        mlx_value_set_str(item, field, value);
    return list;
}

static int make_folder(void **state)
{
    static char path[] = "/tmp/mlx-keys-XXXXXX";
    strcpy(path, "/tmp/mlx-keys-XXXXXX");
    *state = mkdtemp(path);
    return *state ? 0 : -1;
}

static int remove_folder(void **state)
{
    MLX_CLEANUP(mlx_free_p) char *file = mlx_format("%s/key", (char *)*state);
    unlink(file);
    return rmdir(*state);
}

static void note(void *arg, const char *text)
{
    snprintf(arg, 400, "%s", text);
}

static void reads_only_what_is_safe(void **state)
{
    static const char url[] = "http://127.0.0.1:8080";
    MLX_CLEANUP(mlx_free_p) char *path = mlx_format("%s/key", (char *)*state);
    const struct {
        mode_t mode;
        const char *text;
        const char *says; /* NULL: it is taken */
    } cases[] = {
        {0600, "sk-tst-5f0e9a7d\n", NULL},
        {0400, "  sk-tst-5f0e9a7d \r\nanother\n", NULL},
        {0640, "sk-tst-5f0e9a7d\n", "chmod 600"},
        {0604, "sk-tst-5f0e9a7d\n", "chmod 600"},
        {0620, "sk-tst-5f0e9a7d\n", "chmod 600"},
        {0600, "\n\n", "is empty"},
        {0600, "sk-tst-5f0e9a7d and more\n", "one word"},
        {0600, "sk-tst-5f0e9a7d\001\n", "one word"},
    };
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_runtime_keys_destroy)
    mlx_runtime_keys_t *keys = mlx_runtime_keys_new(add(list, url, "key_file", path));
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char line[400] = "", advice[MLX_RUNTIME_ADVICE_MAX];
        put(path, cases[i].text, cases[i].mode);
        MLX_CLEANUP(mlx_free_p) char *key = mlx_runtime_keys_find(keys, url);
        mlx_runtime_keys_check(keys, note, line);
        mlx_runtime_keys_advice(keys, url, advice, sizeof advice);
        if (cases[i].says ? key != NULL : !key || strcmp(key, KEY) != 0)
            fail_msg("mode %o: %s", (unsigned)cases[i].mode, key ? key : "no key");
        assert_true(cases[i].says ? strstr(line, cases[i].says) && strstr(line, "key_file") &&
                                        !strchr(line, '\n')
                                  : line[0] == '\0');
        assert_ptr_equal(strstr(advice, "needs a key: "), advice);
        assert_null(strstr(line, KEY));
        assert_null(strstr(advice, KEY));
        unlink(path);
    }
    char line[400] = "";
    mlx_runtime_keys_check(keys, note, line);
    assert_non_null(strstr(line, "key_file"));
}

static void gives_a_key_to_its_own_endpoint_only(void **state)
{
    (void)state;
    setenv("MLX_TEST_KEY", KEY, 1);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    add(list, "https://models.example:8443/v1", "key_env", "MLX_TEST_KEY");
    add(list, "127.0.0.1:8080", "key_env", "MLX_TEST_KEY");
    add(list, "http://[::1]:8081", "key_env", KEY); /* the key where its variable belongs */
    MLX_CLEANUP(mlx_runtime_keys_destroy) mlx_runtime_keys_t *keys = mlx_runtime_keys_new(list);
    const struct {
        const char *url;
        bool given;
    } cases[] = {
        {"https://models.example:8443/v1/models", true},
        {"https://MODELS.example:8443/props", true},
        {"http://models.example:8443/v1/models", false},
        {"https://models.example:443/v1/models", false},
        {"https://models.example/v1/models", false},
        {"https://models.example.evil.example:8443/v1", false},
        {"https://models.example:8443@evil.example/v1", false},
        {"http://127.0.0.1:8080/slots", true},
        {"https://127.0.0.1:8080/slots", false},
        {"http://127.0.0.1:18080/slots", false},
        {"http://127.0.0.2:8080/slots", false},
        {"http://[::1]:8081/", false},
        {"nonsense", false},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_free_p) char *key = mlx_runtime_keys_find(keys, cases[i].url);
        if ((key != NULL) != cases[i].given)
            fail_msg("%s: %s", cases[i].url, key ? "given" : "not given");
    }
    char line[400] = "", advice[MLX_RUNTIME_ADVICE_MAX];
    mlx_runtime_keys_check(keys, note, line);
    assert_non_null(strstr(line, "key_env"));
    assert_null(strstr(line, KEY));
    mlx_runtime_keys_advice(keys, "http://[::1]:8081", advice, sizeof advice);
    assert_null(strstr(advice, KEY));
    mlx_runtime_keys_advice(keys, "http://127.0.0.1:9", advice, sizeof advice);
    assert_non_null(strstr(advice, "key_file or key_env"));
    char text[] = "bad key sk-tst-5f0e9a7d, I say: sk-tst-5f0e9a7d";
    mlx_runtime_keys_hide(keys, "http://127.0.0.1:8080/x", text);
    assert_null(strstr(text, KEY));
}

static void published_nowhere(const play_t *self)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, self->topics, false);
    assert_null(strstr(mlx_buf_str(&text), KEY));
    assert_null(strstr(self->last_problem, KEY));
}

/*  A server that sends its clients elsewhere, a neighbour without an entry, and a proxy. */
static void sends_a_key_nowhere_else(void **state)
{
    play_t *self = *state;
    setenv("MLX_TEST_KEY", KEY, 1);
    static const script_reply_t plain[] = {{"/v1/models", 200, "{\"data\":[{\"id\":\"a\"}]}", NULL},
                                           {0}};
    MLX_CLEANUP(script_destroy) script_t *spy = script_new(plain, NULL);
    MLX_CLEANUP(mlx_free_p)
    char *elsewhere =
        mlx_format("llama.cpp\r\nLocation: http://127.0.0.1:%d/slots", script_port(spy));
    const script_reply_t replies[] = {{"/v1/models", 200, MODELS, "llama.cpp"},
                                      {"/props", 200, PROPS, "llama.cpp"},
                                      {"/slots", 307, "", elsewhere},
                                      {0}};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(replies, KEY);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("127.0.0.1:%d", script_port(server));
    MLX_CLEANUP(mlx_free_p) char *spied = mlx_format("127.0.0.1:%d", script_port(spy));
    add(add(list, url, "key_env", "MLX_TEST_KEY"), spied, NULL, NULL);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    self->port = script_port(server);
    PLAY_UNTIL(self, play_reachable(self, "llamacpp"));
    PLAY_UNTIL(self, play_str(self, "llamacpp", "activity", "source_reason"));
    self->port = script_port(spy);
    PLAY_UNTIL(self, play_reachable(self, "openai"));
    assert_true(script_authorized(server) >= 3);
    assert_int_equal(script_authorized(spy), 0);
    MLX_CLEANUP(mlx_free_p) char *log = script_log(spy);
    assert_null(strstr(log, "/slots"));
    published_nowhere(self);
    mlx_watcher_destroy(&self->watcher);

    MLX_CLEANUP(mlx_free_p) char *proxy = mlx_format("http://127.0.0.1:%d", script_port(spy));
    setenv("http_proxy", proxy, 1);
    mlx_http_request_t request = {.url = "http://models.invalid:8000/v1/models", .key = KEY};
    play_get(self, &request);
    PLAY_UNTIL(self, self->running == 0);
    assert_int_equal(script_authorized(spy), 0);
    request.key = NULL; /* to see that it would have been asked */
    play_get(self, &request);
    PLAY_UNTIL(self, self->running == 0);
    MLX_CLEANUP(mlx_free_p) char *asked = script_log(spy);
    assert_non_null(strstr(asked, "models.invalid"));
    unsetenv("http_proxy");
}

static bool says(const play_t *self, const char *kind, const char *text)
{
    const char *reason = play_str(self, kind, "models", "reason");
    return reason && strstr(reason, text);
}

static void says_that_a_key_is_needed(void **state)
{
    play_t *self = *state;
    static const script_reply_t named[] = {
        {"/v1/models", 200, MODELS, "llama.cpp"}, {"/props", 401, "{}", "llama.cpp"}, {0}};
    const struct {
        const script_reply_t *replies;
        const char *key, *kind, *field, *says;
    } cases[] = {
        {NULL, KEY, "openai", NULL, "needs a key: set key_file or key_env"},
        {NULL, "another", "openai", "key_env", "needs a key: it refused the one from key_env"},
        {named, NULL, "llamacpp", NULL, NULL}, /* open in part, as a llama-server is */
    };
    setenv("MLX_TEST_KEY", KEY, 1);
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(script_destroy)
        script_t *server = script_new(cases[i].replies, cases[i].key);
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
        self->port = script_port(server);
        snprintf(self->address, sizeof self->address, "127.0.0.1:%d", self->port);
        add(list, self->address, cases[i].field, "MLX_TEST_KEY");
        play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
        const char *kind = cases[i].kind;
        if (cases[i].says)
            PLAY_UNTIL(self, says(self, kind, cases[i].says));
        else
            PLAY_UNTIL(
                self, play_str(self, kind, "activity", "source_reason") &&
                          strstr(play_str(self, kind, "activity", "source_reason"), "needs a key"));
        published_nowhere(self);
        mlx_watcher_destroy(&self->watcher);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_only_what_is_safe, make_folder, remove_folder),
        cmocka_unit_test(gives_a_key_to_its_own_endpoint_only),
        cmocka_unit_test_setup_teardown(sends_a_key_nowhere_else, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(says_that_a_key_is_needed, play_setup, play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
