#include "plot.h"

#include <math.h>
#include <stdlib.h>

void mlx_series_init(mlx_series_t *self, size_t size)
{
    *self = (mlx_series_t){.values = mlx_alloc(size, sizeof *self->values), .size = size};
}

void mlx_series_clear(mlx_series_t *self)
{
    free(self->values);
    *self = (mlx_series_t){0};
}

void mlx_series_add(mlx_series_t *self, double value)
{
    self->values[self->next] = value;
    self->next = (self->next + 1) % self->size;
    if (self->count < self->size)
        self->count++;
}

double mlx_series_at(const mlx_series_t *self, size_t ago)
{
    if (ago >= self->count)
        return NAN;
    return self->values[(self->next + self->size - 1 - ago) % self->size];
}

double mlx_series_max(const mlx_series_t *self)
{
    double max = NAN;
    for (size_t i = 0; i < self->count; i++)
        max = fmax(max, self->values[i]);
    return max;
}

double mlx_series_mean(const mlx_series_t *self)
{
    double sum = 0;
    size_t held = 0;
    for (size_t i = 0; i < self->count; i++)
        if (!isnan(self->values[i])) {
            sum += self->values[i];
            held++;
        }
    return held ? sum / (double)held : NAN;
}

/*  Height of the curve in DOTS; a value that is there shows at least one dot. -1: a gap. */
static int height_of(double value, double low, double high, int dots)
{
    if (isnan(value) || !(high > low))
        return -1;
    double share = (value - low) / (high - low);
    int height = (int)lround(fmin(fmax(share, 0), 1) * dots);
    return height < 1 ? 1 : height;
}

static wchar_t braille(int left, int right)
{
    /* Dots of a column from the bottom up, Unicode block U+2800. */
    static const unsigned bits[2][4] = {{0x40, 0x04, 0x02, 0x01}, {0x80, 0x20, 0x10, 0x08}};
    unsigned mask = 0;
    for (int i = 0; i < 4; i++)
        mask |= (left > i ? bits[0][i] : 0) | (right > i ? bits[1][i] : 0);
    return mask ? (wchar_t)(0x2800 + mask) : L' ';
}

void mlx_plot(mlx_canvas_t *canvas, int row, int column, int rows, int columns,
              const mlx_series_t *series, double low, double high, mlx_ink_t ink)
{
    int across = canvas->utf8 ? 2 : 1, up = canvas->utf8 ? 4 : 2;
    for (int x = 0; x < columns; x++) {
        int heights[2] = {-1, -1};
        for (int k = 0; k < across; k++) {
            int ago = (columns - 1 - x) * across + (across - 1 - k);
            heights[k] = height_of(mlx_series_at(series, (size_t)ago), low, high, rows * up);
        }
        for (int y = 0; y < rows; y++) {
            int below = (rows - 1 - y) * up; /* dots under this cell */
            int left = heights[0] - below, right = heights[1] - below;
            wchar_t ch = canvas->utf8 ? braille(left, right)
                         : left >= 2  ? L'#'
                         : left == 1  ? L'.'
                                      : L' ';
            mlx_canvas_put(canvas, row + y, column + x, ch, ink);
        }
    }
}
