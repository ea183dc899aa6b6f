#include "top_look.h"

#include <stdlib.h>
#include <string.h>

#include "cmd_bench.h"
#include "common/base/file.h"
#include "common/base/json.h"
#include "proto/buf.h"

enum {
    FILE_MAX = 4096,
    NAMES_MAX = 6
};

static const struct {
    const char *key;
    size_t at; /* in mlx_top_look_t */
    bool around;
    struct {
        const char *name;
        int number;
    } names[NAMES_MAX];
} choices[MLX_LOOK_CHOICES] = {
    [MLX_LOOK_LAYOUT] = {"layout",
                         offsetof(mlx_top_look_t, layout),
                         true,
                         {{"overview", 0}, {"plots", 1}, {"models", 2}, {"machine", 3}}},
    [MLX_LOOK_THEME] = {"theme",
                        offsetof(mlx_top_look_t, theme),
                        true,
                        {{"terminal", 0}, {"dark", 1}, {"light", 2}, {"contrast", 3}, {"mono", 4}}},
    [MLX_LOOK_SORT] = {"sort",
                       offsetof(mlx_top_look_t, sort),
                       true,
                       {{"runtime", 0}, {"name", 1}, {"size", 2}, {"speed", 3}}},
    [MLX_LOOK_PACE] =
        {"interval",
         offsetof(mlx_top_look_t, pace),
         false,
         {{"0.25s", 250}, {"0.5s", 500}, {"1s", 1000}, {"2s", 2000}, {"5s", 5000}, {"10s", 10000}}},
    [MLX_LOOK_WINDOW] = {"window",
                         offsetof(mlx_top_look_t, window),
                         true,
                         {{"fit", 0}, {"5m", 300}, {"10m", 600}, {"30m", 1800}, {"1h", 3600}}},
    [MLX_LOOK_UNITS] = {"units",
                        offsetof(mlx_top_look_t, fahrenheit),
                        true,
                        {{"celsius", 0}, {"fahrenheit", 1}}},
};

static int *place_of(mlx_top_look_t *look, size_t choice)
{
    return (int *)(void *)((char *)look + choices[choice].at);
}

static int count_of(size_t choice)
{
    int count = 0;
    while (count < NAMES_MAX && choices[choice].names[count].name)
        count++;
    return count;
}

const char *mlx_top_look_name(const mlx_top_look_t *look, mlx_look_choice_t choice)
{
    mlx_top_look_t copy = *look;
    return choices[choice].names[*place_of(&copy, choice)].name;
}

int mlx_top_look_number(const mlx_top_look_t *look, mlx_look_choice_t choice)
{
    mlx_top_look_t copy = *look;
    return choices[choice].names[*place_of(&copy, choice)].number;
}

void mlx_top_look_turn(mlx_top_look_t *look, mlx_look_choice_t choice, int by)
{
    int *place = place_of(look, choice), count = count_of(choice), next = *place + by;
    if (choices[choice].around)
        *place = (next + count) % count;
    else if (next >= 0 && next < count)
        *place = next;
}

/*  Which of its names the file's VALUE is; -1: none. */
static int index_of(size_t choice, const char *value)
{
    for (int i = 0; value && i < count_of(choice); i++)
        if (strcmp(choices[choice].names[i].name, value) == 0)
            return i;
    return -1;
}

int mlx_top_look_load(mlx_top_look_t *look, const char *path, mlx_error_t *err)
{
    mlx_error_t why = {0};
    mlx_top_look_t found = *look;
    size_t len = 0;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_file_read(path, FILE_MAX, &len, &why);
    if (!text && why.code == MLX_ERR_NOT_FOUND)
        return 0;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *all = text ? mlx_json_parse(text, len, &why) : NULL;
    if (text && all && mlx_value_type(all) != MLX_MAP)
        mlx_error_set(&why, MLX_ERR_USAGE, "it is not a JSON object");
    for (size_t i = 0; mlx_value_type(all) == MLX_MAP && i < MLX_LOOK_CHOICES; i++) {
        if (!mlx_value_get(all, choices[i].key))
            continue;
        int at = index_of(i, mlx_value_str(all, choices[i].key));
        if (at < 0)
            mlx_error_set(&why, MLX_ERR_USAGE, "\"%s\" has a value that top does not know",
                          choices[i].key);
        else
            *place_of(&found, i) = at;
    }
    if (why.code)
        return mlx_error_set(err, why.code, "settings ignored: %s: %s", path, why.text);
    *look = found;
    return 0;
}

int mlx_top_look_save(const mlx_top_look_t *look, const char *path, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_map();
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    for (size_t i = 0; i < MLX_LOOK_CHOICES; i++)
        mlx_value_set_str(all, choices[i].key, mlx_top_look_name(look, (mlx_look_choice_t)i));
    mlx_json_write(&text, all, false);
    mlx_buf_putc(&text, '\n');
    return mlx_bench_write(path, mlx_buf_str(&text), err);
}
