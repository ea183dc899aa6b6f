#include "services/cache/model/unicode.h"

#include "proto/buf.h"
#include "proto/utf8.h"
#include "services/cache/model/unicode_tables.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum {
    HANGUL = 0xAC00, /* syllables are computed from their letters */
    HANGUL_LAST = 0xD7A3,
    HANGUL_L = 0x1100,
    HANGUL_V = 0x1161,
    HANGUL_T = 0x11A7,
    VOWELS = 21,
    TAILS = 28,
};

typedef struct {
    uint32_t first, last;
} range_t;

/*  Marks above and below a letter: their order does not matter. */
static const range_t marks[] = {
    {0x300, 0x36F},   {0x591, 0x5C7},   {0x610, 0x61A},   {0x64B, 0x65F},   {0x6D6, 0x6ED},
    {0x1DC0, 0x1DFF}, {0x20D0, 0x20FF}, {0x3099, 0x309A}, {0xFE20, 0xFE2F},
};

static const range_t unseen[] = {
    {0xAD, 0xAD}, {0x200B, 0x200D}, {0x2060, 0x2064}, {0xFE00, 0xFE0F}, {0xFEFF, 0xFEFF}};

static bool is_in(const range_t *ranges, size_t count, uint32_t c)
{
    for (size_t i = 0; i < count; i++)
        if (c >= ranges[i].first && c <= ranges[i].last)
            return true;
    return false;
}

/*  Index of C in a table sorted by its first member, or COUNT. */
static size_t find(const uint32_t *table, size_t count, size_t width, uint32_t c)
{
    size_t low = 0, high = count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (table[middle * width] < c)
            low = middle + 1;
        else
            high = middle;
    }
    return low < count && table[low * width] == c ? low : count;
}

static uint32_t lower(uint32_t c)
{
    if (c < 0x80)
        return (uint32_t)tolower((int)c);
    for (size_t i = 0; i < MLX_COUNT(unicode_capitals) && unicode_capitals[i].first <= c; i++)
        if (c <= unicode_capitals[i].last &&
            (c - unicode_capitals[i].first) % unicode_capitals[i].step == 0)
            return (uint32_t)((int32_t)c + unicode_capitals[i].off);
    return c;
}

/*  The characters found so far. */
typedef struct {
    uint32_t *codes;
    size_t count;
} letters_t;

/*  A mark goes to its place among those before it. */
static void append(letters_t *out, uint32_t c)
{
    size_t at = out->count++;
    if (is_in(marks, MLX_COUNT(marks), c))
        for (; at && out->codes[at - 1] > c && is_in(marks, MLX_COUNT(marks), out->codes[at - 1]);
             at--)
            out->codes[at] = out->codes[at - 1];
    out->codes[at] = c;
}

/*  C in its parts: the tables hold one level each. */
static void take_apart(letters_t *out, uint32_t c)
{
    size_t pairs = MLX_COUNT(unicode_pairs), singles = MLX_COUNT(unicode_singles);
    size_t at = find(&unicode_pairs[0].code, pairs, 3, c);
    if (at < pairs) {
        take_apart(out, unicode_pairs[at].first);
        append(out, lower(unicode_pairs[at].second));
        return;
    }
    at = find(&unicode_singles[0].code, singles, 2, c);
    if (at < singles) {
        take_apart(out, unicode_singles[at].same);
    } else if (c >= HANGUL && c <= HANGUL_LAST) {
        uint32_t index = c - HANGUL, tail = index % TAILS;
        append(out, HANGUL_L + index / (VOWELS * TAILS));
        append(out, HANGUL_V + index / TAILS % VOWELS);
        if (tail)
            append(out, HANGUL_T + tail);
    } else if (!is_in(unseen, MLX_COUNT(unseen), c)) {
        append(out, lower(c));
    }
}

static void put(mlx_buf_t *buf, uint32_t c)
{
    if (c < 0x80) {
        mlx_buf_putc(buf, (char)c);
        return;
    }
    unsigned more = c < 0x800 ? 1 : (c < 0x10000 ? 2 : 3);
    static const unsigned char leads[] = {0, 0xC0, 0xE0, 0xF0};
    mlx_buf_putc(buf, (char)(leads[more] | c >> (6 * more)));
    while (more-- > 0)
        mlx_buf_putc(buf, (char)(0x80 | (c >> (6 * more) & 0x3F)));
}

char *mlx_unicode_fold(const char *s)
{
    /* No character of any length in bytes becomes more than four. */
    size_t left = strlen(s);
    letters_t out = {.codes = mlx_alloc(left * 4 + 1, sizeof *out.codes)};
    const unsigned char *at = (const unsigned char *)s;
    for (size_t len; left; at += len, left -= len) {
        len = mlx_utf8_sequence(at, left);
        if (len)
            take_apart(&out, mlx_utf8_code_point(at, len));
        else
            append(&out, lower(*at));
        len = len ? len : 1;
    }
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (size_t i = 0; i < out.count; i++)
        put(&text, out.codes[i]);
    free(out.codes);
    return mlx_buf_take(&text);
}
