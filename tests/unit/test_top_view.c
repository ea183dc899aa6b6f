/*  mlxctl top: what it draws for given messages, sizes and choices. Pure functions, time given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "screens.h"
#include "tools/mlxctl/top_view.h"

static char *draw(int rows, int columns, bool utf8)
{
    mlx_overview_t *overview = seed_screen(true);
    mlx_top_t *top = mlx_top_new();
    for (int i = 0; i < 200; i++)
        mlx_top_tick(top, overview, NOW);
    mlx_canvas_t *canvas = mlx_canvas_new(rows, columns, utf8);
    mlx_top_draw(top, overview, "a note", NOW, canvas);
    mlx_buf_t text = {0};
    mlx_canvas_dump(canvas, &text);
    mlx_canvas_destroy(&canvas);
    mlx_top_destroy(&top);
    mlx_overview_destroy(&overview);
    return mlx_buf_take(&text);
}

static void top_holds_everything_in_80_by_24(void **state)
{
    (void)state;
    char *text = draw(24, 80, true);
    static const char *const want[] = {"42.3 tok/s",
                                       "deepseek-r1:14b",
                                       "(runner)",
                                       "67%",
                                       "14.2 GB / 48.0 GB",
                                       "9.0 GB",
                                       "tok/s 42.3",
                                       "GPU 67%",
                                       "memory 30%",
                                       "temperature 48",
                                       "CPU, power n/a (the sampler does not report it)",
                                       "a note",
                                       "services 1/1 up",
                                       "EXPIRES"};
    for (size_t i = 0; i < MLX_COUNT(want); i++)
        if (!strstr(text, want[i]))
            fail_msg("\"%s\" is not in\n%s", want[i], text);
    free(text);
}

static void top_fits_any_size(void **state)
{
    (void)state;
    for (int rows = 1; rows < 60; rows += 7)
        for (int columns = 1; columns < 250; columns += 11) {
            char *text = draw(rows, columns, rows % 2);
            free(text);
        }
    char *ascii = draw(24, 80, false);
    for (const char *c = ascii; *c; c++)
        assert_true((unsigned char)*c < 0x80);
    free(ascii);
}

/*  Every layout at every size, with names from outside that would move a cursor. */
static void top_has_layouts_for_any_size(void **state)
{
    (void)state;
    static const char *const hostile =
        "evil\x1b[2J\xff\xe2\x80\xae\nname-that-is-longer-than-its-column";
    mlx_overview_t *overview = two_models();
    mlx_value_t *cpu = mlx_value_map(), *d = mlx_value_map();
    mlx_value_t *cores = mlx_value_set(cpu, "core", mlx_value_list());
    for (int i = 0; i < 64; i++)
        mlx_value_set_real(mlx_value_append(cores, mlx_value_map()), "utilization", i / 63.0);
    put(overview, "sensor.cpu", cpu, 0);
    mlx_value_t *processes = mlx_value_set(d, "processes", mlx_value_list());
    mlx_value_set_str(mlx_value_append(processes, mlx_value_map()), "program", hostile);
    put(overview, "sensor.gpu.0", d, 0);
    mlx_top_t *top = mlx_top_new();
    mlx_top_choice_t *choice = mlx_top_choice(top);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ended = mlx_value_map();
    mlx_value_set_str(ended, "client", hostile);
    for (int i = 0; i < 2 * MLX_TOP_ENDED; i++)
        mlx_top_ended(top, ended);
    mlx_top_tick(top, overview, NOW);
    for (int layout = 0; layout < MLX_TOP_LAYOUTS; layout++)
        for (int size = 1; size < 240; size += size < 30 ? 1 : 23) {
            MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
            mlx_canvas_t *canvas = mlx_canvas_new(size / 3 + 1, size, size % 2);
            choice->look.layout = layout;
            mlx_top_draw(top, overview, NULL, NOW, canvas);
            mlx_canvas_dump(canvas, &text);
            assert_null(strpbrk(mlx_buf_str(&text), "\x1b\x7f\xff"));
            mlx_canvas_destroy(&canvas);
        }
    mlx_top_destroy(&top);
    mlx_overview_destroy(&overview);
}

