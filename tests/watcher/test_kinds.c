/*  Kinds of server by their documented replies: recognised, what is loaded, what they do; and no
 *  question but those that disturb nothing. */
#include <math.h>

#include "common/base/file.h"
#include "common/runtime/runtime.h"
#include "tests/watcher/play.h"
#include "tests/watcher/script.h"

static void watch(play_t *self, const script_t *server)
{
    self->port = script_port(server);
    snprintf(self->address, sizeof self->address, "127.0.0.1:%d", self->port);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "url", self->address);
    mlx_value_set_str(item, "kind", "auto");
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
}

/*  What every server of an unknown kind is asked. */
static bool finds_out(const char *line)
{
    for (const char *path = mlx_runtime_next_probe(NULL); path; path = mlx_runtime_next_probe(path))
        if (strncmp(line, "GET ", 4) == 0 && strcmp(line + 4, path) == 0)
            return true;
    return false;
}

/*  Each line of the server's log is one of ALLOWED. */
static void assert_asked_only(script_t *server, const char *const *allowed)
{
    MLX_CLEANUP(mlx_free_p) char *log = script_log(server);
    char *rest = log;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        size_t i = 0;
        while (allowed[i] && strcmp(allowed[i], line) != 0)
            i++;
        if (!allowed[i] && !finds_out(line))
            fail_msg("it was asked for %s", line);
    }
}

#define SGLANG(tokens)                                                                             \
    {"/v1/models", 200,                                                                            \
     "{\"object\":\"list\",\"data\":[{\"id\":\"Qwen/Qwen3-8B\",\"owned_by\":\"sglang\","           \
     "\"max_model_len\":40960}]}",                                                                 \
     NULL},                                                                                        \
        {"/server_info", 200, "{\"version\":\"0.5.23\"}", NULL},                                   \
    {                                                                                              \
        "/metrics", 200,                                                                           \
            "sglang:num_running_reqs{model_name=\"q\"} 1.0\n"                                      \
            "sglang:generation_tokens_total{model_name=\"q\"} " tokens "\n"                        \
            "sglang:prompt_tokens_total{model_name=\"q\"} 210.0\n",                                \
            NULL                                                                                   \
    }

static void knows_sglang(void **state)
{
    play_t *self = *state;
    static const script_reply_t before[] = {SGLANG("1350.0"), {0}};
    static const script_reply_t after[] = {SGLANG("1400.0"), {0}};
    static const char *const allowed[] = {"GET /api/ps",    "GET /api/v0/models",
                                          "GET /v1/models", "GET /server_info",
                                          "GET /metrics",   NULL};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(before, NULL);
    watch(self, server);
    PLAY_UNTIL(self, play_real(self, "sglang", "activity", "requests") == 1);
    script_play(server, after);
    PLAY_UNTIL(self, play_real(self, "sglang", "activity", "tokens_total") == 50);
    PLAY_UNTIL(self, play_str(self, "sglang", "models", "version"));
    const mlx_value_t *models = mlx_value_get(play_data(self, "sglang", "models"), "models");
    int64_t context = 0;
    mlx_value_int(mlx_value_at(models, 0), "context", &context);
    assert_int_equal(context, 40960);
    assert_string_equal(play_str(self, "sglang", "activity", "source"), "metrics");
    assert_asked_only(server, allowed);
    mlx_watcher_destroy(&self->watcher);
}

static size_t count(const play_t *self, const char *kind, const char *list)
{
    return mlx_value_size(mlx_value_get(play_data(self, kind, "models"), list));
}

static const mlx_value_t *loaded(const play_t *self, const char *kind)
{
    return mlx_value_at(mlx_value_get(play_data(self, kind, "models"), "models"), 0);
}

/*  Paths that it does not know it answers with 200. */
static void tells_what_lm_studio_has_loaded(void **state)
{
    play_t *self = *state;
    MLX_CLEANUP(mlx_free_p)
    char *v0 = mlx_file_read("tests/fixtures/lmstudio/api-v0-models.json", 1 << 20, NULL, NULL);
    assert_non_null(v0);
    static const char unknown[] = "{\"error\":\"Unexpected endpoint or method. (GET /x)\"}";
    const script_reply_t replies[] = {{"/api/ps", 200, unknown, NULL},
                                      {"/api/v0/models", 200, v0, NULL},
                                      {"/v1/models", 200, "{\"data\":[]}", NULL},
                                      {0}};
    static const char *const allowed[] = {"GET /api/ps", "GET /api/v0/models", NULL};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(replies, NULL);
    watch(self, server);
    PLAY_UNTIL(self, count(self, "lmstudio", "models") == 1);
    assert_int_equal(count(self, "lmstudio", "available"), 3);
    const mlx_value_t *model = loaded(self, "lmstudio");
    int64_t context = 0;
    mlx_value_int(model, "context", &context);
    assert_int_equal(context, 12918);
    assert_string_equal(mlx_value_str(model, "name"), "google/gemma-3-4b");
    assert_string_equal(mlx_value_str(model, "quantization"), "4bit");
    assert_asked_only(server, allowed);
    mlx_watcher_destroy(&self->watcher);
}

