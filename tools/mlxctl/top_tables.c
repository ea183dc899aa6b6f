/*  The tables of `mlxctl top`: models, requests, processes on the GPUs. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/prompt_words.h"
#include "top_scene.h"

enum {
    COLUMNS_MAX = 8,
    RUNNING_MAX = 64,
    PROCESSES_MAX = 64,
    SPEED_WIDTH = 7,
};

/*  What a column takes, and from which width of the table it is there. The first one takes what the
 *  others leave. */
typedef struct {
    const char *head;
    int width;
    int from;
    bool left; /* aligned to the left */
} column_t;

typedef struct {
    const mlx_scene_t *scene;
    const column_t *columns; /* ends with a NULL head */
    mlx_area_t area;
    int row;
    bool selected; /* the row that is written */
} table_t;

static int last_row(const table_t *table)
{
    return table->area.row + table->area.rows;
}

/*  Where column WHICH begins; -1: there is no room for it. Column 0 begins at the left, and its
 *  width is what is left. */
static int column_at(const table_t *table, int which)
{
    int count = 0, x = table->area.column + table->area.columns, at = -1;
    while (table->columns[count].head)
        count++;
    for (int i = count - 1; i > 0; i--) {
        if (table->area.columns < table->columns[i].from)
            continue;
        x -= table->columns[i].width;
        at = i == which ? x : at;
        x--;
    }
    return which == 0 ? x : at;
}

static int name_width(const table_t *table)
{
    return column_at(table, 0) - table->area.column;
}

static mlx_ink_t ink_of(const table_t *table, mlx_ink_t ink)
{
    return table->selected ? MLX_INK_SELECT : ink;
}

static void put(const table_t *table, int which, mlx_ink_t ink, const char *text)
{
    mlx_canvas_t *canvas = table->scene->canvas;
    int width = table->columns[which].width, x = column_at(table, which);
    if (which == 0)
        mlx_canvas_text(canvas, table->row, table->area.column, name_width(table),
                        ink_of(table, ink), text);
    else if (x >= 0 && table->columns[which].left)
        mlx_canvas_text(canvas, table->row, x, width, ink_of(table, ink), text);
    else if (x >= 0)
        mlx_canvas_printf(canvas, table->row, x, width, ink_of(table, ink), "%*s", width, text);
}

static void put_figure(const table_t *table, int which, mlx_ink_t ink, double value,
                       mlx_unit_t unit)
{
    if (isnan(value))
        return;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    put(table, which, ink, text);
}

static void put_rate(const table_t *table, int which, mlx_ink_t ink, double rate, const char *none)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format("%.1f", rate);
    put(table, which, ink, isnan(rate) ? none : text);
}

static void draw_head(table_t *table)
{
    mlx_ink_t ink = table->scene->framed ? MLX_INK_DIM : MLX_INK_BAR;
    if (!table->scene->framed)
        mlx_canvas_fill(table->scene->canvas, table->row, 0, MLX_INK_BAR);
    for (int i = 0; table->columns[i].head; i++)
        put(table, i, ink, table->columns[i].head);
    table->row++;
}

/* ---- models ---- */

enum {
    MODEL_NAME,
    MODEL_SHARE,
    MODEL_RUNTIME,
    MODEL_SIZE,
    MODEL_CONTEXT,
    MODEL_RATE,
    MODEL_EXPIRES,
};

static const column_t model_columns[] = {
    [MODEL_NAME] = {"MODEL", 0, 0, true},        [MODEL_SHARE] = {"OF MEMORY", 12, 84, true},
    [MODEL_RUNTIME] = {"RUNTIME", 16, 68, true}, [MODEL_SIZE] = {"SIZE", 8, 42, false},
    [MODEL_CONTEXT] = {"CONTEXT", 7, 58, false}, [MODEL_RATE] = {"TOK/S", SPEED_WIDTH, 0, false},
    [MODEL_EXPIRES] = {"EXPIRES", 9, 50, false}, {NULL, 0, 0, false},
};

/*  One line a request, beneath its model. */
static void draw_model_requests(table_t *table, const mlx_top_model_t *model)
{
    for (size_t i = 0; i < mlx_value_size(model->running) && table->row < last_row(table); i++) {
        const mlx_value_t *request = mlx_value_at(model->running, i);
        const char *of = mlx_value_str(request, "model"), *client;
        double rate = NAN, age = 0;
        int64_t tokens = 0;
        if (!of || strcmp(of, model->name) != 0)
            continue;
        client = mlx_value_str(request, "client");
        mlx_value_real(request, "tokens_per_second", &rate);
        mlx_value_real(request, "age", &age);
        mlx_value_int(request, "tokens", &tokens);
        MLX_CLEANUP(mlx_free_p) char *since = mlx_format_unit(age, MLX_UNIT_SECONDS);
        MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
        MLX_CLEANUP(mlx_free_p)
        char *made = prompt ? NULL : mlx_format("%lld tokens", (long long)tokens);
        mlx_canvas_printf(table->scene->canvas, table->row, table->area.column + 2,
                          column_at(table, MODEL_RATE) - table->area.column - 3, MLX_INK_DIM,
                          "%s: %s, %s", client ? client : "request", prompt ? prompt : made, since);
        put_rate(table, MODEL_RATE, MLX_INK_DIM, rate, "working");
        table->row++;
    }
}

