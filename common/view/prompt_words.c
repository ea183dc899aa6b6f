#include "common/view/prompt_words.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/units.h"
#include "proto/buf.h"

/*  1234567 as "1,234,567". */
static void put_count(mlx_buf_t *out, int64_t n)
{
    char digits[32];
    int len = snprintf(digits, sizeof digits, "%" PRId64, n);
    for (int i = 0; i < len; i++) {
        if (i > 0 && (len - i) % 3 == 0)
            mlx_buf_putc(out, ',');
        mlx_buf_putc(out, digits[i]);
    }
}

static void put_left(mlx_buf_t *out, double seconds)
{
    if (seconds < 90)
        mlx_buf_printf(out, " \u00b7 %.0f s left", ceil(seconds));
    else
        mlx_buf_printf(out, " \u00b7 %.0f min left", ceil(seconds / 60));
}

char *mlx_prompt_words(const mlx_value_t *request)
{
    int64_t total = 0, done = -1, cached = 0;
    double rate = 0, left = NAN;
    bool whole = mlx_value_int(request, "prompt_tokens", &total) && total > 0;
    if (!mlx_value_int(request, "prompt_done", &done) && !whole)
        return NULL;
    mlx_value_int(request, "prompt_cached", &cached);
    mlx_buf_t out = {0};
    mlx_buf_puts(&out, "prompt");
    if (whole && done >= 0 && done <= total) {
        mlx_buf_printf(&out, " %.0f %%", floor((double)done / (double)total * 100));
    } else if (done > 0) {
        mlx_buf_putc(&out, ' ');
        put_count(&out, done);
        mlx_buf_puts(&out, " tokens");
    }
    if (mlx_value_real(request, "prompt_tokens_per_second", &rate) && rate > 0)
        mlx_buf_printf(&out, rate < 10 ? " \u00b7 %.1f tok/s" : " \u00b7 %.0f tok/s", rate);
    if (mlx_value_real(request, "prompt_remaining", &left) && left >= 0 && left < 1e6)
        put_left(&out, left);
    if (cached > 0) {
        mlx_buf_puts(&out, " \u00b7 ");
        put_count(&out, cached);
        if (whole) {
            mlx_buf_puts(&out, " of ");
            put_count(&out, total);
        }
        mlx_buf_puts(&out, " cached");
    }
    return mlx_buf_take(&out);
}

static void put_unit(mlx_buf_t *out, double value, mlx_unit_t unit)
{
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(value, unit);
    mlx_buf_puts(out, text);
}

char *mlx_request_words(const mlx_value_t *request)
{
    double rate = NAN, age = NAN;
    int64_t tokens = 0;
    mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_free_p) char *prompt = mlx_prompt_words(request);
    if (mlx_value_real(request, "tokens_per_second", &rate))
        put_unit(&out, rate, MLX_UNIT_TOKENS_PER_SECOND);
    else
        mlx_buf_puts(&out, prompt ? prompt : "working");
    if (!prompt && mlx_value_int(request, "tokens", &tokens))
        mlx_buf_printf(&out, ", %lld token%s", (long long)tokens, tokens == 1 ? "" : "s");
    if (mlx_value_real(request, "age", &age)) {
        mlx_buf_puts(&out, ", for ");
        put_unit(&out, age, MLX_UNIT_SECONDS);
    }
    return mlx_buf_take(&out);
}

char *mlx_prompt_words_of(const mlx_value_t *running, const char *model)
{
    for (size_t i = 0; i < mlx_value_size(running); i++) {
        const mlx_value_t *request = mlx_value_at(running, i);
        const char *name = mlx_value_str(request, "model");
        if (model && name && strcmp(name, model) != 0)
            continue;
        char *words = mlx_prompt_words(request);
        if (words)
            return words;
    }
    return NULL;
}
