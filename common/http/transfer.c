#include "common/http/transfer.h"
#include "common/base/clock.h"
#include "common/base/loopback.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum {
    DEFAULT_TIMEOUT_MS = 10000,
    DEFAULT_CONNECT_MS = 2000,
    DEFAULT_MAX_BODY = 16 * 1024 * 1024,
    MAX_HEAD = 256 * 1024,
    STREAM_BUFFER = 128 * 1024,
    LONGEST_REST_S = 3600,
};

/*  What an end of ours is called, and its code. */
static const struct {
    mlx_code_t code;
    const char *text;
} ends[] = {
    [MLX_HTTP_BODY_TOO_LARGE] = {MLX_ERR_FAILED, "the reply is larger than allowed"},
    [MLX_HTTP_HEAD_TOO_LARGE] = {MLX_ERR_FAILED, "the reply's headers are larger than allowed"},
    [MLX_HTTP_STALLED] = {MLX_ERR_UNAVAILABLE, "the connection stalled"},
    [MLX_HTTP_STOPPED] = {MLX_ERR_INTERRUPTED, "stopped"},
    [MLX_HTTP_BAD_HEADER] = {MLX_ERR_USAGE, "a request header contains a line break"},
};

/*  What curl's ends mean to a caller; the others are failures. */
static const struct {
    CURLcode result;
    mlx_code_t code;
} results[] = {
    {CURLE_COULDNT_CONNECT, MLX_ERR_UNAVAILABLE},
    {CURLE_COULDNT_RESOLVE_HOST, MLX_ERR_UNAVAILABLE},
    {CURLE_COULDNT_RESOLVE_PROXY, MLX_ERR_UNAVAILABLE},
    {CURLE_OPERATION_TIMEDOUT, MLX_ERR_UNAVAILABLE},
    {CURLE_GOT_NOTHING, MLX_ERR_UNAVAILABLE},
    {CURLE_RECV_ERROR, MLX_ERR_UNAVAILABLE},
    {CURLE_SEND_ERROR, MLX_ERR_UNAVAILABLE},
    {CURLE_URL_MALFORMAT, MLX_ERR_USAGE},
    {CURLE_UNSUPPORTED_PROTOCOL, MLX_ERR_USAGE},
};

static void start_curl(void)
{
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        mlx_panic("cannot initialize libcurl");
}

void mlx_http_start_curl(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, start_curl);
}

static void setopt_failed(CURLcode result)
{
    if (result != CURLE_OK && result != CURLE_OUT_OF_MEMORY)
        mlx_panic("libcurl lacks an option: %s", curl_easy_strerror(result));
}

#define SETOPT(easy, option, value) setopt_failed(curl_easy_setopt((easy), (option), (value)))

static void fill_head(const mlx_http_transfer_t *self, mlx_http_reply_t *reply)
{
    char *type = NULL, *location = NULL;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &reply->status);
    curl_easy_getinfo(self->easy, CURLINFO_CONTENT_TYPE, &type);
    curl_easy_getinfo(self->easy, CURLINFO_REDIRECT_URL, &location);
    reply->body = "";
    reply->content_type = type ? type : "";
    reply->location = location ? location : "";
    reply->first_byte_s =
        self->first_byte_us ? (double)(self->first_byte_us - self->sent_us) / 1e6 : (double)NAN;
    reply->handle = self->easy;
}

static bool is_streamed(const mlx_http_transfer_t *self)
{
    long status = 0;
    curl_easy_getinfo(self->easy, CURLINFO_RESPONSE_CODE, &status);
    return self->on_data && status >= 200 && status < 300;
}

static bool begin_stream(mlx_http_transfer_t *self)
{
    if (!self->on_head || self->body_bytes)
        return true;
    mlx_http_reply_t head = {0};
    fill_head(self, &head);
    return self->on_head(self->arg, &head);
}

/*  curl's way to end a transfer from a callback is to claim another length. */
static size_t end(mlx_http_transfer_t *self, mlx_http_end_t why)
{
    self->ended = why;
    return CURL_WRITEFUNC_ERROR;
}

