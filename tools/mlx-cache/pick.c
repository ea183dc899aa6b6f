/*  `mlx-cache` on a terminal: the models in a list, why each is there, and a question before any of
 *  them goes. What is removed is removed as by `mlx-cache remove`, and undo brings it back. */
#include "cli.h"

#include "common/base/units.h"
#include "common/cli/term.h"

#include <locale.h>
#include <ncurses.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    FILTER_MAX = 64,
    HEAD_ROWS = 2, /* above the list */
    FOOT_ROWS = 4, /* below it: three lines of details, one of keys */
    SIZE_COLUMNS = 11,
    USERS_COLUMNS = 26,
    MARK_COLUMNS = 4
};

typedef struct {
    const mlx_args_t *args;
    mlx_value_t *status;
    const mlx_value_t *rows;
    bool *marked;  /* by row */
    size_t *shown; /* rows that the filter lets through */
    size_t count;  /* of them */
    size_t at;     /* place in them */
    size_t top;
    char filter[FILTER_MAX];
    bool typing; /* into the filter */
    bool asking; /* whether to remove */
    const char *note;
    int result; /* exit status so far */
} pick_t;

static const mlx_value_t *row_at(const pick_t *p, size_t place)
{
    return mlx_value_at(p->rows, p->shown[place]);
}

static char *size_of(const mlx_value_t *row, const char *key)
{
    int64_t bytes = 0;
    mlx_value_int(row, key, &bytes);
    return mlx_format_unit((double)bytes, MLX_UNIT_BYTES);
}

static bool is_cached(const mlx_value_t *row)
{
    bool cached = false;
    mlx_value_bool(row, "cached", &cached);
    return cached;
}

/*  "ollama, lmstudio"; with HOW "ollama (hardlink), lmstudio (copy)". */
static char *users_of(const mlx_value_t *row, bool how)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    const mlx_value_t *uses = mlx_value_get(row, "used_by");
    for (size_t i = 0; i < mlx_value_size(uses); i++) {
        const char *method = mlx_value_str(mlx_value_at(uses, i), "method");
        mlx_buf_printf(&text, "%s%s", i ? ", " : "", mlx_value_str(mlx_value_at(uses, i), "app"));
        if (how && method)
            mlx_buf_printf(&text, " (%s)", method);
    }
    return text.len ? mlx_buf_take(&text) : mlx_strdup(how ? "no app" : "-");
}

/* ---- the rows ---- */

static void apply_filter(pick_t *p)
{
    p->count = 0;
    for (size_t i = 0; i < mlx_value_size(p->rows); i++) {
        const char *name = mlx_value_str(mlx_value_at(p->rows, i), "name");
        if (!*p->filter || strcasestr(name, p->filter))
            p->shown[p->count++] = i;
    }
    p->at = p->count && p->at >= p->count ? p->count - 1 : (p->count ? p->at : 0);
}

static void forget_rows(pick_t *p)
{
    mlx_value_destroy(&p->status);
    free(p->marked);
    free(p->shown);
    p->marked = NULL;
    p->shown = NULL;
}

static int load(pick_t *p, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(p->args, false, err);
    mlx_value_t *status = cache ? mlx_cache_status(cache, err) : NULL;
    if (!status)
        return -1;
    forget_rows(p);
    p->status = status;
    p->rows = mlx_value_get(status, "models");
    p->marked = mlx_alloc(mlx_value_size(p->rows) + 1, sizeof *p->marked);
    p->shown = mlx_alloc(mlx_value_size(p->rows) + 1, sizeof *p->shown);
    apply_filter(p);
    return 0;
}

static size_t count_marked(const pick_t *p, int64_t *frees)
{
    size_t count = 0;
    *frees = 0;
    for (size_t i = 0; i < mlx_value_size(p->rows); i++) {
        int64_t bytes = 0;
        if (!p->marked[i])
            continue;
        count++;
        mlx_value_int(mlx_value_at(p->rows, i), "frees", &bytes);
        *frees += bytes;
    }
    return count;
}

/* ---- the screen ---- */

static void put(int y, int x, int width, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *fit = mlx_term_clean(text, width > 0 ? (size_t)width : 1);
    if (width > 0)
        mvaddstr(y, x, fit);
}

