#include "cli.h"

#include "common/base/units.h"
#include "common/cli/table.h"
#include "proto/json.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int64_t number(const mlx_value_t *map, const char *key)
{
    int64_t value = 0;
    mlx_value_int(map, key, &value);
    return value;
}

static bool flag(const mlx_value_t *map, const char *key)
{
    bool value = false;
    mlx_value_bool(map, key, &value);
    return value;
}

static char *bytes(int64_t value)
{
    return mlx_format_unit((double)value, MLX_UNIT_BYTES);
}

static char *used_by(const mlx_value_t *row)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    const mlx_value_t *uses = mlx_value_get(row, "used_by");
    for (size_t i = 0; i < mlx_value_size(uses); i++)
        mlx_buf_printf(&text, "%s%s%s", i ? ", " : "", mlx_value_str(mlx_value_at(uses, i), "app"),
                       flag(mlx_value_at(uses, i), "offline") ? " (offline)" : "");
    const mlx_value_t *others = mlx_value_get(row, "differs_in");
    for (size_t i = 0; i < mlx_value_size(others); i++)
        mlx_buf_printf(&text, "%s%s (another version)", text.len ? ", " : "",
                       mlx_value_str(mlx_value_at(others, i), "app"));
    if (!text.len)
        mlx_buf_puts(&text, "-");
    return mlx_buf_take(&text);
}

static char *sums(const mlx_value_t *report)
{
    MLX_CLEANUP(mlx_free_p) char *total = bytes(number(report, "total"));
    MLX_CLEANUP(mlx_free_p) char *saved = bytes(number(report, "saved"));
    int64_t avoided = number(report, "duplicates_avoided");
    return mlx_format("Total: %s | Saved: %s (%lld duplicate%s avoided)", total, saved,
                      (long long)avoided, avoided == 1 ? "" : "s");
}

static void say_problems(const mlx_value_t *report)
{
    const mlx_value_t *problems = mlx_value_get(report, "problems");
    for (size_t i = 0; i < mlx_value_size(problems); i++) {
        const mlx_value_t *one = mlx_value_at(problems, i);
        const char *app = mlx_value_str(one, "app"), *path = mlx_value_str(one, "path");
        const char *model = mlx_value_str(one, "model"), *hint = mlx_value_str(one, "hint");
        MLX_CLEANUP(mlx_free_p)
        char *line = mlx_format("%s%s%s: %s%s%s", app ? app : "", app ? ": " : "",
                                path ? path : (model ? model : ""), mlx_value_str(one, "text"),
                                hint && *hint ? "; " : "", hint ? hint : "");
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(line, 0);
        fprintf(stderr, "mlx-cache: %s\n", clean);
    }
}

/*  Why is the same model on the disk several times, and what to do about it. */
static void hint_duplicates(const mlx_value_t *report)
{
    enum {
        WORTH_SAYING = 1000000
    };
    int64_t twice = number(report, "duplicate_bytes"), perhaps = number(report, "lookalike_bytes");
    MLX_CLEANUP(mlx_free_p) char *size = bytes(twice + perhaps);
    if (isatty(STDERR_FILENO) && twice + perhaps >= WORTH_SAYING)
        fprintf(stderr, "%s%s stored twice: mlx-cache dedup shows where\n", size,
                twice < perhaps ? " may be" : " are");
}

void cli_view_status(const mlx_value_t *report, mlx_buf_t *out)
{
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    MLX_CLEANUP(mlx_table_destroy) mlx_table_t *table = mlx_table_new("MLX Cache Status");
    mlx_table_column(table, "Model", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Size", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Used By", MLX_ALIGN_LEFT);
    const mlx_value_t *rows = mlx_value_get(report, "models");
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        MLX_CLEANUP(mlx_free_p) char *size = bytes(number(row, "size"));
        MLX_CLEANUP(mlx_free_p) char *users = used_by(row);
        bool whole = true;
        mlx_value_bool(row, "complete", &whole);
        MLX_CLEANUP(mlx_free_p)
        char *shown = mlx_format("%s%s", size, whole ? "" : " (incomplete)");
        mlx_table_row(table, (const char *[]){mlx_value_str(row, "name"), shown, users});
    }
    MLX_CLEANUP(mlx_free_p) char *footer = sums(report);
    mlx_table_footer(table, footer);
    mlx_table_write(table, &term, out);
    hint_duplicates(report);
    say_problems(report);
}

