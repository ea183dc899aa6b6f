#include "http_sniff.h"

#include "proto/buf.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*  Memory for lines that an idle connection may hold on to. */
enum {
    LINE_KEEP = 4096
};

typedef enum {
    ST_START, /* request line or status line */
    ST_HEADER,
    ST_CHUNK_SIZE,
    ST_CHUNK_END, /* the line end after a chunk's data */
    ST_TRAILER,
    ST_LENGTH,      /* body of a known length */
    ST_CHUNK_DATA,  /* data of one chunk */
    ST_UNTIL_CLOSE, /* response body without a length */
    ST_LOST,
} state_t;

typedef struct {
    char method[32];
    char path[MLX_SNIFF_MAX_PATH + 1];
    char content_type[128];
    char encoding[32];
    char agent[MLX_SNIFF_MAX_AGENT + 1];
    int status;
    int minor; /* of the HTTP version */
    bool has_length;
    bool chunked;
    uint64_t length;
} message_t;

struct mlx_http_sniff {
    mlx_sniff_side_t side;
    const mlx_sniff_events_t *events;
    void *arg;
    state_t state;
    mlx_buf_t line;     /* the line being gathered */
    size_t section;     /* bytes of head or trailer so far, against MLX_SNIFF_MAX_HEAD */
    uint64_t body_left; /* in ST_LENGTH and ST_CHUNK_DATA */
    message_t message;
};

mlx_http_sniff_t *mlx_http_sniff_new(mlx_sniff_side_t side, const mlx_sniff_events_t *events,
                                     void *arg)
{
    mlx_http_sniff_t *self = mlx_alloc(1, sizeof(*self));
    self->side = side;
    self->events = events;
    self->arg = arg;
    return self;
}

void mlx_http_sniff_destroy(mlx_http_sniff_t **self)
{
    if (!*self)
        return;
    mlx_buf_clear(&(*self)->line);
    free(*self);
    *self = NULL;
}

void mlx_http_sniff_stop(mlx_http_sniff_t *self)
{
    self->state = ST_LOST;
}

static bool is_token_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static size_t token_length(const char *s)
{
    size_t len = 0;
    while (is_token_char(s[len]))
        len++;
    return len;
}

/*  Keep VALUE when it fits; a cut value could be taken for another. */
static void keep(char *field, size_t size, const char *value, size_t len)
{
    if (len >= size)
        len = 0;
    memcpy(field, value, len);
    field[len] = '\0';
}

/*  ---- start lines ---- */

/*  "HTTP/1.0" or "HTTP/1.1"; other versions frame their messages in other ways. */
static bool parse_version(mlx_http_sniff_t *self, const char *s)
{
    if (strncmp(s, "HTTP/1.", 7) != 0 || (s[7] != '0' && s[7] != '1'))
        return false;
    self->message.minor = s[7] - '0';
    return true;
}

static void keep_path(message_t *message, const char *target, size_t len)
{
    const char *end = target + len;
    if (*target != '/') {
        const char *host = memmem(target, len, "://", 3);
        const char *path = host ? memchr(host + 3, '/', (size_t)(end - host - 3)) : NULL;
        target = path ? path : end;
    }
    const char *stop = target;
    while (stop < end && *stop != '?' && *stop != '#')
        stop++;
    keep(message->path, sizeof(message->path), target, (size_t)(stop - target));
}

static bool parse_request_line(mlx_http_sniff_t *self, const char *line)
{
    message_t *message = &self->message;
    size_t method = token_length(line);
    if (method == 0 || method >= sizeof(message->method) || line[method] != ' ')
        return false;
    const char *target = line + method + 1;
    size_t len = strcspn(target, " \t");
    if (len == 0 || target[len] != ' ' || !parse_version(self, target + len + 1) ||
        target[len + 9] != '\0')
        return false;
    keep(message->method, sizeof(message->method), line, method);
    keep_path(message, target, len);
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool parse_status_line(mlx_http_sniff_t *self, const char *line)
{
    if (!parse_version(self, line) || line[8] != ' ')
        return false;
    const char *code = line + 9;
    if (code[0] < '1' || code[0] > '5' || !is_digit(code[1]) || !is_digit(code[2]) ||
        (code[3] != ' ' && code[3] != '\0'))
        return false;
    self->message.status = (code[0] - '0') * 100 + (code[1] - '0') * 10 + (code[2] - '0');
    return true;
}

static bool on_start_line(mlx_http_sniff_t *self, const char *line, size_t len)
{
    bool request = self->side == MLX_SNIFF_REQUESTS;
    if (len == 0 && request) { /* some clients send one after a body (RFC 9112 section 2.2) */
        self->section = 0;
        return true;
    }
    self->state = ST_HEADER;
    return request ? parse_request_line(self, line) : parse_status_line(self, line);
}

/*  ---- headers ---- */

static bool on_content_length(message_t *message, const char *value, size_t len)
{
    if (message->has_length || len == 0 || len > 18)
        return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(value[i]))
            return false;
        message->length = message->length * 10 + (uint64_t)(value[i] - '0');
    }
    message->has_length = true;
    return true;
}