/*  Is there more to say of the only request to MODEL than its row says? */
static bool knows_more(const mlx_top_model_t *model)
{
    for (size_t i = 0; i < mlx_value_size(model->running); i++) {
        const mlx_value_t *request = mlx_value_at(model->running, i);
        const char *of = mlx_value_str(request, "model");
        MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
        if (of && strcmp(of, model->name) == 0 && (prompt || mlx_value_str(request, "client")))
            return true;
    }
    return false;
}

static double memory_of(const mlx_headline_t *now)
{
    double most = fmax(now->gpu_memory_total, now->memory_total);
    return isnan(now->gpu_memory_total) || now->gpu_memory_total <= 0 ? most
                                                                      : now->gpu_memory_total;
}

static void draw_share(const table_t *table, const mlx_top_model_t *model)
{
    int x = column_at(table, MODEL_SHARE);
    double share = model->size / memory_of(&table->scene->now);
    if (x >= 0 && !isnan(share))
        mlx_canvas_meter(table->scene->canvas, table->row, x, model_columns[MODEL_SHARE].width,
                         share, model->late);
}

static void draw_expiry(const table_t *table, const mlx_top_model_t *model)
{
    int64_t now_us = table->scene->now_us;
    if (!model->loaded)
        put(table, MODEL_EXPIRES, MLX_INK_DIM, model->state);
    else if (!model->expires_us)
        put(table, MODEL_EXPIRES, MLX_INK_DIM, "stays");
    else if (model->expires_us <= now_us)
        put(table, MODEL_EXPIRES, MLX_INK_DIM, "now");
    else
        put_figure(table, MODEL_EXPIRES, MLX_INK_DIM, (double)(model->expires_us - now_us) / 1e6,
                   MLX_UNIT_SECONDS);
}

static void draw_model(table_t *table, const mlx_top_model_t *model, bool requests)
{
    mlx_ink_t ink = model->late || !model->loaded ? MLX_INK_DIM : MLX_INK_NORMAL;
    if (table->selected)
        for (int x = 0; x < table->area.columns; x++)
            mlx_canvas_put(table->scene->canvas, table->row, table->area.column + x, L' ',
                           MLX_INK_SELECT);
    put(table, MODEL_NAME, ink, model->name);
    put(table, MODEL_RUNTIME, MLX_INK_DIM, model->kind ? model->kind : "?");
    put_figure(table, MODEL_SIZE, ink, model->size, MLX_UNIT_BYTES);
    if (model->context > 0)
        put_figure(table, MODEL_CONTEXT, ink, (double)model->context, MLX_UNIT_NONE);
    if (model->requests)
        put_rate(table, MODEL_RATE, model->late ? MLX_INK_DIM : MLX_INK_TITLE, model->rate,
                 "working");
    draw_share(table, model);
    draw_expiry(table, model);
    table->selected = false;
    table->row++;
    if (requests && (model->requests > 1 || knows_more(model)))
        draw_model_requests(table, model);
}

size_t mlx_scene_models_count(const mlx_scene_t *scene)
{
    mlx_top_model_t models[MLX_TOP_ROWS_MAX];
    const mlx_top_choice_t *choice = &scene->top->choice;
    return mlx_top_models(scene->overview, scene->now_us, choice->filter,
                          (mlx_top_sort_t)choice->look.sort, choice->available, models);
}

/*  From which model on the list is shown, so that the selected one is in it. */
static size_t first_shown(const mlx_scene_t *scene, const mlx_top_model_t *models, size_t count,
                          size_t room)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(models[i].name, scene->top->choice.selected) == 0)
            return room && i >= room ? i - room + 1 : 0;
    return 0;
}

static const char *no_models(const mlx_scene_t *scene)
{
    if (scene->top->choice.filter[0])
        return "no model has that in its name: / changes the filter, Esc clears it";
    if (scene->lost)
        return "not known: there is no data";
    return "no model is loaded (a: what could be); runtimes and why: mlxctl status";
}

