/*  What is said of a server that does not answer as it should: that it loads, that it works, that
 *  it wants something; and how soon that changes. */
#include <math.h>

#include "common/base/clock.h"
#include "services/watcher/reasons.h"
#include "tests/watcher/play.h"
#include "tests/watcher/script.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static const char LOADING[] =
    "{\"error\":{\"code\":503,\"message\":\"Loading model\",\"type\":\"unavailable_error\"}}";
static const char MODELS[] = "{\"data\":[{\"id\":\"m.gguf\",\"owned_by\":\"llamacpp\"}]}";
static const char PROPS[] = "{\"build_info\":\"b1\",\"is_sleeping\":false}";

static const script_reply_t loading[] = {{"/health", 503, LOADING, NULL},
                                         {"/api/ps", 503, LOADING, NULL},
                                         {"/props", 503, LOADING, NULL},
                                         {"/v1/models", 503, LOADING, NULL},
                                         {0}};
static const script_reply_t ready[] = {
    {"/v1/models", 200, MODELS, NULL}, {"/props", 200, PROPS, NULL}, {0}};
static const script_reply_t silent[] = {
    {"/v1/models", 0, NULL, NULL}, {"/props", 0, NULL, NULL}, {0}};

static void watch(play_t *self, const script_t *server, const char *kind, int64_t idle_ms)
{
    self->port = script_port(server);
    snprintf(self->address, sizeof self->address, "127.0.0.1:%d", self->port);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "url", self->address);
    mlx_value_set_str(item, "kind", kind);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list, .idle_ms = idle_ms});
}

static bool loads(const play_t *self)
{
    bool yes = false;
    return mlx_value_bool(play_data(self, "llamacpp", "models"), "loading", &yes) && yes;
}

static void shows_that_it_loads(void **state)
{
    play_t *self = *state;
    const char *const kinds[] = {NULL, "llamacpp"};
    for (size_t i = 0; i < MLX_COUNT(kinds); i++) {
        MLX_CLEANUP(script_destroy) script_t *server = script_new(loading, NULL);
        int64_t start_us = mlx_now_us();
        watch(self, server, kinds[i], 5000);
        PLAY_UNTIL(self, loads(self));
        assert_true(mlx_now_us() - start_us < 1000000);
        assert_true(play_gone(self, "llamacpp"));
        assert_non_null(
            strstr(play_str(self, "llamacpp", "models", "reason"), "loading its model"));
        script_play(server, ready);
        start_us = mlx_now_us();
        PLAY_UNTIL(self, play_reachable(self, "llamacpp"));
        print_message("          found %.1f s after it was ready\n",
                      (double)(mlx_now_us() - start_us) / 1e6);
        assert_true(mlx_now_us() - start_us < 3000000);
        assert_false(loads(self));
        assert_int_equal(self->problems, 0);
        mlx_watcher_destroy(&self->watcher);
    }
}

/*  A server of one thread answers nobody while it generates. */
static void takes_a_late_answer_for_work(void **state)
{
    play_t *self = *state;
    MLX_CLEANUP(script_destroy) script_t *server = script_new(ready, NULL);
    watch(self, server, "openai", 300);
    PLAY_UNTIL(self, play_reachable(self, "openai"));
    script_play(server, silent);
    PLAY_UNTIL(self, play_str(self, "openai", "activity", "source_reason") &&
                         strstr(play_str(self, "openai", "activity", "source_reason"), "works"));
    assert_true(play_reachable(self, "openai"));
    script_play(server, ready);
    PLAY_UNTIL(self, !play_str(self, "openai", "activity", "source_reason") ||
                         !strstr(play_str(self, "openai", "activity", "source_reason"), "works"));
    mlx_watcher_destroy(&self->watcher);
}

