#include "common/http/http.h"

#include "common/http/transfer.h"

#include <stdlib.h>
#include <string.h>

/*  Callbacks run inside curl, where the multi handle must not be touched: what they ask for is
 *  noted in the call's state, and apply_pending() does it once curl has returned. */
typedef enum {
    CALL_NEW,
    CALL_RUNNING,
    CALL_ABORTED,
    CALL_ENDED, /* its FN runs */
} call_state_t;

struct mlx_http_call {
    mlx_http_transfer_t transfer;
    mlx_http_t *http;
    mlx_http_call_t *next;
    call_state_t state;
    mlx_timer_t *stall;
    mlx_http_fn fn;
};

enum {
    LOOK_UP_MS = 200
};

struct mlx_http {
    mlx_loop_t *loop;
    CURLM *multi;
    mlx_timer_t *timer;
    mlx_http_call_t *calls;
    bool inside; /* curl runs and may call us */
    uint64_t connections;
    char *(*find_key)(void *arg, const char *url);
    void *key_arg;
};

static void cancel(mlx_http_t *self, mlx_timer_t **timer)
{
    if (*timer)
        mlx_loop_cancel(self->loop, timer);
    *timer = NULL;
}

static void release(mlx_http_call_t *call)
{
    cancel(call->http, &call->stall);
    curl_multi_remove_handle(call->http->multi, call->transfer.easy);
    mlx_http_transfer_close(&call->transfer);
    free(call);
}

static void free_call(mlx_http_call_t *call)
{
    MLX_UNLINK(&call->http->calls, call);
    release(call);
}

/*  One that was refused was none. */
static void count_connections(mlx_http_call_t *call)
{
    long made = 0;
    curl_off_t took_us = 0;
    char *peer = NULL;
    curl_easy_getinfo(call->transfer.easy, CURLINFO_NUM_CONNECTS, &made);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_CONNECT_TIME_T, &took_us);
    curl_easy_getinfo(call->transfer.easy, CURLINFO_PRIMARY_IP, &peer);
    bool near = peer && (strncmp(peer, "127.", 4) == 0 || strcmp(peer, "::1") == 0);
    if (made > 0 && took_us > 0 && near)
        call->http->connections += (uint64_t)made;
}

static void finish(mlx_http_call_t *call, CURLcode result)
{
    cancel(call->http, &call->stall);
    count_connections(call);
    call->state = CALL_ENDED;
    mlx_http_transfer_finish(&call->transfer, result, call->fn);
    free_call(call);
}

static void on_stall_timer(void *arg)
{
    mlx_http_call_t *call = arg;
    call->stall = NULL;
    int64_t left_us = mlx_http_transfer_patience_us(&call->transfer);
    if (left_us > 0) {
        call->stall =
            mlx_loop_after(call->http->loop, (left_us + 999) / 1000, on_stall_timer, call);
        return;
    }
    call->transfer.ended = MLX_HTTP_STALLED;
    finish(call, CURLE_OPERATION_TIMEDOUT);
}

static void begin(mlx_http_call_t *call)
{
    call->state = CALL_RUNNING;
    if (call->transfer.stall_us)
        call->stall = mlx_loop_after(call->http->loop, (call->transfer.stall_us + 999) / 1000,
                                     on_stall_timer, call);
    CURLMcode result = curl_multi_add_handle(call->http->multi, call->transfer.easy);
    if (result != CURLM_OK)
        mlx_panic("cannot start an HTTP transfer: %s", curl_multi_strerror(result));
}

static void apply_pending(mlx_http_t *self)
{
    for (mlx_http_call_t *call = self->calls, *next; call; call = next) {
        next = call->next;
        if (call->state == CALL_NEW)
            begin(call);
        else if (call->state == CALL_ABORTED)
            free_call(call);
    }
}

/*  One message at a time: FN may start and abort calls, which changes the queue. */
static void finish_ended(mlx_http_t *self)
{
    int left;
    for (CURLMsg *msg; (msg = curl_multi_info_read(self->multi, &left));) {
        mlx_http_call_t *call = NULL;
        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        finish(call, msg->data.result);
    }
}

static void drive(mlx_http_t *self, curl_socket_t fd, int events)
{
    int running;
    self->inside = true;
    curl_multi_socket_action(self->multi, fd, events, &running);
    self->inside = false;
    apply_pending(self);
    finish_ended(self);
}

static void on_ready(void *arg, int fd, unsigned events)
{
    int select =
        (events & MLX_READ ? CURL_CSELECT_IN : 0) | (events & MLX_WRITE ? CURL_CSELECT_OUT : 0);
    drive(arg, fd, select);
}

static void on_timer(void *arg)
{
    mlx_http_t *self = arg;
    self->timer = NULL;
    drive(self, CURL_SOCKET_TIMEOUT, 0);
}