static void line(mlx_buf_t *out, const char *name, int64_t value)
{
    MLX_CLEANUP(mlx_free_p) char *text = bytes(value);
    mlx_buf_printf(out, "%-34s %10s\n", name, text);
}

void cli_view_stats(const mlx_value_t *report, mlx_buf_t *out)
{
    const mlx_value_t *rows = mlx_value_get(report, "models");
    int64_t cached = 0, shared = 0;
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        cached += flag(row, "cached");
        shared += mlx_value_size(mlx_value_get(row, "used_by")) > 1;
    }
    mlx_buf_printf(out, "%-34s %10zu\n", "models", mlx_value_size(rows));
    mlx_buf_printf(out, "%-34s %10lld\n", "in the cache", (long long)cached);
    mlx_buf_printf(out, "%-34s %10lld\n", "shared by several apps", (long long)shared);
    line(out, "on the disk", number(report, "total"));
    line(out, "saved by sharing", number(report, "saved"));
    line(out, "datasets, partial files and others", number(report, "other_bytes"));
    line(out, "dedup would free", number(report, "duplicate_bytes"));
    line(out, "possible duplicates, dedup checks", number(report, "lookalike_bytes"));
    for (size_t i = 0; i < mlx_value_size(rows); i++) {
        const mlx_value_t *row = mlx_value_at(rows, i);
        MLX_CLEANUP(mlx_free_p) char *frees = bytes(number(row, "frees"));
        if (flag(row, "cached"))
            mlx_buf_printf(out, "remove would free %10s  %s\n", frees, mlx_value_str(row, "name"));
    }
    say_problems(report);
}

/*  A folder that was there already is not news to a person. */
static bool is_news(const mlx_value_t *step)
{
    const char *action = mlx_value_str(step, "action"), *state = mlx_value_str(step, "state");
    return strcmp(action, "mkdir") != 0 || strcmp(state, "skipped") != 0;
}

static size_t count_news(const mlx_value_t *steps)
{
    size_t count = 0;
    for (size_t i = 0; i < mlx_value_size(steps); i++)
        count += is_news(mlx_value_at(steps, i));
    return count;
}

static void view_step(const mlx_value_t *step, mlx_buf_t *out)
{
    if (!is_news(step))
        return;
    const char *method = mlx_value_str(step, "method"), *why = mlx_value_str(step, "why");
    MLX_CLEANUP(mlx_free_p)
    char *size = mlx_value_get(step, "size") ? bytes(number(step, "size")) : mlx_strdup("");
    mlx_buf_printf(out, "  %-8s %-8s %-8s %10s  %s%s%s\n", mlx_value_str(step, "action"),
                   mlx_value_str(step, "state"), method ? method : "", size,
                   mlx_value_str(step, "path"), why ? ": " : "", why ? why : "");
}

static void view_plan(const mlx_value_t *plan, bool dry_run, mlx_buf_t *out)
{
    const char *model = mlx_value_str(plan, "model"), *app = mlx_value_str(plan, "app");
    const mlx_value_t *steps = mlx_value_get(plan, "steps");
    size_t count = count_news(steps);
    MLX_CLEANUP(mlx_free_p)
    char *what = count ? mlx_format("%zu step%s", count, count == 1 ? "" : "s")
                       : mlx_strdup("nothing to do");
    mlx_buf_printf(out, "%s%s%s%s%s%s: %s\n", mlx_value_str(plan, "operation"), model ? " " : "",
                   model ? model : "", app ? " for " : "", app ? app : "",
                   dry_run ? " (dry run, nothing was changed)" : "", what);
    for (size_t i = 0; i < mlx_value_size(steps); i++)
        view_step(mlx_value_at(steps, i), out);
    static const char *const sizes[][2] = {{"would_free", "would free"},
                                           {"freed", "freed"},
                                           {"removed_bytes", "removes"},
                                           {"shared", "shared"},
                                           {"copied", "copied"}};
    for (size_t i = 0; i < MLX_COUNT(sizes); i++)
        if (number(plan, sizes[i][0])) {
            MLX_CLEANUP(mlx_free_p) char *text = bytes(number(plan, sizes[i][0]));
            mlx_buf_printf(out, "  %s %s\n", sizes[i][1], text);
        } else if (i < 2 && count && mlx_value_get(plan, sizes[i][0])) {
            mlx_buf_printf(out, "  %s nothing: the bytes have other names\n", sizes[i][1]);
        }
}

