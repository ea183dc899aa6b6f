#include "common/view/figures.h"

#include <math.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/units.h"
#include "common/view/prompt_words.h"
#include "proto/buf.h"
#include "proto/utf8.h"

#define NOT_SAMPLED "the sampler does not report it"

/*  Where a figure is shown. */
enum {
    ALWAYS = 1, /* also where there is no value: with the reason */
    LISTED = 2, /* status has a line of it */
    NOTED = 4,  /* and the note in it */
};

/*  What the figures are read from. */
typedef struct {
    const mlx_overview_t *overview;
    const mlx_headline_t *now;
    int64_t now_us;
    const mlx_value_t *d; /* the newest data of the row's topic, or NULL */
    size_t devices;       /* that have such a topic */
} look_t;

/*  A list that grows: parts with ", " between them. */
static void part(mlx_buf_t *note, const char *before, const char *text)
{
    mlx_buf_printf(note, "%s%s%s", note->len ? ", " : "", before, text);
}

static void unit_part(mlx_buf_t *note, const char *before, double value, mlx_unit_t unit)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    part(note, before, text);
}

static void note_speed(const look_t *look, mlx_buf_t *note)
{
    const mlx_headline_t *now = look->now;
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words_of(now->prompt, NULL);
    if (isnan(now->tokens_per_second) && prompt) {
        part(note, "", prompt);
    } else if (now->busy) {
        if (now->models_busy > 1)
            mlx_buf_printf(note, "%zu models", now->models_busy);
        if (now->requests > 1)
            mlx_buf_printf(note, "%s%zu requests", note->len ? ", " : "", now->requests);
        if (now->source)
            part(note, "from ", now->source);
    } else if (!isnan(now->last_tokens_per_second)) {
        unit_part(note, "last request ", now->last_tokens_per_second, MLX_UNIT_TOKENS_PER_SECOND);
    } else {
        part(note, "", "no request seen");
    }
}

static void note_memory(const look_t *look, mlx_buf_t *note)
{
    double swap = NAN, pressure = NAN;
    if (mlx_value_real(look->d, "swap_used", &swap) && swap > 0)
        unit_part(note, "swap ", swap, MLX_UNIT_BYTES);
    if (mlx_value_real(look->d, "pressure", &pressure) && pressure >= 0.01)
        mlx_buf_printf(note, "%spressure %.0f%%", note->len ? ", " : "", pressure * 100);
}

static void note_gpu(const look_t *look, mlx_buf_t *note)
{
    const char *name = mlx_value_str(look->d, "name");
    if (look->devices > 1)
        mlx_buf_printf(note, "%zu GPUs", look->devices);
    else if (name)
        part(note, "", name);
}

typedef struct {
    const char *host;
    const char *name; /* of the device looked for; NULL: any */
    const mlx_value_t *first;
    size_t count;
} devices_t;

static void look_for_device(void *arg, const mlx_message_t *message, int64_t age_us)
{
    devices_t *devices = arg;
    const char *name = mlx_value_str(message->d, "name");
    if (mlx_overview_stale(message->topic, age_us) || strcmp(message->host, devices->host) != 0 ||
        (devices->name && !(name && strcmp(name, devices->name) == 0)))
        return;
    if (devices->count++ == 0)
        devices->first = message->d;
}

/*  The devices of the overview's host whose topics begin with PREFIX. */
static devices_t devices_of(const look_t *look, const char *prefix, const char *name)
{
    const char *host = mlx_overview_host(look->overview);
    devices_t devices = {.host = host ? host : "", .name = name};
    mlx_overview_each(look->overview, prefix, look->now_us, look_for_device, &devices);
    return devices;
}

static void note_cpu(const look_t *look, mlx_buf_t *note)
{
    const char *name = mlx_value_str(look->d, "name");
    int64_t cores = 0;
    /* Where processor and graphics are one chip, the GPU has its name. */
    if (name && devices_of(look, "sensor.gpu.", name).count == 0)
        part(note, "", name);
    if (mlx_value_int(look->d, "cores", &cores))
        mlx_buf_printf(note, "%s%lld core%s", note->len ? ", " : "", (long long)cores,
                       cores == 1 ? "" : "s");
}

#define AT(field) offsetof(mlx_headline_t, field)

/*  A row's value is what the headline has at OF, else FIELD of TOPIC; it is missing for FIELD's
 *  reason. A TOPIC that ends with a dot is that of several devices. */