static void knows_the_causes_of_each_kind(void **state)
{
    (void)state;
    const struct {
        const char *kind, *path;
        long status;
        const char *body, *says;
    } cases[] = {
        {"llamacpp", "/slots", 400, "model name is missing from the request", "router"},
        {"llamacpp", "/slots", 501, "", "--slots turns it on"},
        {"llamacpp", "/slots", 404, "", "it has no /slots"},
        {"llamacpp", "/slots", 503, LOADING, "loading its model"},
        {"llamacpp", "/slots", 401, "Invalid API Key", "needs a key"},
        {"llamacpp", "/metrics", 501, "", "--metrics"},
        {"llamacpp", "/v1/models", 503, "busy", "cannot answer"},
        {"vllm", "/metrics", 404, "", "it has no /metrics"},
        {"vllm", "/metrics", 200, "# HELP python_gc", "--disable-log-stats"},
        {"vllm", "/v1/models", 503, "{\"message\":\"EngineDeadError\"}", "engine has stopped"},
        {"vllm", "/v1/models", 503, "", "cannot answer at the moment"},
        {"sglang", "/metrics", 404, "", "--enable-metrics"},
        {"lmstudio", "/api/v0/models", 200, "{\"error\":\"Unexpected endpoint or method.\"}",
         "came with 0.3.6"},
        {"mlxlm", "/health", 503, "", "thread has died"},
        {"koboldcpp", "/api/v1/model", 503, "", "busy with another request"},
        {"localai", "/readyz", 503, "", "starting"},
        {"localai", "/system", 403, "", "administrators"},
        {"llamafile", "/slots", 404, "", "no /slots"},
        {"dmr", "/engines/ps", 504, "", "behind it"},
        {"omlx", "/api/status", 401, "", "needs a key"},
        {"jan", "/v1/models", 403, "{\"error\":\"Invalid host header\"}", "host name"},
        {"vllm", "/v1/models", 401, "", "needs a key"},
        {"ollama", "/api/ps", 403, "", "refuses access"},
        {"ollama", "/api/ps", 502, "", "behind it"},
        {"openai", "/v1/models", 403, "Invalid host header", "host name"},
        {"openai", "/v1/models", 404, NULL, "does not offer"},
        {"openai", "/v1/models", 418, NULL, NULL},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        const char *text = mlx_runtime_cause(mlx_runtime_backend(cases[i].kind), cases[i].path,
                                             cases[i].status, cases[i].body);
        if (cases[i].says ? !text || !strstr(text, cases[i].says) : text != NULL)
            fail_msg("%s %s %ld: %s", cases[i].kind, cases[i].path, cases[i].status,
                     text ? text : "nothing");
    }
}

