/*  Servers found by their sockets and programs: each kind once under a name of its own on any port,
 *  and programs that are none, which are asked for nothing, or once. The programs are this one,
 *  started again under other names. */
#include <fcntl.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/clock.h"
#include "common/runtime/runtime.h"
#include "services/watcher/listeners.h"
#include "tests/watcher/play.h"
#include "tests/watcher/script.h"

static const char LLAMA[] = "{\"data\":[{\"id\":\"m\",\"owned_by\":\"llamacpp\"}]}";

typedef struct {
    const char *kind; /* NULL: a program that is not a model server */
    const char *argv[6];
    int port; /* 0: any */
    int most; /* requests that a foreign one may get */
    script_reply_t replies[4];
} role_t;

static const role_t roles[] = {
    {"ollama", {"/usr/local/bin/ollama", "serve"}, 0, 0, {{"/api/ps", 200, "{\"models\":[]}", 0}}},
    {"llamacpp", {"llama-server", "-m", "x.gguf"}, 0, 0, {{"/v1/models", 200, LLAMA, 0}}},
    {"llamacpp", {"/opt/Llama.app/llama", "serve"}, 0, 0, {{"/v1/models", 200, LLAMA, 0}}},
    {"llamaswap",
     {"llama-swap", "--config", "c"},
     0,
     0,
     {{"/running", 200, "{\"running\":[]}", 0}}},
    {"lmstudio", {"LM Studio"}, 0, 0, {{"/api/v0/models", 200, "{\"data\":[]}", 0}}},
    {"mlxlm",
     {"python3", "-m", "mlx_lm", "server"},
     0,
     0,
     {{"/health", 200, "{\"status\":\"ok\"}", 0}, {"/v1/models", 200, "{\"data\":[]}", 0}}},
    {"omlx",
     {"python3.12", "/venv/bin/omlx", "serve"},
     0,
     0,
     {{"/health", 200, "{\"engine_pool\":{}}", 0},
      {"/api/status", 200, "{\"active_requests\":0,\"total_completion_tokens\":12}", 0},
      {"/v1/models/status", 200, "{\"models\":[{\"id\":\"a\",\"loaded\":true},{\"id\":\"b\"}]}",
       0}}},
    {"vllm",
     {"python", "-m", "vllm.entrypoints.openai.api_server"},
     0,
     0,
     {{"/v1/models", 200, "{\"data\":[{\"id\":\"q\",\"owned_by\":\"vllm\"}]}", 0}}},
    {"sglang",
     {"python3", "-m", "sglang.launch_server"},
     0,
     0,
     {{"/v1/models", 200, "{\"data\":[{\"id\":\"q\",\"owned_by\":\"sglang\"}]}", 0}}},
    {"dmr",
     {"dmr", "serve"},
     0,
     0,
     {{"/engines/ps", 200, "[{\"backend_name\":\"llama.cpp\",\"model_name\":\"a\",\"in_use\":1}]",
       0},
      {"/models", 200, "[{\"id\":\"sha256:1\",\"tags\":[\"a\"]},{\"id\":\"sha256:2\"}]", 0}}},
    {"koboldcpp",
     {"python3", "koboldcpp.py"},
     0,
     0,
     {{"/api/v1/model", 200, "{\"result\":\"koboldcpp/k\"}", 0},
      {"/api/extra/perf", 200, "{\"idle\":0,\"total_gens\":4}", 0}}},
    {"localai",
     {"local-ai", "run"},
     0,
     0,
     {{"/readyz", 200, "OK", 0},
      {"/system", 200, "{\"loaded_models\":[{\"id\":\"l\"}]}", 0},
      {"/v1/models", 200, "{\"data\":[{\"id\":\"l\"},{\"id\":\"m\"}]}", 0}}},
    {"jan", {"/opt/Jan/Jan"}, 0, 0, {{"/v1/models", 401, "{}", 0}}},
    {"litertlm",
     {"python3", "/venv/bin/litert-lm", "serve"},
     0,
     0,
     {{"/v1/models", 200, "{\"data\":[{\"id\":\"g\",\"owned_by\":\"litert-lm\"}]}", 0}}},
    {"llamafile", {"./tiny.llamafile", "--server"}, 0, 0, {{"/v1/models", 200, LLAMA, 0}}},
    {"textgen",
     {"python3", "server.py", "--api"},
     0,
     0,
     {{"/v1/internal/model/info", 200, "{\"model_name\":\"t\"}", 0}}},
    {NULL, {"python3", "-m", "http.server"}, 0, 0, {{0}}},
    {NULL, {"node", "ollama-proxy.js"}, 0, 0, {{0}}},
    {NULL, {"python3", "server.py", "--api"}, 0, 1, {{"/", 200, "{}", 0}}},
    {NULL, {"llama-server", "--version"}, 0, 1, {{"/v1/models", 200, "<html>", 0}}},
    {NULL, {"my-app"}, 1337, 1, {{"/openapi.json", 200, "{\"info\":{\"title\":\"Mine\"}}", 0}}},
    {NULL, {"my-other-app"}, 9379, 1, {{"/v1/models", 404, "", 0}}},
};