static size_t on_body(char *data, size_t size, size_t count, void *arg)
{
    mlx_http_transfer_t *self = arg;
    size_t len = size * count;
    if (self->ended != MLX_HTTP_NOT_ENDED)
        return CURL_WRITEFUNC_ERROR;
    self->last_byte_us = mlx_now_us();
    if (!self->first_byte_us)
        self->first_byte_us = self->last_byte_us;
    if (self->max_body && len > self->max_body - self->body_bytes)
        return end(self, MLX_HTTP_BODY_TOO_LARGE);
    if (!is_streamed(self))
        mlx_buf_append(&self->body, data, len);
    else if (!begin_stream(self) || !self->on_data(self->arg, data, len))
        return end(self, MLX_HTTP_STOPPED);
    self->body_bytes += len;
    return self->ended == MLX_HTTP_NOT_ENDED ? len : CURL_WRITEFUNC_ERROR;
}

static size_t on_header(char *data, size_t size, size_t count, void *arg)
{
    (void)data;
    mlx_http_transfer_t *self = arg;
    self->last_byte_us = mlx_now_us();
    self->head_bytes += size * count;
    return self->head_bytes > MAX_HEAD ? end(self, MLX_HTTP_HEAD_TOO_LARGE) : size * count;
}

/*  The connection stands, new or reused; the request goes out now. */
static int on_ready(void *arg, char *peer_ip, char *own_ip, int peer_port, int own_port)
{
    (void)peer_ip;
    (void)own_ip;
    (void)peer_port;
    (void)own_port;
    mlx_http_transfer_t *self = arg;
    self->sent_us = self->last_byte_us = mlx_now_us();
    return CURL_PREREQFUNC_OK;
}

/*  To connect to any address is to connect to this machine. */
static bool is_this_machine(const char *host)
{
    return mlx_loopback_host(host, strlen(host)) || strcmp(host, "0.0.0.0") == 0;
}

/*  Look into the URL: never a proxy for ourselves, nor one that would read a key; no secrets in
 *  messages. */
static void inspect_url(mlx_http_transfer_t *self, const char *method, const char *url, bool key)
{
    CURLU *parts = curl_url();
    char *host = NULL, *shown = NULL;
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_get(parts, CURLUPART_HOST, &host, 0);
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
        curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
        curl_url_get(parts, CURLUPART_URL, &shown, 0);
    }
    bool readable = key && strncasecmp(url, "https:", 6) != 0;
    if (readable || (host && is_this_machine(host)))
        SETOPT(self->easy, CURLOPT_PROXY, "");
    self->shown = mlx_format("%s %.200s", method, shown ? shown : "<invalid URL>");
    curl_free(host);
    curl_free(shown);
    curl_url_cleanup(parts);
}

static void set_headers(mlx_http_transfer_t *self, const mlx_http_request_t *request)
{
    bool typed = false;
    for (const char *const *h = request->headers; h && *h; h++) {
        if (strpbrk(*h, "\r\n"))
            self->ended = MLX_HTTP_BAD_HEADER;
        typed = typed || strncasecmp(*h, "Content-Type:", 13) == 0;
        self->headers = curl_slist_append(self->headers, *h);
    }
    if (request->key) {
        MLX_CLEANUP(mlx_free_p) char *text = mlx_format("Authorization: Bearer %s", request->key);
        if (strpbrk(text, "\r\n"))
            self->ended = MLX_HTTP_BAD_HEADER;
        self->headers = curl_slist_append(self->headers, text);
    }
    if (request->body && !typed)
        self->headers = curl_slist_append(self->headers, "Content-Type: application/json");
    /* No pause of a second before large bodies. */
    self->headers = curl_slist_append(self->headers, "Expect:");
    SETOPT(self->easy, CURLOPT_HTTPHEADER, self->headers);
}

