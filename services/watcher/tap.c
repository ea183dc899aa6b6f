#include "tap.h"
#include "common/base/clock.h"

#include "common/bus/loop.h"
#include "tap_lookup.h"
#include "tap_relay.h"
#include "tap_session.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    ACCEPTS_PER_TURN = 64,
    ACCEPT_PAUSE_MS = 100, /* when descriptors have run out */
    QUIET_S = 120, /* without a byte, a connection that is not understood counts as idle, too */
};

typedef struct connection {
    struct connection *next;
    struct connection *before;
    mlx_tap_t *tap;
    mlx_relay_t *relay;
    mlx_tap_session_t *session;
    mlx_asker_end_t peer;
    int64_t moved_us; /* when bytes last passed, or it began */
} connection_t;

struct mlx_tap {
    mlx_loop_t *loop;
    pthread_t thread;
    int listen_fd;
    uint16_t port;
    mlx_watch_t *listening;
    mlx_timer_t *pause;
    mlx_tap_address_t upstream[MLX_TAP_ADDRESSES];
    int upstreams;
    mlx_lookup_t *lookup;
    int max_connections;
    const mlx_fingerprint_t *prints;
    void (*wake)(void *arg);
    void *wake_arg;
    char *scratch;
    /* The lock guards what follows, with the sessions; the tap's thread holds it while it looks at
     * a piece, never while it passes one on. */
    pthread_mutex_t lock;
    connection_t *connections;
    mlx_tap_counters_t counters;
    uint64_t last_id;
    mlx_tap_request_t finished[MLX_TAP_MAX_FINISHED]; /* a ring */
    size_t finished_first;
    size_t finished_count;
    bool news; /* something for wake to tell */
    bool told; /* and it has, since the last snapshot */
};

/*  ---- what sessions report; all under the lock ---- */

static uint64_t on_begun(void *arg)
{
    const connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    self->counters.requests++;
    self->news = true;
    return ++self->last_id;
}

static void on_first_text(void *arg, uint64_t id)
{
    const connection_t *connection = arg;
    (void)id;
    connection->tap->news = true;
}

static mlx_tap_request_t request_of(const connection_t *connection, uint64_t id,
                                    const mlx_stream_figures_t *figures,
                                    const mlx_tap_caller_t *caller)
{
    mlx_tap_request_t request = {.id = id, .figures = *figures};
    request.asker.peer = connection->peer;
    memcpy(request.asker.agent, caller->agent, sizeof caller->agent);
    memcpy(request.asker.key, caller->key, sizeof caller->key);
    return request;
}

static void on_finished(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                        const mlx_tap_caller_t *caller)
{
    const connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    if (self->finished_count == MLX_TAP_MAX_FINISHED) {
        self->finished_first = (self->finished_first + 1) % MLX_TAP_MAX_FINISHED;
        self->finished_count--;
        self->counters.dropped++;
    }
    size_t slot = (self->finished_first + self->finished_count++) % MLX_TAP_MAX_FINISHED;
    self->finished[slot] = request_of(connection, id, figures, caller);
    self->news = true;
}

static const mlx_tap_session_events_t session_events = {on_begun, on_first_text, on_finished};

/*  Unlock, and call wake if there is something it has not told yet. */
static void unlock_and_tell(mlx_tap_t *self)
{
    bool tell = self->news && !self->told && self->wake;
    self->told = self->told || tell;
    self->news = false;
    pthread_mutex_unlock(&self->lock);
    if (tell)
        self->wake(self->wake_arg);
}

/*  ---- what relays report ---- */

static void on_passed(void *arg, mlx_relay_side_t from, const char *data, size_t len)
{
    connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    int64_t now = mlx_now_us();
    connection->moved_us = now;
    pthread_mutex_lock(&self->lock);
    if (from == MLX_RELAY_CLIENT) {
        self->counters.bytes_up += (int64_t)len;
        mlx_tap_session_client(connection->session, data, len, now);
    } else {
        self->counters.bytes_down += (int64_t)len;
        mlx_tap_session_server(connection->session, data, len, now);
    }
    unlock_and_tell(self);
}