static void tells_what_llama_swap_runs(void **state)
{
    play_t *self = *state;
    static const char models[] = "{\"data\":[{\"id\":\"a\",\"owned_by\":\"llama-swap\"},"
                                 "{\"id\":\"b\",\"owned_by\":\"llama-swap\"}]}";
    static const script_reply_t replies[] = {
        {"/v1/models", 200, models, NULL},
        {"/running", 200,
         "{\"running\":[{\"model\":\"b\",\"state\":\"ready\",\"ttl\":300},"
         "{\"model\":\"a\",\"state\":\"stopping\"}]}",
         NULL},
        {0}};
    static const char *const allowed[] = {"GET /api/ps", "GET /api/v0/models", "GET /v1/models",
                                          "GET /running", NULL};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(replies, NULL);
    watch(self, server);
    PLAY_UNTIL(self, count(self, "llamaswap", "available") == 2);
    assert_int_equal(count(self, "llamaswap", "models"), 1);
    assert_string_equal(mlx_value_str(loaded(self, "llamaswap"), "name"), "b");
    assert_asked_only(server, allowed);
    mlx_watcher_destroy(&self->watcher);
}

/*  mlx_lm.server lists what is on the disk, and with no cache folder nothing at all. */
static void does_not_take_what_is_on_disk_for_loaded(void **state)
{
    play_t *self = *state;
    static const char python[] = "BaseHTTP/0.6 Python/3.11.7";
    static const char models[] = "{\"data\": [{\"id\": \"mlx-community/a\"}, {\"id\": \"b\"}]}";
    static const char health[] = "{\"status\": \"ok\"}";
    static const script_reply_t mlx[] = {
        {"/v1/models", 200, models, python}, {"/health", 200, health, python}, {0}};
    static const script_reply_t empty[] = {
        {"/v1/models", 200, "", python}, {"/health", 200, health, python}, {0}};
    static const script_reply_t other[] = {{"/v1/models", 200, models, "uvicorn"}, {0}};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(mlx, NULL);
    watch(self, server);
    PLAY_UNTIL(self, count(self, "mlxlm", "available") == 2);
    assert_int_equal(count(self, "mlxlm", "models"), 0);
    mlx_watcher_destroy(&self->watcher);
    script_play(server, empty);
    watch(self, server);
    PLAY_UNTIL(self, play_reachable(self, "mlxlm") && count(self, "mlxlm", "available") == 0);
    mlx_watcher_destroy(&self->watcher);
    script_play(server, other);
    watch(self, server);
    PLAY_UNTIL(self, count(self, "openai", "available") == 2);
    assert_int_equal(count(self, "openai", "models"), 0);
    mlx_watcher_destroy(&self->watcher);
}

/* ---- load and unload ---- */

typedef struct {
    play_t *play;
    bool over;
    int code;
    char text[300];
} done_t;

static void on_done(void *arg, const mlx_value_t *result, const mlx_error_t *err)
{
    done_t *done = arg;
    done->over = true;
    done->code = result ? 0 : (int)err->code;
    snprintf(done->text, sizeof done->text, "%.299s", result ? "" : err->text);
    mlx_loop_stop(done->play->loop);
}

static done_t control(play_t *self, const char *cmd, const char *model)
{
    done_t done = {.play = self};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "model", model);
    mlx_watcher_control(self->watcher, cmd, args, on_done, &done);
    PLAY_UNTIL(self, done.over);
    return done;
}

