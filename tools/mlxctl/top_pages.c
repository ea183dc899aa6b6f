#include "top_pages.h"

#include <string.h>

#include "fleet_view.h"

enum {
    HELP_WIDTH = 64,
    KEY_WIDTH = 8
};

static void clear_rows(mlx_canvas_t *canvas, int row, int last, int column, int width)
{
    for (; row < last; row++)
        for (int x = column; x < column + width; x++)
            mlx_canvas_put(canvas, row, x, L' ', MLX_INK_NORMAL);
}

void mlx_top_draw_help(const mlx_top_help_t *lines, size_t count, mlx_canvas_t *canvas)
{
    int rows = (int)count + 3;
    int row = canvas->rows > rows + 2 ? (canvas->rows - rows) / 2 : 1;
    int column = canvas->columns > HELP_WIDTH + 2 ? (canvas->columns - HELP_WIDTH) / 2 : 0;
    clear_rows(canvas, row, row + rows < canvas->rows ? row + rows : canvas->rows - 1, column,
               HELP_WIDTH);
    mlx_canvas_text(canvas, row++, column + 1, HELP_WIDTH - 2, MLX_INK_TITLE, "Keys");
    for (size_t i = 0; i < count && row < canvas->rows - 1; i++, row++) {
        mlx_canvas_text(canvas, row, column + 1, KEY_WIDTH - 1, MLX_INK_TITLE, lines[i].key);
        mlx_canvas_text(canvas, row, column + 1 + KEY_WIDTH, HELP_WIDTH - KEY_WIDTH - 2,
                        MLX_INK_NORMAL, lines[i].text);
    }
    if (row < canvas->rows - 1)
        mlx_canvas_text(canvas, row, column + 1, HELP_WIDTH - 2, MLX_INK_DIM,
                        "any key closes this");
}

void mlx_top_draw_fleet(mlx_overview_t *overview, int64_t now_us, mlx_canvas_t *canvas)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    int last = canvas->rows - 1, row = 1;
    mlx_fleet_text(overview, now_us, &text);
    clear_rows(canvas, row, last, 0, canvas->columns);
    for (const char *line = mlx_buf_str(&text); *line && row < last; row++) {
        size_t len = strcspn(line, "\n");
        size_t used = len;
        while (used && line[used - 1] == ' ')
            used--;
        MLX_CLEANUP(mlx_free_p) char *one = mlx_strndup(line, used);
        bool warns = strstr(one, " ! ") != NULL;
        if (row == 1)
            mlx_canvas_fill(canvas, row, 0, MLX_INK_BAR);
        mlx_canvas_text(canvas, row, 1, canvas->columns - 2,
                        row == 1 ? MLX_INK_BAR
                        : warns  ? MLX_INK_WARN
                                 : MLX_INK_NORMAL,
                        one);
        line += len + (line[len] == '\n');
    }
}
