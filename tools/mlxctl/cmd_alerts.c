/*  mlxctl alerts: the alert rules, what fires, silences and tests */
#include <string.h>
#include <unistd.h>

#include "common/base/units.h"
#include "common/cli/table.h"
#include "ctl.h"
#include "machines.h"

enum {
    CALL_MS = 10000,
    WHEN = 32
};

static const char *text_of(const mlx_value_t *map, const char *key, const char *other)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : other;
}

static void put_when(const mlx_value_t *map, const char *key, char when[WHEN])
{
    int64_t t;
    if (!mlx_value_int(map, key, &t) || !mlx_format_minute(t, when, WHEN))
        when[0] = '\0';
}

/*  ALL: with the machine of each. */
static int show(const mlx_value_t *list, bool all)
{
    static const char *const headings[] = {"Machine", "Rule",           "State",
                                           "Since",   "Silenced until", "Summary"};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    mlx_table_t *table = mlx_table_new(NULL);
    for (size_t i = !all; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], MLX_ALIGN_LEFT);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        char since[WHEN], until[WHEN];
        MLX_CLEANUP(mlx_free_p) char *rule = mlx_term_clean(text_of(item, "rule", "?"), 0);
        MLX_CLEANUP(mlx_free_p) char *state = mlx_term_clean(text_of(item, "state", "quiet"), 0);
        MLX_CLEANUP(mlx_free_p) char *summary = mlx_term_clean(text_of(item, "summary", ""), 0);
        MLX_CLEANUP(mlx_free_p) char *host = mlx_term_clean(text_of(item, "host", ""), 0);
        put_when(item, "since", since);
        put_when(item, "silenced_until", until);
        const char *cells[] = {host, rule, state, since, until, summary};
        mlx_table_row(table, cells + !all);
    }
    if (mlx_value_size(list) == 0)
        mlx_buf_puts(&out, "There are no alert rules: set alert.rules, see `mlxctl config "
                           "--example`.\n");
    else
        mlx_table_write(table, &term, &out);
    mlx_table_destroy(&table);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

/*  The command that ARGS ask for, with its arguments in ASK; NULL with ERR. */
static const char *command_of(const mlx_args_t *args, mlx_value_t *ask, mlx_error_t *err)
{
    const char *test = mlx_args_value(args, "test"), *silence = mlx_args_value(args, "silence");
    const char *length = mlx_args_operand(args, 0);
    double seconds = 3600;
    if ((test && silence) || (length && !silence)) {
        mlx_error_set(err, MLX_ERR_USAGE, "give --test RULE, or --silence RULE and a time");
        return NULL;
    }
    if (length && strcmp(length, "0") == 0)
        seconds = 0;
    else if (length && mlx_parse_duration(length, &seconds, err))
        return NULL;
    mlx_value_set_str(ask, "rule", test ? test : silence);
    if (silence)
        mlx_value_set_real(ask, "seconds", seconds);
    return test ? "alert.test" : silence ? "alert.silence" : "alert.list";
}

/*  The rules of this machine, as its recorder answers ASK, and the alerts of others. */
static mlx_value_t *gather(mlx_ctl_t *ctl, const mlx_machines_t *machines, const char *cmd,
                           const mlx_value_t *ask, mlx_error_t *err)
{
    mlx_value_t *list = mlx_value_list();
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply =
        machines->own ? mlx_ctl_call(ctl, "recorder", cmd, ask, CALL_MS, err) : NULL;
    const mlx_value_t *own = mlx_value_get(reply, "alerts");
    for (size_t i = 0; i < mlx_value_size(own); i++) {
        mlx_value_t *item = mlx_value_append(list, mlx_value_copy(mlx_value_at(own, i)));
        mlx_value_set_str(item, "host", mlx_bus_host(ctl->bus));
    }
    if ((machines->own && !reply) ||
        mlx_machines_others(ctl, machines, "alert.", "rule", list, err))
        mlx_value_destroy(&list);
    return list;
}

int mlx_cmd_alerts(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    mlx_error_t err = {0};
    mlx_machines_t machines;
    const char *cmd = command_of(args, ask, &err);
    (void)arg;
    bool changes = cmd && strcmp(cmd, "alert.list") != 0;
    if (!cmd || mlx_ctl_connect(&ctl, args, &err) ||
        mlx_machines_choose(&ctl, args, &machines, &err) ||
        (changes &&
         mlx_machines_only_own(&machines, "alerts are silenced and tested", "alerts", &err)))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = gather(&ctl, &machines, cmd, ask, &err);
    if (!list)
        return mlx_ctl_fail(&err);
    return mlx_args_count(args, "json") ? mlx_ctl_print_json(list) : show(list, !machines.host);
}
