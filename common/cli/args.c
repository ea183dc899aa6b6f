#include "common/cli/args.h"

#include "common/base/suggest.h"
#include "common/cli/args_text.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MAX_OPTIONS = 64,
    LONG_BASE = 256, /* values of long options, above every letter */
};

typedef struct {
    const mlx_option_t *option;
    const char *value;
} given_t;

struct mlx_args {
    const mlx_program_t *program;
    const mlx_args_command_t *command;
    given_t *given;
    size_t given_count;
    char **argv; /* our copy: getopt sorts it */
    char **operands;
    size_t operand_count;
    bool help; /* asked for by no option */
};

/*  The options that are valid at one place, in getopt's form. */
typedef struct {
    const mlx_option_t *options[MAX_OPTIONS];
    size_t count;
    struct option longs[MAX_OPTIONS + 1];
    char letters[2 * MAX_OPTIONS + 3];
} option_set_t;

const mlx_option_t mlx_args_standard[] = {
    {.name = "help", .letter = 'h', .help = "Show this help."},
    {.name = "version", .letter = 'V', .help = "Show the version."},
    {.name = "generate", .value = "KIND"},
    {0},
};

static void add_options(option_set_t *set, const mlx_option_t *options)
{
    for (; options && options->name; options++) {
        if (set->count == MAX_OPTIONS)
            mlx_panic("more than %d options", MAX_OPTIONS);
        set->longs[set->count] =
            (struct option){.name = options->name,
                            .has_arg = options->value ? required_argument : no_argument,
                            .val = LONG_BASE + (int)set->count};
        if (options->letter) {
            size_t len = strlen(set->letters);
            snprintf(set->letters + len, sizeof set->letters - len, "%c%s", options->letter,
                     options->value ? ":" : "");
        }
        set->options[set->count++] = options;
    }
}

static const mlx_option_t *option_of(const option_set_t *set, int value)
{
    if (value >= LONG_BASE && value < LONG_BASE + (int)set->count)
        return set->options[value - LONG_BASE];
    for (size_t i = 0; i < set->count; i++)
        if (set->options[i]->letter && set->options[i]->letter == value)
            return set->options[i];
    return NULL;
}

/*  The option that getopt itself has just found in SET. */
static const mlx_option_t *found_option(const option_set_t *set, int value)
{
    const mlx_option_t *option = option_of(set, value);
    if (!option)
        mlx_panic("getopt returned %d, which is not one of our options", value);
    return option;
}

static int hint_at_help(const mlx_args_t *self, mlx_error_t *err)
{
    const char *program = self->program->self.name;
    if (self->command == &self->program->self)
        return mlx_error_hint(err, "see %s --help", program);
    return mlx_error_hint(err, "see %s %s --help", program, self->command->name);
}

static int unknown_option(const mlx_args_t *self, const option_set_t *set, const char *text,
                          mlx_error_t *err)
{
    if (optopt && optopt < LONG_BASE) {
        mlx_error_set(err, MLX_ERR_USAGE, "there is no option -%c", optopt);
        return hint_at_help(self, err);
    }
    const mlx_option_t *option = option_of(set, optopt);
    if (option) {
        mlx_error_set(err, MLX_ERR_USAGE, "--%s takes no value", option->name);
        return hint_at_help(self, err);
    }
    MLX_CLEANUP(mlx_free_p) char *name = mlx_strndup(text + 2, strcspn(text + 2, "="));
    mlx_suggest_t near = {.word = name};
    for (size_t i = 0; i < set->count; i++)
        if (set->options[i]->help)
            mlx_suggest_try(&near, set->options[i]->name);
    mlx_error_set(err, MLX_ERR_USAGE, "there is no option \"--%.64s\"", name);
    return near.best ? mlx_error_hint(err, "did you mean \"--%s\"?", near.best)
                     : hint_at_help(self, err);
}

static int missing_value(const mlx_args_t *self, const option_set_t *set, mlx_error_t *err)
{
    const mlx_option_t *option = found_option(set, optopt);
    mlx_error_set(err, MLX_ERR_USAGE, "--%s needs a value (%s)", option->name, option->value);
    return hint_at_help(self, err);
}

static void note_option(mlx_args_t *self, const mlx_option_t *option)
{
    self->given = mlx_grow(self->given, self->given_count, sizeof *self->given);
    self->given[self->given_count++] = (given_t){option, optarg};
}

