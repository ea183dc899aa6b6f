/*  Completion scripts for bash, zsh and fish. */
#include "common/cli/args_text.h"

#include <ctype.h>
#include <string.h>

static bool is_path(const char *complete)
{
    return complete && (strcmp(complete, "file") == 0 || strcmp(complete, "dir") == 0);
}

char *mlx_args_shell_words(const mlx_program_t *program, const char *words, const char *complete)
{
    if (words) {
        char *list = mlx_strdup(words);
        for (char *bar = list; (bar = strchr(bar, '|'));)
            *bar = ' ';
        return list;
    }
    if (!complete || is_path(complete))
        return NULL;
    return mlx_format("$(%s --generate names:%s 2>/dev/null)", program->self.name, complete);
}

/*  TEXT inside single quotes; SPECIAL characters get a backslash. */
static void put_quoted(mlx_buf_t *out, const char *text, const char *special)
{
    for (; *text; text++) {
        if (*text == '\'')
            mlx_buf_puts(out, "'\\'");
        else if (strchr(special, *text))
            mlx_buf_putc(out, '\\');
        mlx_buf_putc(out, *text);
    }
}

/*  A shell function's name: "_mlx_cache" for mlx-cache. */
static char *function_name(const mlx_program_t *program)
{
    char *name = mlx_format("_%s", program->self.name);
    for (char *c = name; *c; c++)
        if (!isalnum((unsigned char)*c))
            *c = '_';
    return name;
}

static void put_long_names(mlx_buf_t *out, const mlx_option_t *options)
{
    for (; options && options->name; options++)
        if (options->help)
            mlx_buf_printf(out, "--%s ", options->name);
}

static void put_command_names(mlx_buf_t *out, const mlx_program_t *program, char separator)
{
    for (const mlx_args_command_t *c = program->commands; c && c->name; c++)
        mlx_buf_printf(out, "%s%c", c->name, c[1].name ? separator : ' ');
}

/* -- bash; the syntax is that of 3.2, which macOS carries -- */

static void put_bash_reply(mlx_buf_t *out, const mlx_program_t *program, const char *words,
                           const char *complete)
{
    if (words) {
        MLX_CLEANUP(mlx_free_p) char *list = mlx_args_shell_words(program, words, complete);
        mlx_buf_printf(out, "COMPREPLY=($(compgen -W \"%s\" -- \"$cur\"))", list);
    } else if (complete && !is_path(complete))
        /* Not by compgen -W, which would expand what a name holds. */
        mlx_buf_printf(out,
                       "while IFS= read -r i; do [[ $i == \"$cur\"* ]] && COMPREPLY+=(\"$i\"); "
                       "done < <(%s --generate names:%s 2>/dev/null)",
                       program->self.name, complete);
    else if (complete)
        mlx_buf_printf(out, "COMPREPLY=($(compgen -%c -- \"$cur\"))",
                       strcmp(complete, "dir") == 0 ? 'd' : 'f');
    else
        mlx_buf_puts(out, "COMPREPLY=()");
}

static void put_bash_values(mlx_buf_t *out, const mlx_program_t *program, const char *command,
                            const mlx_option_t *options)
{
    for (; options && options->name; options++) {
        if (!options->value || !options->help)
            continue;
        mlx_buf_printf(out, "    %s,--%s", command, options->name);
        if (options->letter)
            mlx_buf_printf(out, "|%s,-%c", command, options->letter);
        mlx_buf_puts(out, ") ");
        put_bash_reply(out, program, options->words, options->complete);
        mlx_buf_puts(out, "; return;;\n");
    }
}

static void put_bash_options(mlx_buf_t *out, const mlx_program_t *program,
                             const mlx_args_command_t *command)
{
    mlx_buf_printf(out, "    %s,-*) COMPREPLY=($(compgen -W \"", command ? command->name : "");
    put_long_names(out, command ? command->options : NULL);
    put_long_names(out, program->self.options);
    put_long_names(out, mlx_args_standard);
    mlx_buf_puts(out, "\" -- \"$cur\"));;\n");
}

static void put_bash_operands(mlx_buf_t *out, const mlx_program_t *program,
                              const mlx_args_command_t *command)
{
    mlx_buf_printf(out, "    %s,*) ", command == &program->self ? "" : command->name);
    put_bash_reply(out, program, NULL, command->complete);
    mlx_buf_puts(out, ";;\n");
}

