/*  mlxctl alerts: the alert rules, what fires, silences and tests */
#include <string.h>
#include <unistd.h>

#include "common/base/units.h"
#include "common/cli/table.h"
#include "ctl.h"

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

static int show(const mlx_value_t *reply)
{
    static const char *const headings[] = {"Rule", "State", "Since", "Silenced until", "Summary"};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    const mlx_value_t *list = mlx_value_get(reply, "alerts");
    mlx_table_t *table = mlx_table_new(NULL);
    for (size_t i = 0; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], MLX_ALIGN_LEFT);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *item = mlx_value_at(list, i);
        char since[WHEN], until[WHEN];
        MLX_CLEANUP(mlx_free_p) char *rule = mlx_term_clean(text_of(item, "rule", "?"), 0);
        MLX_CLEANUP(mlx_free_p) char *state = mlx_term_clean(text_of(item, "state", "quiet"), 0);
        MLX_CLEANUP(mlx_free_p) char *summary = mlx_term_clean(text_of(item, "summary", ""), 0);
        put_when(item, "since", since);
        put_when(item, "silenced_until", until);
        mlx_table_row(table, (const char *[]){rule, state, since, until, summary});
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

int mlx_cmd_alerts(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    mlx_error_t err = {0};
    const char *cmd = command_of(args, ask, &err);
    (void)arg;
    if (!cmd || mlx_ctl_connect(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(&ctl, "recorder", cmd, ask, CALL_MS, &err);
    if (!reply)
        return mlx_ctl_fail(&err);
    return mlx_args_count(args, "json") ? mlx_ctl_print_json(mlx_value_get(reply, "alerts"))
                                        : show(reply);
}