int mlx_scene_models(const mlx_scene_t *scene, mlx_area_t area, bool requests)
{
    mlx_top_model_t models[MLX_TOP_ROWS_MAX];
    mlx_top_t *top = scene->top;
    const mlx_top_choice_t *choice = &top->choice;
    table_t table = {
        .scene = scene, .columns = model_columns, .area = mlx_scene_box(scene, area, "models")};
    table.row = table.area.row;
    size_t count = mlx_top_models(scene->overview, scene->now_us, choice->filter,
                                  (mlx_top_sort_t)choice->look.sort, choice->available, models);
    draw_head(&table);
    top->models_first =
        first_shown(scene, models, count, (size_t)(table.area.rows > 1 ? table.area.rows - 1 : 0));
    top->models_row = requests ? -1 : table.row; /* with requests between them rows are no models */
    top->models_shown = 0;
    for (size_t i = top->models_first; i < count && table.row < last_row(&table); i++) {
        table.selected = strcmp(models[i].name, choice->selected) == 0;
        snprintf(top->listed[top->models_shown++], MLX_TOP_NAME_MAX, "%s", models[i].name);
        draw_model(&table, &models[i], requests);
    }
    if (!count && table.row < last_row(&table))
        mlx_canvas_text(scene->canvas, table.row++, table.area.column, table.area.columns,
                        MLX_INK_DIM, no_models(scene));
    return table.row - area.row;
}

/* ---- requests ---- */

enum {
    REQUEST_CLIENT,
    REQUEST_MODEL,
    REQUEST_STATE,
    REQUEST_TOKENS,
    REQUEST_RATE,
    REQUEST_TIME,
};

enum {
    REQUESTS_WIDE = 90 /* columns from which they say more */
};

static const column_t request_columns[2][COLUMNS_MAX] = {
    {
        [REQUEST_CLIENT] = {"CLIENT", 0, 0, true},
        [REQUEST_MODEL] = {"MODEL", 14, 56, true},
        [REQUEST_STATE] = {"STATE", 24, 74, true},
        [REQUEST_TOKENS] = {"TOKENS", 7, 40, false},
        [REQUEST_RATE] = {"TOK/S", SPEED_WIDTH, 0, false},
        [REQUEST_TIME] = {"TIME", 8, 48, false},
    },
    {
        [REQUEST_CLIENT] = {"CLIENT", 0, 0, true},
        [REQUEST_MODEL] = {"MODEL", 20, 0, true},
        [REQUEST_STATE] = {"STATE", 36, 0, true},
        [REQUEST_TOKENS] = {"TOKENS", 7, 0, false},
        [REQUEST_RATE] = {"TOK/S", SPEED_WIDTH, 0, false},
        [REQUEST_TIME] = {"TIME", 8, 0, false},
    },
};

static void put_text(const table_t *table, int which, mlx_ink_t ink, const mlx_value_t *d,
                     const char *key, const char *none)
{
    const char *text = mlx_value_str(d, key);
    put(table, which, ink, text ? text : none);
}

static void draw_running(table_t *table, const mlx_value_t *request)
{
    double rate = NAN, age = NAN, tokens = NAN;
    mlx_value_real(request, "tokens_per_second", &rate);
    mlx_value_real(request, "age", &age);
    mlx_value_real(request, "tokens", &tokens);
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
    put_text(table, REQUEST_CLIENT, MLX_INK_NORMAL, request, "client", "not known");
    put_text(table, REQUEST_MODEL, MLX_INK_NORMAL, request, "model", "");
    put(table, REQUEST_STATE, prompt ? MLX_INK_WARN : MLX_INK_GOOD, prompt ? prompt : "generating");
    put_figure(table, REQUEST_TOKENS, MLX_INK_NORMAL, tokens, MLX_UNIT_NONE);
    put_rate(table, REQUEST_RATE, MLX_INK_TITLE, rate, "working");
    put_figure(table, REQUEST_TIME, MLX_INK_NORMAL, age, MLX_UNIT_SECONDS);
    table->row++;
}

/*  "ok, TTFT 200 ms" */
static char *outcome_of(const mlx_value_t *d)
{
    const char *outcome = mlx_value_str(d, "outcome");
    double ttft;
    if (!mlx_value_real(d, "ttft", &ttft))
        return mlx_strdup(outcome ? outcome : "ended");
    MLX_CLEANUP(mlx_free_p) char *first = mlx_format_unit(ttft, MLX_UNIT_SECONDS);
    return mlx_format("%s, TTFT %s", outcome ? outcome : "ended", first);
}

