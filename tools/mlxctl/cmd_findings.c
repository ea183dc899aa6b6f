/*  mlxctl findings: what slows the machine down for its models, now and lately */
#include <string.h>
#include <unistd.h>

#include "common/base/units.h"
#include "common/cli/term.h"
#include "ctl.h"
#include "machines.h"

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

static void put_finding(mlx_buf_t *out, const mlx_value_t *item, bool all, const mlx_term_t *term)
{
    char when[WHEN];
    bool firing = strcmp(text_of(item, "state"), "firing") == 0;
    MLX_CLEANUP(mlx_free_p) char *summary = mlx_term_clean(text_of(item, "summary"), 0);
    MLX_CLEANUP(mlx_free_p) char *remedy = mlx_term_clean(text_of(item, "remedy"), 0);
    MLX_CLEANUP(mlx_free_p) char *host = mlx_term_clean(all ? text_of(item, "host") : "", 24);
    put_when(item, when);
    mlx_buf_printf(out, "%s  %s%s%s%s%s%s\n", when, host, all ? ": " : "",
                   firing ? mlx_term_style(term, MLX_STYLE_WARN) : "",
                   firing ? "" : "over: ", summary, mlx_term_style(term, MLX_STYLE_PLAIN));
    if (firing && *remedy)
        mlx_buf_printf(out, "                  what helps: %s\n", remedy);
}

/*  Those of this machine from its record, of others what they publish. NULL with ERR. */
static mlx_value_t *gather(mlx_ctl_t *ctl, const mlx_machines_t *machines, mlx_error_t *err)
{
    mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply =
        machines->own ? mlx_ctl_call(ctl, "recorder", "finding.list", NULL, TIMEOUT_MS, err) : NULL;
    const mlx_value_t *own = mlx_value_get(reply, "findings");
    for (size_t i = 0; i < mlx_value_size(own); i++)
        mlx_value_append(list, mlx_value_copy(mlx_value_at(own, i)));
    if ((machines->own && !reply) ||
        mlx_machines_others(ctl, machines, "finding.", "rule", list, err))
        mlx_value_destroy(&list);
    return list;
}

int mlx_cmd_findings(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_error_t err = {0};
    mlx_machines_t machines;
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    (void)arg;
    if (mlx_ctl_connect(&ctl, args, &err) || mlx_machines_choose(&ctl, args, &machines, &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = gather(&ctl, &machines, &err);
    if (!list)
        return mlx_ctl_fail(&err);
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(list);
    if (mlx_value_size(list) == 0)
        mlx_buf_puts(&out, "Nothing was found.\n");
    for (size_t i = 0; i < mlx_value_size(list); i++)
        put_finding(&out, mlx_value_at(list, i), !machines.host, &term);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}
