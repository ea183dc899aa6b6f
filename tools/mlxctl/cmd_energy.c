/*  mlxctl energy: what models and clients cost in joules, money and carbon */
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/moment.h"
#include "common/base/units.h"
#include "common/cli/table.h"
#include "csv.h"
#include "ctl.h"
#include "machines.h"

enum {
    CALL_MS = 10000
};

static const double wh = 3600; /* joules */

/*  Absent: "n/a", never 0. */
static char *joules_text(const mlx_value_t *map, const char *key)
{
    double value;
    if (!mlx_value_real(map, key, &value))
        return mlx_strdup("n/a");
    if (value < wh)
        return mlx_format(value < 10 ? "%.2f J" : "%.0f J", value);
    return value < 1000 * wh ? mlx_format("%.1f Wh", value / wh)
                             : mlx_format("%.2f kWh", value / wh / 1000);
}

static char *real_text(const mlx_value_t *map, const char *key, const char *unit)
{
    double value;
    return mlx_value_real(map, key, &value)
               ? mlx_format("%.*f%s%s", value < 10 ? 3 : 1, value, *unit ? " " : "", unit)
               : mlx_strdup("n/a");
}

static char *count_text(const mlx_value_t *map, const char *key)
{
    int64_t value = 0;
    mlx_value_int(map, key, &value);
    return mlx_format("%" PRId64, value);
}

typedef struct {
    const mlx_value_t *reply;
    const char *by;
    const char *currency;
    bool cost, co2;
} view_t;

static void put_row(const view_t *self, mlx_table_t *table, const mlx_value_t *row,
                    const char *name)
{
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(name, 60);
    MLX_CLEANUP(mlx_free_p) char *requests = count_text(row, "requests");
    MLX_CLEANUP(mlx_free_p) char *tokens = count_text(row, "tokens");
    MLX_CLEANUP(mlx_free_p) char *joules = joules_text(row, "joules");
    MLX_CLEANUP(mlx_free_p) char *request = joules_text(row, "joules_per_request");
    MLX_CLEANUP(mlx_free_p) char *token = joules_text(row, "joules_per_token");
    MLX_CLEANUP(mlx_free_p) char *cost = real_text(row, "cost", "");
    MLX_CLEANUP(mlx_free_p) char *co2 = real_text(row, "co2", "g");
    const char *cells[8] = {clean, requests, tokens, joules, request, token};
    size_t n = 6;
    if (self->cost)
        cells[n++] = cost;
    if (self->co2)
        cells[n++] = co2;
    mlx_table_row(table, cells);
}

static void put_table(const view_t *self, mlx_buf_t *out, const mlx_term_t *term)
{
    static const char *const headings[] = {"Requests", "Tokens", "Above idle", "A request",
                                           "A token"};
    mlx_table_t *table = mlx_table_new(NULL);
    MLX_CLEANUP(mlx_free_p) char *first = mlx_strdup(self->by);
    MLX_CLEANUP(mlx_free_p)
    char *cost = mlx_format("Cost%s%s", *self->currency ? ", " : "", self->currency);
    const mlx_value_t *rows = mlx_value_get(self->reply, "rows");
    first[0] = (char)(first[0] - 'a' + 'A');
    mlx_table_column(table, first, MLX_ALIGN_LEFT);
    for (size_t i = 0; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], MLX_ALIGN_RIGHT);
    if (self->cost)
        mlx_table_column(table, cost, MLX_ALIGN_RIGHT);
    if (self->co2)
        mlx_table_column(table, "CO2", MLX_ALIGN_RIGHT);
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const char *name = mlx_value_str(mlx_value_at(rows, i), self->by);
        put_row(self, table, mlx_value_at(rows, i), name ? name : "not known");
    }
    put_row(self, table, mlx_value_get(self->reply, "total"), "all");
    mlx_table_write(table, term, out);
    mlx_table_destroy(&table);
}

