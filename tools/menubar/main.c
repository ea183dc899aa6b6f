/*  mlx-menubar: what the machine does for its models, in the tray or in a status bar. */
#include <locale.h>
#include <string.h>

#include "common/cli/args.h"
#include "menubar.h"

static const mlx_option_t options[] = {
    {.name = "format",
     .letter = 'f',
     .value = "FORMAT",
     .help = "Show it as FORMAT: tray (an icon with a menu, Linux), swiftbar, xbar, waybar, "
             "i3blocks, plain, short or json (a line or block per change).",
     .words = "tray|swiftbar|xbar|waybar|i3blocks|plain|short|json"},
    {.name = "once", .help = "Write one update and exit."},
    {.name = "do",
     .value = "ACTION",
     .help = "Perform one menu action and exit: benchmark, history or preferences.",
     .words = "benchmark|history|preferences"},
    {.name = "config",
     .value = "FILE",
     .help = "Read settings from FILE instead of the default location.",
     .complete = "file"},
    {0},
};

static int read_action(const char *name, mlx_action_t *action, mlx_error_t *err)
{
    static const mlx_action_t known[] = {MLX_ACTION_BENCHMARK, MLX_ACTION_HISTORY,
                                         MLX_ACTION_PREFERENCES};
    for (size_t i = 0; i < MLX_COUNT(known); i++)
        if (strcmp(mlx_action_name(known[i]), name) == 0) {
            *action = known[i];
            return 0;
        }
    mlx_error_set(err, MLX_ERR_USAGE, "--do %s: no such action", name);
    return mlx_error_hint(err, "choose benchmark, history or preferences");
}

static int read_options(const mlx_args_t *args, mlx_menubar_options_t *out, mlx_error_t *err)
{
    const char *format = mlx_args_value(args, "format"), *action = mlx_args_value(args, "do");
    out->config = mlx_args_value(args, "config");
    out->once = mlx_args_count(args, "once") > 0;
    out->frontend = format ? mlx_frontend_find(format) : out->once ? mlx_frontend_fallback() : NULL;
    if (format && !out->frontend) {
        mlx_error_set(err, MLX_ERR_USAGE, "--format %s: unknown format", format);
        return mlx_error_hint(err, "see mlx-menubar --help");
    }
    if (out->once && out->frontend && strcmp(out->frontend->name, "tray") == 0)
        return mlx_error_set(err, MLX_ERR_USAGE, "--once cannot be combined with a tray icon");
    return action ? read_action(action, &out->action, err) : 0;
}

static int run(void *arg, const mlx_args_t *args)
{
    mlx_menubar_options_t chosen = {0};
    mlx_error_t err = {0};
    (void)arg;
    if (read_options(args, &chosen, &err) || mlx_menubar_run(&chosen, &err))
        return mlx_error_report("mlx-menubar", &err);
    return MLX_OK;
}

static const mlx_example_t examples[] = {
    {"mlx-menubar", "The icon in the tray of a desktop."},
    {"mlx-menubar -f waybar", "JSON lines for waybar, one when something changes."},
    {"mlx-menubar -f short --once", "The speed alone, for a prompt or tmux."},
    {"mlx-menubar --do benchmark", "Perform the menu's action."},
    {0},
};

static const mlx_program_t program = {
    .self = {.name = "mlx-menubar",
             .summary = "show live model speed in the tray or a status bar",
             .about =
                 "Without --format it is a tray icon where there is a desktop session, else plain "
                 "text. Updates are written when something changes, at most once per second.\n\n"
                 "Recipes for waybar, i3blocks, polybar, tmux, starship, SwiftBar and xbar are in "
                 "share/mlx/bars of the installation.",
             .options = options,
             .run = run},
    .examples = examples,
    .see_also = "mlxctl(1), mlx-gateway(1)",
};

int main(int argc, char **argv)
{
    setlocale(LC_CTYPE, "");
    return mlx_args_main(&program, argc, argv, NULL);
}
