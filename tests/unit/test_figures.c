/*  Single figures as people see them: plots of values, and values with their units. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "common/base/units.h"
#include "tools/mlxctl/plot.h"

static void plot_is_as_high_as_its_values(void **state)
{
    (void)state;
    mlx_series_t series;
    mlx_series_init(&series, 8);
    static const double values[] = {0, 1, NAN, 0.5};
    for (size_t i = 0; i < MLX_COUNT(values); i++)
        mlx_series_add(&series, values[i]);
    mlx_canvas_t *canvas = mlx_canvas_new(1, 4, false);
    mlx_plot(canvas, (mlx_area_t){0, 0, 1, 4}, &series,
             &(mlx_curve_t){.high = 1, .each = 1, .ink = MLX_INK_PLOT});
    mlx_buf_t text = {0};
    mlx_canvas_dump(canvas, &text);
    assert_string_equal(mlx_buf_str(&text), ".# .\n"); /* 0 is there; the gap is not */
    mlx_buf_clear(&text);
    mlx_canvas_destroy(&canvas);
    mlx_series_clear(&series);
}

static void units_read_as_people_write_them(void **state)
{
    (void)state;
    static const struct {
        double value;
        mlx_unit_t unit;
        const char *text;
    } cases[] = {
        {9.0e9, MLX_UNIT_BYTES, "9.0 GB"},     {999, MLX_UNIT_BYTES, "999 B"},
        {999999, MLX_UNIT_BYTES, "1.0 MB"},    {0, MLX_UNIT_BYTES, "0 B"},
        {0.29, MLX_UNIT_RATIO, "29%"},         {42.34, MLX_UNIT_TOKENS_PER_SECOND, "42.3 tok/s"},
        {48.4, MLX_UNIT_CELSIUS, "48\u00b0C"}, {1.41e9, MLX_UNIT_HERTZ, "1.4 GHz"},
        {260, MLX_UNIT_SECONDS, "4m 20s"},     {0.0042, MLX_UNIT_SECONDS, "4 ms"},
        {NAN, MLX_UNIT_WATTS, "n/a"},          {7.25, MLX_UNIT_WATTS, "7.2 W"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char *text = mlx_format_unit(cases[i].value, cases[i].unit);
        assert_string_equal(text, cases[i].text);
        free(text);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plot_is_as_high_as_its_values),
        cmocka_unit_test(units_read_as_people_write_them),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
