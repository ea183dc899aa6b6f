#include "icon.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    ROWS = 7,
    GLYPHS_MAX = 4,
    WIDTH_MIN = 11, /* of two digits: one alone would be a giant */
    SAMPLES = 4     /* a pixel is looked at in 4 x 4 places: smooth edges */
};

typedef struct {
    char letter;
    int width;
    const char *rows[ROWS];
} glyph_t;

static const glyph_t font[] = {
    {'0', 5, {" ### ", "#   #", "#   #", "#   #", "#   #", "#   #", " ### "}},
    {'1', 3, {" # ", "## ", " # ", " # ", " # ", " # ", "###"}},
    {'2', 5, {" ### ", "#   #", "    #", "   # ", "  #  ", " #   ", "#####"}},
    {'3', 5, {" ### ", "#   #", "    #", "  ## ", "    #", "#   #", " ### "}},
    {'4', 5, {"   # ", "  ## ", " # # ", "#  # ", "#####", "   # ", "   # "}},
    {'5', 5, {"#####", "#    ", "#### ", "    #", "    #", "#   #", " ### "}},
    {'6', 5, {" ### ", "#    ", "#    ", "#### ", "#   #", "#   #", " ### "}},
    {'7', 5, {"#####", "    #", "   # ", "   # ", "  #  ", "  #  ", "  #  "}},
    {'8', 5, {" ### ", "#   #", "#   #", " ### ", "#   #", "#   #", " ### "}},
    {'9', 5, {" ### ", "#   #", "#   #", " ####", "    #", "    #", " ### "}},
    {'k', 4, {"#   ", "#   ", "#  #", "# # ", "##  ", "# # ", "#  #"}},
    {'.', 1, {" ", " ", " ", " ", " ", " ", "#"}},
    {'-', 4, {"    ", "    ", "    ", "####", "    ", "    ", "    "}},
};

/*  The badge as one bitmap of ROWS rows. */
typedef struct {
    const glyph_t *glyphs[GLYPHS_MAX];
    int count;
    int width;
} label_t;

static label_t label_of(const char *badge)
{
    label_t label = {.width = -1};
    for (const char *c = badge; *c && label.count < GLYPHS_MAX; c++)
        for (size_t i = 0; i < MLX_COUNT(font); i++)
            if (font[i].letter == *c) {
                label.glyphs[label.count++] = &font[i];
                label.width += font[i].width + 1;
            }
    return label;
}

static bool is_ink(const label_t *label, double x, double y)
{
    int column = (int)floor(x), row = (int)floor(y);
    if (row < 0 || row >= ROWS || column < 0)
        return false;
    for (int i = 0; i < label->count; i++) {
        if (column < label->glyphs[i]->width)
            return label->glyphs[i]->rows[row][column] == '#';
        column -= label->glyphs[i]->width + 1;
        if (column < 0)
            return false;
    }
    return false;
}

/*  Pixels per bit of the font, in steps of a half: the largest at which the corners of the label
 *  stay inside the disc. */
static double scale_of(const label_t *label, double radius)
{
    double diagonal = hypot(fmax(label->width, WIDTH_MIN), ROWS) / 2;
    return fmax(0.5, floor(radius / diagonal * 2) / 2);
}

uint8_t *mlx_icon_draw(int size, mlx_level_t level, const char *badge)
{
    if (size < 1 || size > MLX_ICON_MAX_SIZE)
        mlx_panic("an icon of %d pixels", size);
    uint8_t *pixels = mlx_alloc((size_t)size * (size_t)size, 4);
    uint32_t rgb = mlx_level_rgb(level);
    label_t label = label_of(badge);
    double radius = size / 2.0, scale = scale_of(&label, radius);
    /* On whole pixels, or the strokes blur. */
    double left = floor((size - label.width * scale) / 2 + 0.5);
    double top = floor((size - ROWS * scale) / 2 + 0.5);
    for (int i = 0; i < size * size * SAMPLES * SAMPLES; i++) {
        int pixel = i / (SAMPLES * SAMPLES), sample = i % (SAMPLES * SAMPLES);
        double x = pixel % size + (sample % SAMPLES + 0.5) / SAMPLES;
        double y = pixel / size + (sample / SAMPLES + 0.5) / SAMPLES;
        uint8_t *counts = &pixels[pixel * 4];
        if (hypot(x - radius, y - radius) > radius)
            continue;
        counts[0]++;
        counts[1] = (uint8_t)(counts[1] + is_ink(&label, (x - left) / scale, (y - top) / scale));
    }
    for (uint8_t *p = pixels; p < pixels + size * size * 4; p += 4) {
        double ink = p[0] ? (double)p[1] / p[0] : 0;
        p[0] = (uint8_t)(p[0] * 255 / (SAMPLES * SAMPLES));
        for (int channel = 1; channel <= 3 && p[0]; channel++) {
            double base = rgb >> (24 - channel * 8) & 0xff;
            p[channel] = (uint8_t)lround(base + (255 - base) * ink);
        }
    }
    return pixels;
}