static const struct {
    const char *id, *name;
    const char *menu_id, *menu;
    const char *gauge, *plot;
    double plot_top;
    const char *topic, *field;
    size_t of, total; /* where the headline has them; 0: nowhere */
    void (*note_of)(const look_t *look, mlx_buf_t *note);
    const char *note; /* a field of TOPIC that says more, or NULL */
    const char *within;
    mlx_unit_t unit;
    unsigned shown;
} rows[] = {
    {.id = "speed",
     .name = "Generation",
     .menu_id = "performance",
     .menu = "Performance",
     .plot = "tok/s",
     .unit = MLX_UNIT_TOKENS_PER_SECOND,
     .topic = "runtime.",
     .of = AT(tokens_per_second),
     .note_of = note_speed,
     .shown = ALWAYS},
    {.id = "memory",
     .name = "Memory",
     .menu_id = "memory",
     .menu = "Memory",
     .gauge = "MEM",
     .plot = "memory",
     .plot_top = 1,
     .unit = MLX_UNIT_BYTES,
     .topic = "sensor.memory",
     .field = "used",
     .of = AT(memory_used),
     .total = AT(memory_total),
     .note_of = note_memory,
     .shown = ALWAYS | LISTED | NOTED},
    {.id = "gpu",
     .name = "GPU",
     .menu_id = "gpu",
     .menu = "GPU Usage",
     .gauge = "GPU",
     .plot = "GPU",
     .plot_top = 1,
     .unit = MLX_UNIT_RATIO,
     .topic = "sensor.gpu.",
     .field = "utilization",
     .of = AT(gpu_utilization),
     .note_of = note_gpu,
     .shown = ALWAYS | LISTED},
    {.id = "cpu",
     .name = "CPU",
     .gauge = "CPU",
     .plot = "CPU",
     .plot_top = 1,
     .unit = MLX_UNIT_RATIO,
     .topic = "sensor.cpu",
     .field = "utilization",
     .of = AT(cpu_utilization),
     .note_of = note_cpu,
     .shown = ALWAYS | LISTED | NOTED},
    {.id = "vram",
     .name = "GPU memory",
     .menu_id = "vram",
     .menu = "GPU Memory",
     .gauge = "VRAM",
     .unit = MLX_UNIT_BYTES,
     .topic = "sensor.gpu.",
     .field = "memory_used",
     .of = AT(gpu_memory_used),
     .total = AT(gpu_memory_total),
     .within = "gpu"},
    {.id = "npu",
     .name = "NPU",
     .menu_id = "npu",
     .menu = "NPU Usage",
     .unit = MLX_UNIT_RATIO,
     .topic = "sensor.npu.",
     .field = "utilization",
     .note = "name",
     .shown = LISTED | NOTED},
    {.id = "temperature",
     .name = "Temperature",
     .menu_id = "temperature",
     .menu = "Temperature",
     .plot = "temperature",
     .plot_top = 110,
     .unit = MLX_UNIT_CELSIUS,
     .topic = "sensor.temperature",
     .field = "cpu",
     .of = AT(temperature),
     .note = "thermal_state",
     .shown = ALWAYS | LISTED},
    {.id = "power",
     .name = "Power",
     .plot = "power",
     .unit = MLX_UNIT_WATTS,
     .topic = "sensor.power",
     .field = "package",
     .of = AT(power),
     .note = "source",
     .shown = ALWAYS | LISTED},
    {.id = "battery",
     .name = "Battery rate",
     .menu_id = "battery",
     .menu = "Battery rate",
     .unit = MLX_UNIT_WATTS,
     .topic = "sensor.power",
     .field = "battery_power",
     .note = "battery_state",
     .shown = LISTED},
};

_Static_assert(MLX_COUNT(rows) <= MLX_FIGURES_MAX, "room for every figure");

/*  Why the data D of a sensor's topic (NULL: there is none) lack FIELD, as their publisher says;
 *  NULL when it does not. */
static const char *why_missing(const mlx_value_t *d, const char *field)
{
    if (!d)
        return NOT_SAMPLED;
    const mlx_value_t *missing = mlx_value_get(d, "missing");
    for (size_t i = 0; i < mlx_value_size(missing); i++) {
        const char *name = mlx_value_str(mlx_value_at(missing, i), "field");
        if (name && strcmp(name, field) == 0)
            return mlx_value_str(mlx_value_at(missing, i), "why");
    }
    return NULL;
}

/*  A machine whose sampler lives and tells of no device has none. */
static const char *why_none(const look_t *look, size_t row)
{
    bool sampled = !isnan(look->now->memory_used) || !isnan(look->now->cpu_utilization);
    if (!rows[row].field)
        return NULL;
    if (!look->d && mlx_ends_with(rows[row].topic, ".") && sampled)
        return "no GPU known to any sensor back end";
    return why_missing(look->d, rows[row].field);
}

/*  One line of bounded length. */
static void set_text(char *out, const char *text)
{
    MLX_CLEANUP(mlx_free_p) char *line = mlx_utf8_line(text, MLX_FIGURE_TEXT / 4 - 1);
    size_t len = strlen(line);
    memcpy(out, line, len < MLX_FIGURE_TEXT ? len + 1 : 0);
}

/*  What a server does where there is no speed to tell. */
static void set_words(const look_t *look, mlx_figure_t *figure)
{
    const mlx_headline_t *now = look->now;
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words_of(now->prompt, NULL);
    figure->brief = now->busy ? "working" : "idle";
    if (prompt)
        set_text(figure->words, prompt);
}