static void draw_ended(table_t *table, const mlx_value_t *d)
{
    double rate = NAN, tokens = NAN;
    int64_t end = table->scene->now_us;
    const char *outcome = mlx_value_str(d, "outcome");
    bool failed = outcome && strcmp(outcome, "ok") != 0;
    mlx_value_real(d, "tokens_per_second", &rate);
    mlx_value_real(d, "tokens", &tokens);
    mlx_value_int(d, "end", &end);
    double ago = fmax((double)(table->scene->now_us - end) / 1e6, 0);
    MLX_CLEANUP(mlx_free_p) char *state = outcome_of(d);
    MLX_CLEANUP(mlx_free_p)
    char *since = ago < 60 ? mlx_format("-%.0fs", ago) : mlx_format("-%.0fm", ago / 60);
    put_text(table, REQUEST_CLIENT, MLX_INK_DIM, d, "client", "not known");
    put_text(table, REQUEST_MODEL, MLX_INK_DIM, d, "model", "");
    put(table, REQUEST_STATE, failed ? MLX_INK_BAD : MLX_INK_DIM, state);
    put_figure(table, REQUEST_TOKENS, MLX_INK_DIM, tokens, MLX_UNIT_NONE);
    put_rate(table, REQUEST_RATE, MLX_INK_DIM, rate, "");
    put(table, REQUEST_TIME, MLX_INK_DIM, since);
    table->row++;
}

size_t mlx_scene_requests_count(const mlx_scene_t *scene)
{
    const mlx_value_t *running[RUNNING_MAX];
    size_t ended =
        scene->top->ended_count < MLX_TOP_ENDED ? scene->top->ended_count : MLX_TOP_ENDED;
    return ended + mlx_top_running(scene->overview, scene->now_us, scene->top->choice.filter,
                                   running, RUNNING_MAX);
}

void mlx_scene_requests(const mlx_scene_t *scene, mlx_area_t area)
{
    const mlx_value_t *running[RUNNING_MAX];
    mlx_top_t *top = scene->top;
    const char *filter = top->choice.filter;
    table_t table = {.scene = scene, .area = mlx_scene_box(scene, area, "requests")};
    table.columns = request_columns[table.area.columns >= REQUESTS_WIDE];
    table.row = table.area.row;
    draw_head(&table);
    size_t count = mlx_top_running(scene->overview, scene->now_us, filter, running, RUNNING_MAX);
    for (size_t i = 0; i < count && table.row < last_row(&table); i++)
        draw_running(&table, running[i]);
    for (size_t ago = 1; ago <= top->ended_count && ago <= MLX_TOP_ENDED; ago++) {
        const mlx_value_t *d = top->ended[(top->ended_count - ago) % MLX_TOP_ENDED];
        bool wanted = mlx_top_holds(mlx_value_str(d, "client"), filter) ||
                      mlx_top_holds(mlx_value_str(d, "model"), filter);
        if (wanted && table.row < last_row(&table))
            draw_ended(&table, d);
    }
    if (table.row == table.area.row + 1 && table.row < last_row(&table))
        mlx_canvas_text(scene->canvas, table.row, table.area.column, table.area.columns,
                        MLX_INK_DIM, "no request was seen yet");
}

/* ---- processes ---- */

enum {
    PROCESS_NAME,
    PROCESS_PID,
    PROCESS_MEMORY,
    PROCESS_SHARE,
};

static const column_t process_columns[] = {
    [PROCESS_NAME] = {"ON THE GPU", 0, 0, true},
    [PROCESS_PID] = {"PID", 8, 30, false},
    [PROCESS_MEMORY] = {"MEMORY", 9, 24, false},
    [PROCESS_SHARE] = {"GPU", 5, 0, false},
    {NULL, 0, 0, false},
};

size_t mlx_scene_processes_count(const mlx_scene_t *scene)
{
    mlx_top_process_t list[PROCESSES_MAX];
    return mlx_top_processes(scene->overview, scene->now_us, list, PROCESSES_MAX);
}

void mlx_scene_processes(const mlx_scene_t *scene, mlx_area_t area)
{
    mlx_top_process_t list[PROCESSES_MAX];
    table_t table = {.scene = scene,
                     .columns = process_columns,
                     .area = mlx_scene_box(scene, area, "GPU processes")};
    table.row = table.area.row;
    draw_head(&table);
    size_t count = mlx_top_processes(scene->overview, scene->now_us, list, PROCESSES_MAX);
    for (size_t i = 0; i < count && table.row < last_row(&table); i++, table.row++) {
        put(&table, PROCESS_NAME, MLX_INK_NORMAL, list[i].program ? list[i].program : "?");
        MLX_CLEANUP(mlx_free_p) char *pid = mlx_format("%lld", (long long)list[i].pid);
        put(&table, PROCESS_PID, MLX_INK_DIM, pid);
        put_figure(&table, PROCESS_MEMORY, MLX_INK_NORMAL, list[i].memory, MLX_UNIT_BYTES);
        put_figure(&table, PROCESS_SHARE, mlx_canvas_load(list[i].share), list[i].share,
                   MLX_UNIT_RATIO);
    }
}
