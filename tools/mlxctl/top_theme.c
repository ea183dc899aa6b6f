#include "top_theme.h"

/*  0xRRGGBB and which of the eight colours stands for it; NONE: the terminal's own. */
#define NONE (-1)
enum {
    BLACK,
    RED,
    GREEN,
    YELLOW,
    BLUE,
    MAGENTA,
    CYAN,
    WHITE
};

typedef struct {
    int rgb;
    int basic;
    unsigned attributes;
} colour_t;

typedef struct {
    int back, basic_back;
    colour_t inks[MLX_INKS];
} theme_t;

enum {
    BOLD = MLX_THEME_BOLD,
    DIM = MLX_THEME_DIM,
    REVERSE = MLX_THEME_REVERSE,
    LOAD = MLX_INK_LOAD
};

static const theme_t themes[] = {
    {NONE,
     NONE,
     {
         [MLX_INK_NORMAL] = {NONE, NONE, 0},
         [MLX_INK_TITLE] = {NONE, CYAN, BOLD},
         [MLX_INK_DIM] = {NONE, NONE, DIM},
         [MLX_INK_GOOD] = {NONE, GREEN, 0},
         [MLX_INK_WARN] = {NONE, YELLOW, 0},
         [MLX_INK_BAD] = {NONE, RED, BOLD},
         [MLX_INK_PLOT] = {NONE, CYAN, 0},
         [MLX_INK_BAR] = {NONE, NONE, REVERSE},
         [MLX_INK_FRAME] = {NONE, NONE, DIM},
         [MLX_INK_LABEL] = {NONE, NONE, BOLD},
         [MLX_INK_SELECT] = {NONE, CYAN, REVERSE},
         [LOAD] = {NONE, GREEN, 0},
         [LOAD + 1] = {NONE, GREEN, 0},
         [LOAD + 2] = {NONE, YELLOW, 0},
         [LOAD + 3] = {NONE, YELLOW, BOLD},
         [LOAD + 4] = {NONE, RED, BOLD},
     }},
    {0x10141a,
     BLACK,
     {
         [MLX_INK_NORMAL] = {0xd5dbe3, WHITE, 0},
         [MLX_INK_TITLE] = {0x5fd7ff, CYAN, BOLD},
         [MLX_INK_DIM] = {0x87919f, WHITE, 0},
         [MLX_INK_GOOD] = {0x5fd787, GREEN, 0},
         [MLX_INK_WARN] = {0xffd75f, YELLOW, 0},
         [MLX_INK_BAD] = {0xff6b6b, RED, BOLD},
         [MLX_INK_PLOT] = {0x5fafff, CYAN, 0},
         [MLX_INK_BAR] = {0xd5dbe3, WHITE, REVERSE},
         [MLX_INK_FRAME] = {0x4e5969, BLUE, 0},
         [MLX_INK_LABEL] = {0xffffff, WHITE, BOLD},
         [MLX_INK_SELECT] = {0x5fd7ff, CYAN, REVERSE},
         [LOAD] = {0x5fd787, GREEN, 0},
         [LOAD + 1] = {0xafd75f, GREEN, 0},
         [LOAD + 2] = {0xffd75f, YELLOW, 0},
         [LOAD + 3] = {0xff9e4f, YELLOW, BOLD},
         [LOAD + 4] = {0xff6b6b, RED, BOLD},
     }},
    {0xfafafa,
     WHITE,
     {
         [MLX_INK_NORMAL] = {0x1c2128, BLACK, 0},
         [MLX_INK_TITLE] = {0x005f87, BLUE, BOLD},
         [MLX_INK_DIM] = {0x5c6570, BLACK, 0},
         [MLX_INK_GOOD] = {0x1a7f37, GREEN, 0},
         [MLX_INK_WARN] = {0x8a5a00, MAGENTA, 0},
         [MLX_INK_BAD] = {0xb3261e, RED, BOLD},
         [MLX_INK_PLOT] = {0x0a5fb4, BLUE, 0},
         [MLX_INK_BAR] = {0x3a4450, BLACK, REVERSE},
         [MLX_INK_FRAME] = {0xa0a8b2, BLUE, 0},
         [MLX_INK_LABEL] = {0x000000, BLACK, BOLD},
         [MLX_INK_SELECT] = {0x005f87, BLUE, REVERSE},
         [LOAD] = {0x1a7f37, GREEN, 0},
         [LOAD + 1] = {0x4d7c0f, GREEN, 0},
         [LOAD + 2] = {0x8a5a00, MAGENTA, 0},
         [LOAD + 3] = {0xb04a00, RED, 0},
         [LOAD + 4] = {0xb3261e, RED, BOLD},
     }},
    {0x000000,
     BLACK,
     {
         [MLX_INK_NORMAL] = {0xffffff, WHITE, BOLD},
         [MLX_INK_TITLE] = {0x00ffff, CYAN, BOLD},
         [MLX_INK_DIM] = {0xdadada, WHITE, 0},
         [MLX_INK_GOOD] = {0x00ff00, GREEN, BOLD},
         [MLX_INK_WARN] = {0xffff00, YELLOW, BOLD},
         [MLX_INK_BAD] = {0xff5f5f, RED, BOLD | REVERSE},
         [MLX_INK_PLOT] = {0x00ffff, CYAN, BOLD},
         [MLX_INK_BAR] = {0xffffff, WHITE, REVERSE},
         [MLX_INK_FRAME] = {0xffffff, WHITE, 0},
         [MLX_INK_LABEL] = {0xffffff, WHITE, BOLD},
         [MLX_INK_SELECT] = {0xffff00, YELLOW, REVERSE},
         [LOAD] = {0x00ff00, GREEN, BOLD},
         [LOAD + 1] = {0x00ff00, GREEN, BOLD},
         [LOAD + 2] = {0xffff00, YELLOW, BOLD},
         [LOAD + 3] = {0xffff00, YELLOW, BOLD},
         [LOAD + 4] = {0xff5f5f, RED, BOLD},
     }},
    {NONE,
     NONE,
     {
         [MLX_INK_NORMAL] = {NONE, NONE, 0},
         [MLX_INK_TITLE] = {NONE, NONE, BOLD},
         [MLX_INK_DIM] = {NONE, NONE, DIM},
         [MLX_INK_GOOD] = {NONE, NONE, 0},
         [MLX_INK_WARN] = {NONE, NONE, BOLD},
         [MLX_INK_BAD] = {NONE, NONE, BOLD | REVERSE},
         [MLX_INK_PLOT] = {NONE, NONE, 0},
         [MLX_INK_BAR] = {NONE, NONE, REVERSE},
         [MLX_INK_FRAME] = {NONE, NONE, DIM},
         [MLX_INK_LABEL] = {NONE, NONE, BOLD},
         [MLX_INK_SELECT] = {NONE, NONE, REVERSE},
         [LOAD] = {NONE, NONE, 0},
         [LOAD + 1] = {NONE, NONE, 0},
         [LOAD + 2] = {NONE, NONE, 0},
         [LOAD + 3] = {NONE, NONE, BOLD},
         [LOAD + 4] = {NONE, NONE, BOLD},
     }},
};