static void draw_row(const pick_t *p, size_t place, int y)
{
    const mlx_value_t *row = row_at(p, place);
    MLX_CLEANUP(mlx_free_p) char *size = size_of(row, "size");
    MLX_CLEANUP(mlx_free_p) char *users = users_of(row, false);
    int name_columns = COLS - MARK_COLUMNS - SIZE_COLUMNS - USERS_COLUMNS;
    if (place == p->at)
        attron(A_REVERSE);
    mvhline(y, 0, ' ', COLS);
    put(y, 1, 1, p->marked[p->shown[place]] ? "*" : " ");
    put(y, MARK_COLUMNS - 1, name_columns - 1, mlx_value_str(row, "name"));
    put(y, MARK_COLUMNS + name_columns + SIZE_COLUMNS - 2 - (int)strlen(size), SIZE_COLUMNS, size);
    put(y, MARK_COLUMNS + name_columns + SIZE_COLUMNS, USERS_COLUMNS - 1, users);
    attroff(A_REVERSE);
}

/*  Why the model is there, and what its removal would free. */
static void draw_details(const pick_t *p, int y)
{
    const mlx_value_t *row = row_at(p, p->at);
    MLX_CLEANUP(mlx_free_p) char *users = users_of(row, true);
    MLX_CLEANUP(mlx_free_p) char *frees = size_of(row, "frees");
    const char *source = mlx_value_str(row, "source"), *license = mlx_value_str(row, "license");
    int64_t added = 0;
    char when[20] = "";
    if (mlx_value_int(row, "added_at", &added))
        mlx_format_minute(added * 1000000, when, sizeof when);
    MLX_CLEANUP(mlx_free_p)
    char *why = is_cached(row)
                    ? mlx_format("in the cache since %s, from %s%s%s", when, source ? source : "-",
                                 license ? ", licence " : "", license ? license : "")
                    : mlx_strdup("not in the cache: it is the app's own");
    MLX_CLEANUP(mlx_free_p) char *used = mlx_format("used by %s", users);
    MLX_CLEANUP(mlx_free_p)
    char *gain = is_cached(row) ? mlx_format("removing it frees %s", frees)
                                : mlx_strdup("remove it with its app; mlx-cache adopt adds it");
    put(y, 1, COLS - 2, why);
    put(y + 1, 1, COLS - 2, used);
    put(y + 2, 1, COLS - 2, gain);
}

static void draw_foot(const pick_t *p)
{
    int64_t frees = 0;
    size_t count = count_marked(p, &frees);
    MLX_CLEANUP(mlx_free_p) char *size = mlx_format_unit((double)frees, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *line = NULL;
    if (p->asking)
        line =
            mlx_format("Remove %zu model%s, freeing %s? y/n", count, count == 1 ? "" : "s", size);
    else if (p->typing)
        line = mlx_format("/%s_", p->filter);
    else if (p->note)
        line = mlx_strdup(p->note);
    else
        line = mlx_format("space mark  d remove%s  / filter  q quit", count ? " marked" : "");
    attron(A_BOLD);
    put(LINES - 1, 1, COLS - 2, line);
    attroff(A_BOLD);
}

static void draw(pick_t *p)
{
    int visible = LINES - HEAD_ROWS - FOOT_ROWS;
    size_t rows = visible > 0 ? (size_t)visible : 1;
    if (p->at < p->top)
        p->top = p->at;
    if (p->at >= p->top + rows)
        p->top = p->at - rows + 1;
    MLX_CLEANUP(mlx_free_p) char *total = size_of(p->status, "total");
    MLX_CLEANUP(mlx_free_p) char *saved = size_of(p->status, "saved");
    MLX_CLEANUP(mlx_free_p)
    char *head =
        mlx_format("%zu of %zu models  %s on the disk, %s saved%s%s", p->count,
                   mlx_value_size(p->rows), total, saved, *p->filter ? "  /" : "", p->filter);
    erase();
    attron(A_BOLD);
    put(0, 1, COLS - 2, head);
    attroff(A_BOLD);
    for (size_t i = 0; i < rows && p->top + i < p->count; i++)
        draw_row(p, p->top + i, HEAD_ROWS + (int)i);
    if (p->count)
        draw_details(p, LINES - FOOT_ROWS);
    else
        put(HEAD_ROWS, 1, COLS - 2,
            *p->filter ? "no model has a name that contains it"
                       : "no models yet: mlx-cache add <model>");
    draw_foot(p);
    refresh();
}

/* ---- removing ---- */

static mlx_value_t *remove_marked(pick_t *p, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_cache_destroy) mlx_cache_t *cache = cli_open(p->args, true, err);
    mlx_value_t *report = mlx_value_map();
    mlx_value_t *results = mlx_value_set(report, "results", mlx_value_list());
    for (size_t i = 0; i < mlx_value_size(p->rows); i++) {
        const char *name = mlx_value_str(mlx_value_at(p->rows, i), "name");
        if (!p->marked[i])
            continue;
        mlx_value_t *result = cache ? mlx_cache_remove(cache, name, false, err) : NULL;
        if (!result) {
            mlx_value_destroy(&report);
            return NULL;
        }
        mlx_value_append(results, result);
    }
    return report;
}