static bool on_transfer_encoding(message_t *message, const char *value, size_t len)
{
    if (message->chunked || message->minor == 0 || len != 7 ||
        strncasecmp(value, "chunked", 7) != 0)
        return false;
    message->chunked = true;
    return true;
}

static bool on_content_type(message_t *message, const char *value, size_t len)
{
    keep(message->content_type, sizeof(message->content_type), value, len);
    return true;
}

static bool on_content_encoding(message_t *message, const char *value, size_t len)
{
    keep(message->encoding, sizeof(message->encoding), value, len);
    /*  Absent means readable: a value that does not fit must not look absent. */
    if (len >= sizeof(message->encoding))
        keep(message->encoding, sizeof(message->encoding), "unknown", 7);
    return true;
}

/*  Only for people to read: a long one may be cut. */
static bool on_user_agent(message_t *message, const char *value, size_t len)
{
    keep(message->agent, sizeof(message->agent), value,
         len < MLX_SNIFF_MAX_AGENT ? len : MLX_SNIFF_MAX_AGENT);
    return true;
}

static const struct {
    const char *name;
    bool (*take)(message_t *message, const char *value, size_t len);
} headers[] = {
    {"content-length", on_content_length}, {"transfer-encoding", on_transfer_encoding},
    {"content-type", on_content_type},     {"content-encoding", on_content_encoding},
    {"user-agent", on_user_agent},
};

/*  Headers that carry an API key, alone or behind a scheme. */
static const char *const key_headers[] = {"authorization", "x-api-key", "api-key"};

static bool is_header(const char *line, size_t name, const char *wanted)
{
    return strlen(wanted) == name && strncasecmp(wanted, line, name) == 0;
}

static void tell_key(const mlx_http_sniff_t *self, const char *line, size_t name, const char *value,
                     size_t len)
{
    static const char scheme[] = "bearer ";
    bool ours = false;
    for (size_t i = 0; i < MLX_COUNT(key_headers); i++)
        ours = ours || is_header(line, name, key_headers[i]);
    if (!ours || self->side != MLX_SNIFF_REQUESTS || !self->events->key)
        return;
    if (len >= strlen(scheme) && strncasecmp(value, scheme, strlen(scheme)) == 0) {
        value += strlen(scheme);
        len -= strlen(scheme);
    }
    if (len > 0)
        self->events->key(self->arg, value, len);
}

/*  ---- bodies ---- */

static void finish(mlx_http_sniff_t *self)
{
    memset(&self->message, 0, sizeof(self->message));
    self->section = 0;
    self->state = ST_START;
    self->events->end(self->arg);
}

static void begin_body(mlx_http_sniff_t *self, bool no_body)
{
    const message_t *message = &self->message;
    self->section = 0;
    if (no_body) {
        finish(self);
    } else if (message->chunked) {
        self->state = ST_CHUNK_SIZE;
    } else if (message->has_length || self->side == MLX_SNIFF_REQUESTS) {
        self->body_left = message->length;
        self->state = ST_LENGTH;
        if (self->body_left == 0)
            finish(self);
    } else {
        self->state = ST_UNTIL_CLOSE;
    }
}

static bool on_head_end(mlx_http_sniff_t *self)
{
    message_t *message = &self->message;
    int status = message->status;
    if ((message->chunked && message->has_length) || strcmp(message->method, "CONNECT") == 0 ||
        status == 101)
        return false;
    if (status >= 100 && status < 200) {
        memset(message, 0, sizeof(*message));
        self->section = 0;
        self->state = ST_START;
        return true;
    }
    const mlx_sniff_head_t head = {.method = message->method,
                                   .path = message->path,
                                   .status = status,
                                   .content_type = message->content_type,
                                   .encoding = message->encoding,
                                   .agent = message->agent};
    mlx_sniff_next_t next = self->events->head(self->arg, &head);
    if (next == MLX_SNIFF_STOP || self->state == ST_LOST)
        return false;
    begin_body(self, next == MLX_SNIFF_NO_BODY || status == 204 || status == 304);
    return true;
}

uint64_t mlx_http_sniff_body_left(const mlx_http_sniff_t *self)
{
    bool all = self->state == ST_UNTIL_CLOSE || self->state == ST_LOST;
    bool some = self->state == ST_LENGTH || self->state == ST_CHUNK_DATA;
    return all ? UINT64_MAX : some ? self->body_left : 0;
}

void mlx_http_sniff_skip(mlx_http_sniff_t *self, uint64_t len)
{
    if (self->state != ST_LENGTH && self->state != ST_CHUNK_DATA)
        return;
    self->body_left -= len < self->body_left ? len : self->body_left;
    if (self->state == ST_LENGTH && self->body_left == 0)
        finish(self);
    else if (self->state == ST_CHUNK_DATA && self->body_left == 0)
        self->state = ST_CHUNK_END;
}