static void look_at(look_t *look, size_t row)
{
    const char *topic = rows[row].topic;
    if (mlx_ends_with(topic, ".")) {
        devices_t devices = devices_of(look, topic, NULL);
        look->d = devices.first;
        look->devices = devices.count;
    } else {
        look->d = mlx_overview_get(look->overview, topic, look->now_us, NULL);
    }
}

static void set_note(const look_t *look, size_t row, mlx_figure_t *figure)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t note = {0};
    const char *field = rows[row].note ? mlx_value_str(look->d, rows[row].note) : NULL;
    if (rows[row].note_of)
        rows[row].note_of(look, &note);
    else if (field && !isnan(figure->value))
        mlx_buf_puts(&note, field);
    set_text(figure->note, mlx_buf_str(&note));
}

/*  The headline's number at OFFSET; NaN where that is 0. */
static double number_at(const mlx_headline_t *now, size_t offset)
{
    double number = (double)NAN;
    if (offset)
        memcpy(&number, (const char *)now + offset, sizeof number);
    return number;
}

static mlx_figure_t figure_of(size_t row, look_t *look)
{
    bool is_runtime = strncmp(rows[row].topic, "runtime.", 8) == 0;
    mlx_figure_t figure = {
        .id = rows[row].id,
        .name = rows[row].name,
        .menu_id = rows[row].menu_id,
        .menu = rows[row].menu,
        .gauge = rows[row].gauge,
        .plot = rows[row].plot,
        .plot_top = rows[row].plot_top,
        .unit = rows[row].unit,
        .value = NAN,
        .total = number_at(look->now, rows[row].total),
        .kind = is_runtime ? "runtime" : "sensor",
        .within = rows[row].within,
        .late = is_runtime ? look->now->runtimes_late : look->now->sensors_late,
        .listed = (rows[row].shown & LISTED) != 0,
        .noted = (rows[row].shown & NOTED) != 0,
    };
    look_at(look, row);
    if (rows[row].of)
        figure.value = number_at(look->now, rows[row].of);
    else
        mlx_value_real(look->d, rows[row].field, &figure.value);
    if (isnan(figure.value))
        figure.why = why_none(look, row);
    if (isnan(figure.value) && is_runtime)
        set_words(look, &figure);
    set_note(look, row, &figure);
    return figure;
}

size_t mlx_figures(const mlx_overview_t *overview, int64_t now_us, mlx_figure_t *out)
{
    mlx_headline_t now = mlx_overview_headline(overview, now_us);
    look_t look = {.overview = overview, .now = &now, .now_us = now_us};
    size_t count = 0;
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        out[count] = figure_of(i, &look);
        count += !isnan(out[count].value) || (rows[i].shown & ALWAYS) != 0;
    }
    return count;
}

const mlx_figure_t *mlx_figure_find(const mlx_figure_t *list, size_t count, const char *id)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(list[i].id, id) == 0)
            return &list[i];
    return NULL;
}

double mlx_figure_share(const mlx_figure_t *figure)
{
    return isnan(figure->total) ? figure->value : figure->value / figure->total;
}

char *mlx_figure_text(const mlx_figure_t *figure, bool percent)
{
    if (isnan(figure->value))
        return *figure->words  ? mlx_strdup(figure->words)
               : figure->brief ? mlx_strdup(figure->brief)
                               : NULL;
    char *value = mlx_format_unit(figure->value, figure->unit);
    if (isnan(figure->total))
        return value;
    MLX_CLEANUP(mlx_free_p) char *part_of = value;
    MLX_CLEANUP(mlx_free_p) char *total = mlx_format_unit(figure->total, figure->unit);
    if (!percent || figure->total <= 0)
        return mlx_format("%s / %s", part_of, total);
    return mlx_format("%s / %s (%.0f%%)", part_of, total, mlx_figure_share(figure) * 100);
}

mlx_value_t *mlx_figures_value(const mlx_overview_t *overview, int64_t now_us)
{
    mlx_figure_t figures[MLX_FIGURES_MAX];
    size_t count = mlx_figures(overview, now_us, figures);
    mlx_value_t *list = mlx_value_list();
    for (size_t i = 0; i < count; i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_map());
        mlx_value_set_str(item, "id", figures[i].id);
        mlx_value_set_str(item, "name", figures[i].name);
        mlx_value_set_str(item, "unit", mlx_unit_name(figures[i].unit));
        mlx_value_set_str(item, "kind", figures[i].kind);
        mlx_value_set_real(item, "value", figures[i].value);
        mlx_value_set_real(item, "total", figures[i].total);
        mlx_value_set_str(item, "brief", figures[i].brief);
        mlx_value_set_str(item, "note", *figures[i].note ? figures[i].note : NULL);
        mlx_value_set_str(item, "why", figures[i].why);
        mlx_value_set_str(item, "within", figures[i].within);
    }
    return list;
}
