/*  mlxctl history: one series, how requests are spread, or list, export, info, vacuum */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/moment.h"
#include "common/base/units.h"
#include "common/cli/table.h"
#include "ctl.h"
#include "history_view.h"
#include "machines.h"
#include "spread_view.h"

enum {
    CALL_MS = 10000,
    VACUUM_MS = 600000,
    FOLLOW_MS = 1000 /* between two looks at what is new */
};

#define HOUR_US (INT64_C(3600) * 1000000)
#define LATE_US INT64_C(500000) /* that a sample may take to be recorded */

static const char service[] = "recorder";

typedef struct {
    int64_t since, until; /* microseconds */
    double step;          /* seconds; 0: chosen */
} range_t;

/*  When the first sample was recorded. */
static int first_sample(mlx_ctl_t *ctl, int64_t *since, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *info = mlx_ctl_call(ctl, service, "history.info", NULL, CALL_MS, err);
    if (!info)
        return -1;
    if (mlx_value_int(info, "oldest", since))
        return 0;
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "nothing has been recorded yet");
    return mlx_error_hint(err, "try again in a few seconds, or see `mlxctl services`");
}

static int read_range(mlx_ctl_t *ctl, const mlx_args_t *args, int64_t length_us, range_t *range,
                      mlx_error_t *err)
{
    const char *since = mlx_args_value(args, "since"), *until = mlx_args_value(args, "until");
    const char *step = mlx_args_value(args, "step");
    int64_t now = mlx_wall_us();
    range->until = now;
    if (until && mlx_args_count(args, "follow"))
        return mlx_error_set(err, MLX_ERR_USAGE, "--follow has no end: leave --until out");
    if (until && mlx_moment_parse(until, now, &range->until, err))
        return -1;
    range->since = range->until > length_us ? range->until - length_us : 0;
    if (since && strcmp(since, "all") == 0 && first_sample(ctl, &range->since, err))
        return -1;
    if (since && strcmp(since, "all") != 0 && mlx_moment_parse(since, now, &range->since, err))
        return -1;
    if (range->since >= range->until)
        return mlx_error_set(err, MLX_ERR_USAGE, "--since must be before --until");
    return step ? mlx_parse_duration(step, &range->step, err) : 0;
}

static mlx_value_t *range_args(const char *series, const range_t *range)
{
    mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "series", series);
    mlx_value_set_int(args, "since", range->since);
    mlx_value_set_int(args, "until", range->until);
    return args;
}

static int print(const mlx_buf_t *text)
{
    return mlx_ctl_print_text(mlx_buf_str(text));
}

/*  How one series is shown. */
typedef struct {
    const char *series;
    mlx_term_t term;
    bool plot, json;
    range_t range;
} view_t;

static int look_at(view_t *view, mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    view->term = mlx_term_look(STDOUT_FILENO, NULL);
    view->json = mlx_args_count(args, "json") != 0;
    view->plot = mlx_args_count(args, "plot") ||
                 (view->term.tty && !view->json && !mlx_args_count(args, "csv"));
    return read_range(ctl, args, HOUR_US, &view->range, err);
}

static mlx_value_t *ask_points(mlx_ctl_t *ctl, const view_t *view, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = range_args(view->series, &view->range);
    if (view->range.step > 0)
        mlx_value_set_real(ask, "step", view->range.step);
    else if (view->plot)
        mlx_value_set_int(ask, "points",
                          mlx_history_plot_points(view->term.columns, view->term.utf8));
    return mlx_ctl_call(ctl, service, "history.query", ask, CALL_MS, err);
}

static void write_plot(const view_t *view, const mlx_value_t *reply, mlx_buf_t *out)
{
    mlx_history_plot(out, reply, view->range.since, view->range.until, view->term.columns,
                     view->term.utf8);
}

static void on_pause(void *arg)
{
    mlx_loop_stop(arg);
}

static void pause_a_while(mlx_ctl_t *ctl)
{
    mlx_loop_after(ctl->loop, FOLLOW_MS, on_pause, ctl->loop);
    mlx_loop_run(ctl->loop);
}