void mlx_args_bash(const mlx_program_t *program, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *function = function_name(program);
    mlx_buf_printf(out, "# bash completion for %s\n%s() {\n", program->self.name, function);
    /* Words as they are typed: bash itself splits them at colons. */
    mlx_buf_puts(out, "  local line=${COMP_LINE:0:${COMP_POINT:-0}} cur= prev= command= i\n"
                      "  local -a words=(\"${COMP_WORDS[@]:0:COMP_CWORD+1}\")\n"
                      "  if [ -n \"$line\" ]; then\n"
                      "    IFS=$' \\t' read -ra words <<<\"$line\"\n"
                      "    case $line in *[[:space:]]) words+=('');; esac\n  fi\n"
                      "  cur=${words[${#words[@]}-1]} COMPREPLY=()\n"
                      "  [ ${#words[@]} -lt 2 ] || prev=${words[${#words[@]}-2]}\n");
    if (program->commands) {
        mlx_buf_puts(out, "  for ((i = 1; i < ${#words[@]} - 1; i++)); do\n"
                          "    case ${words[i]} in\n    ");
        put_command_names(out, program, '|');
        mlx_buf_puts(out, ") command=${words[i]}; break;;\n    esac\n  done\n");
    }
    mlx_buf_puts(out, "  case $command,$prev in\n");
    for (const mlx_args_command_t *c = program->commands; c && c->name; c++)
        put_bash_values(out, program, c->name, c->options);
    put_bash_values(out, program, "*", program->self.options);
    mlx_buf_puts(out, "  esac\n  case $command,$cur in\n");
    put_bash_options(out, program, NULL);
    for (const mlx_args_command_t *c = program->commands; c && c->name; c++) {
        put_bash_options(out, program, c);
        put_bash_operands(out, program, c);
    }
    if (program->commands) {
        mlx_buf_puts(out, "    ,*) COMPREPLY=($(compgen -W \"");
        put_command_names(out, program, ' ');
        mlx_buf_puts(out, "\" -- \"$cur\"));;\n");
    } else {
        put_bash_operands(out, program, &program->self);
    }
    mlx_buf_puts(out, "  esac\n  [[ $cur == *:* && $COMP_WORDBREAKS == *:* ]] || return 0\n"
                      "  for i in ${!COMPREPLY[@]}; do\n"
                      "    COMPREPLY[i]=${COMPREPLY[i]#\"${cur%\"${cur##*:}\"}\"}\n  done\n}\n");
    mlx_buf_printf(out, "complete -F %s %s\n", function, program->self.name);
}

/* -- zsh -- */

static void put_zsh_action(mlx_buf_t *out, const mlx_program_t *program, const char *words,
                           const char *complete)
{
    MLX_CLEANUP(mlx_free_p) char *list = mlx_args_shell_words(program, words, complete);
    if (words)
        mlx_buf_printf(out, "(%s)", list);
    else if (list)
        mlx_buf_printf(out, "{compadd -- ${(f)\"%s\"}}", list);
    else if (complete)
        mlx_buf_puts(out, strcmp(complete, "dir") == 0 ? "_files -/" : "_files");
}

static void put_zsh_options(mlx_buf_t *out, const mlx_program_t *program,
                            const mlx_option_t *options)
{
    for (; options && options->name; options++) {
        if (!options->help)
            continue;
        mlx_buf_puts(out, " \\\n      ");
        if (options->letter)
            mlx_buf_printf(out, "'(-%c --%s)'{-%c,--%s}'", options->letter, options->name,
                           options->letter, options->name);
        else
            mlx_buf_printf(out, "'--%s", options->name);
        mlx_buf_putc(out, '[');
        put_quoted(out, options->help, "[]:\\");
        mlx_buf_putc(out, ']');
        if (options->value) {
            mlx_buf_printf(out, ":%s:", options->value);
            put_zsh_action(out, program, options->words, options->complete);
        }
        mlx_buf_putc(out, '\'');
    }
}

static void put_zsh_operands(mlx_buf_t *out, const mlx_program_t *program,
                             const mlx_args_command_t *command)
{
    if (!command->operands)
        return;
    mlx_buf_puts(out, " \\\n      '*:argument:");
    put_zsh_action(out, program, NULL, command->complete);
    mlx_buf_putc(out, '\'');
}