enum {
    ROLES = sizeof roles / sizeof *roles
};

/* ---- a program ---- */

/*  Serve until stdin ends, then tell what the parent asked. */
static int serve(const role_t *role)
{
    script_t *server = script_new_at(role->replies, NULL, role->port);
    char byte;
    dprintf(STDOUT_FILENO, "%d\n", server ? script_port(server) : 0);
    if (server)
        script_log_only(server, getppid());
    while (read(STDIN_FILENO, &byte, 1) > 0)
        ;
    MLX_CLEANUP(mlx_free_p) char *log = server ? script_log(server) : mlx_strdup("");
    dprintf(STDOUT_FILENO, "%s", log);
    script_destroy(&server);
    return 0;
}

typedef struct {
    pid_t pid;
    int in, out;
    int port; /* 0: its port is taken by somebody else */
} program_t;

static program_t start(int index)
{
    int in[2], out[2];
    assert_int_equal(pipe2(in, O_CLOEXEC), 0);
    assert_int_equal(pipe2(out, O_CLOEXEC), 0);
    program_t self = {.pid = fork(), .in = in[1], .out = out[0]};
    if (self.pid == 0) {
        char text[16];
        snprintf(text, sizeof text, "%d", index);
        setenv("MLX_TEST_ROLE", text, 1);
        dup2(in[0], STDIN_FILENO);
        dup2(out[1], STDOUT_FILENO);
        execv("/proc/self/exe", (char *const *)(uintptr_t)roles[index].argv);
        _exit(127);
    }
    close(in[0]);
    close(out[1]);
    char line[16] = "";
    for (size_t len = 0;
         len + 1 < sizeof line && read(self.out, line + len, 1) == 1 && line[len] != '\n';)
        len++;
    self.port = (int)strtol(line, NULL, 10);
    return self;
}

/*  What it was asked, one a line. */
static char *end(program_t *self)
{
    char log[8192];
    size_t len = 0;
    ssize_t got;
    close(self->in);
    while (len + 1 < sizeof log && (got = read(self->out, log + len, sizeof log - 1 - len)) > 0)
        len += (size_t)got;
    log[len] = '\0';
    close(self->out);
    waitpid(self->pid, NULL, 0);
    return mlx_strdup(log);
}

/* ---- tests ---- */

static bool knows(play_t *self, const program_t *programs)
{
    for (int i = 0; i < ROLES; i++) {
        if (!roles[i].kind)
            continue;
        self->port = programs[i].port;
        const char *reason = play_str(self, roles[i].kind, "models", "reason");
        if (!play_reachable(self, roles[i].kind) && !(reason && strstr(reason, "needs a key")))
            return false;
    }
    return true;
}

static void run_for(play_t *self, int64_t ms)
{
    int64_t end_us = mlx_now_us() + ms * 1000;
    while (mlx_now_us() < end_us)
        mlx_loop_run(self->loop);
}

static size_t listed(const play_t *self, const char *kind, const char *what)
{
    return mlx_value_size(mlx_value_get(play_data(self, kind, "models"), what));
}

