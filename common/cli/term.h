/*  term.h - what a descriptor leads to: terminal or not, its width, colour, UTF-8
 *
 *      mlx_term_t out = mlx_term_look(STDOUT_FILENO, NULL);
 *      const char *good = mlx_term_style(&out, MLX_STYLE_GOOD);
 *      printf("%sup%s\n", good, mlx_term_style(&out, MLX_STYLE_PLAIN));
 */
#ifndef MLX_COMMON_CLI_TERM_H
#define MLX_COMMON_CLI_TERM_H

#include "common/base/env.h"
#include "proto/buf.h"

typedef struct {
    bool tty;
    bool color;  /* a terminal that knows colours, without NO_COLOR; or CLICOLOR_FORCE */
    bool utf8;   /* a terminal in a UTF-8 locale that draws what is written in it */
    int columns; /* of the terminal; 80 when unknown */
    int rows;    /* 24 when unknown */
} mlx_term_t;

typedef enum {
    MLX_STYLE_PLAIN, /* back to normal */
    MLX_STYLE_BOLD,
    MLX_STYLE_DIM,
    MLX_STYLE_GOOD,
    MLX_STYLE_WARN,
    MLX_STYLE_BAD,
    MLX_STYLE_ACCENT,
} mlx_style_t;

/*  Look at FD. Takes the character set (LC_CTYPE and nothing else) from the environment, so that
 *  numbers keep their dot. */
mlx_term_t mlx_term_look(int fd, const mlx_env_t *env);

/*  Does the terminal show rounded corners and braille? The locale must be UTF-8, and the console of
 *  Linux takes that but has fonts of a few hundred signs, none of these among them. */
bool mlx_term_draws(const mlx_env_t *env);

/*  The escape sequence, or "" without colour. */
const char *mlx_term_style(const mlx_term_t *term, mlx_style_t style);

/*  Columns that S takes. A byte that is not a valid character and a control character count as one:
 *  mlx_term_clean makes them so. */
size_t mlx_term_width(const char *s);

/*  Copy of S fit for a terminal: control characters, what reorders text, and broken bytes become
 *  "?", and what goes beyond WIDTH columns (0: no limit) is cut off with an ellipsis. Caller owns
 *  it and must free it.
 */
char *mlx_term_clean(const char *s, size_t width);

/*  The door for text from outside on its way to a terminal: append mlx_term_clean(S) to OUT. */
void mlx_term_put(mlx_buf_t *out, const char *s);

/*  Copy of TEXT, lines with colours, broken between words at COLUMNS; what continues a line is
 *  indented further than it. A word that is too long stays whole. Caller owns it and must free
 *  it. */
char *mlx_term_wrap(const char *text, size_t columns);

#endif