static int want_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *watch_arg)
{
    static const unsigned events_of[] = {
        [CURL_POLL_IN] = MLX_READ,
        [CURL_POLL_OUT] = MLX_WRITE,
        [CURL_POLL_INOUT] = MLX_READ | MLX_WRITE,
    };
    (void)easy;
    mlx_http_t *self = arg;
    mlx_watch_t *watch = watch_arg;
    if (what == CURL_POLL_REMOVE) {
        if (watch)
            mlx_loop_unwatch(self->loop, &watch);
        curl_multi_assign(self->multi, fd, NULL);
    } else if (watch) {
        mlx_loop_rewatch(self->loop, watch, events_of[what]);
    } else {
        watch = mlx_loop_watch(self->loop, fd, events_of[what], on_ready, self);
        curl_multi_assign(self->multi, fd, watch);
    }
    return 0;
}

static int want_timer(CURLM *multi, long delay_ms, void *arg)
{
    (void)multi;
    mlx_http_t *self = arg;
    cancel(self, &self->timer);
    if (delay_ms >= 0)
        self->timer = mlx_loop_after(self->loop, delay_ms, on_timer, self);
    return 0;
}

mlx_http_t *mlx_http_new(mlx_loop_t *loop)
{
    mlx_http_start_curl();
    mlx_http_t *self = mlx_alloc(1, sizeof *self);
    self->loop = loop;
    self->multi = curl_multi_init();
    if (!self->multi)
        mlx_panic("out of memory (HTTP client)");
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETFUNCTION, want_socket);
    curl_multi_setopt(self->multi, CURLMOPT_SOCKETDATA, self);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERFUNCTION, want_timer);
    curl_multi_setopt(self->multi, CURLMOPT_TIMERDATA, self);
    return self;
}

void mlx_http_destroy(mlx_http_t **self_p)
{
    mlx_http_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (mlx_http_call_t *call = self->calls, *next; call; call = next) {
        next = call->next;
        release(call);
    }
    curl_multi_cleanup(self->multi);
    cancel(self, &self->timer);
    free(self);
}

mlx_http_call_t *mlx_http_start(mlx_http_t *self, const mlx_http_request_t *request, mlx_http_fn fn,
                                void *arg)
{
    mlx_http_call_t *call = mlx_alloc(1, sizeof *call);
    call->http = self;
    call->fn = fn;
    mlx_http_request_t full = *request;
    MLX_CLEANUP(mlx_free_p)
    char *key = self->find_key && !full.key ? self->find_key(self->key_arg, full.url) : NULL;
    full.key = full.key ? full.key : key;
    mlx_http_transfer_open(&call->transfer, &full, arg);
    curl_easy_setopt(call->transfer.easy, CURLOPT_PRIVATE, call);
    call->next = self->calls;
    self->calls = call;
    if (!self->inside)
        begin(call);
    return call;
}

void mlx_http_abort(mlx_http_t *self, mlx_http_call_t **call_p)
{
    mlx_http_call_t *call = *call_p;
    *call_p = NULL;
    if (!call || call->state == CALL_ENDED)
        return;
    call->transfer.ended = MLX_HTTP_STOPPED;
    if (self->inside)
        call->state = CALL_ABORTED;
    else
        free_call(call);
}

void mlx_http_set_keys(mlx_http_t *self, char *(*find)(void *arg, const char *url), void *arg)
{
    self->find_key = find;
    self->key_arg = arg;
}

uint64_t mlx_http_connections(const mlx_http_t *self)
{
    return self->connections;
}

static int on_progress(void *arg, curl_off_t down_total, curl_off_t down, curl_off_t up_total,
                       curl_off_t up)
{
    (void)down_total;
    (void)down;
    (void)up_total;
    (void)up;
    mlx_http_transfer_t *transfer = arg;
    if (!transfer->stall_us || mlx_http_transfer_patience_us(transfer) > 0)
        return 0;
    transfer->ended = MLX_HTTP_STALLED;
    return 1;
}

/*  As curl_easy_perform, but looking up several times a second instead of once. */
static CURLcode perform(mlx_http_transfer_t *transfer, const mlx_http_request_t *request, void *arg)
{
    CURLM *multi = curl_multi_init();
    int running = multi && curl_multi_add_handle(multi, transfer->easy) == CURLM_OK, left;
    CURLcode result = running ? CURLE_OK : CURLE_OUT_OF_MEMORY;
    while (running && curl_multi_perform(multi, &running) == CURLM_OK && running) {
        if (request->stop && request->stop(arg)) {
            transfer->ended = MLX_HTTP_STOPPED;
            break;
        }
        curl_multi_poll(multi, NULL, 0, LOOK_UP_MS, NULL);
    }
    for (CURLMsg *message; (message = curl_multi_info_read(multi, &left));)
        if (message->msg == CURLMSG_DONE)
            result = message->data.result;
    if (transfer->ended == MLX_HTTP_STOPPED && result == CURLE_OK)
        result = CURLE_ABORTED_BY_CALLBACK;
    curl_multi_remove_handle(multi, transfer->easy);
    curl_multi_cleanup(multi);
    return result;
}

void mlx_http_run(const mlx_http_request_t *request, mlx_http_fn fn, void *arg)
{
    mlx_http_transfer_t transfer;
    mlx_http_transfer_open(&transfer, request, arg);
    curl_easy_setopt(transfer.easy, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(transfer.easy, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(transfer.easy, CURLOPT_XFERINFODATA, &transfer);
    CURLcode result = perform(&transfer, request, arg);
    mlx_http_transfer_finish(&transfer, result, fn);
    mlx_http_transfer_close(&transfer);
}