/*  The plot again and again, each in the place of the one before. */
static int follow_plot(mlx_ctl_t *ctl, const mlx_args_t *args, view_t *view, mlx_error_t *err)
{
    for (int lines = 0;; pause_a_while(ctl)) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        if (look_at(view, ctl, args, err))
            return -1;
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask_points(ctl, view, err);
        if (!reply)
            return -1;
        if (lines && view->term.tty)
            printf("\x1b[%dA\x1b[J", lines);
        write_plot(view, reply, &text);
        lines = 0;
        for (size_t i = 0; i < text.len; i++)
            lines += text.data[i] == '\n';
        if (print(&text))
            return MLX_ERR_FAILED;
    }
}

/*  Points as they become whole: all but the newest, which still grows. */
static int follow_points(mlx_ctl_t *ctl, view_t *view, mlx_error_t *err)
{
    if (view->range.step == 0)
        view->range.step = 1;
    for (bool first = true;; first = false) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask_points(ctl, view, err);
        if (!reply)
            return -1;
        if (first && !view->json)
            mlx_history_csv_heading(&text);
        int64_t whole = view->range.until - (int64_t)(view->range.step * 1e6) - LATE_US;
        view->range.since = mlx_history_points(&text, reply, view->range.since, whole, view->json);
        if (text.len && print(&text))
            return MLX_ERR_FAILED;
        pause_a_while(ctl);
        view->range.until = mlx_wall_us();
    }
}

