/*  args_text.h - the texts that a table of args.h gives: help, man page, completions */
#ifndef MLX_COMMON_CLI_ARGS_TEXT_H
#define MLX_COMMON_CLI_ARGS_TEXT_H

#include "common/cli/args.h"

/*  Options that every program has; ends with name NULL. */
extern const mlx_option_t mlx_args_standard[];

/*  COMMAND NULL: of the program. */
void mlx_args_help(const mlx_program_t *program, const mlx_args_command_t *command, mlx_buf_t *out);

/*  Append TEXT as roff takes it: a backslash, a hyphen and a dot at the beginning of a line mean
 *  something else there; an empty line begins a paragraph. */
void mlx_args_roff(mlx_buf_t *out, const char *text);

void mlx_args_man(const mlx_program_t *program, mlx_buf_t *out);
void mlx_args_bash(const mlx_program_t *program, mlx_buf_t *out);
void mlx_args_zsh(const mlx_program_t *program, mlx_buf_t *out);
void mlx_args_fish(const mlx_program_t *program, mlx_buf_t *out);

/*  Shell words that complete a value: "WORD WORD", "$(program --generate names:KIND)"; NULL when
 *  it is a path or nothing is known. Caller owns it and must free it. */
char *mlx_args_shell_words(const mlx_program_t *program, const char *words, const char *complete);

#endif