/*  Each by its own request, and what was loaded a moment ago at once. */
static void unloads_by_each_kinds_own_request(void **state)
{
    play_t *self = *state;
    static const script_reply_t studio[] = {
        {"/api/v0/models", 200, "{\"data\":[{\"id\":\"a/b\",\"state\":\"loaded\"}]}", NULL},
        {"/api/v1/models/unload", 200, "{}", NULL},
        {"/api/v1/models/load", 200, "{}", NULL},
        {0}};
    static const script_reply_t swap[] = {
        {"/v1/models", 200, "{\"data\":[{\"id\":\"a\",\"owned_by\":\"llama-swap\"}]}", NULL},
        {"/running", 200, "{\"running\":[{\"model\":\"o/a b\",\"state\":\"ready\"}]}", NULL},
        {"/api/models/unload/o/a%20b", 200, "OK", NULL},
        {0}};
    static const script_reply_t docker_idle[] = {{"/engines/ps", 200, "[]", NULL}, {0}};
    static const script_reply_t docker[] = {
        {"/engines/ps", 200, "[{\"backend_name\":\"l\",\"model_name\":\"ai/s\"}]", NULL},
        {"/engines/unload", 200, "{\"unloaded_runners\":1}", NULL},
        {0}};
    const struct {
        const char *kind, *model, *asked;
        const script_reply_t *first, *then;
    } cases[] = {
        {"lmstudio", "a/b", "POST /api/v1/models/unload", studio, studio},
        {"llamaswap", "o/a b", "POST /api/models/unload/o/a%20b", swap, swap},
        {"dmr", "ai/s", "POST /engines/unload", docker_idle, docker},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(script_destroy) script_t *server = script_new(cases[i].first, NULL);
        watch(self, server);
        PLAY_UNTIL(self, play_reachable(self, cases[i].kind));
        script_play(server, cases[i].then);
        done_t done = control(self, "model.unload", cases[i].model);
        if (done.code)
            fail_msg("%s: %s", cases[i].kind, done.text);
        MLX_CLEANUP(mlx_free_p) char *log = script_log(server);
        assert_non_null(strstr(log, cases[i].asked));
        assert_int_not_equal(control(self, "model.unload", "another").code, 0);
        assert_int_equal(control(self, "model.load", "a/b").code == 0, i == 0);
        mlx_watcher_destroy(&self->watcher);
    }
}

#define OMLX(models)                                                                               \
    {"/v1/models", 200, "{\"data\":[{\"id\":\"a\",\"owned_by\":\"omlx\"}]}", NULL},                \
        {"/health", 200, "{\"status\":\"healthy\",\"engine_pool\":{}}", NULL},                     \
        {"/api/status", 200, "{\"active_requests\":0}", NULL},                                     \
    {                                                                                              \
        "/v1/models/status", 200, "{\"models\":[" models "]}", NULL                                \
    }

/*  What was fetched or loaded since the lists were asked for is known when it is named. */
static void acts_on_what_came_since_the_last_look(void **state)
{
    play_t *self = *state;
    static const script_reply_t none[] = {OMLX("{\"id\":\"a\",\"loaded\":false}"), {0}};
    static const script_reply_t more[] = {
        OMLX("{\"id\":\"b\",\"loaded\":true}"), {"/v1/models/b/unload", 200, "{}", NULL}, {0}};
    static const script_reply_t ollama[] = {
        {"/api/ps", 200, "{\"models\":[]}", NULL},
        {"/api/tags", 200, "{\"models\":[{\"name\":\"old:latest\"}]}", NULL},
        {0}};
    static const script_reply_t pulled[] = {
        {"/api/ps", 200, "{\"models\":[]}", NULL},
        {"/api/tags", 200, "{\"models\":[{\"name\":\"new:latest\"}]}", NULL},
        {"/api/generate", 200, "{\"done\":true}", NULL},
        {0}};
    const struct {
        const char *kind, *cmd, *model;
        const script_reply_t *first, *then;
    } cases[] = {{"omlx", "model.unload", "b", none, more},
                 {"ollama", "model.load", "new", ollama, pulled}};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(script_destroy) script_t *server = script_new(cases[i].first, NULL);
        watch(self, server);
        PLAY_UNTIL(self, count(self, cases[i].kind, "available") == 1);
        script_play(server, cases[i].then);
        done_t done = control(self, cases[i].cmd, cases[i].model);
        if (done.code)
            fail_msg("%s: %s", cases[i].kind, done.text);
        assert_int_not_equal(control(self, cases[i].cmd, "never").code, 0);
        mlx_watcher_destroy(&self->watcher);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_sglang, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(tells_what_lm_studio_has_loaded, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(tells_what_llama_swap_runs, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(does_not_take_what_is_on_disk_for_loaded, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(unloads_by_each_kinds_own_request, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(acts_on_what_came_since_the_last_look, play_setup,
                                        play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
