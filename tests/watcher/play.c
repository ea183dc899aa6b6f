#include "tests/watcher/play.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "common/base/json.h"
#include "tests/double/play.h"

static void on_tick(void *arg)
{
    const play_t *self = arg;
    mlx_loop_stop(self->loop);
}

int play_setup(void **state)
{
    play_t *self = mlx_alloc(1, sizeof *self);
    self->loop = mlx_loop_new();
    self->http = mlx_http_new(self->loop);
    self->topics = mlx_value_map();
    self->events = mlx_value_list();
    self->tick = mlx_loop_every(self->loop, 20, on_tick, self);
    *state = self;
    return 0;
}

int play_teardown(void **state)
{
    play_t *self = *state;
    mlx_watcher_destroy(&self->watcher);
    mlx_http_destroy(&self->http);
    mlx_loop_destroy(&self->loop);
    while (self->double_count > 0) {
        pid_t pid = self->doubles[--self->double_count];
        kill(pid, SIGTERM);
        waitpid(pid, NULL, 0);
    }
    int falls = self->falls;
    mlx_value_destroy(&self->topics);
    mlx_value_destroy(&self->events);
    mlx_value_destroy(&self->reply);
    free(self);
    return falls ? -1 : 0;
}

/* ---- the double ---- */

static pid_t spawn(const char *const *argv, int *out_fd)
{
    int fds[2];
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    if (pid == 0) {
        dup2(fds[1], STDOUT_FILENO);
        close(fds[0]);
        close(fds[1]);
        execv(argv[0], (char *const *)(uintptr_t)argv);
        _exit(127);
    }
    close(fds[1]);
    *out_fd = fds[0];
    return pid;
}

void play_double(play_t *self, int port, const char *const *args)
{
    char port_text[16];
    snprintf(port_text, sizeof port_text, "%d", port);
    const char *argv[24] = {MLX_BIN "/mlx-ollama-double", "--port", port_text};
    for (size_t i = 0; args[i] && i < 20; i++)
        argv[3 + i] = args[i];
    int fd;
    assert_true(self->double_count < PLAY_DOUBLES_MAX);
    self->doubles[self->double_count++] = spawn(argv, &fd);
    char line[64] = "";
    for (size_t len = 0;
         len + 1 < sizeof line && read(fd, line + len, 1) == 1 && line[len] != '\n';)
        len++;
    close(fd);
    if (sscanf(line, "listening 127.0.0.1:%d", &self->port) != 1)
        fail_msg("the double said \"%s\"", line);
    snprintf(self->address, sizeof self->address, "127.0.0.1:%d", self->port);
}

void play_kill(play_t *self)
{
    pid_t pid = self->doubles[--self->double_count];
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

int play_free_port(void)
{
    struct sockaddr_in any = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof any;
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&any, len), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&any, &len), 0);
    close(fd);
    return ntohs(any.sin_port);
}

/* ---- the watcher ---- */

static void note_falls(play_t *self, const char *topic, const mlx_value_t *d)
{
    static const char *const totals[] = {"tokens_total", "prompt_tokens_total", "requests_total",
                                         "errors_total"};
    const mlx_value_t *before = mlx_value_get(self->topics, topic);
    for (size_t i = 0; i < MLX_COUNT(totals); i++) {
        double was, is = -1;
        if (!mlx_value_real(before, totals[i], &was))
            continue;
        mlx_value_real(d, totals[i], &is);
        self->falls += is < was;
        if (is < was)
            print_error("%s: %s fell from %g to %g\n", topic, totals[i], was, is);
    }
}

static void on_publish(void *arg, const char *topic, const mlx_value_t *d)
{
    play_t *self = arg;
    self->publications++;
    note_falls(self, topic, d);
    size_t len = strlen(topic);
    if (len > 8 && strcmp(topic + len - 8, ".request") == 0)
        mlx_value_append(self->events, mlx_value_copy(d));
    mlx_value_set(self->topics, topic, mlx_value_copy(d));
    mlx_loop_stop(self->loop);
}

static void on_problem(void *arg, const char *kind, const char *text)
{
    play_t *self = arg;
    self->problems++;
    snprintf(self->last_problem, sizeof self->last_problem, "%s: %s", kind, text);
}

static void on_info(void *arg, const char *text)
{
    (void)arg;
    (void)text;
}

