#include "bench_compare.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/stats.h"
#include "common/base/units.h"
#include "common/cli/table.h"

enum {
    CELL = 64,
    PROMPTS_MAX = 200,
};

static const char *text_of(const mlx_value_t *map, const char *key)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : "";
}

static const mlx_value_t *prompt_of(const mlx_value_t *result, const char *name)
{
    const mlx_value_t *prompts = mlx_value_get(result, "prompts");
    for (size_t i = 0; i < mlx_value_size(prompts); i++)
        if (strcmp(text_of(mlx_value_at(prompts, i), "name"), name) == 0)
            return mlx_value_at(prompts, i);
    return NULL;
}

typedef struct {
    mlx_ratio_t all;    /* whatever the replies' lengths */
    mlx_ratio_t judged; /* of replies that are long enough */
} ratios_t;

static ratios_t ratios_of(const mlx_value_t *result, const mlx_value_t *earlier)
{
    const mlx_value_t *prompts = mlx_value_get(result, "prompts");
    double a[PROMPTS_MAX], b[PROMPTS_MAX];
    size_t count = 0, judged = 0;
    for (size_t i = 0; i < mlx_value_size(prompts) && count < PROMPTS_MAX; i++) {
        const mlx_value_t *now = mlx_value_at(prompts, i);
        const mlx_value_t *then = prompt_of(earlier, text_of(now, "name"));
        bool is_short = mlx_value_real_or_nan(now, "tokens") < (int)MLX_BENCH_TOKENS_MIN ||
                        mlx_value_real_or_nan(then, "tokens") < (int)MLX_BENCH_TOKENS_MIN;
        a[count] = mlx_value_real_or_nan(now, "tokens_per_second");
        b[count++] = mlx_value_real_or_nan(then, "tokens_per_second");
        if (is_short)
            continue;
        double now_rate = a[count - 1], then_rate = b[count - 1];
        a[count - 1] = a[judged], b[count - 1] = b[judged];
        a[judged] = now_rate, b[judged++] = then_rate; /* the long ones lie in front */
    }
    return (ratios_t){mlx_stats_ratio(a, b, count), mlx_stats_ratio(a, b, judged)};
}

static bool same_text(const mlx_value_t *a, const mlx_value_t *b, const char *key)
{
    return strcmp(text_of(a, key), text_of(b, key)) == 0;
}

/*  Why RESULT and EARLIER are not judged, or NULL. Caller owns it. */
static char *refusal(const mlx_value_t *result, const mlx_value_t *earlier, const ratios_t *ratios)
{
    double now = mlx_value_real_or_nan(result, "context"),
           then = mlx_value_real_or_nan(earlier, "context");
    if (!same_text(result, earlier, "model"))
        return mlx_format("different models: %s and %s", text_of(result, "model"),
                          text_of(earlier, "model"));
    if (!same_text(result, earlier, "prompt_set") || !*text_of(result, "prompt_set"))
        return mlx_format("different prompts: %s and %s", text_of(result, "prompt_set"),
                          text_of(earlier, "prompt_set"));
    if (now > 0 && then > 0 && (now < then || now > then))
        return mlx_format("different options: context %.0f and %.0f", now, then);
    if (ratios->all.pairs < MLX_BENCH_PAIRS_MIN)
        return mlx_format("too few prompts: %zu in both runs, %d are needed", ratios->all.pairs,
                          MLX_BENCH_PAIRS_MIN);
    if (ratios->judged.pairs < MLX_BENCH_PAIRS_MIN)
        return mlx_format("too few long replies: %zu of %d tokens in both runs, %d are needed; "
                          "give it a longer --budget",
                          ratios->judged.pairs, MLX_BENCH_TOKENS_MIN, MLX_BENCH_PAIRS_MIN);
    return NULL;
}

static bool comparable(const mlx_value_t *result, const mlx_value_t *earlier, const char *host)
{
    const char *where = mlx_value_str(earlier, "host");
    return (!where || strcmp(where, host) == 0) && same_text(result, earlier, "model") &&
           same_text(result, earlier, "prompt_set") && !same_text(result, earlier, "id") &&
           *text_of(result, "prompt_set");
}

