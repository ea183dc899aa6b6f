#include "bench_html.h"
#include "bench_sweep.h"

#include <math.h>
#include <string.h>

#include "common/cli/term.h"

enum {
    BAR_HEIGHT = 22,
    BAR_ROOM = 520,
    LABEL_ROOM = 150,
};

static const char style[] =
    "body{font:15px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
    "table{border-collapse:collapse;margin:1rem 0}td,th{padding:.2rem .8rem;text-align:right;"
    "border-bottom:1px solid #ccc}td:first-child,th:first-child{text-align:left}"
    "svg{max-width:100%;font:12px system-ui,sans-serif}rect{fill:#2a6fb0}"
    "polyline{fill:none;stroke-width:2}.w{color:#a33}.a{stroke:#2a6fb0}.b{stroke:#c27a1b}"
    "circle.a,.ka{fill:#2a6fb0;color:#2a6fb0}circle.b,.kb{fill:#c27a1b;color:#c27a1b}"
    ".g{stroke:#ccc}"
    "@media(prefers-color-scheme:dark){body{background:#111;color:#ddd}text{fill:#ddd}"
    ".g{stroke:#444}}";

static double real_of(const mlx_value_t *map, const char *key)
{
    double value = (double)NAN;
    mlx_value_real(map, key, &value);
    return value;
}

static const char *text_of(const mlx_value_t *map, const char *key)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : "";
}

static void put_text(mlx_buf_t *out, const char *text)
{
    static const char special[] = "&<>\"'";
    static const char *const names[] = {"&amp;", "&lt;", "&gt;", "&quot;", "&#39;"};
    MLX_CLEANUP(mlx_free_p) char *clean = mlx_term_clean(text, 0);
    for (const char *c = clean; *c; c++) {
        const char *at = strchr(special, *c);
        if (at)
            mlx_buf_puts(out, names[at - special]);
        else
            mlx_buf_putc(out, *c);
    }
}

static void put_cell(mlx_buf_t *out, double value, int digits)
{
    if (isnan(value))
        mlx_buf_puts(out, "<td>–</td>");
    else
        mlx_buf_printf(out, "<td>%.*f</td>", digits, value);
}

static void put_summary(mlx_buf_t *out, const mlx_value_t *result)
{
    static const struct {
        const char *key, *heading;
        double factor;
    } rows[] = {{"tokens_per_second", "Generation, tok/s", 1},
                {"prompt_tokens_per_second", "Prompt, tok/s", 1},
                {"ttft", "Time to first token, ms", 1000}};
    mlx_buf_puts(out, "<table><tr><th></th><th>n</th><th>median</th><th>mean</th><th>from</th>"
                      "<th>to</th><th>of</th></tr>\n");
    for (size_t i = 0; i < MLX_COUNT(rows); i++) {
        const mlx_value_t *map = mlx_value_get(result, rows[i].key);
        bool range = false;
        if (!map)
            continue;
        mlx_value_bool(map, "range", &range);
        mlx_buf_printf(out, "<tr><td>%s</td>", rows[i].heading);
        put_cell(out, real_of(map, "count"), 0);
        put_cell(out, real_of(map, "median") * rows[i].factor, 1);
        put_cell(out, real_of(map, "mean") * rows[i].factor, 1);
        put_cell(out, real_of(map, "low") * rows[i].factor, 1);
        put_cell(out, real_of(map, "high") * rows[i].factor, 1);
        mlx_buf_printf(out, "<td>%s</td></tr>\n", range ? "range" : "95 % interval of the mean");
    }
    mlx_buf_puts(out, "</table>\n");
}