static uint64_t on_unread(void *arg, mlx_relay_side_t from)
{
    const connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    pthread_mutex_lock(&self->lock);
    uint64_t unread = from == MLX_RELAY_CLIENT
                          ? mlx_tap_session_client_tells_nothing(connection->session)
                          : mlx_tap_session_server_tells_nothing(connection->session);
    pthread_mutex_unlock(&self->lock);
    return unread;
}

static void on_skipped(void *arg, mlx_relay_side_t from, size_t len)
{
    connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    int64_t now = mlx_now_us();
    connection->moved_us = now;
    pthread_mutex_lock(&self->lock);
    if (from == MLX_RELAY_CLIENT) {
        self->counters.bytes_up += (int64_t)len;
        mlx_tap_session_client_passed(connection->session, len, now);
    } else {
        self->counters.bytes_down += (int64_t)len;
        mlx_tap_session_server_passed(connection->session, len, now);
    }
    unlock_and_tell(self);
}

static void on_ended(void *arg, mlx_relay_side_t from)
{
    connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    int64_t now = mlx_now_us();
    pthread_mutex_lock(&self->lock);
    if (from == MLX_RELAY_CLIENT)
        mlx_tap_session_client_eof(connection->session, now);
    else
        mlx_tap_session_server_eof(connection->session, now);
    unlock_and_tell(self);
}

/*  Under the lock. */
static void forget(connection_t *connection)
{
    mlx_tap_t *self = connection->tap;
    if (connection->before)
        connection->before->next = connection->next;
    else
        self->connections = connection->next;
    if (connection->next)
        connection->next->before = connection->before;
    self->counters.open--;
    mlx_tap_session_destroy(&connection->session);
    mlx_relay_destroy(&connection->relay);
    free(connection);
}

static void on_closed(void *arg, mlx_relay_end_t how)
{
    connection_t *connection = arg;
    mlx_tap_t *self = connection->tap;
    bool client = how == MLX_RELAY_CLIENT_RESET;
    int64_t now = mlx_now_us();
    pthread_mutex_lock(&self->lock);
    mlx_tap_session_end(connection->session,
                        client ? MLX_STREAM_CLIENT_ABORT : MLX_STREAM_SERVER_ABORT, now);
    self->counters.not_followed += !mlx_tap_session_following(connection->session);
    self->counters.refused += how == MLX_RELAY_REFUSED;
    forget(connection);
    unlock_and_tell(self);
    if (how == MLX_RELAY_REFUSED)
        mlx_lookup_start(self->lookup);
}

static const mlx_relay_hooks_t relay_hooks = {on_passed, on_ended, on_closed, on_unread,
                                              on_skipped};

/*  ---- accepting ---- */

static void add_connection(mlx_tap_t *self, int fd)
{
    connection_t *connection = mlx_alloc(1, sizeof(*connection));
    connection->tap = self;
    connection->peer = mlx_asker_end_of(fd);
    connection->moved_us = mlx_now_us();
    connection->relay = mlx_relay_new(self->loop, fd, self->upstream, self->upstreams,
                                      self->scratch, &relay_hooks, connection);
    bool relayed = connection->relay != NULL;
    pthread_mutex_lock(&self->lock);
    self->counters.accepted++;
    if (!relayed) {
        self->counters.refused++;
        free(connection);
    } else {
        connection->session = mlx_tap_session_new(&session_events, self->prints, connection);
        connection->next = self->connections;
        if (connection->next)
            connection->next->before = connection;
        self->connections = connection;
        self->counters.open++;
    }
    pthread_mutex_unlock(&self->lock);
    if (!relayed)
        mlx_lookup_start(self->lookup);
}

static bool is_idle(const connection_t *connection, int64_t now)
{
    if (!mlx_tap_session_following(connection->session))
        return now - connection->moved_us > (int64_t)QUIET_S * 1000000;
    return !mlx_tap_session_busy(connection->session);
}

/*  Clients keep connections for later, more than there is room for. The one that has been idle
 *  longest makes room: its client opens another when it needs one, as after a server's own idle
 *  limit. */
static bool make_room(mlx_tap_t *self)
{
    int64_t now = mlx_now_us();
    connection_t *longest = NULL;
    pthread_mutex_lock(&self->lock);
    for (connection_t *at = self->connections; at; at = at->next)
        if (is_idle(at, now) && (!longest || at->moved_us < longest->moved_us))
            longest = at;
    if (longest) {
        mlx_relay_end(&longest->relay);
        forget(longest);
        self->counters.displaced++;
    }
    pthread_mutex_unlock(&self->lock);
    return longest != NULL;
}