static char *wide_top(mlx_top_t *top, const mlx_overview_t *overview)
{
    mlx_buf_t text = {0};
    mlx_canvas_t *canvas = mlx_canvas_new(50, 160, true);
    mlx_top_draw(top, overview, NULL, NOW, canvas);
    mlx_canvas_dump(canvas, &text);
    mlx_canvas_destroy(&canvas);
    return mlx_buf_take(&text);
}

/*  What was plotted as a share stays one when its source is gone, and with it what it is a share
 *  of. */
static void the_past_keeps_its_unit(void **state)
{
    (void)state;
    mlx_overview_t *overview = seed_screen(true), *nothing = mlx_overview_new("vm");
    mlx_top_t *top = mlx_top_new();
    for (int i = 0; i < 60; i++)
        mlx_top_tick(top, overview, NOW);
    MLX_CLEANUP(mlx_free_p) char *text = wide_top(top, nothing);
    MUST_HOLD(text, "memory 30% max 30% avg 30%");
    assert_null(strstr(text, " B avg"));
    mlx_top_destroy(&top);
    mlx_overview_destroy(&overview);
    mlx_overview_destroy(&nothing);
}

/*  Filter, order, selection, units, and what a click hits. */
static void top_does_as_it_is_told(void **state)
{
    (void)state;
    mlx_overview_t *overview = two_models();
    mlx_top_t *top = mlx_top_new();
    mlx_top_choice_t *choice = mlx_top_choice(top);
    mlx_top_model_t model;
    for (int i = 0; i < 900; i++)
        mlx_top_tick(top, overview, NOW);
    MLX_CLEANUP(mlx_free_p) char *text = wide_top(top, overview);
    MUST_HOLD(text, "temperature 48\u00b0C", "\u256d\u2500 models", "100%", "now", "generating");
    assert_false(mlx_top_selected(top, overview, NOW, &model));
    mlx_top_move(top, overview, NOW, 1);
    assert_true(mlx_top_selected(top, overview, NOW, &model));
    assert_string_equal(model.name, "alpha:1b");
    choice->look.sort = MLX_TOP_BY_SPEED;
    mlx_top_move(top, overview, NOW, 5);
    assert_true(mlx_top_selected(top, overview, NOW, &model));
    assert_string_equal(model.name, "beta:2b"); /* 64 tok/s, alpha:1b has 128 */
    choice->look.fahrenheit = 1;
    choice->look.window = 4;
    snprintf(choice->filter, sizeof choice->filter, "ALPHA");
    MLX_CLEANUP(mlx_free_p) char *other = wide_top(top, overview);
    MUST_HOLD(other, "temperature 118\u00b0F", "alpha:1b", "-60m");
    assert_null(strstr(other, "beta:2b"));
    int hits = 0;
    for (int row = 0; row < 50; row++)
        hits += mlx_top_hit(top, row, 4) == -1;
    assert_int_equal(hits, 1);
    assert_string_equal(choice->selected, "alpha:1b");
    assert_int_equal(mlx_top_hit(top, 49, 1), 'q');
    mlx_top_destroy(&top);
    mlx_overview_destroy(&overview);
}