/*  Bars of tokens_per_second of the maps in LIST, each with its NAME; NESTED: its mean. */
static void put_bars(mlx_buf_t *out, const mlx_value_t *list, const char *name, bool nested)
{
    size_t count = mlx_value_size(list);
    double most = 0;
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; i < count; i++) {
            const mlx_value_t *item = mlx_value_at(list, i);
            double rate = nested ? real_of(mlx_value_get(item, "tokens_per_second"), "mean")
                                 : real_of(item, "tokens_per_second");
            int y = (int)i * BAR_HEIGHT;
            most = fmax(most, rate);
            if (pass == 0)
                continue;
            mlx_buf_printf(out, "<text x=\"0\" y=\"%d\">", y + 15);
            put_text(out, text_of(item, name));
            mlx_buf_puts(out, "</text>");
            if (rate > 0)
                mlx_buf_printf(out,
                               "<rect x=\"%d\" y=\"%d\" width=\"%.1f\" height=\"16\"/>"
                               "<text x=\"%.1f\" y=\"%d\">%.1f</text>\n",
                               LABEL_ROOM, y + 3, rate / most * (double)BAR_ROOM,
                               (double)LABEL_ROOM + rate / most * (double)BAR_ROOM + 6, y + 15,
                               rate);
        }
        if (pass == 0)
            mlx_buf_printf(out, "<svg viewBox=\"0 0 %d %d\" role=\"img\">\n",
                           LABEL_ROOM + BAR_ROOM + 60, (int)count * BAR_HEIGHT + 4);
    }
    mlx_buf_puts(out, "</svg>\n");
}

static void put_facts(mlx_buf_t *out, const mlx_value_t *result)
{
    static const struct {
        const char *key, *heading;
    } texts[] = {{"digest", "Digest"},        {"quantization", "Quantization"},
                 {"runtime", "Runtime"},      {"runtime_version", "Version"},
                 {"hardware", "Hardware"},    {"prompt_set", "Prompts"},
                 {"power_scope", "Power of"}, {"thermal_state", "Thermal state"}};
    static const struct {
        const char *key, *heading;
    } numbers[] = {{"context", "Context, tokens"},
                   {"tokens", "Tokens generated"},
                   {"duration", "Duration, s"},
                   {"load", "Loading the model, s"},
                   {"power", "Power, W"},
                   {"joules_per_token", "Energy per token, J"},
                   {"temperature", "Hottest, °C"},
                   {"contention", "Others busy, share"},
                   {"draft_tokens", "Drafted tokens"},
                   {"draft_accepted", "Of those accepted"},
                   {"thinking_tokens", "Tokens of thinking"}};
    mlx_buf_puts(out, "<table>\n");
    for (size_t i = 0; i < MLX_COUNT(texts); i++) {
        if (!*text_of(result, texts[i].key))
            continue;
        mlx_buf_printf(out, "<tr><td>%s</td><td>", texts[i].heading);
        put_text(out, text_of(result, texts[i].key));
        mlx_buf_puts(out, "</td></tr>\n");
    }
    for (size_t i = 0; i < MLX_COUNT(numbers); i++) {
        if (isnan(real_of(result, numbers[i].key)))
            continue;
        mlx_buf_printf(out, "<tr><td>%s</td><td>%.5g</td></tr>\n", numbers[i].heading,
                       real_of(result, numbers[i].key));
    }
    mlx_buf_puts(out, "</table>\n");
}

static void put_result(mlx_buf_t *out, const mlx_value_t *result)
{
    const mlx_value_t *warnings = mlx_value_get(result, "warnings");
    mlx_buf_puts(out, "<h2>");
    put_text(out, text_of(result, "model"));
    mlx_buf_puts(out, "</h2>\n");
    for (size_t i = 0; i < mlx_value_size(warnings); i++) {
        const char *text = mlx_value_as_str(mlx_value_at(warnings, i), NULL);
        mlx_buf_puts(out, "<p class=\"w\">Warning: ");
        put_text(out, text ? text : "");
        mlx_buf_puts(out, "</p>\n");
    }
    if (mlx_bench_is_sweep(result)) {
        mlx_bench_sweep_html(result, out);
    } else {
        put_summary(out, result);
        mlx_buf_puts(out, "<h3>Tokens per second of each prompt</h3>\n");
        put_bars(out, mlx_value_get(result, "prompts"), "name", false);
    }
    put_facts(out, result);
}

void mlx_bench_html(const mlx_value_t *results, mlx_buf_t *out)
{
    mlx_buf_puts(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
                      "<meta name=\"viewport\" content=\"width=device-width\">"
                      "<title>Benchmark</title><style>");
    mlx_buf_puts(out, style);
    mlx_buf_puts(out, "</style></head><body>\n<h1>Benchmark</h1>\n");
    if (mlx_value_size(results) > 1)
        put_bars(out, results, "model", true);
    for (size_t i = 0; i < mlx_value_size(results); i++)
        put_result(out, mlx_value_at(results, i));
    mlx_buf_puts(out, "</body></html>\n");
}
