/*  mlxctl mcp: the Model Context Protocol on stdin and stdout, one message a line; mlxctl skill */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/agent/mcp.h"
#include "common/agent/skill.h"
#include "common/agent/token.h"
#include "ctl.h"

enum {
    DRAIN_MS = 10000, /* after the end of input, for answers that are under way */
    DRAIN_LOOK_MS = 50,
    PIECE = 65536
};

typedef struct {
    mlx_ctl_t ctl;
    mlx_mcp_t *mcp;
    mlx_watch_t *input;
    mlx_buf_t line;
    bool skip; /* the rest of a line that is too long */
    int drain_ms;
} stdio_t;

static void send_line(void *arg, const char *json, size_t len)
{
    stdio_t *self = arg;
    /* A client that has gone ends us quietly. */
    if (fwrite(json, 1, len, stdout) != len || putchar('\n') == EOF || fflush(stdout))
        mlx_loop_stop(self->ctl.loop);
}

static void on_drain(void *arg)
{
    stdio_t *self = arg;
    self->drain_ms += DRAIN_LOOK_MS;
    if (mlx_mcp_pending(self->mcp) == 0 || self->drain_ms >= DRAIN_MS)
        mlx_loop_stop(self->ctl.loop);
}

static void take_line(stdio_t *self)
{
    size_t len = self->line.len;
    if (len > 0 && !self->skip)
        mlx_mcp_receive(self->mcp, mlx_buf_str(&self->line), len);
    self->skip = false;
    mlx_buf_clear(&self->line);
}

/*  One byte more than a message may have is kept, so that the server refuses it. */
static void take_piece(stdio_t *self, const char *data, size_t len)
{
    size_t room = MLX_MCP_MAX_BYTES + 1 - self->line.len;
    mlx_buf_append(&self->line, data, len < room ? len : room);
    if (self->line.len > MLX_MCP_MAX_BYTES && !self->skip) {
        mlx_mcp_receive(self->mcp, mlx_buf_str(&self->line), self->line.len);
        self->skip = true;
    }
}

static void on_input(void *arg, int fd, unsigned events)
{
    stdio_t *self = arg;
    char data[PIECE];
    (void)events;
    ssize_t got = read(fd, data, sizeof data);
    if (got < 0 && (errno == EINTR || errno == EAGAIN))
        return;
    for (ssize_t at = 0; at < got;) {
        const char *end = memchr(data + at, '\n', (size_t)(got - at));
        size_t len = end ? (size_t)(end - data - at) : (size_t)(got - at);
        take_piece(self, data + at, len);
        if (end)
            take_line(self);
        at += (ssize_t)len + (end != NULL);
    }
    if (got > 0)
        return;
    take_line(self);
    mlx_loop_unwatch(self->ctl.loop, &self->input);
    mlx_loop_every(self->ctl.loop, DRAIN_LOOK_MS, on_drain, self);
}

static void on_signal(void *arg, int number)
{
    (void)number;
    mlx_loop_stop(arg);
}

/*  What an agent that speaks HTTP needs: one line for its settings, token and all. */
static int print_url(const mlx_args_t *args)
{
    mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_free_p) char *token = NULL;
    int status = mlx_ctl_configure(&ctl, args, &err);
    if (status == 0 && strcmp(mlx_config_str(ctl.config, "gateway.mcp"), "off") == 0) {
        status = mlx_error_set(&err, MLX_ERR_UNAVAILABLE, "the gateway does not serve agents");
        mlx_error_hint(&err, "set gateway.mcp to read or changes, then restart it: "
                             "mlxctl services restart gateway");
    }
    if (status == 0)
        token = mlx_mcp_token(NULL, &err);
    if (!token)
        status = mlx_ctl_fail(&err);
    else
        printf("{\"mcpServers\":{\"mlx\":{\"type\":\"http\",\"url\":\"http://%s/mcp\","
               "\"headers\":{\"Authorization\":\"Bearer %s\"}}}}\n",
               mlx_config_str(ctl.config, "gateway.listen"), token);
    mlx_ctl_close(&ctl);
    return status;
}

int mlx_cmd_mcp(void *arg, const mlx_args_t *args)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    stdio_t self = {0};
    mlx_error_t err = {0};
    (void)arg;
    int status = MLX_OK;
    if (mlx_args_count(args, "url") > 0)
        return print_url(args);
    if (mlx_ctl_attach(&self.ctl, args, &err) ||
        mlx_loop_signals(self.ctl.loop, signals, on_signal, self.ctl.loop, &err)) {
        status = mlx_ctl_fail(&err);
    } else {
        mlx_mcp_options_t options = {.run_dir = self.ctl.run_dir,
                                     .changes = mlx_args_count(args, "changes") > 0};
        self.mcp = mlx_mcp_new(self.ctl.bus, &options, send_line, &self);
        self.input = mlx_loop_watch(self.ctl.loop, STDIN_FILENO, MLX_READ, on_input, &self);
        mlx_loop_run(self.ctl.loop);
    }
    mlx_mcp_destroy(&self.mcp);
    mlx_buf_clear(&self.line);
    mlx_ctl_close(&self.ctl);
    return status;
}

int mlx_cmd_skill(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    (void)arg;
    (void)args;
    mlx_skill_write(&text);
    return mlx_ctl_print_text(mlx_buf_str(&text));
}
