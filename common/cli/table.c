#include "common/cli/table.h"

#include <stdlib.h>
#include <string.h>

enum {
    MAX_COLUMNS = 16,
    GAP = 2,
    NARROWEST = 8, /* no cell is cut below this */
};

struct mlx_table {
    char *title;
    char *footer;
    size_t columns;
    mlx_align_t align[MAX_COLUMNS];
    char **cells; /* row by row, the headings first */
    size_t rows;
};

/*  A table on its way out: what the terminal leaves of it. */
typedef struct {
    const mlx_table_t *table;
    const mlx_term_t *term;
    mlx_buf_t *out;
    size_t width[MAX_COLUMNS];
    size_t inner; /* columns between the frames of the box */
} sheet_t;

mlx_table_t *mlx_table_new(const char *title)
{
    mlx_table_t *self = mlx_alloc(1, sizeof *self);
    self->title = title ? mlx_term_clean(title, 0) : NULL;
    self->rows = 1;
    return self;
}

void mlx_table_destroy(mlx_table_t **self_p)
{
    mlx_table_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->rows * self->columns; i++)
        free(self->cells[i]);
    free(self->cells);
    free(self->title);
    free(self->footer);
    free(self);
}

void mlx_table_column(mlx_table_t *self, const char *heading, mlx_align_t align)
{
    if (self->rows > 1 || self->columns == MAX_COLUMNS)
        mlx_panic("table: column \"%s\" comes too late", heading);
    self->cells = mlx_grow(self->cells, self->columns, sizeof *self->cells);
    self->cells[self->columns] = mlx_term_clean(heading, 0);
    self->align[self->columns++] = align;
}

void mlx_table_row(mlx_table_t *self, const char *const *cells)
{
    size_t first = self->rows * self->columns;
    for (size_t i = 0; i < self->columns; i++) {
        self->cells = mlx_grow(self->cells, first + i, sizeof *self->cells);
        self->cells[first + i] = mlx_term_clean(cells[i] ? cells[i] : "", 0);
    }
    self->rows++;
}

void mlx_table_footer(mlx_table_t *self, const char *text)
{
    free(self->footer);
    self->footer = mlx_term_clean(text, 0);
}

static size_t sum_of_widths(const sheet_t *sheet)
{
    size_t sum = GAP * (sheet->table->columns - 1);
    for (size_t i = 0; i < sheet->table->columns; i++)
        sum += sheet->width[i];
    return sum;
}

/*  Take from the widest column until all fit. */
static void shrink(sheet_t *sheet, size_t room)
{
    while (sum_of_widths(sheet) > room) {
        size_t widest = 0;
        for (size_t i = 1; i < sheet->table->columns; i++)
            if (sheet->width[i] > sheet->width[widest])
                widest = i;
        if (sheet->width[widest] <= NARROWEST)
            return;
        sheet->width[widest]--;
    }
}

static void widen(size_t *width, const char *text)
{
    size_t needed = text ? mlx_term_width(text) : 0;
    if (needed > *width)
        *width = needed;
}

static void measure(sheet_t *sheet)
{
    const mlx_table_t *table = sheet->table;
    for (size_t i = 0; i < table->rows * table->columns; i++)
        widen(&sheet->width[i % table->columns], table->cells[i]);
    if (sheet->term->tty) {
        size_t frame = sheet->term->utf8 ? 4 : 0;
        size_t columns = (size_t)sheet->term->columns;
        shrink(sheet, columns > frame ? columns - frame : 0);
    }
    sheet->inner = sum_of_widths(sheet);
    widen(&sheet->inner, table->title);
    widen(&sheet->inner, table->footer);
}

static void put_spaces(mlx_buf_t *out, size_t count)
{
    static const char spaces[] = "                                ";
    for (size_t part; count; count -= part) {
        part = count < sizeof spaces - 1 ? count : sizeof spaces - 1;
        mlx_buf_append(out, spaces, part);
    }
}