static void check_figures(play_t *self, const program_t *programs)
{
    for (int i = 0; i < ROLES; i++) {
        const char *kind = roles[i].kind ? roles[i].kind : "";
        self->port = programs[i].port;
        if (!strcmp(kind, "omlx")) {
            PLAY_UNTIL(self, listed(self, kind, "models") == 1);
            assert_int_equal(listed(self, kind, "available"), 2);
            PLAY_UNTIL(self, play_real(self, kind, "activity", "requests") == 0);
        } else if (!strcmp(kind, "dmr")) {
            PLAY_UNTIL(self, play_real(self, kind, "activity", "requests") == 1);
            PLAY_UNTIL(self, listed(self, kind, "available") == 2);
        } else if (!strcmp(kind, "koboldcpp")) {
            PLAY_UNTIL(self, play_real(self, kind, "activity", "requests") == 1);
            assert_int_equal(listed(self, kind, "models"), 1);
        } else if (!strcmp(kind, "localai")) {
            PLAY_UNTIL(self, listed(self, kind, "models") == 1);
            PLAY_UNTIL(self, listed(self, kind, "available") == 2);
        } else if (!strcmp(kind, "litertlm")) {
            assert_int_equal(listed(self, kind, "available"), 1);
            assert_int_equal(listed(self, kind, "models"), 0);
        }
    }
}

static size_t lines(const char *text)
{
    size_t count = 0;
    for (; *text; text++)
        count += *text == '\n';
    return count;
}

static void check_log(int index, program_t *program)
{
    MLX_CLEANUP(mlx_free_p) char *log = end(program);
    const char *kind = roles[index].kind;
    if (!kind && lines(log) > (size_t)roles[index].most)
        fail_msg("%s was asked %zu times:\n%s", roles[index].argv[0], lines(log), log);
    if (kind && !strcmp(kind, "litertlm") && lines(log) != 1)
        fail_msg("LiteRT-LM, which answers one at a time, was asked %zu times", lines(log));
    if (kind && strstr(log, "POST "))
        fail_msg("%s: %s", kind, log);
}

static void finds_each_kind_by_its_program(void **state)
{
    play_t *self = *state;
    program_t programs[ROLES];
    for (int i = 0; i < ROLES; i++)
        programs[i] = start(i);
    MLX_CLEANUP(mlx_free_p) char *away = mlx_format("127.0.0.1:%d", play_free_port());
    int64_t start_us = mlx_now_us();
    play_watch(self, &(mlx_watcher_options_t){.find = true, .discover = true, .ollama_host = away});
    PLAY_UNTIL(self, knows(self, programs));
    print_message("          16 servers were found in %.2f s\n",
                  (double)(mlx_now_us() - start_us) / 1e6);
    assert_true(mlx_now_us() - start_us < 5000000);
    check_figures(self, programs);

    /*  One ends, and is told of; the same program comes again at its port. */
    MLX_CLEANUP(mlx_free_p) char *first = end(&programs[1]);
    assert_non_null(strstr(first, "GET /v1/models"));
    self->port = programs[1].port;
    start_us = mlx_now_us();
    PLAY_UNTIL(self, play_gone(self, "llamacpp"));
    assert_true(mlx_now_us() - start_us < 5000000);
    programs[1] = start(1);
    run_for(self, 3000);
    self->port = programs[1].port;
    PLAY_UNTIL(self, play_reachable(self, "llamacpp"));
    for (int i = 0; i < ROLES; i++)
        check_log(i, &programs[i]);
    assert_int_equal(self->problems, 1); /* Jan's key */
}

