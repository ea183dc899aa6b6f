/*  Chat templates: Jinja that every client runs on every request. Its sandbox has been escaped by
 *  attributes of Python objects; real templates need none of what is refused here. */
#include "services/cache/content/content.h"

#include "proto/utf8.h"

#include <string.h>

enum {
    TEMPLATE_MAX = 512 * 1024, /* the longest real ones have some 20 KB */
    SHOWN = 60
};

typedef struct {
    const char *text;
    size_t len;
    const char *where;
    mlx_risks_t *found;
} template_t;

/*  What is found at AT, with its line and the beginning of that. */
static void note(const template_t *t, size_t at, bool refused, const char *what)
{
    size_t line = 1, start = 0;
    for (size_t i = 0; i < at; i++)
        if (t->text[i] == '\n') {
            line++;
            start = i + 1;
        }
    /* Of a long line what is around the place. */
    if (at - start > SHOWN / 2)
        start = at - SHOWN / 2;
    size_t end = start;
    while (end < t->len && end - start < SHOWN && t->text[end] != '\n')
        end++;
    MLX_CLEANUP(mlx_free_p) char *quote = mlx_strndup(t->text + start, end - start);
    MLX_CLEANUP(mlx_free_p)
    char *where = mlx_format("%s%sline %zu", t->where, *t->where ? " " : "", line);
    mlx_found(t->found, refused, where, "%s: %s", what, quote);
}

static bool is_word(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_';
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/*  Does the name WORD begin at AT, and nothing longer. */
static bool is_name(const template_t *t, size_t at, size_t end, const char *word)
{
    size_t len = strlen(word);
    return at + len <= end && memcmp(t->text + at, word, len) == 0 &&
           (at + len == end || !is_word(t->text[at + len])) &&
           (at == 0 || !is_word(t->text[at - 1]));
}

static size_t skip_spaces(const template_t *t, size_t at, size_t end)
{
    while (at < end && is_space(t->text[at]))
        at++;
    return at;
}

/* ---- inside {{ }} and {% %} ---- */

/*  The filter and the function that take an attribute by a computed name. */
static bool reaches(const template_t *t, size_t at, size_t end)
{
    if (t->text[at] == '|')
        return is_name(t, skip_spaces(t, at + 1, end), end, "attr");
    return is_name(t, at, end, "getattr") || is_name(t, at, end, "format_map");
}

/*  An escape in a string can spell an underscore: \x5f, \u005f, \137. */
static bool is_escaped_underscore(const template_t *t, size_t at, size_t end)
{
    static const char *const spellings[] = {"\\x5f", "\\x5F",       "\\u005f",     "\\u005F",
                                            "\\137", "\\U0000005f", "\\U0000005F", "\\N{LOW LINE}"};
    for (size_t i = 0; i < MLX_COUNT(spellings); i++) {
        size_t len = strlen(spellings[i]);
        if (at + len <= end && memcmp(t->text + at, spellings[i], len) == 0)
            return true;
    }
    return false;
}

/*  What the code from AT to END does that no chat template needs. The first finding is enough. */
static void scan_code(const template_t *t, size_t at, size_t end)
{
    size_t word = skip_spaces(t, at + (t->text[at] == '-' || t->text[at] == '+'), end);
    static const char *const loads[] = {"import", "from", "include", "extends"};
    for (size_t i = 0; i < MLX_COUNT(loads); i++)
        if (is_name(t, word, end, loads[i])) {
            note(t, at, true, "the template loads another file");
            return;
        }
    for (size_t i = at; i < end; i++) {
        const char *what = NULL;
        if (t->text[i] == '_' && i + 1 < end && t->text[i + 1] == '_')
            what = "the template accesses Python's internals";
        else if (is_escaped_underscore(t, i, end))
            what = "the template hides underscores in a string";
        else if (reaches(t, i, end))
            what = "the template accesses attributes by computed names";
        if (what) {
            note(t, i, true, what);
            return;
        }
    }
}

/*  Where the block that begins at AT ends: strings may hold its end. */
static size_t end_of_code(const template_t *t, size_t at, const char *mark)
{
    char quote = 0;
    for (size_t i = at; i + 1 < t->len; i++) {
        if (quote && t->text[i] == '\\')
            i++;
        else if (quote)
            quote = t->text[i] == quote ? 0 : quote;
        else if (t->text[i] == '\'' || t->text[i] == '"')
            quote = t->text[i];
        else if (memcmp(t->text + i, mark, 2) == 0)
            return i;
    }
    return t->len;
}

static void scan_blocks(const template_t *t)
{
    for (size_t i = 0; i + 1 < t->len; i++) {
        if (t->text[i] != '{')
            continue;
        if (t->text[i + 1] == '{' || t->text[i + 1] == '%') {
            size_t end = end_of_code(t, i + 2, t->text[i + 1] == '{' ? "}}" : "%}");
            if (i + 2 < end)
                scan_code(t, i + 2, end);
            i = end;
        }
    }
}

/* ---- what a person who reads the template does not see ---- */

static const char *hidden(uint32_t c)
{
    if ((c >= 0x202a && c <= 0x202e) || (c >= 0x2066 && c <= 0x2069) || c == 0x200e ||
        c == 0x200f || c == 0x61c)
        return "the template contains characters that change the direction of text";
    if ((c >= 0x200b && c <= 0x200d) || c == 0x2060 || c == 0xfeff || c == 0xad || c == 0x180e ||
        (c >= 0x2061 && c <= 0x2064) || (c >= 0xe0000 && c <= 0xe007f))
        return "the template contains invisible characters";
    return NULL;
}

static void scan_characters(const template_t *t)
{
    bool broken = false;
    for (size_t i = 0; i < t->len; i++) {
        unsigned char c = (unsigned char)t->text[i];
        if (c < 0x80)
            continue;
        size_t len = mlx_utf8_sequence((const unsigned char *)t->text + i, t->len - i);
        if (!len) {
            if (!broken)
                note(t, i, false, "the template is not valid UTF-8");
            broken = true;
            continue;
        }
        const char *what = hidden(mlx_utf8_code_point((const unsigned char *)t->text + i, len));
        if (what) {
            note(t, i, false, what);
            return;
        }
        i += len - 1;
    }
}

void mlx_template_scan(const char *text, size_t len, const char *where, mlx_risks_t *found)
{
    const template_t t = {.text = text,
                          .len = len < TEMPLATE_MAX ? len : TEMPLATE_MAX,
                          .where = where,
                          .found = found};
    if (len > TEMPLATE_MAX)
        mlx_found(found, true, where, "the template has %zu bytes, too many to be checked", len);
    scan_blocks(&t);
    scan_characters(&t);
}
