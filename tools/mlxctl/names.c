/*  What the shell offers behind TAB: asked while somebody types, so everything here is quick and
 *  silent, and nothing is given that a shell would read as more than a word. */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/paths.h"
#include "common/view/overview.h"
#include "ctl.h"
#include "proto/catalogue.h"

enum {
    PATIENCE_MS = 700
};

/*  Names come from model servers and other machines, and end on a command line. */
static bool is_plain(const char *name)
{
    for (const char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c) && !strchr("._:/@+-", *c))
            return false;
    return *name && *name != '-';
}

static void put_name(mlx_buf_t *out, const char *name)
{
    if (name && is_plain(name))
        mlx_buf_printf(out, "%s\n", name);
}

static bool connect_quietly(mlx_ctl_t *ctl)
{
    ctl->config = mlx_config_open(NULL, NULL, NULL);
    ctl->run_dir = ctl->config ? mlx_paths_run_dir(NULL, NULL) : NULL;
    if (!ctl->run_dir || mlx_bus_probe(ctl->run_dir, NULL))
        return false;
    ctl->loop = mlx_loop_new();
    mlx_bus_options_t options = {.run_dir = ctl->run_dir,
                                 .host = mlx_config_str(ctl->config, "host"),
                                 .hwm = (size_t)mlx_config_int(ctl->config, "bus.hwm")};
    ctl->bus = mlx_bus_new(ctl->loop, &options, NULL);
    return ctl->bus != NULL;
}

/*  Topics of the catalogue, each up to what differs from machine to machine. */
static void put_topics(mlx_buf_t *out)
{
    size_t count;
    const mlx_topic_t *topics = mlx_catalogue_topics(&count);
    for (size_t i = 0; i < count; i++)
        mlx_buf_printf(out, "%.*s\n", (int)strcspn(topics[i].pattern, "<"), topics[i].pattern);
}

/*  Series of this machine without its name, which the command adds itself. */
static void put_series(mlx_ctl_t *ctl, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, "recorder", "history.series", NULL, PATIENCE_MS, NULL);
    const mlx_value_t *names = mlx_value_get(reply, "series");
    const char *host = mlx_bus_host(ctl->bus);
    size_t len = strlen(host);
    for (size_t i = 0; i < mlx_value_size(names); i++) {
        const char *name = mlx_value_as_str(mlx_value_at(names, i), NULL);
        bool ours = name && strncmp(name, host, len) == 0 && name[len] == '/';
        put_name(out, ours ? name + len + 1 : name);
    }
}

typedef struct {
    const char *host;
    mlx_buf_t *out;
} models_t;

static void put_models_of(void *arg, const mlx_message_t *message)
{
    const models_t *self = arg;
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    if (strcmp(message->host, self->host) != 0)
        return;
    for (size_t i = 0; i < mlx_value_size(models); i++)
        put_name(self->out, mlx_value_str(mlx_value_at(models, i), "name"));
}

static void put_models(mlx_ctl_t *ctl, mlx_buf_t *out)
{
    models_t models = {.host = mlx_bus_host(ctl->bus), .out = out};
    mlx_ctl_last_values(ctl, "runtime.", PATIENCE_MS, put_models_of, &models, NULL);
}

static void put_hosts(mlx_ctl_t *ctl, mlx_buf_t *out)
{
    const char *hosts[256];
    mlx_overview_t *overview = mlx_ctl_overview(ctl, NULL);
    size_t count = overview ? mlx_overview_hosts(overview, hosts, MLX_COUNT(hosts)) : 0;
    for (size_t i = 0; i < count; i++)
        put_name(out, hosts[i]);
    mlx_overview_destroy(&overview);
}

void mlx_ctl_names(const char *kind, mlx_buf_t *out)
{
    static const struct {
        const char *kind;
        const char *words; /* known without asking */
        void (*put)(mlx_ctl_t *ctl, mlx_buf_t *out);
    } table[] = {
        {"service", "restart\nbus\nsampler\nwatcher\nbencher\nrecorder\ngateway\ncache\n", NULL},
        {"history",
         "speed\ngpu\nmemory\ncpu\ntemperature\npower\nenergy\nrequests\nttft\nlatency\ntokens\n"
         "list\nexport\ninfo\nvacuum\n",
         put_series},
        {"key", "init\nshow\nsigning\nlist\nallow\ndeny\n", NULL},
        {"model", "", put_models},
        {"host", "", put_hosts},
    };
    if (strcmp(kind, "topic") == 0)
        put_topics(out);
    for (size_t i = 0; i < MLX_COUNT(table); i++) {
        MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
        if (strcmp(table[i].kind, kind) != 0)
            continue;
        mlx_buf_puts(out, table[i].words);
        if (table[i].put && connect_quietly(&ctl))
            table[i].put(&ctl, out);
    }
}
