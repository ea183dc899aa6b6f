/*  mlxctl config, keys, tap: what a person sets up */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/base/paths.h"
#include "common/bus/keys.h"
#include "config_man.h"
#include "ctl.h"
#include "proto/catalogue.h"
#include "proto/json.h"
#include "seal.h"

enum {
    ASK_MS = 3000
};

static int print_run_dir(mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *run_dir = mlx_paths_run_dir(NULL, err);
    if (!run_dir)
        return -1;
    puts(run_dir);
    return 0;
}

static void print_settings(const mlx_config_t *config)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_config_describe(config);
    const char *path = mlx_config_path(config);
    printf("file: %s\n\n", path ? path : "none");
    for (size_t i = 0; i < mlx_value_size(list); i++) {
        const mlx_value_t *setting = mlx_value_at(list, i);
        const mlx_value_t *value = mlx_value_get(setting, "value");
        const char *place = mlx_value_str(setting, "place");
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        if (mlx_value_type(value) == MLX_STR)
            mlx_buf_puts(&text, mlx_value_as_str(value, NULL));
        else if (value)
            mlx_json_write(&text, value, false);
        else
            mlx_buf_puts(&text, "(not set)");
        printf("%-24s %-28s %s%s%s\n", mlx_value_str(setting, "key"), mlx_buf_str(&text),
               mlx_value_str(setting, "source"), place ? " " : "", place ? place : "");
    }
}

int mlx_cmd_config(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    (void)arg;
    if (mlx_args_count(args, "run-dir"))
        return print_run_dir(&err) ? mlx_ctl_fail(&err) : MLX_OK;
    if (mlx_args_count(args, "example") || mlx_args_count(args, "man")) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
        if (mlx_args_count(args, "man"))
            mlx_config_man(&text);
        else
            mlx_config_write_example(&text);
        fputs(mlx_buf_str(&text), stdout);
        return MLX_OK;
    }
    if (mlx_ctl_configure(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    if (mlx_args_count(args, "json")) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_config_describe(ctl.config);
        return mlx_ctl_print_json(list);
    }
    print_settings(ctl.config);
    return MLX_OK;
}

/*  A line to paste on the other machine: a key may begin with a dash and hold what shells read. */
static void print_allow(const char *key)
{
    char host[256] = "";
    gethostname(host, sizeof host - 1);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_topic_segment(host);
    fprintf(stderr, "type there, to let this machine read:\n    mlxctl keys allow -- %s '%s'\n",
            name, key);
}

static int keys_init(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    if (mlx_keys_init(dir, mlx_args_count(args, "force") > 0, err))
        return -1;
    MLX_CLEANUP(mlx_free_p) char *key = mlx_keys_public(dir, err);
    if (!key)
        return -1;
    fprintf(stderr, "keys are in %s; the public key, for the other machines:\n", dir);
    puts(key);
    fflush(stdout);
    print_allow(key);
    return 0;
}

static int keys_show(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_free_p) char *key = mlx_keys_public(dir, err);
    (void)args;
    if (!key)
        return -1;
    puts(key);
    fflush(stdout);
    if (isatty(STDOUT_FILENO))
        print_allow(key);
    return 0;
}

/*  The key that this machine signs benchmark results with. */
static int keys_signing(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    unsigned char secret[MLX_KEY_SECRET_BYTES];
    char hex[MLX_SEAL_HEX];
    (void)args;
    if (mlx_keys_secret(dir, secret, err))
        return -1;
    int rc = mlx_seal_key(secret, hex, err);
    memset(secret, 0, sizeof secret);
    return rc || puts(hex) < 0 ? -1 : 0;
}

static int keys_list(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *list = mlx_value_list();
    if (mlx_keys_list(dir, list, err))
        return -1;
    if (mlx_args_count(args, "json"))
        return mlx_ctl_print_json(list);
    for (size_t i = 0; i < mlx_value_size(list); i++)
        printf("%-20s %s\n", mlx_value_str(mlx_value_at(list, i), "name"),
               mlx_value_str(mlx_value_at(list, i), "key"));
    return 0;
}

static int keys_allow(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    const char *name = mlx_args_operand(args, 1), *key = mlx_args_operand(args, 2);
    if (!name || !key)
        return mlx_error_set(err, MLX_ERR_USAGE, "write `mlxctl keys allow NAME PUBLIC-KEY`");
    return mlx_keys_allow(dir, name, key, err);
}

