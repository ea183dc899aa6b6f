#include "common/cli/term.h"

#include "proto/utf8.h"

#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <wchar.h>

static bool wants_color(bool tty, const mlx_env_t *env)
{
    const char *force = mlx_env_get(env, "CLICOLOR_FORCE"), *kind = mlx_env_get(env, "TERM");
    if (mlx_env_get(env, "NO_COLOR"))
        return false;
    if (force && strcmp(force, "0") != 0)
        return true;
    return tty && kind && strcmp(kind, "dumb") != 0;
}

bool mlx_term_draws(const mlx_env_t *env)
{
    const char *kind = mlx_env_get(env, "TERM");
    bool console = kind && (strcmp(kind, "linux") == 0 || strncmp(kind, "linux-", 6) == 0);
    return !console && strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

mlx_term_t mlx_term_look(int fd, const mlx_env_t *env)
{
    setlocale(LC_CTYPE, "");
    mlx_term_t term = {.tty = isatty(fd) == 1, .columns = 80, .rows = 24};
    struct winsize size;
    if (term.tty && ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 && size.ws_row > 0) {
        term.columns = size.ws_col;
        term.rows = size.ws_row;
    }
    term.color = wants_color(term.tty, env);
    term.utf8 = term.tty && mlx_term_draws(env);
    return term;
}

const char *mlx_term_style(const mlx_term_t *term, mlx_style_t style)
{
    static const char *const codes[] = {
        [MLX_STYLE_PLAIN] = "\033[0m",   [MLX_STYLE_BOLD] = "\033[1m",
        [MLX_STYLE_DIM] = "\033[2m",     [MLX_STYLE_GOOD] = "\033[32m",
        [MLX_STYLE_WARN] = "\033[33m",   [MLX_STYLE_BAD] = "\033[31m",
        [MLX_STYLE_ACCENT] = "\033[36m",
    };
    return term->color ? codes[style] : "";
}

/*  The character at S: its bytes and columns. What cannot be shown has PRINTABLE false. */
typedef struct {
    size_t bytes;
    size_t columns;
    bool printable;
} glyph_t;

static glyph_t glyph_at(const char *s, size_t left)
{
    /* Nearly all of what is shown; the locale's tables cost ten times as much. */
    if (*s >= ' ' && *s <= '~')
        return (glyph_t){.bytes = 1, .columns = 1, .printable = true};
    wchar_t c;
    mbstate_t mb = {0};
    size_t bytes = mbrtowc(&c, s, left, &mb);
    if (bytes == 0 || bytes > left)
        return (glyph_t){.bytes = 1, .columns = 1};
    int columns = wcwidth(c);
    if (columns < 0 || (bytes > 1 && !mlx_utf8_plain(s, bytes)))
        return (glyph_t){.bytes = bytes, .columns = 1};
    return (glyph_t){.bytes = bytes, .columns = (size_t)columns, .printable = true};
}

/*  How many of the first LEFT bytes, one column each, need no look at the locale. */
static size_t plain_run(const char *s, size_t left)
{
    size_t len = 0;
    while (len < left && s[len] >= ' ' && s[len] <= '~')
        len++;
    return len;
}

size_t mlx_term_width(const char *s)
{
    size_t left = strlen(s), width = plain_run(s, left);
    s += width;
    for (left -= width; left;) {
        glyph_t glyph = glyph_at(s, left);
        width += glyph.columns;
        s += glyph.bytes;
        left -= glyph.bytes;
    }
    return width;
}

static const char *ellipsis(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\u2026" : "~";
}

char *mlx_term_clean(const char *s, size_t width)
{
    mlx_buf_t out = {0};
    bool cut = width && mlx_term_width(s) > width;
    size_t room = cut ? width - 1 : SIZE_MAX;
    for (size_t left = strlen(s); left;) {
        size_t run = plain_run(s, left < room ? left : room);
        mlx_buf_append(&out, s, run);
        room -= run;
        s += run;
        left -= run;
        if (!left)
            break;
        glyph_t glyph = glyph_at(s, left);
        if (glyph.columns > room)
            break;
        if (glyph.printable)
            mlx_buf_append(&out, s, glyph.bytes);
        else
            mlx_buf_putc(&out, '?');
        room -= glyph.columns;
        s += glyph.bytes;
        left -= glyph.bytes;
    }
    if (cut)
        mlx_buf_puts(&out, ellipsis());
    return mlx_buf_take(&out);
}

void mlx_term_put(mlx_buf_t *out, const char *s)
{
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(s, 0);
    mlx_buf_puts(out, clean);
}

/*  The word at S with the spaces before it: its bytes. Escape sequences count as nothing. */
static size_t word_at(const char *s, size_t *columns)
{
    size_t len = strspn(s, " ");
    *columns = len;
    while (s[len] && !strchr(" \n", s[len])) {
        if (s[len] == '\033') {
            len += strcspn(s + len, "m\n ");
            len += s[len] == 'm';
            continue;
        }
        size_t bytes = strcspn(s + len, " \n\033");
        MLX_CLEANUP(mlx_free_p) char *part = mlx_strndup(s + len, bytes);
        *columns += mlx_term_width(part);
        len += bytes;
    }
    return len;
}

char *mlx_term_wrap(const char *text, size_t columns)
{
    mlx_buf_t out = {0};
    size_t used = 0, indent = strspn(text, " ");
    for (size_t width = 0, len = 0; *text; text += len) {
        if (*text == '\n') {
            mlx_buf_putc(&out, '\n');
            len = 1, used = 0, indent = strspn(text + 1, " ");
            continue;
        }
        len = word_at(text, &width);
        size_t spaces = strspn(text, " ");
        if (used > indent && used + width > columns) {
            mlx_buf_printf(&out, "\n%*s", (int)indent + 2, "");
            used = indent + 2 + width - spaces;
            mlx_buf_append(&out, text + spaces, len - spaces);
            continue;
        }
        used += width;
        mlx_buf_append(&out, text, len);
    }
    return mlx_buf_take(&out);
}