/*  The nearest of xterm's colours 16 to 255: its cube, or its greys. */
static int nearest_of_256(int rgb)
{
    static const int steps[] = {0, 95, 135, 175, 215, 255};
    int best = 16, least = 1 << 30;
    for (int i = 16; i < 256; i++) {
        int cube = i - 16, grey = 8 + (i - 232) * 10;
        int red = i < 232 ? steps[cube / 36] : grey, green = i < 232 ? steps[cube / 6 % 6] : grey;
        int blue = i < 232 ? steps[cube % 6] : grey;
        int r = red - (rgb >> 16), g = green - (rgb >> 8 & 0xff), b = blue - (rgb & 0xff);
        int far = r * r + g * g + b * b;
        if (far < least) {
            least = far;
            best = i;
        }
    }
    return best;
}

static int number_of(int rgb, int basic, int colours)
{
    if (rgb < 0 || colours < 256)
        return basic;
    return colours > 256 ? rgb : nearest_of_256(rgb);
}

mlx_theme_ink_t mlx_theme_ink(int theme, mlx_ink_t ink, int colours)
{
    const theme_t *chosen = &themes[colours < 8 ? MLX_COUNT(themes) - 1 : (size_t)theme];
    const colour_t *colour = &chosen->inks[ink];
    return (mlx_theme_ink_t){number_of(colour->rgb, colour->basic, colours),
                             number_of(chosen->back, chosen->basic_back, colours),
                             colour->attributes};
}
