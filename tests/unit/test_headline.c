/*  The table of figures: what is in it is in status, in top, on the page and in the menu. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "common/view/figures.h"
#include "common/view/menu_view.h"
#include "put.h"
#include "tools/mlxctl/status_view.h"
#include "tools/mlxctl/top_view.h"

static mlx_overview_t *warm_machine(void)
{
    mlx_overview_t *overview = mlx_overview_new("vm");
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "cpu", 61);
    mlx_value_set_str(d, "thermal_state", "heavy");
    put(overview, "sensor.temperature", d, 0);
    d = mlx_value_map();
    mlx_value_set_real(d, "used", 1e9);
    mlx_value_set_real(d, "total", 2e9);
    put(overview, "sensor.memory", d, 0);
    return overview;
}

/*  Figure ID as the page is told of it, or NULL. Caller owns *HEADLINE. */
static const mlx_value_t *tile(const mlx_overview_t *overview, const char *id,
                               mlx_value_t **headline)
{
    *headline = mlx_overview_headline_value(overview, NOW);
    const mlx_value_t *list = mlx_value_get(*headline, "figures");
    for (size_t i = 0; i < mlx_value_size(list); i++)
        if (strcmp(mlx_value_str(mlx_value_at(list, i), "id"), id) == 0)
            return mlx_value_at(list, i);
    return NULL;
}

static bool status_says(const mlx_overview_t *overview, const char *line)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_status_text(overview, NOW, &text);
    return strstr(mlx_buf_str(&text), line) != NULL;
}

static bool menu_says(mlx_overview_t *overview, bool fahrenheit, const char *line)
{
    bool found = false;
    mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){.fahrenheit = fahrenheit}, overview, NOW);
    for (size_t i = 0; i < mlx_menu_count(menu); i++)
        found = found || strcmp(mlx_menu_at(menu, i)->text, line) == 0;
    mlx_menu_destroy(&menu);
    return found;
}

static void what_is_always_there(void **state)
{
    (void)state;
    mlx_overview_t *overview = warm_machine();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *headline = NULL;
    double value;
    const mlx_value_t *heat = tile(overview, "temperature", &headline);
    assert_true(mlx_value_real(heat, "value", &value) && value == 61);
    assert_string_equal(mlx_value_str(heat, "unit"), "celsius");
    assert_string_equal(mlx_value_str(heat, "kind"), "sensor");
    assert_string_equal(mlx_value_str(heat, "note"), "heavy");
    mlx_value_destroy(&headline);
    const mlx_value_t *power = tile(overview, "power", &headline); /* with the reason */
    assert_false(mlx_value_real(power, "value", &value));
    assert_string_equal(mlx_value_str(power, "why"), "the sampler does not report it");
    assert_true(status_says(overview, "Temperature  61"));
    assert_true(status_says(overview, "Power        not available (the sampler does not"));
    assert_true(menu_says(overview, false, "Temperature: 61\u00b0C"));
    assert_true(menu_says(overview, true, "Temperature: 142\u00b0F"));
    mlx_overview_destroy(&overview);
}

/*  While a battery moves; a machine without one shows nothing of it. */
static void what_the_battery_gives(void **state)
{
    (void)state;
    mlx_overview_t *overview = warm_machine();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *headline = NULL;
    assert_null(tile(overview, "battery", &headline));
    assert_false(status_says(overview, "Battery rate"));
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "battery_power", 12.5);
    mlx_value_set_str(d, "battery_state", "discharging");
    put(overview, "sensor.power", d, 0);
    mlx_value_destroy(&headline);
    assert_string_equal(mlx_value_str(tile(overview, "battery", &headline), "note"), "discharging");
    assert_true(status_says(overview, "Battery rate 12 W"));
    assert_true(menu_says(overview, false, "Battery rate: 12 W"));
    mlx_top_t *top = mlx_top_new();
    mlx_canvas_t *canvas = mlx_canvas_new(24, 80, true);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t screen = {0};
    mlx_top_draw(top, overview, NULL, NOW, canvas);
    mlx_canvas_dump(canvas, &screen);
    assert_non_null(strstr(mlx_buf_str(&screen), "Battery rate 12 W"));
    mlx_canvas_destroy(&canvas);
    mlx_top_destroy(&top);
    mlx_overview_destroy(&overview);
}

/*  Few machines have one that tells. */
static void what_an_npu_does(void **state)
{
    (void)state;
    mlx_overview_t *overview = warm_machine();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *headline = NULL;
    assert_null(tile(overview, "npu", &headline));
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.4);
    mlx_value_set_str(d, "name", "Spark");
    put(overview, "sensor.npu.0", d, 0);
    mlx_value_destroy(&headline);
    assert_string_equal(mlx_value_str(tile(overview, "npu", &headline), "note"), "Spark");
    assert_true(status_says(overview, "NPU          40%  Spark\n"));
    assert_true(menu_says(overview, false, "NPU Usage: 40%"));
    mlx_overview_destroy(&overview);
}

/*  Memory, processor, graphics and speed come from the same table. */
static void what_a_server_uses(void **state)
{
    (void)state;
    mlx_overview_t *overview = warm_machine();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *headline = NULL;
    assert_true(status_says(overview, "GPU          not available (no GPU known to any"));
    assert_true(status_says(overview, "CPU          not available (the sampler does not"));
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.67);
    mlx_value_set_str(d, "name", "Kiln 9");
    mlx_value_set_real(d, "memory_used", 3e9);
    mlx_value_set_real(d, "memory_total", 4e9);
    put(overview, "sensor.gpu.0", d, 0);
    d = mlx_value_map();
    mlx_value_set_real(d, "utilization", 0.12);
    mlx_value_set_str(d, "name", "Kiln 9"); /* one chip: named once */
    mlx_value_set_int(d, "cores", 8);
    put(overview, "sensor.cpu", d, 0);
    assert_true(status_says(overview, "Memory       1.0 GB / 2.0 GB (50%)\n"));
    assert_true(status_says(overview, "GPU          67%  Kiln 9, 3.0 GB / 4.0 GB (75%)\n"));
    assert_true(status_says(overview, "CPU          12%  8 cores\n"));
    assert_true(menu_says(overview, false, "GPU Memory: 3.0 GB / 4.0 GB (75%)"));
    double total;
    const mlx_value_t *vram = tile(overview, "vram", &headline);
    assert_string_equal(mlx_value_str(vram, "within"), "gpu");
    assert_true(mlx_value_real(vram, "total", &total) && total == 4e9);
    mlx_value_destroy(&headline);
    const mlx_value_t *speed = tile(overview, "speed", &headline);
    assert_string_equal(mlx_value_str(speed, "brief"), "idle");
    assert_string_equal(mlx_value_str(speed, "note"), "no request seen");
    mlx_overview_destroy(&overview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_always_there),
        cmocka_unit_test(what_the_battery_gives),
        cmocka_unit_test(what_a_server_uses),
        cmocka_unit_test(what_an_npu_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