static void put_cell(sheet_t *sheet, size_t row, size_t column, bool last)
{
    const mlx_table_t *table = sheet->table;
    const char *full = table->cells[row * table->columns + column];
    size_t width = sheet->width[column];
    MLX_CLEANUP(mlx_free_p) char *text = mlx_term_clean(full, width ? width : 1);
    size_t pad = width - mlx_term_width(text);
    if (table->align[column] == MLX_ALIGN_RIGHT)
        put_spaces(sheet->out, pad);
    mlx_buf_puts(sheet->out, text);
    if (table->align[column] == MLX_ALIGN_LEFT && !last)
        put_spaces(sheet->out, pad);
    if (!last)
        put_spaces(sheet->out, GAP);
}

/*  One row without frame; what it lacks to the inner width is filled when it is framed. */
static void put_row(sheet_t *sheet, size_t row)
{
    for (size_t i = 0; i < sheet->table->columns; i++)
        put_cell(sheet, row, i, i + 1 == sheet->table->columns);
}

static void put_rule(sheet_t *sheet, const char *left, const char *right)
{
    mlx_buf_puts(sheet->out, left);
    for (size_t i = 0; i < sheet->inner + 2; i++)
        mlx_buf_puts(sheet->out, "\u2500");
    mlx_buf_puts(sheet->out, right);
    mlx_buf_putc(sheet->out, '\n');
}

static void put_framed(sheet_t *sheet, const char *text)
{
    mlx_buf_printf(sheet->out, "\u2502 %s", text);
    put_spaces(sheet->out, sheet->inner - mlx_term_width(text));
    mlx_buf_puts(sheet->out, " \u2502\n");
}

static void put_framed_row(sheet_t *sheet, size_t row)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t line = {0};
    sheet_t inner = *sheet;
    inner.out = &line;
    put_row(&inner, row);
    put_framed(sheet, mlx_buf_str(&line));
}

static void write_box(sheet_t *sheet)
{
    const mlx_table_t *table = sheet->table;
    put_rule(sheet, "\u256d", "\u256e");
    if (table->title) {
        put_framed(sheet, table->title);
        put_rule(sheet, "\u251c", "\u2524");
    }
    put_framed_row(sheet, 0);
    put_rule(sheet, "\u251c", "\u2524");
    for (size_t row = 1; row < table->rows; row++)
        put_framed_row(sheet, row);
    if (table->footer) {
        if (table->rows > 1)
            put_rule(sheet, "\u251c", "\u2524");
        put_framed(sheet, table->footer);
    }
    put_rule(sheet, "\u2570", "\u256f");
}

static void write_plain(sheet_t *sheet)
{
    for (size_t row = 0; row < sheet->table->rows; row++) {
        put_row(sheet, row);
        mlx_buf_putc(sheet->out, '\n');
    }
    if (sheet->table->footer)
        mlx_buf_printf(sheet->out, "%s\n", sheet->table->footer);
}

/*  Too narrow for columns: each row is its first cell, and below it what the others say. */
static void write_records(sheet_t *sheet)
{
    const mlx_table_t *table = sheet->table;
    if (table->title)
        mlx_buf_printf(sheet->out, "%s\n", table->title);
    for (size_t row = 1; row < table->rows; row++) {
        char **cells = &table->cells[row * table->columns];
        mlx_buf_printf(sheet->out, "%s\n", cells[0]);
        for (size_t i = 1; i < table->columns; i++)
            if (*cells[i])
                mlx_buf_printf(sheet->out, "  %s: %s\n", table->cells[i], cells[i]);
    }
    if (table->footer)
        mlx_buf_printf(sheet->out, "%s\n", table->footer);
}

static bool is_too_wide(const sheet_t *sheet)
{
    size_t frame = sheet->term->utf8 ? 4 : 0;
    return sheet->term->tty && sum_of_widths(sheet) + frame > (size_t)sheet->term->columns;
}

void mlx_table_write(const mlx_table_t *self, const mlx_term_t *term, mlx_buf_t *out)
{
    if (!self->columns)
        mlx_panic("table without columns");
    sheet_t sheet = {.table = self, .term = term, .out = out};
    measure(&sheet);
    if (is_too_wide(&sheet))
        write_records(&sheet);
    else if (term->utf8)
        write_box(&sheet);
    else
        write_plain(&sheet);
}
