/*  mlxctl models, load, unload, pin */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/clock.h"
#include "common/base/units.h"
#include "common/cli/table.h"
#include "ctl.h"
#include "machines.h"

enum {
    CALL_MS = 10000,
    WORK_MS = 600000, /* a model of hundreds of gigabytes from a slow disk */
    SETTLE_MS = 2500, /* until the sensors have seen what it changed */
    LAST = 500,       /* requests looked at for who used a model */
};

/* ---- models ---- */

typedef struct {
    const mlx_machines_t *machines;
    const mlx_value_t *requests; /* newest first */
    mlx_value_t *list;
} models_t;

static const mlx_value_t *last_use(const mlx_value_t *requests, const char *host, const char *model)
{
    for (size_t i = 0; i < mlx_value_size(requests); i++) {
        const char *name = mlx_value_str(mlx_value_at(requests, i), "model");
        const char *where = mlx_value_str(mlx_value_at(requests, i), "host");
        size_t len = name ? strlen(name) : 0;
        if (name && where && strcmp(where, host) == 0 && strncmp(name, model, len) == 0 &&
            (!model[len] || strcmp(model + len, ":latest") == 0))
            return mlx_value_at(requests, i);
    }
    return NULL;
}

static void add_model(models_t *self, const mlx_message_t *message, const mlx_value_t *model,
                      const char *state)
{
    static const char *const kept[] = {"size", "vram", "context", "quantization", "expires_at"};
    const char *name = mlx_value_str(model, "name");
    int64_t end;
    if (!name)
        return;
    mlx_value_t *d = mlx_value_append(self->list, mlx_value_map());
    mlx_value_set_str(d, "host", message->host);
    mlx_value_set_str(d, "runtime", mlx_value_str(message->d, "kind"));
    mlx_value_set_str(d, "url", mlx_value_str(message->d, "url"));
    mlx_value_set_str(d, "model", name);
    mlx_value_set_str(d, "state", state);
    for (size_t i = 0; i < MLX_COUNT(kept); i++)
        if (mlx_value_get(model, kept[i]))
            mlx_value_set(d, kept[i], mlx_value_copy(mlx_value_get(model, kept[i])));
    const mlx_value_t *use = last_use(self->requests, message->host, name);
    mlx_value_set_str(d, "last_client", mlx_value_str(use, "client"));
    if (mlx_value_int(use, "end", &end))
        mlx_value_set_int(d, "last_used", end);
}

static bool is_loaded(const mlx_value_t *models, const char *name)
{
    for (size_t i = 0; i < mlx_value_size(models); i++) {
        const char *loaded = mlx_value_str(mlx_value_at(models, i), "name");
        if (loaded && name && strcmp(loaded, name) == 0)
            return true;
    }
    return false;
}

static void see(void *arg, const mlx_message_t *message, int64_t age_us)
{
    models_t *self = arg;
    const char *end = strrchr(message->topic, '.');
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    const mlx_value_t *available = mlx_value_get(message->d, "available");
    if (!mlx_machines_has(self->machines, message->host))
        return;
    if (strcmp(end, ".models") != 0 || age_us > MLX_OVERVIEW_STALE_US)
        return;
    for (size_t i = 0; i < mlx_value_size(models); i++)
        add_model(self, message, mlx_value_at(models, i), "loaded");
    for (size_t i = 0; i < mlx_value_size(available); i++) {
        const mlx_value_t *model = mlx_value_at(available, i);
        const char *state = mlx_value_str(model, "state");
        if (!is_loaded(models, mlx_value_str(model, "name")))
            add_model(self, message, model, state ? state : "available");
    }
}

static char *expiry_text(const mlx_value_t *d)
{
    int64_t at, now = mlx_wall_us();
    if (!mlx_value_int(d, "expires_at", &at))
        return mlx_strdup(strcmp(mlx_value_str(d, "state"), "loaded") == 0 ? "stays" : "");
    if (at <= now)
        return mlx_strdup("now");
    MLX_CLEANUP(mlx_free_p)
    char *in = mlx_format_unit((double)(at - now) / 1e6, MLX_UNIT_SECONDS);
    return mlx_format("in %s", in);
}

static char *size_text(const mlx_value_t *d)
{
    double size;
    return mlx_value_real(d, "size", &size) ? mlx_format_unit(size, MLX_UNIT_BYTES)
                                            : mlx_strdup("");
}

static char *use_text(const mlx_value_t *d)
{
    int64_t end;
    const char *client = mlx_value_str(d, "last_client");
    if (!mlx_value_int(d, "last_used", &end))
        return mlx_strdup("");
    double ago_s = (double)(mlx_wall_us() - end) / 1e6;
    MLX_CLEANUP(mlx_free_p) char *ago = mlx_format_unit(ago_s > 0 ? ago_s : 0, MLX_UNIT_SECONDS);
    return mlx_format("%s%s%s ago", client ? client : "", client ? ", " : "", ago);
}