static void set_verdict(mlx_value_t *map, const ratios_t *ratios, const char *refused)
{
    static const char *const verdicts[] = {"slower", "no evidence", "faster"};
    const mlx_ratio_t *ratio = refused ? &ratios->all : &ratios->judged;
    mlx_value_set_real(map, "ratio", ratio->ratio);
    mlx_value_set_int(map, "pairs", (int64_t)ratio->pairs);
    if (refused) {
        mlx_value_set_str(map, "verdict", "none");
        mlx_value_set_str(map, "reason", refused);
        return;
    }
    mlx_value_set_real(map, "low", ratio->low);
    mlx_value_set_real(map, "high", ratio->high);
    mlx_value_set_str(map, "verdict", verdicts[1 + mlx_stats_verdict(ratio)]);
}

mlx_value_t *mlx_bench_compare_two(const mlx_value_t *result, const mlx_value_t *earlier)
{
    static const char *const facts[] = {"digest",          "quantization", "runtime",
                                        "runtime_version", "url",          "hardware"};
    ratios_t ratios = ratios_of(result, earlier);
    MLX_CLEANUP(mlx_free_p) char *refused = refusal(result, earlier, &ratios);
    mlx_value_t *map = mlx_value_map();
    mlx_value_set_str(map, "id", text_of(earlier, "id"));
    int64_t t;
    if (mlx_value_int(earlier, "t", &t))
        mlx_value_set_int(map, "t", t);
    mlx_value_set_real(map, "mean",
                       mlx_value_real_or_nan(mlx_value_get(earlier, "tokens_per_second"), "mean"));
    set_verdict(map, &ratios, refused);
    mlx_value_t *changed = mlx_value_set(map, "changed", mlx_value_list());
    for (size_t i = 0; i < MLX_COUNT(facts); i++)
        if (!same_text(result, earlier, facts[i]))
            mlx_value_append(changed, mlx_value_new_str(facts[i]));
    return map;
}

static int newest_first(const void *a, const void *b)
{
    double x = mlx_value_real_or_nan(*(const mlx_value_t *const *)a, "t");
    double y = mlx_value_real_or_nan(*(const mlx_value_t *const *)b, "t");
    return x < y ? 1 : x > y ? -1 : 0;
}

mlx_value_t *mlx_bench_compare(const mlx_value_t *result, const mlx_value_t *earlier,
                               const char *host)
{
    size_t count = mlx_value_size(earlier), kept = 0;
    MLX_CLEANUP(mlx_free_p) const mlx_value_t **list = mlx_alloc(count + 1, sizeof *list);
    mlx_value_t *compared = mlx_value_list();
    for (size_t i = 0; i < count; i++)
        if (comparable(result, mlx_value_at(earlier, i), host))
            list[kept++] = mlx_value_at(earlier, i);
    qsort(list, kept, sizeof *list, newest_first);
    for (size_t i = 0; i < kept && i < MLX_BENCH_COMPARED_MAX; i++)
        mlx_value_append(compared, mlx_bench_compare_two(result, list[i]));
    return compared;
}

/* ---- for people ---- */

static void put_changed(const mlx_value_t *changed, char cell[CELL])
{
    size_t len = 0;
    cell[0] = '\0';
    for (size_t i = 0; i < mlx_value_size(changed) && len < CELL; i++)
        len += (size_t)snprintf(cell + len, CELL - len, "%s%s", i ? ", " : "",
                                mlx_value_as_str(mlx_value_at(changed, i), NULL));
}

static void put_when(const mlx_value_t *map, char cell[CELL])
{
    int64_t t;
    if (!mlx_value_int(map, "t", &t) || t / 1000000 == 0 || !mlx_format_minute(t, cell, CELL))
        snprintf(cell, CELL, "-");
}

static void put_number(char cell[CELL], double value, int digits, double factor)
{
    if (isnan(value))
        snprintf(cell, CELL, "-");
    else
        snprintf(cell, CELL, "%.*f", digits, value * factor);
}