void play_watch(play_t *self, const mlx_watcher_options_t *options)
{
    mlx_watcher_options_t o = *options;
    o.loop = self->loop;
    o.busy_ms = 1000;
    o.idle_ms = o.idle_ms ? o.idle_ms : 500;
    o.proc_root = "/proc";
    o.publish = on_publish;
    o.problem = on_problem;
    o.info = on_info;
    o.arg = self;
    mlx_error_t err = {0};
    self->watcher = mlx_watcher_new(&o, &err);
    if (!self->watcher)
        fail_msg("%s", err.text);
}

/* ---- clients ---- */

static void on_reply(void *arg, const mlx_http_reply_t *reply)
{
    play_t *self = arg;
    self->running--;
    mlx_value_destroy(&self->reply);
    if (reply->status != 200)
        return;
    /*  The last line of a stream holds the server's own figures. */
    size_t end = reply->body_len;
    while (end > 0 && reply->body[end - 1] == '\n')
        end--;
    size_t start = end;
    while (start > 0 && reply->body[start - 1] != '\n')
        start--;
    self->reply = mlx_json_parse(reply->body + start, end - start, NULL);
    mlx_loop_stop(self->loop);
}

void play_get(play_t *self, const mlx_http_request_t *request)
{
    self->running++;
    mlx_http_start(self->http, request, on_reply, self);
}

void play_post(play_t *self, const char *address, const char *path, const char *body)
{
    MLX_CLEANUP(mlx_free_p) char *url = mlx_format("http://%s%s", address, path);
    mlx_http_request_t request = {
        .url = url, .body = body, .body_len = strlen(body), .timeout_ms = 60000};
    self->running++;
    mlx_http_start(self->http, &request, on_reply, self);
}

void play_generate(play_t *self, const char *address, int tokens)
{
    MLX_CLEANUP(mlx_free_p)
    char *body = mlx_format("{\"model\":\"tiny-random\",\"prompt\":\"hello world\",\"options\":{"
                            "\"num_predict\":%d}}",
                            tokens);
    play_post(self, address, "/api/generate", body);
}

pid_t play_client(const play_t *self, const char *path, const char *body)
{
    pid_t pid = fork();
    if (pid)
        return pid;
    int fd = mlx_play_dial(self->port);
    mlx_play_send(fd, "POST", path, body);
    mlx_play_reply_t reply = mlx_play_receive(fd);
    _exit(reply.status == 200 ? 0 : 1);
}

bool play_client_ended(pid_t *pid)
{
    if (*pid && waitpid(*pid, NULL, WNOHANG) == *pid)
        *pid = 0;
    return *pid == 0;
}

/* ---- what was published ---- */

const mlx_value_t *play_data(const play_t *self, const char *kind, const char *what)
{
    MLX_CLEANUP(mlx_free_p)
    char *topic = mlx_format("runtime.%s.127_0_0_1-%d.%s", kind, self->port, what);
    return mlx_value_get(self->topics, topic);
}

const char *play_str(const play_t *self, const char *kind, const char *what, const char *key)
{
    return mlx_value_str(play_data(self, kind, what), key);
}

double play_real(const play_t *self, const char *kind, const char *what, const char *key)
{
    double r = NAN;
    mlx_value_real(play_data(self, kind, what), key, &r);
    return r;
}

bool play_reachable(const play_t *self, const char *kind)
{
    bool yes = false;
    mlx_value_bool(play_data(self, kind, "models"), "reachable", &yes);
    return yes;
}

bool play_gone(const play_t *self, const char *kind)
{
    return play_data(self, kind, "models") && !play_reachable(self, kind);
}

/* ---- waiting ---- */

static void on_late(void *arg)
{
    play_t *self = arg;
    self->late = true;
    self->deadline = NULL;
    mlx_loop_stop(self->loop);
}

void play_deadline(play_t *self)
{
    self->late = false;
    self->deadline = mlx_loop_after(self->loop, PLAY_DEADLINE_MS, on_late, self);
}

void play_fail(const play_t *self, const char *expression, const char *file, int line)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, self->topics, true);
    print_error("%s:%d: not in time: %s\n%s\nproblems: %d, %s\n", file, line, expression,
                mlx_buf_str(&text), self->problems, self->last_problem);
    fail();
}
