/*  mlxctl findings: what slows the machine down for its models, now and lately */
#include <string.h>
#include <unistd.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "ctl.h"

enum {
    TIMEOUT_MS = 5000,
    WHEN = 32
};

static const char *text_of(const mlx_value_t *map, const char *key)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : "";
}

static void put_when(const mlx_value_t *item, char when[WHEN])
{
    int64_t t = 0;
    mlx_value_int(item, "t", &t);
    if (!mlx_format_minute(t, when, WHEN))
        when[0] = '\0';
}

static void put_finding(mlx_buf_t *out, const mlx_value_t *item, const mlx_term_t *term)
{
    char when[WHEN];
    bool firing = strcmp(text_of(item, "state"), "firing") == 0;
    MLX_CLEANUP(mlx_free_p) char *summary = mlx_term_clean(text_of(item, "summary"), 0);
    MLX_CLEANUP(mlx_free_p) char *remedy = mlx_term_clean(text_of(item, "remedy"), 0);
    put_when(item, when);
    mlx_buf_printf(out, "%s  %s%s%s%s\n", when, firing ? mlx_term_style(term, MLX_STYLE_WARN) : "",
                   firing ? "" : "over: ", summary, mlx_term_style(term, MLX_STYLE_PLAIN));
    if (firing && *remedy)
        mlx_buf_printf(out, "                  what helps: %s\n", remedy);
}

int mlx_cmd_findings(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_error_t err = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    (void)arg;
    if (mlx_ctl_connect(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(&ctl, "recorder", "finding.list", NULL, TIMEOUT_MS, &err);
    const mlx_value_t *list = mlx_value_get(reply, "findings");
    if (!reply)
        return mlx_ctl_fail(&err);
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(list);
    if (mlx_value_size(list) == 0)
        mlx_buf_puts(&out, "Nothing was found.\n");
    for (size_t i = 0; i < mlx_value_size(list); i++)
        put_finding(&out, mlx_value_at(list, i), &term);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}
