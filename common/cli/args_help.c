/*  Help on the terminal and the man page. */
#include "common/cli/args_text.h"

#include <string.h>

enum {
    WIDEST_LEFT = 30, /* a longer left column puts its text on the next line */
};

/*  "-j, --json" or "    --config FILE" */
static void put_option_name(mlx_buf_t *out, const mlx_option_t *option)
{
    if (option->letter)
        mlx_buf_printf(out, "-%c, --%s", option->letter, option->name);
    else
        mlx_buf_printf(out, "    --%s", option->name);
    if (option->value)
        mlx_buf_printf(out, " %s", option->value);
}

static void put_row(mlx_buf_t *out, const char *left, const char *right, size_t width)
{
    size_t len = strlen(left);
    if (len > width)
        mlx_buf_printf(out, "  %s\n%*s%s\n", left, (int)width + 4, "", right);
    else
        mlx_buf_printf(out, "  %-*s  %s\n", (int)width, left, right);
}

static size_t left_width(const mlx_option_t *options, size_t width)
{
    for (; options && options->name; options++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t left = {0};
        put_option_name(&left, options);
        if (options->help && left.len > width && left.len <= WIDEST_LEFT)
            width = left.len;
    }
    return width;
}

static void put_options(mlx_buf_t *out, const mlx_option_t *options, size_t width)
{
    for (; options && options->name; options++) {
        MLX_CLEANUP(mlx_buf_clear) mlx_buf_t left = {0};
        put_option_name(&left, options);
        if (options->help)
            put_row(out, mlx_buf_str(&left), options->help, width);
    }
}

static void put_commands(mlx_buf_t *out, const mlx_args_command_t *commands)
{
    size_t width = 0;
    for (const mlx_args_command_t *c = commands; c->name; c++)
        width = strlen(c->name) > width ? strlen(c->name) : width;
    mlx_buf_puts(out, "\nCommands:\n");
    for (const mlx_args_command_t *c = commands; c->name; c++)
        put_row(out, c->name, c->summary, width);
}

static void put_usage(mlx_buf_t *out, const mlx_program_t *program,
                      const mlx_args_command_t *command)
{
    mlx_buf_printf(out, "%s ", program->self.name);
    if (command)
        mlx_buf_printf(out, "%s ", command->name);
    mlx_buf_puts(out, "[<options>]");
    if (!command && program->commands)
        mlx_buf_puts(out, " <command> [<arguments>]");
    const char *operands = command ? command->operands : program->self.operands;
    if (operands)
        mlx_buf_printf(out, " %s", operands);
}

/*  Is LINE, "[NAME=value] mlxctl status --json", of COMMAND? Every line is of the program. */
static bool is_of(const char *line, const mlx_program_t *program, const mlx_args_command_t *command)
{
    MLX_CLEANUP(mlx_free_p)
    char *begin = command ? mlx_format("%s %s", program->self.name, command->name) : NULL;
    const char *at = begin ? strstr(line, begin) : line;
    return !command || (at && (!at[strlen(begin)] || at[strlen(begin)] == ' '));
}

static void put_examples(mlx_buf_t *out, const mlx_program_t *program,
                         const mlx_args_command_t *command)
{
    bool first = true;
    for (const mlx_example_t *e = program->examples; e && e->line; e++) {
        if (!is_of(e->line, program, command))
            continue;
        mlx_buf_printf(out, "%s  %s\n      %s\n", first ? "\nExamples:\n" : "", e->line, e->what);
        first = false;
    }
}

void mlx_args_help(const mlx_program_t *program, const mlx_args_command_t *command, mlx_buf_t *out)
{
    const mlx_args_command_t *subject = command ? command : &program->self;
    mlx_buf_puts(out, "Usage: ");
    put_usage(out, program, command);
    mlx_buf_printf(out, "\n\n%s.\n", subject->summary);
    if (subject->about)
        mlx_buf_printf(out, "\n%s\n", subject->about);
    if (!command && program->commands)
        put_commands(out, program->commands);
    mlx_buf_puts(out, "\nOptions:\n");
    size_t width = left_width(mlx_args_standard, 0);
    width = left_width(program->self.options, width);
    width = left_width(command ? command->options : NULL, width);
    if (command)
        put_options(out, command->options, width);
    put_options(out, program->self.options, width);
    put_options(out, mlx_args_standard, width);
    if (command || !program->commands)
        put_examples(out, program, command);
    if (!command && program->commands)
        mlx_buf_printf(out, "\nSee %s <command> --help for details.\n", program->self.name);
}

void mlx_args_roff(mlx_buf_t *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        bool line_begins = c == text || c[-1] == '\n';
        if (c[0] == '\n' && c[1] == '\n') {
            mlx_buf_puts(out, "\n.PP\n");
            c++;
        } else if (*c == '\\') {
            mlx_buf_puts(out, "\\e");
        } else if (*c == '-') {
            mlx_buf_puts(out, "\\-");
        } else if (line_begins && (*c == '.' || *c == '\'')) {
            mlx_buf_printf(out, "\\&%c", *c);
        } else {
            mlx_buf_putc(out, *c);
        }
    }
}

static void put_man_options(mlx_buf_t *out, const mlx_option_t *options)
{
    for (; options && options->name; options++) {
        if (!options->help)
            continue;
        mlx_buf_puts(out, ".TP\n.B ");
        if (options->letter)
            mlx_buf_printf(out, "\\-%c, ", options->letter);
        mlx_buf_puts(out, "\\-\\-");
        mlx_args_roff(out, options->name);
        if (options->value)
            mlx_buf_printf(out, " \\fI%s\\fR", options->value);
        mlx_buf_putc(out, '\n');
        mlx_args_roff(out, options->help);
        if (options->words)
            mlx_buf_printf(out, " One of %s.", options->words);
        mlx_buf_putc(out, '\n');
    }
}