static void turn_away(mlx_tap_t *self, int fd)
{
    close(fd);
    pthread_mutex_lock(&self->lock);
    self->counters.turned_away++;
    pthread_mutex_unlock(&self->lock);
}

static void on_pause_over(void *arg)
{
    mlx_tap_t *self = arg;
    self->pause = NULL;
    mlx_loop_rewatch(self->loop, self->listening, MLX_READ);
}

static void pause_accepting(mlx_tap_t *self)
{
    mlx_loop_rewatch(self->loop, self->listening, 0);
    self->pause = mlx_loop_after(self->loop, ACCEPT_PAUSE_MS, on_pause_over, self);
    pthread_mutex_lock(&self->lock);
    self->counters.starved++;
    pthread_mutex_unlock(&self->lock);
}

static void on_connection(void *arg, int listen_fd, unsigned events)
{
    mlx_tap_t *self = arg;
    (void)events;
    for (int n = 0; n < ACCEPTS_PER_TURN; n++) {
        int fd = accept(listen_fd, NULL, NULL);
        if (fd >= 0 && (self->counters.open < self->max_connections || make_room(self))) {
            add_connection(self, fd);
        } else if (fd >= 0) {
            turn_away(self, fd);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            pause_accepting(self);
            return;
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return;
        }
    }
}

/*  ---- life ---- */

static int listen_on(mlx_tap_t *self, const char *text, mlx_error_t *err)
{
    mlx_tap_address_t list[MLX_TAP_ADDRESSES];
    if (mlx_tap_resolve(text, list, err) < 0)
        return mlx_error_prefix(err, "tap listen address");
    if (!mlx_tap_is_loopback(&list[0])) {
        mlx_error_set(err, MLX_ERR_USAGE, "tap listen address %s is not on loopback", text);
        return mlx_error_hint(err, "listen on 127.0.0.1 or [::1]: the tap has no access control");
    }
    const int on = 1;
    self->listen_fd = socket(list[0].addr.ss_family, SOCK_STREAM, 0);
    if (self->listen_fd < 0)
        return mlx_error_set(err, MLX_ERR_FAILED, "tap on %s: %s", text, strerror(errno));
    mlx_relay_prepare(self->listen_fd);
    setsockopt(self->listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(self->listen_fd, (const struct sockaddr *)&list[0].addr, list[0].len) ||
        listen(self->listen_fd, SOMAXCONN)) {
        bool taken = errno == EADDRINUSE;
        mlx_error_set(err, taken ? MLX_ERR_BUSY : MLX_ERR_FAILED, "tap on %s: %s", text,
                      strerror(errno));
        return taken ? mlx_error_hint(err, "choose another port for the tap") : -1;
    }
    return 0;
}

/*  A tap in front of itself would relay each connection to itself until none is left. */
static bool is_self(const mlx_tap_t *self, const mlx_tap_address_t *list, int count)
{
    for (int i = 0; i < count; i++)
        if (mlx_tap_is_loopback(&list[i]) && mlx_tap_address_port(&list[i]) == self->port)
            return true;
    return false;
}

/*  A relay that is still connecting may look at the list: it stays in its place, and entries behind
 *  COUNT stay what they were. */
static void on_found(void *arg, const mlx_tap_address_t *list, int count)
{
    mlx_tap_t *self = arg;
    if (is_self(self, list, count))
        return;
    memcpy(self->upstream, list, (size_t)count * sizeof *list);
    self->upstreams = count;
}

static int find_upstream(mlx_tap_t *self, const mlx_tap_config_t *config, mlx_error_t *err)
{
    mlx_tap_resolve_fn resolve = config->resolve ? config->resolve : mlx_tap_resolve;
    self->upstreams = resolve(config->upstream, self->upstream, err);
    if (self->upstreams < 0)
        return mlx_error_prefix(err, "tap upstream");
    if (is_self(self, self->upstream, self->upstreams))
        return mlx_error_set(err, MLX_ERR_USAGE, "tap upstream %s is the tap itself",
                             config->upstream);
    self->lookup = mlx_lookup_new(self->loop, config->upstream, resolve, on_found, self);
    return 0;
}