/*  Models that undo brings back. */
static void view_restored(const mlx_value_t *list, bool dry_run, mlx_buf_t *out)
{
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *model = mlx_value_at(list, i);
        const char *source = mlx_value_str(model, "source"),
                   *commit = mlx_value_str(model, "revision");
        int64_t missing = number(model, "missing");
        MLX_CLEANUP(mlx_free_p) char *fetch = bytes(missing);
        MLX_CLEANUP(mlx_free_p) char *here = bytes(number(model, "size") - missing);
        mlx_buf_printf(out, "%s %s: %s from this machine", mlx_value_str(model, "model"),
                       dry_run ? "would come back" : "is back", here);
        if (missing)
            mlx_buf_printf(out, ", %s %s %s%s%.12s", fetch,
                           dry_run ? "to fetch from" : "fetched from", source, commit ? " at " : "",
                           commit ? commit : "");
        mlx_buf_putc(out, '\n');
    }
}

/*  The end of a link of all models. */
static void view_refused(const mlx_value_t *report, mlx_buf_t *out)
{
    size_t linked = mlx_value_size(mlx_value_get(report, "results"));
    const mlx_value_t *refused = mlx_value_get(report, "refused");
    if (!refused)
        return;
    mlx_buf_printf(out, "%s: %zu model%s %s", mlx_value_str(report, "app"), linked,
                   linked == 1 ? "" : "s", flag(report, "dry_run") ? "would be linked" : "linked");
    if (number(report, "has"))
        mlx_buf_printf(out, ", %lld already there", (long long)number(report, "has"));
    if (mlx_value_size(refused))
        mlx_buf_printf(out, ", %zu cannot be linked", mlx_value_size(refused));
    mlx_buf_putc(out, '\n');
}

/*  What takes space besides models: each with the command of its own app. */
static void list_others(const mlx_value_t *report, mlx_buf_t *out)
{
    const mlx_value_t *list = mlx_value_get(report, "others");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *one = mlx_value_at(list, i);
        MLX_CLEANUP(mlx_free_p) char *size = bytes(number(one, "bytes"));
        MLX_CLEANUP(mlx_free_p) char *path = mlx_term_clean(mlx_value_str(one, "path"), 0);
        mlx_buf_printf(out, "not touched: %s of %s in %s (%s)\n", size, mlx_value_str(one, "kind"),
                       path, mlx_value_str(one, "hint"));
    }
}

/*  A plan, or several under "results" or "operations". */
void cli_view_plan(const mlx_value_t *report, mlx_buf_t *out)
{
    static const char *const lists[] = {"results", "operations"};
    for (size_t l = 0; l < MLX_COUNT(lists); l++) {
        const mlx_value_t *list = mlx_value_get(report, lists[l]);
        for (size_t i = 0; i < mlx_value_size(list); i++)
            cli_view_plan(mlx_value_at(list, i), out);
    }
    if (mlx_value_get(report, "steps"))
        view_plan(report, flag(report, "dry_run"), out);
    if (mlx_value_size(mlx_value_get(mlx_value_get(report, "partials"), "steps")))
        view_plan(mlx_value_get(report, "partials"), flag(report, "dry_run"), out);
    if (mlx_value_get(report, "forgotten") && !mlx_value_get(report, "operations"))
        mlx_buf_printf(out, "operation %lld was abandoned\n",
                       (long long)number(report, "forgotten"));
    view_restored(mlx_value_get(report, "restored"), flag(report, "dry_run"), out);
    view_refused(report, out);
    say_problems(report);
    const mlx_value_t *models = mlx_value_get(report, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++)
        mlx_buf_printf(out, "  model %s\n", mlx_value_as_str(mlx_value_at(models, i), NULL));
    list_others(report, out);
}

/*  Weights that the repository has in another form too. */
static void view_left_out(const mlx_value_t *list, mlx_buf_t *out)
{
    enum {
        NAMED_MAX = 3
    };
    size_t count = mlx_value_size(list);
    int64_t sum = 0;
    if (!count)
        return;
    mlx_buf_puts(out, "  left out:");
    for (size_t i = 0; i < count; i++) {
        const mlx_value_t *one = mlx_value_at(list, i);
        sum += number(one, "size");
        MLX_CLEANUP(mlx_free_p) char *path = mlx_term_clean(mlx_value_str(one, "path"), 0);
        if (i < NAMED_MAX)
            mlx_buf_printf(out, "%s %s (%s)", i ? "," : "", path, mlx_value_str(one, "format"));
    }
    MLX_CLEANUP(mlx_free_p) char *size = bytes(sum);
    if (count > NAMED_MAX)
        mlx_buf_printf(out, " and %zu more", count - NAMED_MAX);
    mlx_buf_printf(
        out, ", %s: the same weights in another form; add --include PATTERN includes them\n", size);
}

