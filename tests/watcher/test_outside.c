/*  What the outside may do to the watcher: addresses in every form, runtimes that die and return,
 *  servers of any kind, and servers that answer what they should not. */
#include <math.h>
#include <signal.h>
#include <sys/stat.h>

#include "common/base/file.h"
#include "services/watcher/runner_scan.h"
#include "tests/watcher/play.h"

#define ARGS(...) ((const char *const[]){__VA_ARGS__, NULL})

static mlx_value_t *runtimes(const play_t *self, const char *kind)
{
    mlx_value_t *list = mlx_value_list();
    mlx_value_t *item = mlx_value_append(list, mlx_value_map());
    mlx_value_set_str(item, "url", self->address);
    mlx_value_set_str(item, "kind", kind);
    return list;
}

static void finds_ollama_by_its_variable(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--rate", "40"));
    const char *const forms[] = {"127.0.0.1:%d", "0.0.0.0:%d", ":%d", "\"http://127.0.0.1:%d/\""};
    for (size_t i = 0; i < MLX_COUNT(forms); i++) {
        char host[64];
        snprintf(host, sizeof host, forms[i], self->port);
        play_watch(self, &(mlx_watcher_options_t){.discover = true, .ollama_host = host});
        PLAY_UNTIL(self, play_reachable(self, "ollama"));
        mlx_watcher_destroy(&self->watcher);
        mlx_value_destroy(&self->topics);
        self->topics = mlx_value_map();
    }
}

/*  A bad address costs that runtime and is said once, without what may be a password. */
static void goes_on_without_a_bad_address(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--as", "vllm", "--model", "tiny-random"));
    const char *const bad[] = {"127.0.0.1:99999",
                               "127.0.0.1:",
                               "user:secret@127.0.0.1:11434",
                               "a b",
                               "ftp://127.0.0.1",
                               "http://u:secret@h:1/x?y"};
    for (size_t i = 0; i < 2 * MLX_COUNT(bad); i++) {
        const char *text = bad[i % MLX_COUNT(bad)];
        bool variable = i < MLX_COUNT(bad);
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, NULL);
        if (!variable)
            mlx_value_set_str(mlx_value_append(list, mlx_value_map()), "url", text);
        self->problems = 0;
        play_watch(self, &(mlx_watcher_options_t){.discover = variable,
                                                  .runtimes = list,
                                                  .ollama_host = variable ? text : NULL});
        assert_int_equal(self->problems, 1);
        assert_non_null(strstr(self->last_problem, variable ? "OLLAMA_HOST" : "watcher.runtimes"));
        assert_null(strstr(self->last_problem, "secret"));
        PLAY_UNTIL(self, play_reachable(self, "vllm"));
        mlx_watcher_destroy(&self->watcher);
        mlx_value_destroy(&self->topics);
        self->topics = mlx_value_map();
    }
}

static void refuses_a_config_that_is_none(void **state)
{
    play_t *self = *state;
    snprintf(self->address, sizeof self->address, "127.0.0.1:1");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, "nosuch");
    mlx_error_t err = {0};
    assert_null(
        mlx_watcher_new(&(mlx_watcher_options_t){.loop = self->loop, .runtimes = list}, &err));
    assert_non_null(strstr(err.text, "nosuch"));
    assert_null(mlx_watcher_new(
        &(mlx_watcher_options_t){.loop = self->loop, .tap_listen = "127.0.0.1:99999"}, &err));
    assert_non_null(strstr(err.text, "tap_listen"));
}

static void knows_every_kind_by_its_answers(void **state)
{
    play_t *self = *state;
    const struct {
        const char *role;
        const char *kind;
    } roles[] = {
        {"ollama", "ollama"}, {"llama-server", "llamacpp"}, {"vllm", "vllm"}, {"openai", "openai"}};
    for (size_t i = 0; i < MLX_COUNT(roles); i++) {
        play_double(self, 0, ARGS("--as", roles[i].role, "--model", "tiny-random"));
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, NULL);
        play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
        PLAY_UNTIL(self, play_reachable(self, roles[i].kind));
        mlx_watcher_destroy(&self->watcher);
    }
    assert_int_equal(self->problems, 0);
}

static void sees_a_runtime_die_and_return(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "40"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    play_generate(self, self->address, 400);
    PLAY_UNTIL(self, play_real(self, "ollama", "activity", "tokens_per_second") > 0);
    play_kill(self);
    PLAY_UNTIL(self, play_gone(self, "ollama"));
    assert_non_null(play_str(self, "ollama", "models", "reason"));
    assert_null(mlx_value_get(play_data(self, "ollama", "models"), "models"));
    assert_true(isnan(play_real(self, "ollama", "activity", "tokens_per_second")));
    PLAY_UNTIL(self, self->running == 0);

    play_double(self, self->port, ARGS("--runner", "--rate", "80"));
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
    play_generate(self, self->address, 400);
    PLAY_UNTIL(self, play_real(self, "ollama", "activity", "tokens_per_second") > 60);
    assert_int_equal(self->problems, 0); /* not being there is no fault */
}

