/*  args.h - command lines, git style: one table gives parsing, help, man page and completion
 *
 *      static const mlx_option_t options[] = {
 *          {.name = "json", .help = "Print JSON."}, {0}};
 *      static const mlx_args_command_t commands[] = {
 *          {.name = "link", .operands = "<app> [<model>...]", .min = 1, .max = -1,
 *           .summary = "Expose models to an app", .complete = "app", .run = run_link}, {0}};
 *      static const mlx_program_t program = {
 *          .self = {.name = "mlx-cache", .summary = "share models", .options = options},
 *          .commands = commands};
 *      int main(int argc, char **argv) { return mlx_args_main(&program, argc, argv, NULL); }
 *
 *  Every program has --help, --version and the hidden --generate man|bash|zsh|fish|names:KIND, and
 *  takes the program's own options before and after the command. A mistake is exit status 2, one
 *  line on stderr and the nearest known word.
 */
#ifndef MLX_COMMON_CLI_ARGS_H
#define MLX_COMMON_CLI_ARGS_H

#include "proto/buf.h"
#include "proto/error.h"

typedef struct mlx_args mlx_args_t;

typedef struct {
    const char *name;     /* "json" for --json */
    char letter;          /* 'j' for -j; 0: none */
    const char *value;    /* what its argument is, "FILE"; NULL: a flag */
    const char *help;     /* one sentence; NULL: hidden */
    const char *words;    /* arguments to complete, "plain|json"; may be NULL */
    const char *complete; /* kind of argument to complete: "file", "dir" or one of your own */
} mlx_option_t;

typedef struct {
    const char *name;
    const char *operands; /* as in the usage line, "<model>..."; NULL: none */
    int min;              /* operands; more than max (negative: any number) is a mistake */
    int max;
    const char *summary;         /* one line */
    const char *about;           /* paragraphs, with an empty line between; may be NULL */
    const mlx_option_t *options; /* ends with name NULL; may be NULL */
    const char *complete;        /* kind of operands, as in options */
    int (*run)(void *arg, const mlx_args_t *args); /* returns the exit status */
} mlx_args_command_t;

/*  A line to type and what it does: in the man page, and those of a command in its --help. */
typedef struct {
    const char *line; /* "mlxctl status --json" */
    const char *what; /* a sentence */
} mlx_example_t;

typedef struct {
    mlx_args_command_t self; /* the program; run and operands are used when there are no commands */
    const mlx_args_command_t *commands; /* ends with name NULL; may be NULL */
    const mlx_example_t *examples;      /* ends with line NULL; may be NULL */
    const char *see_also;               /* "mlxctl(1), mlx-bus(1)"; may be NULL */

    /*  Append the names of KIND, one a line, for completion. Must be fast and silent. May be NULL.
     */
    void (*names)(const char *kind, mlx_buf_t *out);

    /*  Say what is wrong with the arguments, JSON where --json is among them; the exit status.
     *  NULL: mlx_error_report. */
    int (*fail)(const mlx_error_t *err, bool json);
} mlx_program_t;

/*  Parse, answer --help and the like, or run the command with ARG. Returns the exit status. */
int mlx_args_main(const mlx_program_t *program, int argc, char **argv, void *arg);

/*  Parse only. NULL: either ERR is set (code usage), or the program was asked for a text that is
 *  now in OUT and belongs on stdout. Strings of ARGV are borrowed. Caller owns the result. */
mlx_args_t *mlx_args_parse(const mlx_program_t *program, int argc, char **argv, mlx_buf_t *out,
                           mlx_error_t *err);
void mlx_args_destroy(mlx_args_t **self);

/*  The command, or the program's self. */
const mlx_args_command_t *mlx_args_command(const mlx_args_t *self);

/*  Options by long name; one that is in no table is a bug and aborts. Count is how often it was
 *  given; value is its last argument, or NULL; value_at one of several. Borrowed. */
size_t mlx_args_count(const mlx_args_t *self, const char *option);
const char *mlx_args_value(const mlx_args_t *self, const char *option);
const char *mlx_args_value_at(const mlx_args_t *self, const char *option, size_t index);

/*  Operands; NULL behind the last. Borrowed. */
size_t mlx_args_operands(const mlx_args_t *self);
const char *mlx_args_operand(const mlx_args_t *self, size_t index);

#endif