static void put_man_command(mlx_buf_t *out, const mlx_args_command_t *command)
{
    mlx_buf_puts(out, ".SS ");
    mlx_args_roff(out, command->name);
    if (command->operands) {
        mlx_buf_putc(out, ' ');
        mlx_args_roff(out, command->operands);
    }
    mlx_buf_putc(out, '\n');
    mlx_args_roff(out, command->summary);
    mlx_buf_puts(out, ".\n");
    if (command->about) {
        mlx_buf_puts(out, ".PP\n");
        mlx_args_roff(out, command->about);
        mlx_buf_putc(out, '\n');
    }
    put_man_options(out, command->options);
}

static void put_man_head(mlx_buf_t *out, const mlx_program_t *program)
{
    const mlx_args_command_t *self = &program->self;
    mlx_buf_printf(out, ".TH \"%s\" 1 \"\" \"mlx-suite %s\" \"User Commands\"\n.SH NAME\n",
                   self->name, MLX_VERSION);
    mlx_args_roff(out, self->name);
    mlx_buf_puts(out, " \\- ");
    mlx_args_roff(out, self->summary);
    mlx_buf_puts(out, "\n.SH SYNOPSIS\n");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t usage = {0};
    put_usage(&usage, program, NULL);
    mlx_args_roff(out, mlx_buf_str(&usage));
    mlx_buf_putc(out, '\n');
    if (self->about) {
        mlx_buf_puts(out, ".SH DESCRIPTION\n");
        mlx_args_roff(out, self->about);
        mlx_buf_putc(out, '\n');
    }
}

/*  What every program of the suite reads: see common/base/paths.h. */
static void put_man_places(mlx_buf_t *out)
{
    static const struct {
        const char *section, *name, *meaning;
    } places[] = {
        {"ENVIRONMENT", "MLX_CONFIG", "the configuration file"},
        {NULL, "MLX_RUNTIME_DIR", "the directory of the bus's sockets"},
        {NULL, "MLX_STATE_DIR", "the directory of history, keys and what is remembered"},
        {NULL, "MLX_CACHE_DIR", "the model cache"},
        {NULL, "MLX_<SECTION>_<NAME>",
         "a setting, over the file: MLX_SAMPLER_RATE_HZ for sampler.rate_hz"},
        {NULL, "NO_COLOR", "set to anything: no colour"},
        {"FILES", "~/.config/mlx/config.yaml",
         "settings (macOS: ~/Library/Application Support/mlx/config.yaml)"},
        {NULL, "$XDG_RUNTIME_DIR/mlx", "sockets of the bus"},
        {NULL, "~/.local/state/mlx", "history and state (macOS: as the settings)"},
        {NULL, "~/.mlx-cache", "the model cache"},
    };
    for (size_t i = 0; i < MLX_COUNT(places); i++) {
        if (places[i].section)
            mlx_buf_printf(out, ".SH %s\n", places[i].section);
        mlx_buf_puts(out, ".TP\n.B ");
        mlx_args_roff(out, places[i].name);
        mlx_buf_putc(out, '\n');
        mlx_args_roff(out, places[i].meaning);
        mlx_buf_putc(out, '\n');
    }
}

static void put_man_examples(mlx_buf_t *out, const mlx_program_t *program)
{
    if (program->examples)
        mlx_buf_puts(out, ".SH EXAMPLES\n");
    for (const mlx_example_t *e = program->examples; e && e->line; e++) {
        mlx_buf_puts(out, ".TP\n.B ");
        mlx_args_roff(out, e->line);
        mlx_buf_putc(out, '\n');
        mlx_args_roff(out, e->what);
        mlx_buf_putc(out, '\n');
    }
}

void mlx_args_man(const mlx_program_t *program, mlx_buf_t *out)
{
    static const struct {
        int status;
        const char *meaning;
    } statuses[] = {{MLX_OK, "success"},
                    {MLX_ERR_FAILED, "failed"},
                    {MLX_ERR_USAGE, "wrong usage or configuration"},
                    {MLX_ERR_NOT_FOUND, "no such thing"},
                    {MLX_ERR_UNAVAILABLE, "bus or service not reachable"},
                    {MLX_ERR_DATA_LOSS, "refused because it would lose data"},
                    {MLX_ERR_BUSY, "locked by another process"},
                    {MLX_ERR_INTERRUPTED, "interrupted"}};
    put_man_head(out, program);
    if (program->commands)
        mlx_buf_puts(out, ".SH COMMANDS\n");
    for (const mlx_args_command_t *c = program->commands; c && c->name; c++)
        put_man_command(out, c);
    mlx_buf_puts(out, ".SH OPTIONS\n");
    put_man_options(out, program->self.options);
    put_man_options(out, mlx_args_standard);
    mlx_buf_puts(out, ".SH EXIT STATUS\n");
    for (size_t i = 0; i < MLX_COUNT(statuses); i++)
        mlx_buf_printf(out, ".TP\n.B %d\n%s\n", statuses[i].status, statuses[i].meaning);
    put_man_places(out);
    put_man_examples(out, program);
    mlx_buf_printf(out, ".SH SEE ALSO\nmlx(7), mlx\\-config(5)%s%s\n",
                   program->see_also ? ", " : "", program->see_also ? program->see_also : "");
}
