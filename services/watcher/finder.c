#include "finder.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "asker_process.h"
#include "common/base/clock.h"
#include "listeners.h"
#include "procs.h"

enum {
    FOREIGN_MAX = 256, /* remembered; the oldest is forgotten */
    ANCESTORS_MAX = 8,
    OWNER_TRIES = 3, /* looks for the holder of a socket */
};

/*  A socket that listens, as it was identified. */
typedef struct {
    mlx_listening_t at;
    uint64_t started; /* of its process */
    int tries;
    bool identified;
    bool told; /* FOUND was called */
} socket_t;

/*  One program at one port. */
typedef struct {
    pid_t pid;
    uint64_t started;
    uint64_t id; /* of the socket, where the process is not known */
    uint16_t port;
} identity_t;

struct mlx_finder {
    mlx_finder_options_t options;
    mlx_timer_t *timer;
    socket_t *sockets;
    size_t count;
    identity_t foreign[FOREIGN_MAX];
    size_t foreign_count;
    mlx_listening_t seen[MLX_LISTENERS_MAX];
};

static void on_turn(void *arg);

mlx_finder_t *mlx_finder_new(const mlx_finder_options_t *options)
{
    mlx_finder_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->sockets = mlx_alloc(MLX_LISTENERS_MAX, sizeof *self->sockets);
    self->timer = mlx_loop_after(options->loop, 0, on_turn, self);
    return self;
}

void mlx_finder_destroy(mlx_finder_t **self_p)
{
    mlx_finder_t *self = *self_p;
    if (!self)
        return;
    mlx_loop_cancel(self->options.loop, &self->timer);
    free(self->sockets);
    free(self);
    *self_p = NULL;
}

/* ---- who was found to be none ---- */

static identity_t identity_of(const socket_t *socket)
{
    const mlx_listening_t *at = &socket->at;
    return (identity_t){
        .pid = at->pid, .started = socket->started, .id = at->pid ? 0 : at->id, .port = at->port};
}

static bool is_foreign(const mlx_finder_t *self, const socket_t *socket)
{
    identity_t wanted = identity_of(socket);
    size_t count = self->foreign_count < FOREIGN_MAX ? self->foreign_count : FOREIGN_MAX;
    for (size_t i = 0; i < count; i++) {
        const identity_t *one = &self->foreign[i];
        if (one->pid == wanted.pid && one->started == wanted.started && one->id == wanted.id &&
            one->port == wanted.port)
            return true;
    }
    return false;
}

static void endpoint_of(const mlx_listening_t *at, mlx_endpoint_t *out)
{
    bool six = strchr(at->host, ':') != NULL;
    char text[64];
    snprintf(text, sizeof text, "%s%s%s:%u", six ? "[" : "", at->host, six ? "]" : "", at->port);
    mlx_endpoint_parse(out, text, at->port, NULL);
}

void mlx_finder_foreign(mlx_finder_t *self, const mlx_endpoint_t *endpoint)
{
    for (size_t i = 0; i < self->count; i++) {
        mlx_endpoint_t at;
        endpoint_of(&self->sockets[i].at, &at);
        if (mlx_endpoint_same(&at, endpoint))
            self->foreign[self->foreign_count++ % FOREIGN_MAX] = identity_of(&self->sockets[i]);
    }
}

/* ---- which kind ---- */

typedef struct {
    const mlx_runtime_backend_t *backend;
    bool vague;
    bool other_port; /* it says that it serves elsewhere */
    pid_t parent;
    uint64_t started;
    uint16_t port;
} program_t;

static bool read_program(void *arg, const mlx_proc_t *proc)
{
    program_t *out = arg;
    char name[MLX_ASKER_PROCESS];
    out->parent = proc->ppid;
    out->started = proc->started;
    if (proc->argc == 0)
        return false;
    mlx_asker_program(proc->argc, proc->argv, name);
    out->backend = mlx_runtime_of_program(name, proc->argc, proc->argv, &out->vague);
    out->other_port = mlx_runtime_names_other_port(proc->argc, proc->argv, out->port);
    return false;
}

/*  Whether a server of the table has started it, as its worker. */
static bool is_child(const mlx_finder_t *self, pid_t parent)
{
    for (int i = 0; i < ANCESTORS_MAX && parent > 1; i++) {
        program_t program = {0};
        if (mlx_procs_get(self->options.proc_root, parent, read_program, &program))
            return false;
        if (program.backend && !program.vague)
            return true;
        parent = program.parent;
    }
    return false;
}

