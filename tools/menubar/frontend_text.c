/*  Text on standard output, one write for each update so that a bar never reads half of one. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bar_formats.h"
#include "common/base/ascii.h"
#include "frontend.h"

typedef struct {
    const mlx_bar_format_t *format;
    mlx_bar_options_t options;
    mlx_buf_t text;
    mlx_buf_t shown; /* the update before: a bar may show less than what changed */
} text_t;

int mlx_frontend_text_open(const mlx_frontend_t *frontend, const mlx_frontend_host_t *host,
                           void **state, mlx_error_t *err)
{
    text_t *self = mlx_alloc(1, sizeof *self);
    (void)err;
    self->format = mlx_bar_format_find(frontend->name);
    self->options = (mlx_bar_options_t){.program = host->program, .stream = host->stream};
    *state = self;
    return 0;
}

static void fit_locale(mlx_buf_t *text)
{
    MLX_CLEANUP(mlx_free_p) char *fit = mlx_ascii_fit(mlx_buf_str(text));
    mlx_buf_reset(text);
    mlx_buf_puts(text, fit);
}

int mlx_frontend_text_draw(void *state, const mlx_menu_t *menu, mlx_error_t *err)
{
    text_t *self = state;
    mlx_buf_reset(&self->text);
    self->format->write(&self->text, menu, &self->options);
    if (strcmp(self->format->name, "plain") == 0 || strcmp(self->format->name, "short") == 0)
        fit_locale(&self->text); /* the others are read by programs */
    if (strcmp(mlx_buf_str(&self->text), mlx_buf_str(&self->shown)) == 0)
        return 0;
    mlx_buf_reset(&self->shown);
    mlx_buf_append(&self->shown, self->text.data, self->text.len);
    for (size_t done = 0; done < self->text.len;) {
        ssize_t n = write(STDOUT_FILENO, self->text.data + done, self->text.len - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EPIPE)
            return -1; /* the bar went away */
        if (n < 0)
            return mlx_error_set(err, MLX_ERR_FAILED, "cannot write to standard output: %s",
                                 strerror(errno));
        done += (size_t)n;
    }
    return 0;
}

void mlx_frontend_text_close(void **state)
{
    text_t *self = *state;
    *state = NULL;
    if (!self)
        return;
    mlx_buf_clear(&self->text);
    mlx_buf_clear(&self->shown);
    free(self);
}