/*  A port whose kind was found out may have another kind of server tomorrow. */
static void sees_a_port_change_its_kind(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--as", "vllm", "--model", "tiny-random"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, NULL);
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, play_reachable(self, "vllm"));
    play_kill(self);
    PLAY_UNTIL(self, play_gone(self, "vllm"));
    play_double(self, self->port, ARGS("--as", "llama-server", "--model", "tiny-random"));
    PLAY_UNTIL(self, play_reachable(self, "llamacpp"));
    assert_true(play_gone(self, "vllm"));
}

/*  The tap's port is taken: said, and everything else goes on. */
static void works_without_its_tap(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--rate", "40"));
    char taken[32];
    strcpy(taken, self->address);
    play_double(self, 0, ARGS("--rate", "40"));
    play_watch(self, &(mlx_watcher_options_t){.discover = true,
                                              .ollama_host = self->address,
                                              .tap_listen = taken,
                                              .tap_upstream = self->address});
    assert_int_equal(self->problems, 1);
    assert_non_null(strstr(self->last_problem, "tap"));
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
}

static void says_what_is_wrong_with_a_runner(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "40"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    play_generate(self, self->address, 10);
    PLAY_UNTIL(self, play_str(self, "ollama", "activity", "source"));
    MLX_CLEANUP(mlx_free_p) mlx_runner_scan_t *found = mlx_alloc(1, sizeof *found);
    mlx_runner_scan(found, "/proc", geteuid(), (uint16_t)self->port);
    assert_int_equal(found->count, 1);
    char runner[32];
    snprintf(runner, sizeof runner, "127.0.0.1:%d", found->processes[0].port);
    play_post(self, runner, "/double/fault", "{\"name\":\"half-json\",\"count\":2}");
    PLAY_UNTIL(self, play_str(self, "ollama", "activity", "source_reason"));
    assert_non_null(
        strstr(play_str(self, "ollama", "activity", "source_reason"), "runner on port"));
    PLAY_UNTIL(self, !play_str(self, "ollama", "activity", "source_reason"));
    assert_true(self->problems >= 1);
    play_post(self, runner, "/double/fault", "{\"name\":\"status-500\",\"count\":-1}");
    PLAY_UNTIL(self, !play_str(self, "ollama", "activity", "source")); /* given up */
    assert_non_null(strstr(play_str(self, "ollama", "activity", "source_reason"), "HTTP 500"));
}

static void says_nothing_of_ports_that_nobody_has(void **state)
{
    play_t *self = *state;
    self->port = play_free_port();
    snprintf(self->address, sizeof self->address, "127.0.0.1:%d", self->port);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, "openai");
    play_watch(self, &(mlx_watcher_options_t){.runtimes = list});
    PLAY_UNTIL(self, play_gone(self, "openai")); /* named in the config: said to be away */
    assert_int_equal(mlx_value_size(self->topics), 2);
    assert_int_equal(self->problems, 0);
}

static void sees_a_model_come_and_go(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "200", "--keep-alive", "1"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
    assert_int_equal(mlx_value_size(mlx_value_get(play_data(self, "ollama", "models"), "models")),
                     0);
    play_generate(self, self->address, 400);
    PLAY_UNTIL(self, play_real(self, "ollama", "activity", "tokens_per_second") > 0);
    PLAY_UNTIL(self,
               mlx_value_size(mlx_value_get(play_data(self, "ollama", "models"), "models")) == 1);
    PLAY_UNTIL(self,
               mlx_value_size(mlx_value_get(play_data(self, "ollama", "models"), "models")) == 0);
    /*  What the runner counted is not forgotten with it. */
    assert_true(play_real(self, "ollama", "activity", "requests_total") >= 1);
    assert_true(play_real(self, "ollama", "activity", "requests") == 0);
}

/*  Killed at work, loaded again for another request, killed again, gone: the total only rises. */
static void keeps_its_totals_when_a_runner_dies(void **state)
{
    play_t *self = *state;
    play_double(self, 0, ARGS("--runner", "--rate", "100", "--keep-alive", "2"));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    double before = 0;
    for (int i = 0; i < 3; i++) {
        play_generate(self, self->address, 400);
        PLAY_UNTIL(self, play_real(self, "ollama", "activity", "tokens_total") > before + 100);
        MLX_CLEANUP(mlx_free_p) mlx_runner_scan_t *found = mlx_alloc(1, sizeof *found);
        mlx_runner_scan(found, "/proc", geteuid(), (uint16_t)self->port);
        assert_int_equal(found->count, 1);
        assert_int_equal(kill(found->processes[0].pid, SIGKILL), 0);
        PLAY_UNTIL(self, play_real(self, "ollama", "activity", "requests") == 0);
        before = play_real(self, "ollama", "activity", "tokens_total");
        assert_true(before > (i + 1) * 100 && before < (i + 1) * 300);
        PLAY_UNTIL(self, self->running == 0);
    }
    assert_int_equal(self->falls, 0);
}

