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

double mlx_series_max(const mlx_series_t *self, size_t count)
{
    double max = NAN;
    for (size_t i = 0; i < count && i < self->count; i++)
        max = fmax(max, mlx_series_at(self, i));
    return max;
}

double mlx_series_mean(const mlx_series_t *self, size_t count)
{
    double sum = 0;
    size_t held = 0;
    for (size_t i = 0; i < count && i < self->count; i++) {
        double value = mlx_series_at(self, i);
        if (!isnan(value)) {
            sum += value;
            held++;
        }
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

int mlx_plot_dots(const mlx_canvas_t *canvas, int columns)
{
    return columns * (canvas->utf8 ? 2 : 1);
}

/*  The largest of the values that the column of dots DOT, counted from the right, stands for. */
static double value_of(const mlx_series_t *series, const mlx_curve_t *curve, int dot)
{
    double value = NAN;
    for (size_t i = 0; i < curve->each; i++)
        value = fmax(value, mlx_series_at(series, (size_t)dot * curve->each + i));
    return value;
}

void mlx_plot(mlx_canvas_t *canvas, mlx_area_t area, const mlx_series_t *series,
              const mlx_curve_t *curve)
{
    int across = canvas->utf8 ? 2 : 1, up = canvas->utf8 ? 4 : 2;
    for (int x = 0; x < area.columns; x++) {
        int heights[2] = {-1, -1};
        for (int k = 0; k < across; k++) {
            int dot = (area.columns - 1 - x) * across + (across - 1 - k);
            heights[k] =
                height_of(value_of(series, curve, dot), curve->low, curve->high, area.rows * up);
        }
        for (int y = 0; y < area.rows; y++) {
            int below = (area.rows - 1 - y) * up; /* dots under this cell */
            int left = heights[0] - below, right = heights[1] - below;
            wchar_t ch = canvas->utf8 ? braille(left, right)
                         : left >= 2  ? L'#'
                         : left == 1  ? L'.'
                                      : L' ';
            double share = ((double)(area.rows - y) - 0.5) / area.rows;
            mlx_canvas_put(canvas, area.row + y, area.column + x, ch,
                           curve->by_load ? mlx_canvas_load(share) : curve->ink);
        }
    }
}