static void compare_row(const mlx_value_t *map, mlx_table_t *table)
{
    char when[CELL], mean[CELL], ratio[CELL], interval[CELL], changed[CELL];
    double low = mlx_value_real_or_nan(map, "low"), high = mlx_value_real_or_nan(map, "high");
    put_when(map, when);
    put_changed(mlx_value_get(map, "changed"), changed);
    put_number(mean, mlx_value_real_or_nan(map, "mean"), 1, 1);
    put_number(ratio, mlx_value_real_or_nan(map, "ratio"), 3, 1);
    if (isnan(low) || isnan(high))
        snprintf(interval, CELL, "-");
    else
        snprintf(interval, CELL, "%.3f to %.3f", low, high);
    const char *verdict = text_of(map, "verdict");
    mlx_table_row(table,
                  (const char *[]){when, mean, ratio, interval,
                                   strcmp(verdict, "none") == 0 ? "no verdict" : verdict, changed});
}

/*  Why there is no verdict: each reason once. */
static void put_reasons(const mlx_value_t *compared, mlx_buf_t *out)
{
    for (size_t i = 0; i < mlx_value_size(compared); i++) {
        const char *reason = text_of(mlx_value_at(compared, i), "reason");
        bool told = !*reason;
        for (size_t k = 0; k < i; k++)
            told = told || strcmp(text_of(mlx_value_at(compared, k), "reason"), reason) == 0;
        MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(reason, 0);
        if (!told)
            mlx_buf_printf(out, "no verdict: %s\n", clean);
    }
}

void mlx_bench_compare_text(const mlx_value_t *compared, const mlx_term_t *term, mlx_buf_t *out)
{
    static const char *const headings[] = {"Earlier run",   "tok/s", "now / then",
                                           "95 % interval", "Now",   "Changed"};
    if (mlx_value_size(compared) == 0) {
        mlx_buf_puts(out, "No earlier result of this model with these prompts.\n");
        return;
    }
    mlx_table_t *table = mlx_table_new(NULL);
    for (size_t i = 0; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], i && i < 4 ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    for (size_t i = 0; i < mlx_value_size(compared); i++)
        compare_row(mlx_value_at(compared, i), table);
    mlx_table_write(table, term, out);
    put_reasons(compared, out);
    mlx_table_destroy(&table);
}

static void list_row(const mlx_value_t *result, mlx_table_t *table)
{
    char when[CELL], speed[CELL], prompt[CELL], first[CELL];
    bool sweep = *text_of(result, "sweep");
    MLX_CLEANUP(mlx_free_p)
    char *name = mlx_format("%s%s%s%s", text_of(result, "model"), sweep ? " (" : "",
                            text_of(result, "sweep"), sweep ? " sweep)" : "");
    MLX_CLEANUP(mlx_free_p) char *model = mlx_term_clean(name, 48);
    MLX_CLEANUP(mlx_free_p)
    char *quantization = mlx_term_clean(text_of(result, "quantization"), 12);
    MLX_CLEANUP(mlx_free_p)
    char *runtime = mlx_format("%s%s%s", text_of(result, "runtime"),
                               *text_of(result, "runtime_version") ? " " : "",
                               text_of(result, "runtime_version"));
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(runtime, 24);
    MLX_CLEANUP(mlx_free_p) char *id = mlx_term_clean(text_of(result, "id"), 16);
    put_when(result, when);
    put_number(speed, mlx_value_real_or_nan(mlx_value_get(result, "tokens_per_second"), "mean"), 1,
               1);
    put_number(prompt,
               mlx_value_real_or_nan(mlx_value_get(result, "prompt_tokens_per_second"), "median"),
               0, 1);
    put_number(first, mlx_value_real_or_nan(mlx_value_get(result, "ttft"), "median"), 0, 1000);
    mlx_table_row(table,
                  (const char *[]){id, when, model, quantization, clean, speed, prompt, first});
}

void mlx_bench_list_text(const mlx_value_t *results, const mlx_term_t *term, mlx_buf_t *out)
{
    static const char *const headings[] = {"Id",      "When",  "Model",        "Quant",
                                           "Runtime", "tok/s", "prompt tok/s", "TTFT ms"};
    if (mlx_value_size(results) == 0) {
        mlx_buf_puts(out, "No benchmark is stored yet: `mlxctl bench` runs one.\n");
        return;
    }
    mlx_table_t *table = mlx_table_new(NULL);
    for (size_t i = 0; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], i > 4 ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    for (size_t i = 0; i < mlx_value_size(results); i++)
        list_row(mlx_value_at(results, i), table);
    mlx_table_write(table, term, out);
    mlx_table_destroy(&table);
}