/*  What the files could do; where it is refused an error says so instead. */
static void say_findings(const mlx_value_t *model)
{
    const mlx_value_t *findings = mlx_value_get(model, "findings");
    for (size_t i = 0; i < mlx_value_size(findings); i++) {
        const mlx_value_t *one = mlx_value_at(findings, i);
        const char *where = mlx_value_str(one, "where");
        MLX_CLEANUP(mlx_free_p)
        char *line = mlx_format("%s%s%s%s: %s", mlx_value_str(one, "file"), *where ? " (" : "",
                                where, *where ? ")" : "", mlx_value_str(one, "text"));
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(line, 0);
        fprintf(stderr, "mlx-cache: %s: %s\n", flag(one, "refused") ? "can run code" : "warning",
                clean);
    }
}

void cli_view_models(const mlx_value_t *report, mlx_buf_t *out)
{
    static const char *const lists[] = {"results", "models"};
    for (size_t l = 0; l < MLX_COUNT(lists); l++) {
        const mlx_value_t *list = mlx_value_get(report, lists[l]);
        for (size_t i = 0; i < mlx_value_size(list); i++) {
            const mlx_value_t *model = mlx_value_at(list, i);
            MLX_CLEANUP(mlx_free_p) char *size = bytes(number(model, "size"));
            size_t files = mlx_value_size(mlx_value_get(model, "files"));
            const char *license = mlx_value_str(model, "license");
            mlx_buf_printf(out, "%s  %s  %zu file%s%s%s\n", mlx_value_str(model, "model"), size,
                           files, files == 1 ? "" : "s", license ? "  licence " : "",
                           license ? license : "");
            if (mlx_value_str(model, "incomplete"))
                mlx_buf_printf(out, "  %s\n", mlx_value_str(model, "incomplete"));
            say_findings(model);
            view_left_out(mlx_value_get(model, "left_out"), out);
        }
    }
    say_problems(report);
}

static void view_part(const mlx_value_t *report, const char *key, const char *word, mlx_buf_t *out)
{
    if (!number(report, key))
        return;
    MLX_CLEANUP(mlx_free_p) char *size = bytes(number(report, key));
    mlx_buf_printf(out, "  %-10s %10s\n", word, size);
}

/*  "fits", "fits if llama3 is unloaded", "does not fit: 3.1 GB are missing". */
static void view_verdict(const mlx_value_t *report, mlx_buf_t *out)
{
    const mlx_value_t *without = mlx_value_get(report, "fits_without");
    if (!mlx_value_get(report, "fits")) {
        mlx_buf_puts(out, "the amount of free memory is not known\n");
        return;
    }
    MLX_CLEANUP(mlx_free_p) char *free_now = bytes(number(report, "available"));
    if (flag(report, "fits")) {
        mlx_buf_printf(out, "fits: %s free\n", free_now);
        return;
    }
    MLX_CLEANUP(mlx_free_p)
    char *missing = bytes(number(report, "total") - number(report, "available"));
    mlx_buf_printf(out, "does not fit now: %s free, %s missing\n", free_now, missing);
    for (size_t i = 0; i < mlx_value_size(without); i++)
        mlx_buf_printf(out, "%s%s", i ? ", " : "fits if unloaded: ",
                       mlx_value_as_str(mlx_value_at(without, i), NULL));
    if (without)
        mlx_buf_putc(out, '\n');
}

void cli_view_fits(const mlx_value_t *report, mlx_buf_t *out)
{
    double speed = 0;
    MLX_CLEANUP(mlx_free_p) char *total = bytes(number(report, "total"));
    mlx_buf_printf(out, "%s at %lld tokens of context needs %s\n", mlx_value_str(report, "model"),
                   (long long)number(report, "context"), total);
    view_part(report, "weights", "weights", out);
    view_part(report, "cache", "KV cache", out);
    view_part(report, "state", "state", out);
    view_part(report, "compute", "compute", out);
    view_part(report, "output", "output", out);
    view_verdict(report, out);
    if (mlx_value_real(report, "tokens_per_second", &speed))
        mlx_buf_printf(out, "expected: about %.0f tok/s, from this machine's last benchmark\n",
                       speed);
}