static void set_method(mlx_http_transfer_t *self, const mlx_http_request_t *request,
                       const char *method)
{
    if (request->body) {
        SETOPT(self->easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        SETOPT(self->easy, CURLOPT_COPYPOSTFIELDS, request->body);
    }
    if (strcmp(method, "HEAD") == 0)
        SETOPT(self->easy, CURLOPT_NOBODY, 1L);
    else if (strcmp(method, request->body ? "POST" : "GET") != 0)
        SETOPT(self->easy, CURLOPT_CUSTOMREQUEST, method);
}

static void set_limits(mlx_http_transfer_t *self, const mlx_http_request_t *request)
{
    int64_t timeout = request->timeout_ms ? request->timeout_ms : DEFAULT_TIMEOUT_MS;
    int64_t connect =
        request->connect_timeout_ms ? request->connect_timeout_ms : DEFAULT_CONNECT_MS;
    SETOPT(self->easy, CURLOPT_TIMEOUT_MS, timeout > 0 ? (long)timeout : 0L);
    SETOPT(self->easy, CURLOPT_CONNECTTIMEOUT_MS, (long)connect);
    if (request->on_data)
        SETOPT(self->easy, CURLOPT_BUFFERSIZE, (long)STREAM_BUFFER);
    if (request->decode)
        SETOPT(self->easy, CURLOPT_ACCEPT_ENCODING, "gzip");
    self->stall_us = request->stall_timeout_ms * 1000;
    if (request->least_rate && request->stall_timeout_ms > 0) {
        SETOPT(self->easy, CURLOPT_LOW_SPEED_LIMIT, (long)request->least_rate);
        SETOPT(self->easy, CURLOPT_LOW_SPEED_TIME, (long)(request->stall_timeout_ms + 999) / 1000);
    }
    self->max_body = request->max_body ? request->max_body : DEFAULT_MAX_BODY;
    if (request->on_data && request->unbounded_stream)
        self->max_body = 0;
}

static void set_manners(mlx_http_transfer_t *self)
{
    SETOPT(self->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    SETOPT(self->easy, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    SETOPT(self->easy, CURLOPT_USERAGENT, "mlx-suite/" MLX_VERSION);
    SETOPT(self->easy, CURLOPT_NOSIGNAL, 1L);
    SETOPT(self->easy, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SETOPT(self->easy, CURLOPT_ERRORBUFFER, self->why);
    SETOPT(self->easy, CURLOPT_WRITEFUNCTION, on_body);
    SETOPT(self->easy, CURLOPT_WRITEDATA, self);
    SETOPT(self->easy, CURLOPT_HEADERFUNCTION, on_header);
    SETOPT(self->easy, CURLOPT_HEADERDATA, self);
    SETOPT(self->easy, CURLOPT_PREREQFUNCTION, on_ready);
    SETOPT(self->easy, CURLOPT_PREREQDATA, self);
}

void mlx_http_transfer_open(mlx_http_transfer_t *self, const mlx_http_request_t *request, void *arg)
{
    mlx_http_start_curl();
    *self = (mlx_http_transfer_t){.easy = curl_easy_init(),
                                  .arg = arg,
                                  .on_head = request->on_head,
                                  .on_data = request->on_data};
    if (!self->easy)
        mlx_panic("out of memory (HTTP transfer)");
    const char *method = request->method ? request->method : request->body ? "POST" : "GET";
    self->last_byte_us = mlx_now_us();
    set_manners(self);
    set_limits(self, request);
    set_method(self, request, method);
    set_headers(self, request);
    inspect_url(self, method, request->url, request->key != NULL);
    /* Without a URL curl ends the transfer at its first step, in its usual way. */
    if (self->ended == MLX_HTTP_NOT_ENDED)
        curl_easy_setopt(self->easy, CURLOPT_URL, request->url);
}

void mlx_http_transfer_close(mlx_http_transfer_t *self)
{
    curl_easy_cleanup(self->easy);
    curl_slist_free_all(self->headers);
    free(self->shown);
    mlx_buf_clear(&self->body);
}

int64_t mlx_http_transfer_patience_us(const mlx_http_transfer_t *self)
{
    return self->last_byte_us + self->stall_us - mlx_now_us();
}

static mlx_code_t code_of(const mlx_http_transfer_t *self, CURLcode result)
{
    /* curl says the same of a wrong URL and of a server that does not speak HTTP. */
    if (result == CURLE_UNSUPPORTED_PROTOCOL && self->sent_us)
        return MLX_ERR_FAILED;
    for (size_t i = 0; i < MLX_COUNT(results); i++)
        if (results[i].result == result)
            return results[i].code;
    return MLX_ERR_FAILED;
}

static bool is_refused(const mlx_http_transfer_t *self, CURLcode result)
{
    long why = 0;
    curl_easy_getinfo(self->easy, CURLINFO_OS_ERRNO, &why);
    return result == CURLE_COULDNT_RESOLVE_HOST ||
           (result == CURLE_COULDNT_CONNECT && why == ECONNREFUSED);
}

/*  TLS libraries say "wrong version number", "packet length too long", "unexpected TLS packet" of
 *  what is none of theirs. */
static mlx_http_fault_t fault_of(const mlx_http_transfer_t *self, CURLcode result)
{
    static const char *const foreign[] = {"wrong version number", "packet length too long",
                                          "unexpected TLS packet", "unexpected message"};
    switch (result) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return MLX_HTTP_FAULT_NO_HOST;
    case CURLE_GOT_NOTHING:
        return MLX_HTTP_FAULT_UNANSWERED;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        return self->sent_us ? MLX_HTTP_FAULT_NOT_HTTP : MLX_HTTP_FAULT_OTHER;
    case CURLE_SSL_CONNECT_ERROR:
        for (size_t i = 0; i < MLX_COUNT(foreign); i++)
            if (strstr(self->why, foreign[i]))
                return MLX_HTTP_FAULT_NOT_TLS;
        return MLX_HTTP_FAULT_OTHER;
    default:
        return MLX_HTTP_FAULT_OTHER;
    }
}

static void fill_error(const mlx_http_transfer_t *self, CURLcode result, mlx_http_reply_t *reply)
{
    if (self->ended != MLX_HTTP_NOT_ENDED) {
        mlx_error_set(&reply->error, ends[self->ended].code, "%s: %s", self->shown,
                      ends[self->ended].text);
        return;
    }
    mlx_error_set(&reply->error, code_of(self, result), "%s: %s", self->shown,
                  self->why[0] ? self->why : curl_easy_strerror(result));
    reply->refused = is_refused(self, result);
    reply->fault = fault_of(self, result);
    reply->unconnected = !self->sent_us && reply->error.code == MLX_ERR_UNAVAILABLE;
    reply->late = result == CURLE_OPERATION_TIMEDOUT && self->sent_us;
}

void mlx_http_transfer_finish(mlx_http_transfer_t *self, CURLcode result, mlx_http_fn fn)
{
    mlx_http_reply_t reply = {0};
    curl_off_t total_us = 0;
    fill_head(self, &reply);
    curl_easy_getinfo(self->easy, CURLINFO_TOTAL_TIME_T, &total_us);
    reply.total_s = (double)total_us / 1e6;
    if (result != CURLE_OK || self->ended != MLX_HTTP_NOT_ENDED) {
        fill_error(self, result, &reply);
    } else {
        reply.body = mlx_buf_str(&self->body);
        reply.body_len = self->body.len;
    }
    fn(self->arg, &reply);
}

const char *mlx_http_header(const mlx_http_reply_t *reply, const char *name)
{
    struct curl_header *header = NULL;
    if (curl_easy_header(reply->handle, name, 0, CURLH_HEADER, -1, &header) != CURLHE_OK)
        return NULL;
    /* Index 0 only says how many there are: a later header overrides an earlier one. */
    curl_easy_header(reply->handle, name, header->amount - 1, CURLH_HEADER, -1, &header);
    return header->value;
}

int64_t mlx_http_retry_after(const mlx_http_reply_t *reply)
{
    const char *text = mlx_http_header(reply, "retry-after");
    struct tm tm = {0};
    char *end;
    if (!text)
        return -1;
    long long seconds = strtoll(text, &end, 10);
    const char *rest = end == text ? strptime(text, "%a, %d %b %Y %H:%M:%S GMT", &tm) : NULL;
    if (rest)
        seconds = (long long)timegm(&tm) - mlx_wall_us() / 1000000;
    else if (end == text || *end)
        return -1;
    seconds = rest && seconds < 0 ? 0 : seconds;
    return seconds < 0 || seconds > LONGEST_REST_S ? -1 : seconds;
}
