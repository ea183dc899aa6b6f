#include "desktop.h"

#include <stdlib.h>

#include "opener.h"

struct mlx_desktop {
    mlx_opener_t *opener;
};

mlx_desktop_t *mlx_desktop_new(mlx_loop_t *loop, mlx_desktop_failed_fn fn, void *arg)
{
    mlx_desktop_t *self = mlx_alloc(1, sizeof *self);
    (void)loop;
    self->opener = mlx_opener_new(fn, arg);
    return self;
}

void mlx_desktop_destroy(mlx_desktop_t **self_p)
{
    mlx_desktop_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    mlx_opener_destroy(&self->opener);
    free(self);
}

/*  A configuration file has no application of its own: -t is the default text editor. */
int mlx_desktop_open(mlx_desktop_t *self, const char *what, mlx_error_t *err)
{
    const char *page[] = {"/usr/bin/open", what, NULL};
    const char *file[] = {"/usr/bin/open", "-t", what, NULL};
    return mlx_opener_run(self->opener, what[0] == '/' ? file : page, what, err);
}

void mlx_desktop_reap(mlx_desktop_t *self)
{
    mlx_opener_reap(self->opener);
}

size_t mlx_desktop_opening(const mlx_desktop_t *self)
{
    return mlx_opener_running(self->opener);
}

/*  The script is fixed and reads its arguments: a text cannot become part of it. */
void mlx_desktop_notify(mlx_desktop_t *self, const char *key, mlx_note_t note, const char *title,
                        const char *text)
{
    const char *argv[] = {"/usr/bin/osascript",
                          "-e",
                          "on run argv",
                          "-e",
                          "display notification (item 2 of argv) with title (item 1 of argv)",
                          "-e",
                          "end run",
                          "--",
                          title,
                          text,
                          NULL};
    (void)key, (void)note;
    mlx_opener_run(self->opener, argv, NULL, NULL);
}