/*  Where all of the measured energy went, and how it is known. */
static void put_sums(const view_t *self, mlx_buf_t *out)
{
    const mlx_value_t *total = mlx_value_get(self->reply, "total");
    const char *method = mlx_value_str(self->reply, "method");
    const char *reason = mlx_value_str(self->reply, "reason");
    double idle, unknown = 0, unsplit = 0;
    if (mlx_value_get(total, "measured")) {
        MLX_CLEANUP(mlx_free_p) char *measured = joules_text(total, "measured");
        MLX_CLEANUP(mlx_free_p) char *joules = joules_text(total, "joules");
        MLX_CLEANUP(mlx_free_p) char *base = joules_text(total, "base");
        MLX_CLEANUP(mlx_free_p) char *other = joules_text(total, "other");
        mlx_buf_printf(out, "Measured %s: requests %s, idle %s, other work %s", measured, joules,
                       base, other);
        if (mlx_value_real(total, "unsplit", &unsplit) && unsplit > 0) {
            MLX_CLEANUP(mlx_free_p) char *early = joules_text(total, "unsplit");
            mlx_buf_printf(out, ", before idle was known %s", early);
        }
        mlx_buf_puts(out, ".\n");
    }
    if (mlx_value_real(total, "unknown", &unknown) && unknown >= 1) {
        MLX_CLEANUP(mlx_free_p) char *time = mlx_format_unit(unknown, MLX_UNIT_SECONDS);
        mlx_buf_printf(out, "No power reading for %s (off, asleep or no sensor): not counted.\n",
                       time);
    }
    if (reason)
        mlx_buf_printf(out, "No energy was recorded: %s.\n", reason);
    if (mlx_value_real(self->reply, "idle_power", &idle))
        mlx_buf_printf(out, "Idle power %.1f W. ", idle);
    mlx_buf_printf(out, "Method: %s.\n", method ? method : "");
    if (!self->cost)
        mlx_buf_puts(out, "To see costs, set energy.price, the price of a kWh: mlxctl config.\n");
}

static const char *const csv_numbers[] = {"requests",
                                          "metered",
                                          "tokens",
                                          "joules",
                                          "joules_per_request",
                                          "joules_per_token",
                                          "cost",
                                          "co2",
                                          "measured",
                                          "base",
                                          "other",
                                          "unsplit",
                                          "known",
                                          "unknown"};

static void put_csv_row(mlx_buf_t *out, const mlx_value_t *row, const char *name)
{
    mlx_csv_foreign_quoted(out, name);
    for (size_t i = 0; i < MLX_COUNT(csv_numbers); i++) {
        double value;
        mlx_buf_putc(out, ',');
        if (mlx_value_real(row, csv_numbers[i], &value))
            mlx_buf_printf(out, "%.10g", value);
    }
    mlx_buf_putc(out, '\n');
}

static void put_csv(const view_t *self, mlx_buf_t *out)
{
    const mlx_value_t *rows = mlx_value_get(self->reply, "rows");
    mlx_buf_puts(out, self->by);
    for (size_t i = 0; i < MLX_COUNT(csv_numbers); i++)
        mlx_buf_printf(out, ",%s", csv_numbers[i]);
    mlx_buf_putc(out, '\n');
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const char *name = mlx_value_str(mlx_value_at(rows, i), self->by);
        put_csv_row(out, mlx_value_at(rows, i), name ? name : "");
    }
}

static mlx_value_t *ask_args(const mlx_args_t *args, mlx_error_t *err)
{
    static const char *const times[] = {"since", "until"};
    mlx_value_t *ask = mlx_value_map();
    mlx_value_set_str(ask, "by", mlx_args_value(args, "by"));
    for (size_t i = 0; i < MLX_COUNT(times); i++) {
        const char *text = mlx_args_value(args, times[i]);
        int64_t t;
        if (text && mlx_moment_parse(text, mlx_wall_us(), &t, err))
            mlx_value_destroy(&ask);
        else if (text)
            mlx_value_set_int(ask, times[i], t);
        if (!ask)
            return NULL;
    }
    return ask;
}

static int show(const mlx_args_t *args, const mlx_value_t *reply)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    const mlx_value_t *total = mlx_value_get(reply, "total");
    const char *by = mlx_value_str(reply, "by"), *currency = mlx_value_str(reply, "currency");
    view_t view = {.reply = reply,
                   .by = by ? by : "model",
                   .currency = currency ? currency : "",
                   .cost = mlx_value_get(total, "cost") != NULL,
                   .co2 = mlx_value_get(total, "co2") != NULL};
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    if (mlx_args_count(args, "csv")) {
        put_csv(&view, &out);
    } else {
        put_table(&view, &out, &term);
        put_sums(&view, &out);
    }
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

int mlx_cmd_energy(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = ask_args(args, &err);
    (void)arg;
    mlx_machines_t machines;
    if (!ask || mlx_ctl_connect(&ctl, args, &err) ||
        mlx_machines_choose(&ctl, args, &machines, &err) ||
        mlx_machines_check(&ctl, &machines, &err) ||
        mlx_machines_only_own(&machines, "energy is settled", "energy", &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(&ctl, "recorder", "energy.list", ask, CALL_MS, &err);
    return reply ? show(args, reply) : mlx_ctl_fail(&err);
}