/*  On the plain screen, as the command of that name shows it. */
static void remove_now(pick_t *p)
{
    mlx_error_t err = {0};
    int c;
    endwin();
    int status = cli_finish(p->args, remove_marked(p, &err), &err, cli_view_plan);
    p->result = status ? status : p->result;
    printf("mlx-cache undo reverts it. Press Enter to continue.\n");
    fflush(stdout);
    do
        c = getchar();
    while (c != '\n' && c != EOF && !cli_interrupted(NULL));
    if (load(p, &err))
        p->result = mlx_error_report("mlx-cache", &err);
}

/*  Without a mark the model under the cursor is meant. */
static void ask(pick_t *p)
{
    int64_t frees;
    bool any = count_marked(p, &frees) > 0;
    p->note = NULL;
    if (!any && p->count && is_cached(row_at(p, p->at)))
        p->marked[p->shown[p->at]] = any = true;
    p->asking = any;
    if (!any && p->count)
        p->note = "that model is its app's own: remove it there";
}

/* ---- keys ---- */

static void mark(pick_t *p)
{
    if (!p->count)
        return;
    bool *one = &p->marked[p->shown[p->at]];
    *one = !*one && is_cached(row_at(p, p->at));
    p->note = is_cached(row_at(p, p->at)) ? NULL : "that model is its app's own: remove it there";
    p->at += p->at + 1 < p->count;
}

static void move_by(pick_t *p, long step)
{
    long last = p->count ? (long)p->count - 1 : 0, to = (long)p->at + step;
    p->at = (size_t)(to < 0 ? 0 : to > last ? last : to);
    p->note = NULL;
}

static void type(pick_t *p, int key)
{
    size_t len = strlen(p->filter);
    if (key == '\n' || key == KEY_ENTER)
        p->typing = false;
    else if (key == 27) {
        p->typing = false;
        p->filter[0] = '\0';
    } else if ((key == KEY_BACKSPACE || key == 127 || key == 8) && len)
        p->filter[len - 1] = '\0';
    else if (key >= ' ' && key < 256 && key != 127 && len + 1 < FILTER_MAX) {
        p->filter[len] = (char)key;
        p->filter[len + 1] = '\0';
    }
    apply_filter(p);
}

/*  False: the user leaves. */
static bool act(pick_t *p, int key)
{
    if (p->typing) {
        type(p, key);
        return true;
    }
    if (p->asking) {
        p->asking = false;
        if (key == 'y' || key == 'Y')
            remove_now(p);
        return true;
    }
    if (key == 'q' || key == 27)
        return false;
    if (key == ' ')
        mark(p);
    else if (key == 'd')
        ask(p);
    else if (key == '/')
        p->typing = true;
    else if (key == KEY_DOWN || key == 'j')
        move_by(p, 1);
    else if (key == KEY_UP || key == 'k')
        move_by(p, -1);
    else if (key == KEY_NPAGE || key == KEY_PPAGE)
        move_by(p, key == KEY_NPAGE ? LINES / 2 : -LINES / 2);
    else if (key == KEY_HOME || key == KEY_END)
        move_by(p, key == KEY_END ? (long)p->count : -(long)p->count);
    return true;
}

int cli_pick(void *arg, const mlx_args_t *args)
{
    (void)arg;
    mlx_error_t err = {0};
    pick_t p = {.args = args};
    if (isatty(STDIN_FILENO) != 1 || isatty(STDOUT_FILENO) != 1) {
        mlx_error_set(&err, MLX_ERR_USAGE, "the list needs a terminal");
        mlx_error_hint(&err, "mlx-cache status prints one");
        return cli_fail(args, &err);
    }
    if (load(&p, &err))
        return cli_fail(args, &err);
    setlocale(LC_CTYPE, "");
    SCREEN *screen = newterm(NULL, stdout, stdin);
    if (!screen) {
        forget_rows(&p);
        mlx_error_set(&err, MLX_ERR_FAILED, "this terminal cannot show a list");
        mlx_error_hint(&err, "mlx-cache status prints one");
        return cli_fail(args, &err);
    }
    cbreak();
    noecho();
    keypad(stdscr, TRUE);
    set_escdelay(25);
    curs_set(0);
    bool on = true;
    while (on && !cli_interrupted(NULL)) {
        draw(&p);
        int key = getch();
        if (key == ERR && !cli_interrupted(NULL))
            break; /* the terminal is gone */
        on = key == ERR || act(&p, key);
    }
    endwin();
    delscreen(screen);
    forget_rows(&p);
    return cli_interrupted(NULL) ? MLX_ERR_INTERRUPTED : p.result;
}