static void restart_getopt(void)
{
    opterr = 0;
#ifdef __APPLE__
    optreset = 1;
    optind = 1;
#else
    optind = 0;
#endif
}

/*  Read the options of ARGV, whose first entry is a name. Returns the index of the first operand,
 *  or -1 with ERR. */
static int read_options(mlx_args_t *self, option_set_t *set, int argc, char **argv,
                        mlx_error_t *err)
{
    restart_getopt();
    for (int value; (value = getopt_long(argc, argv, set->letters, set->longs, NULL)) != -1;) {
        if (value == '?')
            return unknown_option(self, set, argv[optind - 1], err);
        if (value == ':')
            return missing_value(self, set, err);
        note_option(self, found_option(set, value));
    }
    return optind;
}

static int find_command(mlx_args_t *self, const char *name, mlx_error_t *err)
{
    mlx_suggest_t near = {.word = name};
    for (const mlx_args_command_t *command = self->program->commands; command->name; command++) {
        if (strcmp(command->name, name) == 0) {
            self->command = command;
            return 0;
        }
        mlx_suggest_try(&near, command->name);
    }
    mlx_error_set(err, MLX_ERR_USAGE, "there is no command \"%.64s\"", name);
    return near.best ? mlx_error_hint(err, "did you mean \"%s\"?", near.best)
                     : hint_at_help(self, err);
}

/*  `mlxctl help status`: the same as `mlxctl status --help`. */
static int read_help(mlx_args_t *self, int argc, char **argv, mlx_error_t *err)
{
    self->help = true;
    return argc > 1 ? find_command(self, argv[1], err) : 0;
}

static bool asks_for_text(const mlx_args_t *self)
{
    if (self->help)
        return true;
    for (const mlx_option_t *option = mlx_args_standard; option->name; option++)
        if (mlx_args_count(self, option->name))
            return true;
    return false;
}

/*  Program options up to the command, then everything behind it. */
static int read_line(mlx_args_t *self, int argc, mlx_error_t *err)
{
    const mlx_program_t *program = self->program;
    /* "+": stop at the command. ":": tell a missing value from an unknown option. */
    option_set_t set = {0};
    snprintf(set.letters, sizeof set.letters, "%s:", program->commands ? "+" : "");
    add_options(&set, mlx_args_standard);
    add_options(&set, program->self.options);
    int first = read_options(self, &set, argc, self->argv, err);
    if (first < 0)
        return -1;
    if (program->commands && first < argc && !asks_for_text(self)) {
        if (strcmp(self->argv[first], "help") == 0)
            return read_help(self, argc - first, self->argv + first, err);
        if (find_command(self, self->argv[first], err))
            return -1;
        option_set_t inner = {.letters = ":"};
        add_options(&inner, mlx_args_standard);
        add_options(&inner, self->command->options);
        add_options(&inner, program->self.options);
        int behind = read_options(self, &inner, argc - first, self->argv + first, err);
        if (behind < 0)
            return -1;
        first += behind;
    }
    self->operands = self->argv + first;
    self->operand_count = (size_t)(argc - first);
    /* The bare name of a program with commands is the question what it can do; of a daemon, "help"
     * is. */
    self->help = program->commands ? argc == 1
                                   : program->self.max == 0 && self->operand_count == 1 &&
                                         strcmp(self->operands[0], "help") == 0;
    return 0;
}

static int check_operands(const mlx_args_t *self, mlx_error_t *err)
{
    const mlx_args_command_t *command = self->command;
    if (self->program->commands && command == &self->program->self) {
        mlx_error_set(err, MLX_ERR_USAGE, "a command is missing");
        return hint_at_help(self, err);
    }
    if (self->operand_count < (size_t)command->min) {
        mlx_error_set(err, MLX_ERR_USAGE, "an argument is missing: %s %s", command->name,
                      command->operands);
        return hint_at_help(self, err);
    }
    if (command->max >= 0 && self->operand_count > (size_t)command->max) {
        mlx_error_set(err, MLX_ERR_USAGE, "unexpected argument \"%.64s\"",
                      self->operands[command->max]);
        return hint_at_help(self, err);
    }
    return 0;
}

