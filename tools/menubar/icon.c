#include "icon.h"

#include <math.h>

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

/*  What is painted: a disc, and a label in it. */
typedef struct {
    label_t label;
    uint32_t rgb;
    double radius;
    double scale;
    double left; /* of the label */
    double top;
} picture_t;

static picture_t picture_of(int size, mlx_level_t level, const char *badge)
{
    picture_t picture = {
        .label = label_of(badge), .rgb = mlx_level_rgb(level), .radius = size / 2.0};
    picture.scale = scale_of(&picture.label, picture.radius);
    /* On whole pixels, or the strokes blur. */
    picture.left = floor((size - picture.label.width * picture.scale) / 2 + 0.5);
    picture.top = floor((size - (int)ROWS * picture.scale) / 2 + 0.5);
    return picture;
}

/*  The four bytes of the pixel at COLUMN, ROW. */
static void paint(const picture_t *picture, int column, int row, uint8_t *pixel)
{
    int inside = 0, ink = 0;
    for (int i = 0; i < SAMPLES; i++)
        for (int k = 0; k < SAMPLES; k++) {
            double x = column + (k + 0.5) / (int)SAMPLES, y = row + (i + 0.5) / (int)SAMPLES;
            if (hypot(x - picture->radius, y - picture->radius) > picture->radius)
                continue;
            inside++;
            ink += is_ink(&picture->label, (x - picture->left) / picture->scale,
                          (y - picture->top) / picture->scale);
        }
    if (!inside)
        return;
    pixel[0] = (uint8_t)(inside * 255 / (SAMPLES * SAMPLES));
    for (int channel = 1; channel <= 3; channel++) {
        double base = picture->rgb >> (24 - channel * 8) & 0xff;
        pixel[channel] = (uint8_t)lround(base + (255 - base) * ink / inside);
    }
}

uint8_t *mlx_icon_draw(int size, mlx_level_t level, const char *badge)
{
    if (size < 1 || size > MLX_ICON_MAX_SIZE)
        mlx_panic("an icon of %d pixels", size);
    uint8_t *pixels = mlx_alloc((size_t)size * (size_t)size, 4), *pixel = pixels;
    picture_t picture = picture_of(size, level, badge);
    for (int row = 0; row < size; row++)
        for (int column = 0; column < size; column++, pixel += 4)
            paint(&picture, column, row, pixel);
    return pixels;
}
