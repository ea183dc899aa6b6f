#include "common/runtime/prom_text.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
    const char *at;
    const char *end;
} cursor_t;

static void skip_blanks(cursor_t *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t'))
        c->at++;
}

static bool take(cursor_t *c, char expected)
{
    if (c->at == c->end || *c->at != expected)
        return false;
    c->at++;
    return true;
}

static size_t name_length(const cursor_t *c)
{
    size_t len = 0;
    while (c->at + len < c->end) {
        unsigned char ch = (unsigned char)c->at[len];
        if (!isalpha(ch) && ch != '_' && ch != ':' && !(isdigit(ch) && len > 0))
            break;
        len++;
    }
    return len;
}

/*  Past the closing quote of a label value; false when there is none. */
static bool skip_quoted(cursor_t *c)
{
    if (!take(c, '"'))
        return false;
    while (c->at < c->end && *c->at != '"') {
        if (*c->at == '\\' && c->at + 1 < c->end)
            c->at++;
        c->at++;
    }
    return take(c, '"');
}

/*  One NAME="VALUE" and the comma behind it. */
static bool skip_label(cursor_t *c)
{
    skip_blanks(c);
    size_t len = name_length(c);
    if (len == 0)
        return false;
    c->at += len;
    skip_blanks(c);
    if (!take(c, '='))
        return false;
    skip_blanks(c);
    if (!skip_quoted(c))
        return false;
    skip_blanks(c);
    if (take(c, ','))
        skip_blanks(c);
    return true;
}

static bool read_labels(cursor_t *c, mlx_prom_sample_t *out)
{
    out->labels = c->at;
    out->labels_len = 0;
    if (!take(c, '{'))
        return true;
    out->labels = c->at;
    skip_blanks(c);
    while (c->at < c->end && *c->at != '}')
        if (!skip_label(c))
            return false;
    out->labels_len = (size_t)(c->at - out->labels);
    return out->labels_len <= MLX_PROM_LABELS_MAX && take(c, '}');
}

/*  strtod takes more than the format does (hex, "nan(x)"); those are harmless. */
static bool read_number(cursor_t *c, double *out)
{
    char text[64];
    size_t len = 0;
    while (c->at + len < c->end && !isspace((unsigned char)c->at[len]))
        len++;
    if (len == 0 || len >= sizeof text)
        return false;
    memcpy(text, c->at, len);
    text[len] = '\0';
    char *stop;
    *out = strtod(text, &stop);
    c->at += len;
    return *stop == '\0';
}

static bool read_sample(cursor_t *c, mlx_prom_sample_t *out)
{
    size_t len = name_length(c);
    if (len == 0 || len >= sizeof out->name)
        return false;
    memcpy(out->name, c->at, len);
    out->name[len] = '\0';
    c->at += len;
    skip_blanks(c);
    if (!read_labels(c, out))
        return false;
    skip_blanks(c);
    return read_number(c, &out->value);
}

size_t mlx_prom_parse(const char *text, size_t len, mlx_prom_fn fn, void *arg, size_t *bad)
{
    size_t good = 0;
    size_t wrong = 0;
    const char *end = text + len;
    for (const char *line = text; line < end;) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));
        cursor_t c = {line, newline ? newline : end};
        line = newline ? newline + 1 : end;
        skip_blanks(&c);
        if (c.at == c.end || *c.at == '#' || *c.at == '\r')
            continue;
        mlx_prom_sample_t sample;
        if (read_sample(&c, &sample)) {
            fn(arg, &sample);
            good++;
        } else {
            wrong++;
        }
    }
    if (bad)
        *bad = wrong;
    return good;
}

/*  FROM is past the opening quote and known to be closed. */
static void unescape(const char *from, char *out, size_t cap)
{
    size_t len = 0;
    for (; *from != '"' && len + 1 < cap; from++) {
        char ch = *from;
        if (ch == '\\')
            ch = *++from == 'n' ? '\n' : *from;
        out[len++] = ch;
    }
    out[len] = '\0';
}

bool mlx_prom_label(const mlx_prom_sample_t *sample, const char *name, char *out, size_t cap)
{
    cursor_t c = {sample->labels, sample->labels + sample->labels_len};
    skip_blanks(&c);
    while (c.at < c.end) {
        const char *key = c.at;
        size_t len = name_length(&c);
        if (!skip_label(&c))
            return false;
        if (len == strlen(name) && memcmp(key, name, len) == 0) {
            unescape((const char *)memchr(key, '"', (size_t)(c.at - key)) + 1, out, cap);
            return true;
        }
    }
    return false;
}