/*  A store whose manifests give the weights another name than the one model that is loaded. */
static void names_a_model_by_its_manifest(void **state)
{
    play_t *self = *state;
    char root[] = "/tmp/mlx-store-XXXXXX";
    assert_non_null(mkdtemp(root));
    MLX_CLEANUP(mlx_free_p)
    char *make = mlx_format(
        "cd %s && mkdir -p blobs manifests/registry.ollama.ai/library/tiny-random "
        "manifests/hf.co/org/Repo && cp '%s/tests/fixtures/ollama/manifest-tiny-random-latest.json'"
        " manifests/registry.ollama.ai/library/tiny-random/latest && "
        "cp manifests/registry.ollama.ai/library/tiny-random/latest manifests/hf.co/org/Repo/Q4",
        root, MLX_SOURCE);
    assert_int_equal(system(make), 0);
    play_double(self, 0, ARGS("--runner", "--rate", "40", "--models-dir", root));
    play_watch(self, &(mlx_watcher_options_t){
                         .discover = true, .ollama_host = self->address, .runner_probe = true});
    play_post(self, self->address, "/api/generate", "{\"model\":\"small-random:61m\"}");
    play_generate(self, self->address, 200);
    PLAY_UNTIL(self, play_str(self, "ollama", "activity", "model"));
    assert_string_equal(play_str(self, "ollama", "activity", "model"), "tiny-random:latest");
    MLX_CLEANUP(mlx_free_p) char *remove = mlx_format("rm -rf '%s'", root);
    assert_int_equal(system(remove), 0);
}

static int64_t resident_bytes(void)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read("/proc/self/statm", 4096, NULL, NULL);
    long pages = 0;
    assert_int_equal(sscanf(text, "%*d %ld", &pages), 1);
    return pages * sysconf(_SC_PAGESIZE);
}

static void arm(play_t *self, const char *fault)
{
    MLX_CLEANUP(mlx_free_p) char *body = mlx_format("{\"name\":\"%s\",\"count\":-1}", fault);
    play_post(self, self->address, "/double/fault", body);
}

/*  Every fault: counted, said why, memory bounded, and well again when the server is. */
static void survives_whatever_a_server_answers(void **state)
{
    play_t *self = *state;
    const char *const faults[] = {"half-json",    "garbage-reply",    "huge-body",
                                  "deep-nesting", "status-500",       "reset-mid-stream",
                                  "hang",         "close-at-byte-40", "close-at-byte-0"};
    play_double(self, 0, ARGS("--runner", "--rate", "40"));
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = runtimes(self, "ollama");
    play_watch(self,
               &(mlx_watcher_options_t){.runtimes = list, .runner_probe = true, .idle_ms = 100});
    PLAY_UNTIL(self, play_reachable(self, "ollama"));
    int64_t before = resident_bytes();
    for (size_t i = 0; i < MLX_COUNT(faults); i++) {
        int problems = self->problems;
        arm(self, faults[i]);
        PLAY_UNTIL(self, play_gone(self, "ollama"));
        print_message("          %-17s %s\n", faults[i],
                      play_str(self, "ollama", "models", "reason"));
        assert_true(self->problems > problems);
        arm(self, "none");
        PLAY_UNTIL(self, play_reachable(self, "ollama"));
    }
    int64_t grown = resident_bytes() - before;
    print_message("          memory grew by %.1f MB\n", (double)grown / 1e6);
    assert_true(grown < 64 * 1000 * 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(goes_on_without_a_bad_address, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(finds_ollama_by_its_variable, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(refuses_a_config_that_is_none, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(knows_every_kind_by_its_answers, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(sees_a_runtime_die_and_return, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(sees_a_port_change_its_kind, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(works_without_its_tap, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(says_what_is_wrong_with_a_runner, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(says_nothing_of_ports_that_nobody_has, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(sees_a_model_come_and_go, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(keeps_its_totals_when_a_runner_dies, play_setup,
                                        play_teardown),
        cmocka_unit_test_setup_teardown(names_a_model_by_its_manifest, play_setup, play_teardown),
        cmocka_unit_test_setup_teardown(survives_whatever_a_server_answers, play_setup,
                                        play_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
