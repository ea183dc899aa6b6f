#include "canvas.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/ascii.h"

mlx_canvas_t *mlx_canvas_new(int rows, int columns, bool utf8)
{
    mlx_canvas_t *self = mlx_alloc(1, sizeof *self);
    self->rows = rows > 0 ? rows : 1;
    self->columns = columns > 0 ? columns : 1;
    self->utf8 = utf8;
    size_t count = (size_t)self->rows * (size_t)self->columns;
    self->cells = mlx_alloc(count, sizeof *self->cells);
    for (size_t i = 0; i < count; i++)
        self->cells[i].ch = L' ';
    return self;
}

void mlx_canvas_destroy(mlx_canvas_t **self)
{
    if (*self)
        free((*self)->cells);
    mlx_free_p(self);
}

void mlx_canvas_put(mlx_canvas_t *self, int row, int column, wchar_t ch, mlx_ink_t ink)
{
    if (row < 0 || row >= self->rows || column < 0 || column >= self->columns)
        return;
    self->cells[row * self->columns + column] = (mlx_cell_t){.ch = ch, .ink = ink};
}

/*  One character of TEXT; advances it. What is not a character becomes '?'. */
static wchar_t next_char(const char **text, bool utf8)
{
    wchar_t ch = 0;
    mbstate_t state = {0};
    size_t used = mbrtowc(&ch, *text, strlen(*text), &state);
    if (used == (size_t)-1 || used == (size_t)-2 || used == 0) {
        (*text)++;
        return L'?';
    }
    *text += used;
    return wcwidth(ch) < 1 || (!utf8 && ch > 0x7e) ? L'?' : ch;
}

int mlx_canvas_text(mlx_canvas_t *self, int row, int column, int width, mlx_ink_t ink,
                    const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *ascii = self->utf8 ? NULL : mlx_ascii(text);
    int end = column + width;
    if (end > self->columns)
        end = self->columns;
    text = ascii ? ascii : text;
    while (*text && column < end) {
        wchar_t ch = next_char(&text, self->utf8);
        int cells = wcwidth(ch) == 2 ? 2 : 1;
        bool cut = *text && column + cells >= end;
        if (cut || column + cells > end)
            ch = self->utf8 ? L'\u2026' : L'~', cells = 1;
        mlx_canvas_put(self, row, column, ch, ink);
        if (cells == 2)
            mlx_canvas_put(self, row, column + 1, 0, ink);
        column += cells;
    }
    return column;
}

int mlx_canvas_printf(mlx_canvas_t *self, int row, int column, int width, mlx_ink_t ink,
                      const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    MLX_CLEANUP(mlx_free_p) char *text = mlx_vformat(fmt, args);
    va_end(args);
    return mlx_canvas_text(self, row, column, width, ink, text);
}

void mlx_canvas_fill(mlx_canvas_t *self, int row, int column, mlx_ink_t ink)
{
    for (; column < self->columns; column++)
        mlx_canvas_put(self, row, column, L' ', ink);
}

mlx_ink_t mlx_canvas_load(double share)
{
    int level = isnan(share) ? 0 : (int)(fmin(fmax(share, 0), 1) * (double)MLX_LOADS);
    return (mlx_ink_t)((int)MLX_INK_LOAD + (level < MLX_LOADS ? level : MLX_LOADS - 1));
}

/*  The edges of a frame: the two lines, then the corners from the upper left one clockwise. */
mlx_area_t mlx_canvas_box(mlx_canvas_t *self, mlx_area_t area, const char *title)
{
    static const wchar_t *const kinds[2] = {L"-|++++", L"\u2500\u2502\u256d\u256e\u256f\u2570"};
    const wchar_t *edge = kinds[self->utf8];
    int right = area.column + area.columns - 1, bottom = area.row + area.rows - 1;
    for (int x = area.column; x <= right; x++) {
        mlx_canvas_put(self, area.row, x, edge[0], MLX_INK_FRAME);
        mlx_canvas_put(self, bottom, x, edge[0], MLX_INK_FRAME);
    }
    for (int y = area.row; y <= bottom; y++) {
        mlx_canvas_put(self, y, area.column, edge[1], MLX_INK_FRAME);
        mlx_canvas_put(self, y, right, edge[1], MLX_INK_FRAME);
    }
    mlx_canvas_put(self, area.row, area.column, edge[2], MLX_INK_FRAME);
    mlx_canvas_put(self, area.row, right, edge[3], MLX_INK_FRAME);
    mlx_canvas_put(self, bottom, right, edge[4], MLX_INK_FRAME);
    mlx_canvas_put(self, bottom, area.column, edge[5], MLX_INK_FRAME);
    int end =
        mlx_canvas_text(self, area.row, area.column + 3, area.columns - 6, MLX_INK_LABEL, title);
    mlx_canvas_put(self, area.row, area.column + 2, L' ', MLX_INK_FRAME);
    mlx_canvas_put(self, area.row, end, L' ', MLX_INK_FRAME);
    return (mlx_area_t){area.row + 1, area.column + 2, area.rows - 2, area.columns - 4};
}

void mlx_canvas_meter(mlx_canvas_t *self, int row, int column, int width, double share, bool dim)
{
    int filled = isnan(share) ? 0 : (int)lround(fmin(fmax(share, 0), 1) * width);
    for (int i = 0; i < width; i++) {
        mlx_ink_t ink = mlx_canvas_load(((double)i + 0.5) / width);
        bool full = i < filled;
        mlx_canvas_put(self, row, column + i,
                       full ? (self->utf8 ? L'\u25a0' : L'|') : (self->utf8 ? L'\u00b7' : L' '),
                       dim || !full ? MLX_INK_DIM : ink);
    }
}

void mlx_canvas_dump(const mlx_canvas_t *self, mlx_buf_t *out)
{
    for (int row = 0; row < self->rows; row++) {
        const mlx_cell_t *cells = &self->cells[(size_t)row * (size_t)self->columns];
        int last = self->columns;
        while (last > 0 && cells[last - 1].ch == L' ')
            last--;
        for (int column = 0; column < last; column++) {
            char bytes[16];
            mbstate_t state = {0};
            size_t len = cells[column].ch ? wcrtomb(bytes, cells[column].ch, &state) : 0;
            if (len != (size_t)-1)
                mlx_buf_append(out, bytes, len);
        }
        mlx_buf_putc(out, '\n');
    }
}
