/*  base.h - what every module leans on: clean-up attributes, checked allocation, small macros
 *
 *  Allocation failure aborts with a message, as czmq does: a monitor that cannot get 100 bytes has
 *  nothing useful left to say. A size that comes from outside is the exception: bound it first.
 */
#ifndef MLX_PROTO_BASE_H
#define MLX_PROTO_BASE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*  Run FN(&variable) when the variable leaves its scope: no leak on an early return. */
#define MLX_CLEANUP(fn) __attribute__((cleanup(fn)))
#define MLX_PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))
#define MLX_NORETURN __attribute__((noreturn))
#define MLX_NONNULL __attribute__((returns_nonnull))

#define MLX_COUNT(array) (sizeof(array) / sizeof((array)[0]))

/*  Zeroed memory for COUNT elements of SIZE bytes; never NULL. Caller owns it and must free it. */
void *mlx_alloc(size_t count, size_t size) MLX_NONNULL;

/*  Resize PTR (may be NULL) to COUNT elements of SIZE bytes; new bytes are not zeroed; never NULL.
 */
void *mlx_realloc(void *ptr, size_t count, size_t size) MLX_NONNULL;

/*  Make room for one more element behind the COUNT of ARRAY (may be NULL): ARRAY, or where it moved
 *  to. It doubles at each power of two, so an array that grows by this may grow by nothing else.
 *
 *      self->items = mlx_grow(self->items, self->count, sizeof *self->items);
 *      self->items[self->count++] = item;
 */
void *mlx_grow(void *array, size_t count, size_t size) MLX_NONNULL;

/*  Take ITEM, if it is there, out of the list that begins at *HEAD and goes on by the member
 *  "next". */
#define MLX_UNLINK(head, item)                                                                     \
    do {                                                                                           \
        __typeof__(head) at_ = (head);                                                             \
        while (*at_ && *at_ != (item))                                                             \
            at_ = &(*at_)->next;                                                                   \
        if (*at_)                                                                                  \
            *at_ = (*at_)->next;                                                                   \
    } while (0)

/*  Copy of S, or NULL when S is NULL. Caller owns it and must free it. */
char *mlx_strdup(const char *s);

/*  Copy of the first LEN bytes of S, terminated. Caller owns it and must free it. */
char *mlx_strndup(const char *s, size_t len);

/*  Does TEXT (NULL: no) begin with HEAD, or end with TAIL? With the empty text all do. */
bool mlx_starts_with(const char *text, const char *head);
bool mlx_ends_with(const char *text, const char *tail);

/*  Formatted string. Caller owns it and must free it. */
char *mlx_format(const char *fmt, ...) MLX_PRINTF(1, 2) MLX_NONNULL;
char *mlx_vformat(const char *fmt, va_list args) MLX_PRINTF(1, 0);

/*  Say what went wrong on stderr and abort: for broken invariants, never for outside input. */
void mlx_panic(const char *fmt, ...) MLX_PRINTF(1, 2) MLX_NORETURN;

/*  Clean-up functions for MLX_CLEANUP: free(), close() and fclose() of a variable, which they
 *  reset. */
void mlx_free_p(void *ptr_to_ptr);
void mlx_close_p(int *fd);
void mlx_fclose_p(void *ptr_to_file);

#endif
