/*  mlxctl watch, topics */
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ctl.h"
#include "proto/catalogue.h"
#include "proto/json.h"

typedef struct {
    mlx_loop_t *loop;
    long left;        /* messages still to print; negative: no end */
    const char *host; /* NULL: of all */
    int status;
} watch_t;

static void on_message(void *arg, const mlx_message_t *message)
{
    watch_t *watch = arg;
    if (watch->left == 0 || (watch->host && strcmp(message->host, watch->host) != 0))
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *value = mlx_message_value(message);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, value, false);
    puts(mlx_buf_str(&text));
    if (watch->left > 0)
        watch->left--;
    /* A reader that has gone (`| head`) ends us quietly. */
    if (fflush(stdout) || watch->left == 0)
        mlx_loop_stop(watch->loop);
}

static void on_signal(void *arg, int number)
{
    watch_t *watch = arg;
    watch->status = number == SIGINT ? MLX_ERR_INTERRUPTED : MLX_OK;
    mlx_loop_stop(watch->loop);
}

static int read_count(const mlx_args_t *args, long *count, mlx_error_t *err)
{
    const char *text = mlx_args_value(args, "count");
    char *end;
    *count = text ? strtol(text, &end, 10) : -1;
    if (text && (*end || *count < 1))
        return mlx_error_set(err, MLX_ERR_USAGE, "--count %s: not a positive number", text);
    return 0;
}

int mlx_cmd_watch(void *arg, const mlx_args_t *args)
{
    static const int signals[] = {SIGINT, SIGTERM, 0};
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    watch_t watch = {.host = mlx_args_value(args, "host")};
    (void)arg;
    if (read_count(args, &watch.left, &err) || mlx_ctl_connect(&ctl, args, &err) ||
        mlx_loop_signals(ctl.loop, signals, on_signal, &watch, &err))
        return mlx_ctl_fail(&err);
    mlx_ctl_watch_bus(&ctl);
    watch.loop = ctl.loop;
    if (mlx_args_operands(args) == 0)
        mlx_bus_subscribe(ctl.bus, "", on_message, &watch);
    for (size_t i = 0; i < mlx_args_operands(args); i++)
        mlx_bus_subscribe(ctl.bus, mlx_args_operand(args, i), on_message, &watch);
    mlx_loop_run(ctl.loop);
    return watch.status;
}

static void print_fields(const mlx_field_t *fields, int depth)
{
    for (; fields && fields->key; fields++) {
        printf("%*s%-*s %-7s %s%s%s", 4 + depth * 2, "", 26 - depth * 2, fields->key,
               mlx_type_name(fields->type), fields->help, fields->unit ? "; " : "",
               mlx_unit_name(fields->unit));
        if (fields->metric)
            printf(" [%s%s]", fields->metric, fields->kind == MLX_METRIC_COUNTER ? "_total" : "");
        putchar('\n');
        print_fields(fields->fields, depth + 1);
    }
}

static void print_page(void)
{
    size_t count;
    printf(
        "Catalogue version %d\n\n"
        "A message is two frames: the topic, and one msgpack map with v (version), host, src, "
        "boot\n"
        "(id of this run of the source), seq (from 1), t (microseconds since 1970) and d (the map\n"
        "below). A key that is absent is not available. Subscribe to "
        "ipc://RUN-DIR/subscribe.sock\n"
        "(`mlxctl config --run-dir`) by any prefix; topics marked * give their last value at "
        "once,\n"
        "and again when others join: drop what is not newer by (src, boot, seq).\n\nTopics\n",
        MLX_CATALOGUE_VERSION);
    const mlx_topic_t *topics = mlx_catalogue_topics(&count);
    for (size_t i = 0; i < count; i++) {
        printf("\n  %s%s  %s", topics[i].pattern, topics[i].retained ? " *" : "", topics[i].help);
        if (topics[i].period_s)
            printf(", every %d s", topics[i].period_s);
        putchar('\n');
        print_fields(topics[i].fields, 0);
    }
    puts("\nCommands");
    const mlx_catalogue_command_t *commands = mlx_catalogue_commands(&count);
    for (size_t i = 0; i < count; i++) {
        printf("\n  %s: %s  %s\n", commands[i].service, commands[i].name, commands[i].help);
        print_fields(commands[i].args, 0);
    }
}

int mlx_cmd_topics(void *arg, const mlx_args_t *args)
{
    (void)arg;
    if (mlx_args_count(args, "json")) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *catalogue = mlx_catalogue_describe();
        return mlx_ctl_print_json(catalogue);
    }
    print_page();
    return MLX_OK;
}