/*  The broker ends the connections made with the key that has gone, and says how many. */
static int tell_ended(const char *name, const mlx_args_t *args, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *reply = NULL;
    mlx_error_t problem = {0};
    int64_t ended = 0;
    if (mlx_ctl_connect(&ctl, args, &problem) == 0)
        reply = mlx_ctl_call(&ctl, "bus", "bus.keys", NULL, ASK_MS, &problem);
    if (!reply && ctl.bus) { /* there is a broker, and who was let in may still read */
        *err = problem;
        return -1;
    }
    mlx_value_int(reply, "ended", &ended);
    if (mlx_args_count(args, "json")) {
        MLX_CLEANUP(mlx_value_destroy) mlx_value_t *result = mlx_value_map();
        mlx_value_set_int(result, "ended", ended);
        return mlx_ctl_print_json(result);
    }
    printf("%s may no longer read; open connections ended: %lld%s\n", name, (long long)ended,
           reply ? "" : " (no bus is running)");
    return 0;
}

static int keys_deny(const char *dir, const mlx_args_t *args, mlx_error_t *err)
{
    const char *name = mlx_args_operand(args, 1);
    if (!name)
        return mlx_error_set(err, MLX_ERR_USAGE, "write `mlxctl keys deny NAME`");
    return mlx_keys_deny(dir, name, err) || tell_ended(name, args, err) ? -1 : 0;
}

static const struct {
    const char *name;
    int (*run)(const char *dir, const mlx_args_t *args, mlx_error_t *err);
} key_actions[] = {
    {"init", keys_init}, {"show", keys_show},   {"signing", keys_signing},
    {"list", keys_list}, {"allow", keys_allow}, {"deny", keys_deny},
};

int mlx_cmd_keys(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    const char *action = mlx_args_operand(args, 0);
    (void)arg;
    if (mlx_ctl_configure(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    MLX_CLEANUP(mlx_free_p) char *dir = mlx_keys_dir(ctl.config, &err);
    if (!dir)
        return mlx_ctl_fail(&err);
    for (size_t i = 0; i < MLX_COUNT(key_actions); i++)
        if (strcmp(action, key_actions[i].name) == 0)
            return key_actions[i].run(dir, args, &err) ? mlx_ctl_fail(&err) : MLX_OK;
    mlx_error_set(&err, MLX_ERR_USAGE, "unknown keys action \"%s\"", action);
    mlx_error_hint(&err, "use init, show, signing, list, allow or deny");
    return mlx_ctl_fail(&err);
}

int mlx_cmd_tap(void *arg, const mlx_args_t *args)
{
    MLX_CLEANUP(mlx_ctl_close) mlx_ctl_t ctl = {0};
    mlx_error_t err = {0};
    (void)arg;
    if (mlx_ctl_configure(&ctl, args, &err))
        return mlx_ctl_fail(&err);
    const char *listen = mlx_config_str(ctl.config, "watcher.tap_listen");
    const char *upstream = mlx_config_str(ctl.config, "watcher.tap_upstream");
    if (!mlx_config_bool(ctl.config, "watcher.tap")) {
        puts("The tap is switched off (watcher.tap).");
        return MLX_OK;
    }
    if (!upstream)
        upstream = "where OLLAMA_HOST points, else 127.0.0.1:11434";
    printf(
        "The tap relays %s to %s and measures what passes: time to first token,\n"
        "tokens per second of every client, and the server's own final counts. Bytes are "
        "untouched.\n\n"
        "Without it the runner probe already shows tokens per second of a current Ollama;\n"
        "`mlxctl status` says which source is used.\n\n"
        "To put it in front of one app:\n"
        "    export OLLAMA_HOST=http://%s\n"
        "or set that address in the app's own settings (\"Ollama URL\", \"base URL\").\n\n"
        "To put it in front of every app, let Ollama listen elsewhere and the tap in its place:\n"
        "    OLLAMA_HOST=127.0.0.1:11436 ollama serve\n"
        "    watcher: {tap_listen: \"127.0.0.1:11434\", tap_upstream: \"127.0.0.1:11436\"}\n"
        "in %s, then `mlxctl services restart watcher`.\n",
        listen, upstream, listen,
        mlx_config_path(ctl.config) ? mlx_config_path(ctl.config)
                                    : "the configuration file (mlxctl config)");
    return MLX_OK;
}