/*  ALL: with the machine of each. */
static int print_table(const mlx_value_t *list, bool all)
{
    static const char *const headings[] = {"Machine", "Runtime", "Model",       "State",
                                           "Memory",  "Expires", "Last used by"};
    mlx_term_t term = mlx_term_look(STDOUT_FILENO, NULL);
    mlx_table_t *table = mlx_table_new(NULL);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    for (size_t i = !all; i < MLX_COUNT(headings); i++)
        mlx_table_column(table, headings[i], i == 4 ? MLX_ALIGN_RIGHT : MLX_ALIGN_LEFT);
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *d = mlx_value_at(list, i);
        MLX_CLEANUP(mlx_free_p) char *size = size_text(d);
        MLX_CLEANUP(mlx_free_p) char *expiry = expiry_text(d);
        MLX_CLEANUP(mlx_free_p) char *use = use_text(d);
        const char *cells[] = {mlx_value_str(d, "host"),
                               mlx_value_str(d, "runtime"),
                               mlx_value_str(d, "model"),
                               mlx_value_str(d, "state"),
                               size,
                               expiry,
                               use};
        mlx_table_row(table, cells + !all);
    }
    mlx_table_write(table, &term, &out);
    mlx_table_destroy(&table);
    return mlx_ctl_print_text(mlx_buf_str(&out));
}

static int show_models(mlx_ctl_t *ctl, const mlx_args_t *args, mlx_error_t *err)
{
    mlx_machines_t machines;
    if (mlx_machines_choose(ctl, args, &machines, err) || mlx_machines_check(ctl, &machines, err))
        return -1;
    mlx_overview_t *overview = mlx_ctl_overview(ctl, err);
    if (!overview)
        return -1;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    mlx_value_set_int(ask, "limit", LAST);
    MLX_CLEANUP(mlx_value_destroy) /* without a recorder nobody knows who used a model last */
    mlx_value_t *reply = mlx_ctl_call(ctl, "recorder", "requests.list", ask, CALL_MS, NULL);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *all = mlx_value_map();
    models_t models = {.machines = &machines,
                       .requests = mlx_value_get(reply, "requests"),
                       .list = mlx_value_set(all, "models", mlx_value_list())};
    mlx_overview_each(overview, "runtime.", mlx_wall_us(), see, &models);
    mlx_overview_destroy(&overview);
    return mlx_args_count(args, "json") ? mlx_ctl_print_json(all)
                                        : print_table(models.list, !machines.host);
}

int mlx_cmd_models(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    (void)arg;
    int status = mlx_ctl_connect(&ctl, args, &err) ? -1 : show_models(&ctl, args, &err);
    return status < 0 ? mlx_ctl_fail(&err) : status;
}

/* ---- load, unload, pin ---- */

typedef struct {
    double memory, gpu; /* bytes in use; NaN: no sensor says */
} used_t;

static used_t look(mlx_ctl_t *ctl)
{
    used_t used = {NAN, NAN};
    mlx_overview_t *overview = mlx_ctl_overview(ctl, NULL);
    if (overview) {
        mlx_headline_t now = mlx_overview_headline(overview, mlx_wall_us());
        used = (used_t){now.memory_used, now.gpu_memory_used};
    }
    mlx_overview_destroy(&overview);
    return used;
}

static void on_settled(void *arg)
{
    mlx_loop_stop(arg);
}

static void print_change(const char *name, double before, double after)
{
    if (isnan(before) || isnan(after))
        return;
    MLX_CLEANUP(mlx_free_p) char *a = mlx_format_unit(before, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *b = mlx_format_unit(after, MLX_UNIT_BYTES);
    printf("%s in use: %s before, %s now\n", name, a, b);
}

static int control(mlx_ctl_t *ctl, const mlx_args_t *args, const char *cmd, const char *done,
                   mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *ask = mlx_value_map();
    mlx_value_set_str(ask, "model", mlx_args_operand(args, 0));
    mlx_value_set_str(ask, "runtime", mlx_args_value(args, "runtime"));
    if (strcmp(cmd, "model.unload") == 0 && mlx_args_count(args, "force"))
        mlx_value_set_bool(ask, "force", true);
    used_t before = look(ctl);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *reply = mlx_ctl_call(ctl, "watcher", cmd, ask, WORK_MS, err);
    if (!reply)
        return -1;
    mlx_loop_after(ctl->loop, SETTLE_MS, on_settled, ctl->loop);
    mlx_loop_run(ctl->loop);
    used_t after = look(ctl);
    mlx_value_set_real(reply, "memory_before", before.memory);
    mlx_value_set_real(reply, "memory_after", after.memory);
    mlx_value_set_real(reply, "gpu_memory_before", before.gpu);
    mlx_value_set_real(reply, "gpu_memory_after", after.gpu);
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(reply);
    MLX_CLEANUP(mlx_free_p) char *model = mlx_term_clean(mlx_value_str(reply, "model"), 0);
    printf("%s %s (%s)\n", model, done, mlx_value_str(reply, "runtime"));
    print_change("memory", before.memory, after.memory);
    print_change("GPU memory", before.gpu, after.gpu);
    return MLX_OK;
}

static int run_control(const mlx_args_t *args, const char *cmd, const char *done)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    int status = mlx_ctl_connect(&ctl, args, &err) ? -1 : control(&ctl, args, cmd, done, &err);
    return status < 0 ? mlx_ctl_fail(&err) : status;
}

int mlx_cmd_load(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return run_control(args, "model.load", "is loaded");
}

int mlx_cmd_unload(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return run_control(args, "model.unload", "is unloaded");
}

int mlx_cmd_pin(void *arg, const mlx_args_t *args)
{
    (void)arg;
    return run_control(args, "model.pin", "stays loaded until it is unloaded");
}