static void put_zsh_commands(mlx_buf_t *out, const mlx_program_t *program)
{
    mlx_buf_puts(out, "  case $state in\n  command)\n    local -a commands=(");
    for (const mlx_args_command_t *c = program->commands; c->name; c++) {
        mlx_buf_printf(out, "\n      '%s:", c->name);
        put_quoted(out, c->summary, ":\\");
        mlx_buf_putc(out, '\'');
    }
    mlx_buf_puts(out, ")\n    _describe command commands;;\n  argument)\n    case $words[1] in\n");
    for (const mlx_args_command_t *c = program->commands; c->name; c++) {
        mlx_buf_printf(out, "    %s) _arguments", c->name);
        put_zsh_options(out, program, c->options);
        put_zsh_options(out, program, program->self.options);
        put_zsh_options(out, program, mlx_args_standard);
        put_zsh_operands(out, program, c);
        mlx_buf_puts(out, ";;\n");
    }
    mlx_buf_puts(out, "    esac;;\n  esac\n");
}

void mlx_args_zsh(const mlx_program_t *program, mlx_buf_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *function = function_name(program);
    mlx_buf_printf(out, "#compdef %s\n%s() {\n  local context state line\n  _arguments -C",
                   program->self.name, function);
    put_zsh_options(out, program, program->self.options);
    put_zsh_options(out, program, mlx_args_standard);
    if (program->commands) {
        mlx_buf_puts(out, " \\\n      '1:command:->command' '*::argument:->argument'\n");
        put_zsh_commands(out, program);
    } else {
        put_zsh_operands(out, program, &program->self);
        mlx_buf_putc(out, '\n');
    }
    mlx_buf_printf(out, "}\n%s \"$@\"\n", function);
}

/* -- fish -- */

static void put_fish_words(mlx_buf_t *out, const mlx_program_t *program, const char *words,
                           const char *complete)
{
    MLX_CLEANUP(mlx_free_p) char *list = mlx_args_shell_words(program, words, complete);
    if (words)
        mlx_buf_printf(out, " -a '%s'", list);
    else if (list) /* fish writes a substitution without the dollar */
        mlx_buf_printf(out, " -a '%s'", list + 1);
    else if (complete)
        mlx_buf_puts(out,
                     strcmp(complete, "dir") == 0 ? " -a '(__fish_complete_directories)'" : " -F");
}

static void put_fish_options(mlx_buf_t *out, const mlx_program_t *program, const char *condition,
                             const mlx_option_t *options)
{
    for (; options && options->name; options++) {
        if (!options->help)
            continue;
        mlx_buf_printf(out, "complete -c %s%s -l %s", program->self.name, condition, options->name);
        if (options->letter)
            mlx_buf_printf(out, " -s %c", options->letter);
        mlx_buf_puts(out, " -d '");
        put_quoted(out, options->help, "\\");
        mlx_buf_putc(out, '\'');
        if (options->value) {
            mlx_buf_puts(out, is_path(options->complete) ? " -r" : " -x");
            put_fish_words(out, program, options->words, options->complete);
        }
        mlx_buf_putc(out, '\n');
    }
}

static void put_fish_operands(mlx_buf_t *out, const mlx_program_t *program, const char *condition,
                              const char *complete)
{
    if (!complete)
        return;
    mlx_buf_printf(out, "complete -c %s%s", program->self.name, condition);
    put_fish_words(out, program, NULL, complete);
    mlx_buf_putc(out, '\n');
}

void mlx_args_fish(const mlx_program_t *program, mlx_buf_t *out)
{
    const char *name = program->self.name;
    mlx_buf_printf(out, "# fish completion for %s\ncomplete -c %s -f\n", name, name);
    for (const mlx_args_command_t *c = program->commands; c && c->name; c++) {
        mlx_buf_printf(out, "complete -c %s -n __fish_use_subcommand -a %s -d '", name, c->name);
        put_quoted(out, c->summary, "\\");
        mlx_buf_puts(out, "'\n");
        MLX_CLEANUP(mlx_free_p)
        char *condition = mlx_format(" -n '__fish_seen_subcommand_from %s'", c->name);
        put_fish_options(out, program, condition, c->options);
        put_fish_operands(out, program, condition, c->complete);
    }
    put_fish_options(out, program, "", program->self.options);
    put_fish_options(out, program, "", mlx_args_standard);
    if (!program->commands)
        put_fish_operands(out, program, "", program->self.complete);
}