static void knows_programs(void **state)
{
    (void)state;
    const struct {
        const char *name, *words[6], *kind;
        bool other; /* than port 8080 */
    } cases[] = {
        {"ollama", {"ollama", "serve"}, "ollama", false},
        {"ollama", {"ollama", "runner", "--port", "1"}, NULL, true},
        {"ollama-proxy.js", {"node"}, NULL, false},
        {"llama-server", {"llama-server", "--port", "8080"}, "llamacpp", false},
        {"llama-server", {"llama-server", "--port=8081"}, "llamacpp", true},
        {"llama", {"llama", "serve", "-p", "9"}, "llamacpp", true},
        {"llama", {"llama", "chat"}, NULL, false},
        {"VLLM::EngineCore", {"VLLM::EngineCore"}, NULL, false},
        {"vllm", {"vllm", "serve", "m"}, "vllm", false},
        {"vllm", {"vllm", "bench"}, NULL, false},
        {"llama-swap", {"llama-swap", "-listen", ":8080"}, "llamaswap", false},
        {"llama-swap", {"llama-swap", "--listen", "0.0.0.0:99"}, "llamaswap", true},
        {"server.py", {"python3", "--api", "--listen", "--api-port", "5001"}, "textgen", true},
        {"server.py", {"python3"}, NULL, false},
        {"koboldcpp-linux-x64", {"k", "--port", "no"}, "koboldcpp", false},
        {"a.llamafile", {"a.llamafile"}, "llamafile", false},
        {"janus", {"janus"}, NULL, false},
        {"", {""}, NULL, false},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        size_t argc = 0;
        bool vague = false;
        while (argc < MLX_COUNT(cases[i].words) && cases[i].words[argc])
            argc++;
        const mlx_runtime_backend_t *backend =
            mlx_runtime_of_program(cases[i].name, argc, cases[i].words, &vague);
        const char *kind = backend ? backend->kind : NULL;
        if (kind != cases[i].kind && (!kind || !cases[i].kind || strcmp(kind, cases[i].kind) != 0))
            fail_msg("%s is taken for %s", cases[i].name, kind ? kind : "nothing");
        if (mlx_runtime_names_other_port(argc, cases[i].words, 8080) != cases[i].other)
            fail_msg("%s: another port", cases[i].name);
        assert_int_equal(vague, kind && !strcmp(kind, "textgen"));
    }
    assert_string_equal(mlx_runtime_usual_probe(8080), "/v1/models");
    assert_string_equal(mlx_runtime_usual_probe(1234), "/api/v0/models");
    assert_null(mlx_runtime_usual_probe(5432));
}

/*  What listens here, this test's own socket among it, is told with its holder. */
static void lists_what_listens(void **state)
{
    (void)state;
    static const script_reply_t none[] = {{0}};
    MLX_CLEANUP(script_destroy) script_t *server = script_new(none, NULL);
    MLX_CLEANUP(mlx_free_p) mlx_listening_t *list = mlx_alloc(MLX_LISTENERS_MAX, sizeof *list);
    size_t count = 0;
    const mlx_listening_t *own = NULL;
    assert_int_equal(mlx_listeners_read("/proc", list, MLX_LISTENERS_MAX, &count, NULL), 0);
    mlx_listeners_owners("/proc", list, count);
    for (size_t i = 0; i < count; i++)
        if (list[i].port == script_port(server) && list[i].uid == geteuid())
            own = &list[i];
    if (!own)
        fail_msg("its own socket is not listed");
    assert_int_equal(own->pid, getpid());
    assert_string_equal(own->host, "127.0.0.1");
    mlx_error_t err = {0};
    assert_int_equal(mlx_listeners_read("/nonexistent", list, MLX_LISTENERS_MAX, &count, &err), -1);
    assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
}

/*  A network of its own, where that may be had: no other test's servers, all ports free. */
static void leave_the_network(void)
{
    struct ifreq lo = {.ifr_name = "lo"};
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        return;
    MLX_CLEANUP(mlx_close_p) int fd = socket(AF_INET, SOCK_DGRAM, 0);
    lo.ifr_flags = IFF_UP | IFF_RUNNING;
    assert_int_equal(ioctl(fd, SIOCSIFFLAGS, &lo), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_programs),
        cmocka_unit_test(lists_what_listens),
        cmocka_unit_test_setup_teardown(finds_each_kind_by_its_program, play_setup, play_teardown),
    };
    const char *role = getenv("MLX_TEST_ROLE");
    if (role)
        return serve(&roles[strtol(role, NULL, 10)]);
    signal(SIGPIPE, SIG_IGN);
    leave_the_network();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