void cli_view_push(const mlx_value_t *report, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *sent = bytes(number(report, "pushed"));
    MLX_CLEANUP(mlx_free_p) char *there = bytes(number(report, "present"));
    mlx_buf_printf(out, "%s -> %s: %s sent, %s already there%s\n", mlx_value_str(report, "model"),
                   mlx_value_str(report, "reference"), sent, there,
                   flag(report, "dry_run") ? " (dry run)" : "");
}

static void view_bad(const mlx_value_t *bad, const char *word, mlx_buf_t *out)
{
    for (size_t i = 0; i < mlx_value_size(bad); i++) {
        const mlx_value_t *one = mlx_value_at(bad, i);
        const char *model = mlx_value_str(one, "model"), *file = mlx_value_str(one, "file");
        mlx_buf_printf(out, "%s  %s %s (%s): %s; %s\n", word, model ? model : "unreferenced",
                       file ? file : "file", mlx_value_str(one, "path"), mlx_value_str(one, "text"),
                       mlx_value_str(one, "hint"));
    }
}

void cli_view_verify(const mlx_value_t *report, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *size = bytes(number(report, "bytes"));
    const mlx_value_t *bad = mlx_value_get(report, "bad");
    view_bad(mlx_value_get(report, "found"), "was bad", out);
    view_bad(bad, "bad", out);
    view_restored(mlx_value_get(report, "repaired"), false, out);
    say_problems(report);
    mlx_buf_printf(out, "%lld files, %s: %s\n", (long long)number(report, "checked"), size,
                   mlx_value_size(bad) ? "damaged" : "all sound");
}

void cli_view_doctor(const mlx_value_t *report, mlx_buf_t *out)
{
    const mlx_value_t *checks = mlx_value_get(report, "checks");
    for (size_t i = 0; i < mlx_value_size(checks); i++) {
        const mlx_value_t *check = mlx_value_at(checks, i);
        const char *text = mlx_value_str(check, "text"), *hint = mlx_value_str(check, "hint");
        MLX_CLEANUP(mlx_free_p)
        char *line = mlx_format("%-4s %s%s%s%s%s", flag(check, "ok") ? "ok" : "bad",
                                mlx_value_str(check, "name"), text ? ": " : "", text ? text : "",
                                hint ? "; " : "", hint ? hint : "");
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(line, 0);
        mlx_buf_printf(out, "%s\n", clean);
    }
}

void cli_view_config(const mlx_value_t *report, mlx_buf_t *out)
{
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    MLX_CLEANUP(mlx_table_destroy) mlx_table_t *table = mlx_table_new("Settings");
    mlx_table_column(table, "Setting", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Value", MLX_ALIGN_LEFT);
    mlx_table_column(table, "From", MLX_ALIGN_LEFT);
    const mlx_value_t *settings = mlx_value_get(report, "settings");
    for (size_t i = 0; i < mlx_value_size(settings); i++) {
        const mlx_value_t *setting = mlx_value_at(settings, i);
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t value = {0};
        if (mlx_value_get(setting, "value"))
            mlx_json_write(&value, mlx_value_get(setting, "value"), false);
        const char *place = mlx_value_str(setting, "place");
        mlx_table_row(table, (const char *[]){mlx_value_str(setting, "key"), mlx_buf_str(&value),
                                              place ? place : mlx_value_str(setting, "source")});
    }
    mlx_table_write(table, &term, out);
}

void cli_view_apps(const mlx_value_t *report, mlx_buf_t *out)
{
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    MLX_CLEANUP(mlx_table_destroy) mlx_table_t *table = mlx_table_new("Apps");
    mlx_table_column(table, "App", MLX_ALIGN_LEFT);
    mlx_table_column(table, "Models in", MLX_ALIGN_LEFT);
    mlx_table_column(table, "There", MLX_ALIGN_LEFT);
    const mlx_value_t *apps = mlx_value_get(report, "apps");
    for (size_t i = 0; i < mlx_value_size(apps); i++) {
        const mlx_value_t *app = mlx_value_at(apps, i);
        const mlx_value_t *stores = mlx_value_get(app, "stores");
        for (size_t s = 0; s < mlx_value_size(stores); s++) {
            const mlx_value_t *store = mlx_value_at(stores, s);
            mlx_table_row(table,
                          (const char *[]){mlx_value_str(app, "name"), mlx_value_str(store, "path"),
                                           flag(store, "exists") ? "yes" : "no"});
        }
    }
    mlx_table_write(table, &term, out);
}