static int generate(const mlx_program_t *program, const char *kind, mlx_buf_t *out,
                    mlx_error_t *err)
{
    static const struct {
        const char *kind;
        void (*write)(const mlx_program_t *program, mlx_buf_t *out);
    } kinds[] = {{"man", mlx_args_man},
                 {"bash", mlx_args_bash},
                 {"zsh", mlx_args_zsh},
                 {"fish", mlx_args_fish}};
    if (strncmp(kind, "names:", 6) == 0) {
        if (program->names)
            program->names(kind + 6, out);
        return 0;
    }
    for (size_t i = 0; i < MLX_COUNT(kinds); i++)
        if (strcmp(kinds[i].kind, kind) == 0) {
            kinds[i].write(program, out);
            return 0;
        }
    return mlx_error_set(err, MLX_ERR_USAGE, "--generate accepts man, bash, zsh and fish");
}

/*  Answer --help, --version and --generate. */
static void write_text(const mlx_args_t *self, mlx_buf_t *out, mlx_error_t *err)
{
    const mlx_program_t *program = self->program;
    if (self->help || mlx_args_count(self, "help"))
        mlx_args_help(program, self->command == &program->self ? NULL : self->command, out);
    else if (mlx_args_count(self, "version"))
        mlx_buf_printf(out, "%s (mlx-suite) %s\n", program->self.name, MLX_VERSION);
    else
        generate(program, mlx_args_value(self, "generate"), out, err);
}

mlx_args_t *mlx_args_parse(const mlx_program_t *program, int argc, char **argv, mlx_buf_t *out,
                           mlx_error_t *err)
{
    mlx_args_t *self = mlx_alloc(1, sizeof *self);
    self->program = program;
    self->command = &program->self;
    self->argv = mlx_alloc((size_t)argc + 1, sizeof *self->argv);
    memcpy(self->argv, argv, (size_t)argc * sizeof *argv);
    bool done = read_line(self, argc, err) != 0;
    if (!done && asks_for_text(self)) {
        write_text(self, out, err);
        done = true;
    }
    if (done || check_operands(self, err))
        mlx_args_destroy(&self);
    return self;
}

void mlx_args_destroy(mlx_args_t **self_p)
{
    mlx_args_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    free(self->given);
    free(self->argv);
    free(self);
}

/*  What cannot be parsed may ask for JSON all the same. */
static bool asks_json(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strncmp(argv[i], "--json", 6) == 0 && strchr("=", argv[i][6]))
            return true;
    return false;
}

int mlx_args_main(const mlx_program_t *program, int argc, char **argv, void *arg)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t out = {0};
    MLX_CLEANUP(mlx_args_destroy)
    mlx_args_t *args = mlx_args_parse(program, argc, argv, &out, &err);
    if (args)
        return args->command->run(arg, args);
    if (err.code)
        return program->fail ? program->fail(&err, asks_json(argc, argv))
                             : mlx_error_report(program->self.name, &err);
    fwrite(mlx_buf_str(&out), 1, out.len, stdout);
    return fflush(stdout) == 0 ? MLX_OK : MLX_ERR_FAILED;
}

const mlx_args_command_t *mlx_args_command(const mlx_args_t *self)
{
    return self->command;
}

static bool in_table(const mlx_option_t *options, const char *name)
{
    for (; options && options->name; options++)
        if (strcmp(options->name, name) == 0)
            return true;
    return false;
}

const char *mlx_args_value_at(const mlx_args_t *self, const char *option, size_t index)
{
    for (size_t i = 0; i < self->given_count; i++)
        if (strcmp(self->given[i].option->name, option) == 0 && index-- == 0)
            return self->given[i].value;
    return NULL;
}

size_t mlx_args_count(const mlx_args_t *self, const char *option)
{
    if (!in_table(mlx_args_standard, option) && !in_table(self->program->self.options, option) &&
        !in_table(self->command->options, option))
        mlx_panic("%s has no option --%s", self->command->name, option);
    size_t count = 0;
    for (size_t i = 0; i < self->given_count; i++)
        count += strcmp(self->given[i].option->name, option) == 0;
    return count;
}

const char *mlx_args_value(const mlx_args_t *self, const char *option)
{
    size_t count = mlx_args_count(self, option);
    return count ? mlx_args_value_at(self, option, count - 1) : NULL;
}

size_t mlx_args_operands(const mlx_args_t *self)
{
    return self->operand_count;
}

const char *mlx_args_operand(const mlx_args_t *self, size_t index)
{
    return index < self->operand_count ? self->operands[index] : NULL;
}