static size_t feed_body(mlx_http_sniff_t *self, const char *data, size_t len)
{
    uint64_t left = mlx_http_sniff_body_left(self);
    len = len < left ? len : (size_t)left;
    self->events->body(self->arg, data, len);
    mlx_http_sniff_skip(self, len);
    return len;
}

static int hex_digit(char c)
{
    const char *digits = "0123456789abcdef";
    const char *at = c ? strchr(digits, c >= 'A' && c <= 'F' ? c - 'A' + 'a' : c) : NULL;
    return at ? (int)(at - digits) : -1;
}

/*  Size in hexadecimal, then optional blanks and extensions after a semicolon. */
static bool on_chunk_size(mlx_http_sniff_t *self, const char *line, size_t len)
{
    size_t digits = 0;
    uint64_t size = 0;
    while (digits < len && hex_digit(line[digits]) >= 0) {
        if (digits == 15)
            return false;
        size = size * 16 + (uint64_t)hex_digit(line[digits++]);
    }
    const char *rest = line + digits;
    rest += strspn(rest, " \t");
    if (digits == 0 || (*rest != '\0' && *rest != ';'))
        return false;
    self->body_left = size;
    self->section = 0;
    self->state = size ? ST_CHUNK_DATA : ST_TRAILER;
    return true;
}

static bool on_chunk_end(mlx_http_sniff_t *self, const char *line, size_t len)
{
    (void)line;
    self->section = 0;
    self->state = ST_CHUNK_SIZE;
    return len == 0;
}

static bool on_trailer_line(mlx_http_sniff_t *self, const char *line, size_t len)
{
    if (len == 0) {
        finish(self);
        return true;
    }
    size_t name = token_length(line);
    return name > 0 && line[name] == ':';
}

/*  ---- lines ---- */

static bool on_header_line(mlx_http_sniff_t *self, const char *line, size_t len)
{
    if (len == 0)
        return on_head_end(self);
    size_t name = token_length(line);
    if (name == 0 || line[name] != ':')
        return false; /* a folded line, or a blank before the colon, ends here too */
    const char *value = line + name + 1;
    size_t value_len = len - name - 1;
    while (value_len && (*value == ' ' || *value == '\t')) {
        value++;
        value_len--;
    }
    while (value_len && (value[value_len - 1] == ' ' || value[value_len - 1] == '\t'))
        value_len--;
    tell_key(self, line, name, value, value_len);
    for (size_t i = 0; i < MLX_COUNT(headers); i++) {
        if (is_header(line, name, headers[i].name))
            return headers[i].take(&self->message, value, value_len);
    }
    return true;
}

static const struct {
    bool (*take)(mlx_http_sniff_t *self, const char *line, size_t len);
    size_t limit; /* of the section's bytes */
} line_states[] = {
    [ST_START] = {on_start_line, MLX_SNIFF_MAX_HEAD},
    [ST_HEADER] = {on_header_line, MLX_SNIFF_MAX_HEAD},
    [ST_CHUNK_SIZE] = {on_chunk_size, MLX_SNIFF_MAX_CHUNK_LINE},
    [ST_CHUNK_END] = {on_chunk_end, 2},
    [ST_TRAILER] = {on_trailer_line, MLX_SNIFF_MAX_HEAD},
};

/*  A line ends with CR LF; control characters have no place in it but the tab. */
static bool is_clean_line(const char *line, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)line[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return false;
    }
    return true;
}

static bool take_line(mlx_http_sniff_t *self)
{
    mlx_buf_t *line = &self->line;
    if (line->len < 2 || line->data[line->len - 2] != '\r')
        return false;
    line->len -= 2;
    line->data[line->len] = '\0';
    bool ok = is_clean_line(line->data, line->len) &&
              line_states[self->state].take(self, line->data, line->len);
    if (line->cap > LINE_KEEP)
        mlx_buf_clear(line);
    else
        mlx_buf_reset(line);
    return ok;
}

static size_t feed_line(mlx_http_sniff_t *self, const char *data, size_t len)
{
    size_t room = line_states[self->state].limit - self->section;
    size_t most = len < room ? len : room;
    const char *newline = memchr(data, '\n', most);
    size_t used = newline ? (size_t)(newline - data) + 1 : most;
    mlx_buf_append(&self->line, data, used);
    self->section += used;
    if (newline ? !take_line(self) : used == room)
        self->state = ST_LOST;
    return used;
}

bool mlx_http_sniff_feed(mlx_http_sniff_t *self, const char *data, size_t len)
{
    while (len > 0 && self->state != ST_LOST) {
        size_t used = (size_t)self->state < MLX_COUNT(line_states) ? feed_line(self, data, len)
                                                                   : feed_body(self, data, len);
        data += used;
        len -= used;
    }
    if (self->state == ST_LOST)
        mlx_buf_clear(&self->line);
    return self->state != ST_LOST;
}

bool mlx_http_sniff_eof(mlx_http_sniff_t *self)
{
    bool clean = self->state == ST_START && self->section == 0;
    if (self->state == ST_UNTIL_CLOSE) {
        finish(self);
        clean = true;
    }
    self->state = ST_LOST;
    mlx_buf_clear(&self->line);
    return clean;
}
