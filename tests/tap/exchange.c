#include "tests/tap/exchange.h"

#include "tests/tap/peer.h"
#include "tests/tap/support.h"

#include <sys/socket.h>

static const fixture_t *fixture_of(int number)
{
    size_t count = 0;
    while (fixtures[count].name)
        count++;
    return &fixtures[(size_t)number % count];
}

static void add_random(mlx_buf_t *out, size_t len, uint64_t *seed)
{
    while (len) {
        uint64_t word = draw(seed);
        size_t n = len < sizeof(word) ? len : sizeof(word);
        mlx_buf_append(out, &word, n);
        len -= n;
    }
}

static size_t any_size(uint64_t *seed)
{
    return (size_t)(draw(seed) % 200000);
}

static void add_chunks(mlx_buf_t *out, uint64_t *seed)
{
    for (int i = 0; i < 20; i++) {
        size_t len = 1 + (size_t)(draw(seed) % 9000);
        mlx_buf_printf(out, "%zX%s\r\n", len, i % 3 ? "" : " ;name=\"value\"");
        add_random(out, len, seed);
        mlx_buf_puts(out, "\r\n");
    }
    mlx_buf_puts(out, draw(seed) % 2 ? "0\r\n\r\n" : "0\r\nTrailer: value\r\n\r\n");
}

static void recorded_request(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)seed;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t plain = {0};
    fixture_request(fixture_of(number), &plain);
    size_t target_end = strcspn(plain.data, " ") + 1;
    target_end += strcspn(plain.data + target_end, " ");
    mlx_buf_printf(out, "%.*s?#%06d%s", (int)target_end, plain.data, number,
                   plain.data + target_end);
}

static void recorded_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    fixture_reply(fixture_of(number), 1 + (size_t)(draw(seed) % 300), out);
}

static void get_request(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)seed;
    mlx_buf_printf(out, "GET /api/chat?#%06d HTTP/1.1\r\nHost: h\r\n\r\n", number);
}

static void sized_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)number;
    size_t len = any_size(seed);
    mlx_buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", len);
    add_random(out, len, seed);
}

static void chunked_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)number;
    mlx_buf_puts(out, "HTTP/1.1 500 Oops\r\nTransfer-Encoding: chunked\r\n\r\n");
    add_chunks(out, seed);
}

static void head_request(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)seed;
    mlx_buf_printf(out, "HEAD /x?#%06d HTTP/1.1\r\n\r\n", number);
}

static void head_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)number;
    mlx_buf_printf(out, "HTTP/1.1 200 OK\r\nContent-Length: %zu\r\n\r\n", any_size(seed));
}

static void sized_upload(int number, mlx_buf_t *out, uint64_t *seed)
{
    size_t len = any_size(seed);
    mlx_buf_printf(out, "PUT /x?#%06d HTTP/1.1\r\nContent-Length: %zu\r\n\r\n", number, len);
    add_random(out, len, seed);
}

static void empty_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)number, (void)seed;
    mlx_buf_puts(out, "HTTP/1.1 204 No Content\r\n\r\n");
}

static void chunked_upload(int number, mlx_buf_t *out, uint64_t *seed)
{
    mlx_buf_printf(out, "POST /x?#%06d HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", number);
    add_chunks(out, seed);
}

static void interim_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    mlx_buf_puts(out, "HTTP/1.1 100 Continue\r\n\r\n");
    sized_reply(number, out, seed);
}

static void garbage_request(int number, mlx_buf_t *out, uint64_t *seed)
{
    mlx_buf_printf(out, "?#%06d", number);
    add_random(out, any_size(seed), seed);
}

static void garbage_reply(int number, mlx_buf_t *out, uint64_t *seed)
{
    (void)number;
    add_random(out, any_size(seed), seed);
}

typedef void (*make_fn)(int number, mlx_buf_t *out, uint64_t *seed);

static const struct {
    make_fn request;
    make_fn reply;
    bool small;
    bool last;
} kinds[] = {
    {recorded_request, recorded_reply, true, false},
    {get_request, sized_reply, true, false},
    {get_request, chunked_reply, true, false},
    {head_request, head_reply, true, false},
    {sized_upload, empty_reply, false, false},
    {recorded_request, recorded_reply, true, false},
    {chunked_upload, interim_reply, false, false},
    {garbage_request, garbage_reply, false, true},
};

#define KIND(number) kinds[(size_t)(number) % MLX_COUNT(kinds)]

static void make(make_fn fn, int number, uint64_t salt, mlx_buf_t *out)
{
    uint64_t seed = ((uint64_t)number + salt) * 0x9e3779b97f4a7c15u;
    fn(number, out, &seed);
}

void exchange_request(int number, mlx_buf_t *out)
{
    make(KIND(number).request, number, 1, out);
}

void exchange_reply(int number, mlx_buf_t *out)
{
    make(KIND(number).reply, number, 1000001, out);
}

int exchange_number(const char *data, size_t len)
{
    const char *mark = memmem(data, len < 64 ? len : 64, "?#", 2);
    if (!mark || data + len - mark < 8)
        return -1;
    char digits[7] = {0};
    memcpy(digits, mark + 2, 6);
    return atoi(digits);
}

bool exchange_is_small(int number)
{
    return KIND(number).small;
}

bool exchange_is_last(int number)
{
    return KIND(number).last;
}

bool exchange_is_measured(int number)
{
    static const char *const paths[] = {"POST /api/generate?", "POST /api/chat?",
                                        "POST /v1/chat/completions?"};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t request = {0};
    exchange_request(number, &request);
    for (size_t i = 0; i < MLX_COUNT(paths); i++) {
        if (strncmp(mlx_buf_str(&request), paths[i], strlen(paths[i])) == 0)
            return true;
    }
    return false;
}

/*  Answer the request at the start of BUF when it is all there: 1, not yet: 0, it is wrong: -1. */
static int answer(int fd, mlx_buf_t *buf)
{
    int number = exchange_number(mlx_buf_str(buf), buf->len);
    if (number < 0)
        return buf->len < 64 ? 0 : -1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t request = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t reply = {0};
    exchange_request(number, &request);
    if (buf->len < request.len)
        return 0;
    if (memcmp(buf->data, request.data, request.len) != 0)
        return -1;
    mlx_buf_consume(buf, request.len);
    exchange_reply(number, &reply);
    return peer_send(fd, reply.data, reply.len) ? 1 : -1;
}

bool exchange_serve(int fd)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t buf = {0};
    char piece[32768];
    for (ssize_t n; (n = recv(fd, piece, sizeof(piece), 0)) > 0;) {
        mlx_buf_append(&buf, piece, (size_t)n);
        int answered = 1;
        while (buf.len && answered > 0)
            answered = answer(fd, &buf);
        if (answered < 0)
            return false;
    }
    return buf.len == 0;
}