static void *run(void *arg)
{
    mlx_tap_t *self = arg;
    mlx_loop_run(self->loop);
    return NULL;
}

/*  Signals belong to the process's main loop. */
static int start_thread(mlx_tap_t *self, mlx_error_t *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int rc = pthread_create(&self->thread, NULL, run, self);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return rc ? mlx_error_set(err, MLX_ERR_FAILED, "tap thread: %s", strerror(rc)) : 0;
}

static void release(mlx_tap_t *self)
{
    for (connection_t *at = self->connections, *next; at; at = next) {
        next = at->next;
        forget(at);
    }
    mlx_loop_unwatch(self->loop, &self->listening);
    mlx_loop_cancel(self->loop, &self->pause);
    mlx_lookup_destroy(&self->lookup);
    mlx_close_p(&self->listen_fd);
    mlx_loop_destroy(&self->loop);
    pthread_mutex_destroy(&self->lock);
    free(self->scratch);
    free(self);
}

mlx_tap_t *mlx_tap_new(const mlx_tap_config_t *config, mlx_error_t *err)
{
    mlx_tap_t *self = mlx_alloc(1, sizeof(*self));
    self->loop = mlx_loop_new();
    self->listen_fd = -1;
    self->max_connections =
        config->max_connections > 0 ? config->max_connections : MLX_TAP_MAX_CONNECTIONS;
    self->prints = config->prints;
    self->wake = config->wake;
    self->wake_arg = config->arg;
    self->scratch = mlx_alloc(MLX_RELAY_PIECE, 1);
    pthread_mutex_init(&self->lock, NULL);
    if (listen_on(self, config->listen, err)) {
        release(self);
        return NULL;
    }
    const mlx_tap_address_t bound = mlx_tap_address_of(self->listen_fd);
    self->port = mlx_tap_address_port(&bound);
    self->listening = mlx_loop_watch(self->loop, self->listen_fd, MLX_READ, on_connection, self);
    if (find_upstream(self, config, err) || start_thread(self, err)) {
        release(self);
        return NULL;
    }
    return self;
}

static void on_stop(void *arg)
{
    mlx_tap_t *self = arg;
    mlx_loop_stop(self->loop);
}

void mlx_tap_destroy(mlx_tap_t **self_p)
{
    mlx_tap_t *self = *self_p;
    if (!self)
        return;
    mlx_loop_wake(self->loop, on_stop, self);
    pthread_join(self->thread, NULL);
    release(self);
    *self_p = NULL;
}

uint16_t mlx_tap_port(const mlx_tap_t *self)
{
    return self->port;
}

/*  ---- snapshots ---- */

static void add_request(mlx_tap_snapshot_t *snapshot, const mlx_tap_request_t *request)
{
    snapshot->requests = mlx_grow(snapshot->requests, snapshot->count, sizeof(*snapshot->requests));
    snapshot->requests[snapshot->count++] = *request;
}

typedef struct {
    mlx_tap_snapshot_t *snapshot;
    const connection_t *connection;
} running_t;

static void add_running(void *arg, uint64_t id, const mlx_stream_figures_t *figures,
                        const mlx_tap_caller_t *caller)
{
    const running_t *running = arg;
    mlx_tap_request_t request = request_of(running->connection, id, figures, caller);
    add_request(running->snapshot, &request);
}

void mlx_tap_snapshot(mlx_tap_t *self, mlx_tap_snapshot_t *snapshot)
{
    int64_t now = mlx_now_us();
    snapshot->count = 0;
    pthread_mutex_lock(&self->lock);
    snapshot->counters = self->counters;
    for (size_t i = 0; i < self->finished_count; i++) {
        size_t slot = (self->finished_first + i) % MLX_TAP_MAX_FINISHED;
        add_request(snapshot, &self->finished[slot]);
    }
    for (const connection_t *at = self->connections; at; at = at->next)
        mlx_tap_session_each(at->session, now, add_running, &(running_t){snapshot, at});
    self->finished_count = 0;
    self->told = false;
    pthread_mutex_unlock(&self->lock);
}

void mlx_tap_snapshot_clear(mlx_tap_snapshot_t *snapshot)
{
    free(snapshot->requests);
    *snapshot = (mlx_tap_snapshot_t){0};
}