static int show_one(mlx_ctl_t *ctl, const mlx_args_t *args, const char *series, mlx_error_t *err)
{
    view_t view = {.series = series};
    if (look_at(&view, ctl, args, err))
        return -1;
    if (mlx_args_count(args, "follow"))
        return view.plot ? follow_plot(ctl, args, &view, err) : follow_points(ctl, &view, err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = ask_points(ctl, &view, err);
    if (!reply)
        return -1;
    if (view.json)
        return mlx_ctl_print_json(reply);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    if (view.plot)
        write_plot(&view, reply, &text);
    else
        mlx_history_csv(&text, reply);
    return print(&text);
}

/*  How requests are spread by MEASURE. */
static int show_spread(mlx_ctl_t *ctl, const mlx_args_t *args, const char *measure,
                       mlx_error_t *err)
{
    range_t range = {0};
    if (mlx_args_count(args, "follow") || mlx_args_value(args, "step"))
        return mlx_error_set(err, MLX_ERR_USAGE, "--follow and --step are not for %s", measure);
    if (read_range(ctl, args, 24 * HOUR_US, &range, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = range_args(NULL, &range);
    mlx_value_set_str(ask, "measure", measure);
    mlx_value_set_str(ask, "model", mlx_args_value(args, "model"));
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, service, "requests.spread", ask, CALL_MS, err);
    if (!reply)
        return -1;
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    bool percentiles = mlx_args_count(args, "percentiles") != 0;
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    if (mlx_args_count(args, "csv"))
        mlx_spread_csv(&text, reply, percentiles);
    else if (percentiles)
        mlx_spread_table(&text, reply, &term);
    else
        mlx_spread_histogram(&text, reply, &term);
    return print(&text);
}

static bool is_measure(const char *word)
{
    static const char *const words[] = {"ttft", "latency", "tokens"};
    for (size_t i = 0; i < MLX_COUNT(words); i++)
        if (strcmp(word, words[i]) == 0)
            return true;
    return false;
}

/*  {series: names}, put together from as many pages as there are. */
static mlx_value_t *list_series(mlx_ctl_t *ctl, const char *prefix, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    mlx_value_t *all = mlx_value_map(), *names = mlx_value_set(all, "series", mlx_value_list());
    mlx_value_set_str(ask, "prefix", prefix);
    for (bool more = true; more;) {
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *page = mlx_ctl_call(ctl, service, "history.series", ask, CALL_MS, err);
        const mlx_value_t *list = mlx_value_get(page, "series");
        if (!page) {
            mlx_value_destroy(&all);
            return NULL;
        }
        for (size_t i = 0; i < mlx_value_size(list); i++)
            mlx_value_append(names, mlx_value_copy(mlx_value_at(list, i)));
        mlx_value_set_str(ask, "after", mlx_value_str(page, "next"));
        more = mlx_value_size(list) > 0 && mlx_value_str(page, "next");
    }
    return all;
}

/*  What people call the main series, and how those end that are meant: the first that is
 *  recorded. */
static const struct {
    const char *name;
    const char *begin;
    const char *ends[4];
    const char *alias; /* NULL: none */
    bool aside;        /* not among the main plots */
} short_names[] = {
    {"speed", "runtime.", {".activity/tokens_per_second"}, "tok/s", false},
    {"gpu", "sensor.gpu.", {"/utilization"}, NULL, false},
    {"memory", "sensor.memory", {"/used"}, NULL, false},
    {"cpu", "sensor.cpu", {"/utilization"}, NULL, false},
    {"temperature",
     "sensor.",
     {"gpu.0/temperature", "temperature/cpu", "temperature/max"},
     "temp",
     false},
    {"power", "sensor.", {"power/total", "power/package", "gpu.0/power"}, "watts", false},
    {"energy", "sensor.", {"power/energy", "gpu.0/energy"}, NULL, true},
    {"requests", "runtime.", {".activity/requests"}, NULL, true},
};

static bool is_short(size_t which, const char *word)
{
    const char *alias = short_names[which].alias;
    return strcmp(word, short_names[which].name) == 0 || (alias && strcmp(word, alias) == 0);
}

/*  The series of this machine that short name WHICH stands for, or NULL: none is recorded. Borrowed
 *  from NAMES. */
static const char *series_of(size_t which, const char *host, const mlx_value_t *names)
{
    MLX_CLEANUP(mlx_free_p)
    char *begin = mlx_format("%s/%s", host, short_names[which].begin);
    for (size_t k = 0; k < MLX_COUNT(short_names[which].ends) && short_names[which].ends[k]; k++)
        for (size_t i = 0; i < mlx_value_size(names); i++) {
            const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
            if (name && strncmp(name, begin, strlen(begin)) == 0 &&
                mlx_ends_with(name, short_names[which].ends[k]))
                return name;
        }
    return NULL;
}

/*  Plot what short name WHICH stands for on HOST, or, with MLX_COUNT(short_names), the main ones.
 *  The number of series shown so far, SHOWN and those; -1 with ERR. */
static int show_of(mlx_ctl_t *ctl, const mlx_args_t *args, const mlx_value_t *names,
                   const char *host, size_t which, int shown, mlx_error_t *err)
{
    bool several = which == MLX_COUNT(short_names);
    if (several && mlx_args_count(args, "follow"))
        return mlx_error_set(err, MLX_ERR_USAGE, "--follow needs one series: `mlxctl history gpu`");
    for (size_t i = several ? 0 : which; i < MLX_COUNT(short_names) && (several || i == which);
         i++) {
        const char *name = several && short_names[i].aside ? NULL : series_of(i, host, names);
        if (!name)
            continue;
        if (shown++ && !mlx_args_count(args, "json") && !mlx_args_count(args, "csv"))
            putchar('\n');
        if (show_one(ctl, args, name, err))
            return -1;
    }
    return shown;
}

/*  The machines that any of NAMES is of, each once. NAMES is sorted. */
static mlx_value_t *hosts_of(const mlx_value_t *names)
{
    mlx_value_t *hosts = mlx_value_list();
    for (size_t i = 0; i < mlx_value_size(names); i++) {
        const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
        size_t len = name ? strcspn(name, "/") : 0, count = mlx_value_size(hosts);
        const char *last = count ? mlx_value_as_str(mlx_value_at(hosts, count - 1), NULL) : NULL;
        MLX_CLEANUP(mlx_free_p) char *host = mlx_strndup(name ? name : "", len);
        if (len && (!last || strcmp(last, host) != 0))
            mlx_value_append(hosts, mlx_value_new_str(host));
    }
    return hosts;
}

static int nothing(const mlx_machines_t *machines, const char *operand, mlx_error_t *err)
{
    const char *host = machines->own ? "this machine" : machines->host;
    if (!operand && machines->own) {
        mlx_error_set(err, MLX_ERR_NOT_FOUND, "nothing has been recorded yet");
        return mlx_error_hint(err, "try again in a few seconds, or see `mlxctl services`");
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "%.64s has no series%s%s", host ? host : "no machine",
                  operand ? " for the " : "", operand ? operand : "");
    return mlx_error_hint(err, "see `mlxctl history list`, and `mlxctl status` for the reason");
}

/*  Of each machine that is asked for. */
static int show_short(mlx_ctl_t *ctl, const mlx_args_t *args, size_t which, mlx_error_t *err)
{
    mlx_machines_t machines;
    if (mlx_machines_choose(ctl, args, &machines, err))
        return -1;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = list_series(ctl, NULL, err);
    if (!reply)
        return -1;
    const mlx_value_t *names = mlx_value_get(reply, "series");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *hosts = hosts_of(names);
    int shown = 0;
    if (machines.host)
        shown = show_of(ctl, args, names, machines.host, which, 0, err);
    for (size_t i = 0; !machines.host && i < mlx_value_size(hosts) && shown >= 0; i++)
        shown = show_of(ctl, args, names, mlx_value_as_str(mlx_value_at(hosts, i), NULL), which,
                        shown, err);
    if (shown)
        return shown > 0 ? MLX_OK : -1;
    return nothing(&machines, mlx_args_operand(args, 0), err);
}

static int show_series(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    const char *operand = mlx_args_operand(args, 0);
    size_t which = 0;
    if (operand && is_measure(operand))
        return show_spread(ctl, args, operand, err);
    while (operand && which < MLX_COUNT(short_names) && !is_short(which, operand))
        which++;
    if (!operand || which < MLX_COUNT(short_names))
        return show_short(ctl, args, operand ? which : MLX_COUNT(short_names), err);
    const char *host = mlx_args_value(args, "host");
    MLX_CLEANUP(mlx_free_p) char *there = host ? mlx_format("%s/%s", host, operand) : NULL;
    return show_one(ctl, args, there ? there : operand, err);
}

static int show_list(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = list_series(ctl, mlx_args_operand(args, 1), err);
    if (!reply)
        return -1;
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    const mlx_value_t *names = mlx_value_get(reply, "series");
    for (size_t i = 0; i < mlx_value_size(names); i++) {
        const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(name ? name : "", 0);
        puts(clean);
    }
    return fflush(stdout) ? MLX_ERR_FAILED : MLX_OK;
}

/*  All rows of one series, a piece at a time: memory stays flat, and a slow reader slows us. */
static int export_series(mlx_ctl_t *ctl, const mlx_args_t *args, const char *series,
                         const range_t *range, mlx_error_t *err)
{
    int64_t cursor = 0;
    do {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = range_args(series, range);
        mlx_value_set_str(ask, "tier", mlx_args_value(args, "tier"));
        mlx_value_set_int(ask, "cursor", cursor);
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *reply = mlx_ctl_call(ctl, service, "history.export", ask, CALL_MS, err);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        if (!reply)
            return -1;
        mlx_history_rows(&text, reply, mlx_args_count(args, "json") != 0);
        if (print(&text))
            return mlx_error_set(err, MLX_ERR_FAILED, "cannot write to standard output");
        cursor = 0;
        mlx_value_int(reply, "cursor", &cursor);
    } while (cursor);
    return 0;
}

/*  Each operand behind "export" is a series, or the beginning of some with a "*". */
static int export_one(mlx_ctl_t *ctl, const mlx_args_t *args, const char *operand,
                      const range_t *range, mlx_error_t *err)
{
    size_t len = strlen(operand);
    if (len == 0 || operand[len - 1] != '*')
        return export_series(ctl, args, operand, range, err);
    MLX_CLEANUP(mlx_free_p) char *prefix = mlx_strndup(operand, len - 1);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = list_series(ctl, prefix, err);
    const mlx_value_t *names = mlx_value_get(reply, "series");
    for (size_t i = 0; i < mlx_value_size(names); i++) {
        const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
        if (name && export_series(ctl, args, name, range, err))
            return -1;
    }
    return reply ? 0 : -1;
}

static int show_export(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    const char *tier = mlx_args_value(args, "tier");
    range_t range = {0};
    if (mlx_args_operands(args) < 2)
        return mlx_error_set(err, MLX_ERR_USAGE,
                             "nothing to export: give a series, or \"prefix*\"");
    if (read_range(ctl, args, INT64_MAX, &range, err))
        return -1;
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t heading = {0};
    if (!mlx_args_count(args, "json"))
        mlx_history_rows_heading(&heading, !tier || strcmp(tier, "raw") == 0);
    print(&heading);
    for (size_t i = 1; i < mlx_args_operands(args); i++)
        if (export_one(ctl, args, mlx_args_operand(args, i), &range, err))
            return -1;
    return MLX_OK;
}

static char *size_text(const mlx_value_t *map, const char *key)
{
    int64_t bytes = 0;
    mlx_value_int(map, key, &bytes);
    return mlx_format_unit((double)bytes, MLX_UNIT_BYTES);
}

static int64_t whole(const mlx_value_t *map, const char *key)
{
    int64_t value = 0;
    mlx_value_int(map, key, &value);
    return value;
}

static void print_tiers(const mlx_value_t *reply, mlx_buf_t *out)
{
    static const char *const headings[] = {"Tier", "Rows", "Complete since"};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    mlx_table_t *table = mlx_table_new(NULL);
    for (size_t i = 0; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], i == 1 ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    const mlx_value_t *tiers = mlx_value_get(reply, "tiers");
    for (size_t i = 0; i < mlx_value_size(tiers); i++) {
        const mlx_value_t *tier = mlx_value_at(tiers, i);
        int64_t since = whole(tier, "since");
        MLX_CLEANUP(mlx_free_p) char *rows = mlx_format("%" PRId64, whole(tier, "rows"));
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t time = {0};
        if (since)
            mlx_moment_write(&time, since);
        mlx_table_row(table, (const char *[]){mlx_value_str(tier, "name"), rows,
                                              since ? mlx_buf_str(&time) : "the beginning"});
    }
    mlx_table_write(table, &term, out);
    mlx_table_destroy(&table);
}

static int show_info(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, service, "history.info", NULL, CALL_MS, err);
    if (!reply)
        return -1;
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    MLX_CLEANUP(mlx_free_p) char *bytes = size_text(reply, "bytes");
    MLX_CLEANUP(mlx_free_p) char *unused = size_text(reply, "free");
    MLX_CLEANUP(mlx_free_p) char *path = mlx_term_clean(mlx_value_str(reply, "path"), 0);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_buf_printf(&out, "%s  %s, of which %s is unused\n", path, bytes, unused);
    mlx_buf_printf(&out, "%" PRId64 " series", whole(reply, "series"));
    if (whole(reply, "oldest")) {
        mlx_buf_puts(&out, " since ");
        mlx_moment_write(&out, whole(reply, "oldest"));
    }
    mlx_buf_printf(&out,
                   "\nsince its start: %" PRId64 " samples, %" PRId64 " lost, %" PRId64
                   " refused, %" PRId64 " pieces unreadable\n\n",
                   whole(reply, "samples"), whole(reply, "lost"), whole(reply, "refused"),
                   whole(reply, "damaged"));
    print_tiers(reply, &out);
    return print(&out);
}

static int show_vacuum(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, service, "history.vacuum", NULL, VACUUM_MS, err);
    if (!reply)
        return -1;
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    MLX_CLEANUP(mlx_free_p) char *before = size_text(reply, "before");
    MLX_CLEANUP(mlx_free_p) char *after = size_text(reply, "after");
    printf("%s before, %s now\n", before, after);
    return MLX_OK;
}

int mlx_cmd_history(void *arg, const mlx_args_t *args)
{
    static const struct {
        const char *name;
        int (*show)(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err);
    } table[] = {
        {"list", show_list}, {"export", show_export}, {"info", show_info}, {"vacuum", show_vacuum}};
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    const char *word = mlx_args_operand(args, 0);
    (void)arg;
    int (*show)(mlx_ctl_t *, const mlx_args_t *, mlx_error_t *) = show_series;
    for (size_t i = 0; i < MLX_COUNT(table); i++)
        if (word && strcmp(word, table[i].name) == 0)
            show = table[i].show;
    int status = mlx_ctl_connect(&ctl, args, &err) ? -1 : show(&ctl, args, &err);
    return status < 0 ? mlx_ctl_fail(&err) : status;
}