/*  What becomes of a connection, and answers of another kind of server. */
static void says_why_there_is_no_answer(void **state)
{
    (void)state;
    const struct {
        const char *kind, *url;
        mlx_http_reply_t reply;
        const char *says;
    } cases[] = {
        {"ollama", "http://h:1", {.refused = true}, "nothing is listening there"},
        {"ollama",
         "http://h:1",
         {.refused = true, .fault = MLX_HTTP_FAULT_NO_HOST},
         "there is no host of that name"},
        {"vllm",
         "http://h:1",
         {.error = {.code = MLX_ERR_FAILED}, .fault = MLX_HTTP_FAULT_NOT_HTTP},
         "what listens there does not speak HTTP"},
        {"vllm",
         "https://h:1",
         {.error = {.code = MLX_ERR_FAILED}, .fault = MLX_HTTP_FAULT_NOT_TLS},
         "it does not speak TLS: give its URL as http://"},
        {"vllm",
         "https://h:1",
         {.error = {.code = MLX_ERR_FAILED}, .fault = MLX_HTTP_FAULT_UNANSWERED},
         "it closed the connection without an answer"},
        {"vllm",
         "http://h:1",
         {.error = {.code = MLX_ERR_FAILED}, .fault = MLX_HTTP_FAULT_UNANSWERED},
         "it closed the connection without an answer, as servers of https do when asked by http"},
        {"omlx",
         "http://h:1",
         {.error = {.code = MLX_ERR_UNAVAILABLE, .text = "GET http://h:1/health: timed out"}},
         "timed out"},
        {"omlx",
         "http://h:1",
         {.status = 400, .body = "Client sent an HTTP request to an HTTPS server.\n"},
         "it speaks TLS: give its URL as https://"},
        {"dmr",
         "http://h:1",
         {.status = 400, .body = "The plain HTTP request was sent to HTTPS port"},
         "it speaks TLS: give its URL as https://"},
        {"llamacpp",
         "http://h:8080/llm",
         {.status = 308, .body = "", .location = "https://h:8443/v1/models?x=\x1b[2J"},
         "it redirects to https://h:8443 (HTTP 308): give that as its URL"},
        {"llamacpp",
         "http://h:80",
         {.status = 302, .body = "", .location = "http://h/login"},
         "it redirects to another page (HTTP 302)"},
        {"llamacpp",
         "http://h:80",
         {.status = 301, .body = "", .location = "http://u:secret@evil/"},
         "it redirects to another page (HTTP 301)"},
        {"llamacpp",
         "http://h:80",
         {.status = 303, .body = "", .location = ""},
         "it redirects to another page (HTTP 303)"},
        {"ollama",
         "http://h:1",
         {.status = 404, .body = "404 page not found"},
         "it does not know /api/ps (HTTP 404): no ollama, or a version without that"},
        {"jan", "http://h:1", {.status = 418, .body = ""}, "HTTP 418"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char text[300] = "";
        const mlx_runtime_backend_t *backend = mlx_runtime_backend(cases[i].kind);
        const mlx_reason_question_t question = {backend, NULL, cases[i].url,
                                                backend->queries[0].path};
        assert_true(mlx_reason_failed(&question, &cases[i].reply, text, sizeof text));
        assert_string_equal(text, cases[i].says);
    }
}

/*  A setting that names the wrong kind, or a port that another program has. */
static void tells_another_service_from_a_silent_one(void **state)
{
    play_t *self = *state;
    static const script_reply_t page[] = {{"/api/ps", 200, "<html>hello</html>", NULL}, {0}};
    static const script_reply_t old[] = {
        {"/api/v0/models", 200, "{\"error\":\"Unexpected endpoint or method.\"}", NULL}, {0}};
    const struct {
        const char *kind;
        const script_reply_t *replies;
        const char *says;
    } cases[] = {
        {"ollama", page, "its answer to /api/ps is not that of ollama"},
        {"vllm", page, "it does not know /v1/models (HTTP 404)"},
        {"lmstudio", old, "0.3.6"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(script_destroy) script_t *server = script_new(cases[i].replies, NULL);
        watch(self, server, cases[i].kind, 5000);
        PLAY_UNTIL(self, play_str(self, cases[i].kind, "models", "reason"));
        assert_non_null(strstr(play_str(self, cases[i].kind, "models", "reason"), cases[i].says));
        mlx_watcher_destroy(&self->watcher);
    }
}

/*  Nothing is loaded; a request loads its model, and the next one loads another after it. */
static void sees_a_cold_start_at_once(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "50", "--load-ms", "800", "--keep-alive", "1"));
    play_watch(self, &(mlx_watcher_options_t){.discover = true,
                                              .ollama_host = self->address,
                                              .runner_probe = true,
                                              .idle_ms = 5000});
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
    double worst = 0;
    for (int i = 0; i < 2; i++) {
        int64_t first_us = mlx_now_us() + 800000;
        pid_t pid = play_client(self, "/api/generate",
                                "{\"model\":\"tiny-random\",\"prompt\":\"hello\",\"stream\":true,"
                                "\"options\":{\"num_predict\":80}}");
        PLAY_UNTIL(self, play_real(self, "ollama", "activity", "requests") == 1);
        double late = (double)(mlx_now_us() - first_us) / 1e6;
        worst = late > worst ? late : worst;
        PLAY_UNTIL(self, play_client_ended(&pid));
        PLAY_UNTIL(self, mlx_value_size(
                             mlx_value_get(play_data(self, "ollama", "models"), "models")) == 0);
    }
    print_message("          busy is shown at most %.2f s after the first token\n", worst);
    assert_true(worst < 4); /* 0.5 s on a machine that is not shared */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_the_causes_of_each_kind),
        cmocka_unit_test(says_why_there_is_no_answer),
        cmocka_unit_test_setup_teardown(tells_another_service_from_a_silent_one, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(shows_that_it_loads, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(takes_a_late_answer_for_work, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(sees_a_cold_start_at_once, play_setup, play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
