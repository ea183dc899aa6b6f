/*  Kinds of server by their documented replies: recognised, what is loaded, what they do; and no
 *  question but those that disturb nothing. */
#include <math.h>

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

/*  Each line of the server's log is one of ALLOWED. */
static void assert_asked_only(script_t *server, const char *const *allowed)
{
    MLX_CLEANUP(mlx_free_p) char *log = script_log(server);
    char *rest = log;
    for (char *line; (line = strsep(&rest, "\n")) && *line;) {
        size_t i = 0;
        while (allowed[i] && strcmp(allowed[i], line) != 0)
            i++;
        if (!allowed[i])
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
    static const char *const allowed[] = {"GET /api/ps", "GET /v1/models", "GET /server_info",
                                          "GET /metrics", NULL};
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(knows_sglang, play_setup, play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