/*  Of several ports of one process its usual one is the one that serves. */
static bool has_better(const mlx_finder_t *self, const socket_t *socket,
                       const mlx_runtime_backend_t *backend)
{
    if (mlx_runtime_usual_port(backend, socket->at.port))
        return false;
    for (size_t i = 0; i < self->count; i++)
        if (self->sockets[i].at.pid == socket->at.pid &&
            mlx_runtime_usual_port(backend, self->sockets[i].at.port))
            return true;
    return false;
}

/*  The same port of the same process, once more: by IPv6, or on another address. */
static bool is_second(const mlx_finder_t *self, const socket_t *socket)
{
    for (size_t i = 0; i < self->count; i++) {
        const socket_t *other = &self->sockets[i];
        if (other != socket && other->told && other->at.port == socket->at.port &&
            other->at.pid == socket->at.pid)
            return true;
    }
    return false;
}

static void identify(mlx_finder_t *self, socket_t *socket)
{
    program_t program = {.port = socket->at.port};
    mlx_found_server_t server = {.probe_path = NULL};
    if (socket->at.pid)
        mlx_procs_get(self->options.proc_root, socket->at.pid, read_program, &program);
    socket->started = program.started;
    socket->identified = true;
    if (socket->at.pid == getpid() || is_second(self, socket) || is_foreign(self, socket) ||
        is_child(self, program.parent))
        return;
    server.backend = program.backend;
    if (!server.backend)
        server.probe_path = mlx_runtime_usual_probe(socket->at.port);
    if ((!server.backend && !server.probe_path) ||
        (server.backend && (program.other_port || has_better(self, socket, server.backend))))
        return;
    endpoint_of(&socket->at, &server.endpoint);
    socket->told = true;
    self->options.found(self->options.arg, &server);
}

/* ---- what listens ---- */

static bool same(const mlx_listening_t *a, const mlx_listening_t *b)
{
    return a->id == b->id && a->port == b->port && !strcmp(a->host, b->host);
}

static void drop_gone(mlx_finder_t *self, const mlx_listening_t *seen, size_t count)
{
    for (size_t i = self->count; i-- > 0;) {
        socket_t socket = self->sockets[i];
        bool there = false;
        for (size_t k = 0; k < count && !there; k++)
            there = same(&socket.at, &seen[k]);
        if (there)
            continue;
        self->sockets[i] = self->sockets[--self->count];
        mlx_endpoint_t at;
        endpoint_of(&socket.at, &at);
        if (socket.told)
            self->options.gone(self->options.arg, &at);
    }
}

static void add_new(mlx_finder_t *self, const mlx_listening_t *seen, size_t count)
{
    for (size_t i = 0; i < count && self->count < MLX_LISTENERS_MAX; i++) {
        bool known = false;
        for (size_t k = 0; k < self->count && !known; k++)
            known = same(&self->sockets[k].at, &seen[i]);
        if (!known)
            self->sockets[self->count++] = (socket_t){.at = seen[i]};
    }
}

/*  Another user's processes are not shown: of those only usual ports are of interest. */
static bool may_be_shown(const socket_t *socket)
{
    return socket->at.uid == geteuid() || geteuid() == 0;
}

/*  A scan of all descriptors finds the holders of all that are new. */
static void find_owners(mlx_finder_t *self)
{
    mlx_listening_t *wanted = self->seen; /* it has been read */
    size_t count = 0;
    for (size_t i = 0; i < self->count; i++)
        if (!self->sockets[i].identified && !self->sockets[i].at.pid &&
            may_be_shown(&self->sockets[i]))
            wanted[count++] = self->sockets[i].at;
    mlx_listeners_owners(self->options.proc_root, wanted, count);
    for (size_t i = 0; i < self->count; i++)
        for (size_t k = 0; k < count; k++)
            if (same(&self->sockets[i].at, &wanted[k]))
                self->sockets[i].at.pid = wanted[k].pid;
}

static void on_turn(void *arg)
{
    mlx_finder_t *self = arg;
    size_t count;
    int64_t now_us = mlx_now_us();
    int64_t next_us = mlx_loop_grid_us(now_us, mlx_listeners_pace_ms() * 1000);
    self->timer =
        mlx_loop_after(self->options.loop, (next_us - now_us + 999) / 1000, on_turn, self);
    if (mlx_listeners_read(self->options.proc_root, self->seen, MLX_LISTENERS_MAX, &count, NULL))
        return;
    drop_gone(self, self->seen, count);
    add_new(self, self->seen, count);
    find_owners(self);
    for (size_t i = 0; i < self->count; i++) {
        socket_t *socket = &self->sockets[i];
        bool known = socket->at.pid || !may_be_shown(socket) || ++socket->tries >= OWNER_TRIES;
        if (!socket->identified && known)
            identify(self, socket);
    }
}