/*  A key does what the runtime says it can, with a model for which it has a meaning. */
static void top_says_what_cannot_be_done(void **state)
{
    (void)state;
    static const struct {
        const char *can, *what;
        bool loaded;
        const char *says; /* NULL: it can be done */
    } cases[] = {
        {"load", "load", false, NULL},
        {"load", "load", true, "it is loaded"},
        {"load", "unload", true, "vllm lets no model be unloaded from here"},
        {"unload", "unload", true, NULL},
        {"unload", "unload", false, "it is not loaded: sleeping"},
        {"unload", "load", false, "vllm lets no model be loaded from here"},
        {"pin", "pin", true, NULL},
        {"pin", "pin", false, NULL},
        {NULL, "pin", true, "vllm lets no model be kept loaded from here"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *can = cases[i].can ? mlx_value_list() : NULL;
        if (can)
            mlx_value_append(can, mlx_value_new_str(cases[i].can));
        const mlx_top_model_t model = {
            .kind = "vllm", .state = "sleeping", .can = can, .loaded = cases[i].loaded};
        MLX_CLEANUP(mlx_free_p) char *says = mlx_top_cannot(&model, cases[i].what);
        if (cases[i].says)
            assert_string_equal(says, cases[i].says);
        else
            assert_null(says);
    }
}

/*  Where nothing is heard nothing is said of it. */
static void silence_is_not_idleness(void **state)
{
    (void)state;
    mlx_overview_t *nothing = mlx_overview_new("vm");
    mlx_top_t *top = mlx_top_new();
    MLX_CLEANUP(mlx_free_p) char *text = wide_top(top, nothing);
    MUST_HOLD(text, "no data", "not known: there is no data", "CPU  n/a (no data)");
    assert_null(strstr(text, "idle"));
    assert_null(strstr(text, "no model"));
    mlx_top_destroy(&top);
    mlx_overview_destroy(&nothing);
}

/*  What is kept comes back; what somebody else wrote there changes nothing and is told. */
static void settings_are_kept_and_doubted(void **state)
{
    (void)state;
    static const char *const hostile[] = {
        "",           "[]", "{\"theme\": 7}", "{\"layout\": \"../..\"}", "{\"theme\": \"dark\"",
        "\xff\x1b[2J"};
    char path[] = "/tmp/mlx-look-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && close(fd) == 0);
    mlx_top_look_t look = MLX_TOP_LOOK, back = MLX_TOP_LOOK;
    mlx_error_t err = {0};
    mlx_top_look_turn(&look, MLX_LOOK_THEME, -1); /* around */
    mlx_top_look_turn(&look, MLX_LOOK_PACE, -9);  /* not around */
    mlx_top_look_turn(&look, MLX_LOOK_LAYOUT, 2);
    assert_string_equal(mlx_top_look_name(&look, MLX_LOOK_THEME), "mono");
    assert_int_equal(mlx_top_look_number(&look, MLX_LOOK_PACE), 1000);
    assert_int_equal(mlx_top_look_save(&look, path, &err), 0);
    assert_int_equal(mlx_top_look_load(&back, path, &err), 0);
    assert_memory_equal(&look, &back, sizeof look);
    for (size_t i = 0; i < MLX_COUNT(hostile); i++) {
        FILE *file = fopen(path, "w");
        assert_true(file && fputs(hostile[i], file) >= 0 && fclose(file) == 0);
        err = (mlx_error_t){0};
        assert_int_equal(mlx_top_look_load(&back, path, &err), -1);
        assert_non_null(strstr(err.text, "settings ignored"));
        assert_memory_equal(&look, &back, sizeof look);
    }
    unlink(path);
    assert_int_equal(mlx_top_look_load(&back, path, &err), 0);
}

int main(void)
{
    assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(top_holds_everything_in_80_by_24),
        cmocka_unit_test(top_fits_any_size),
        cmocka_unit_test(top_has_layouts_for_any_size),
        cmocka_unit_test(the_past_keeps_its_unit),
        cmocka_unit_test(top_does_as_it_is_told),
        cmocka_unit_test(top_says_what_cannot_be_done),
        cmocka_unit_test(silence_is_not_idleness),
        cmocka_unit_test(settings_are_kept_and_doubted),
    };
    return cmocka_run_group_tests_name("top", tests, NULL, NULL);
}
