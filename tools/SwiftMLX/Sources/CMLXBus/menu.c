#include <stdlib.h>

#include "common/view/menu_view.h"
#include "message.h"

struct cmlx_menu {
    mlx_overview_t *overview;
    mlx_menu_t *menu;
};

cmlx_menu_t *cmlx_menu_new(void)
{
    cmlx_menu_t *self = mlx_alloc(1, sizeof *self);
    self->overview = mlx_overview_new(NULL);
    self->menu = mlx_menu_new(&(mlx_menu_options_t){0}, self->overview, 0);
    return self;
}

void cmlx_menu_free(cmlx_menu_t *self)
{
    mlx_menu_destroy(&self->menu);
    mlx_overview_destroy(&self->overview);
    free(self);
}

void cmlx_menu_put(cmlx_menu_t *self, const cmlx_message_t *message)
{
    mlx_overview_put(self->overview, cmlx_message_inner(message));
}

void cmlx_menu_refresh(cmlx_menu_t *self, int title, bool bench_running, const char *note,
                       int64_t now_us)
{
    mlx_menu_options_t options = {.title = (mlx_title_t)title,
                                  .bench = bench_running ? MLX_BENCH_OURS : MLX_BENCH_NONE,
                                  .bench_note = note};
    mlx_menu_destroy(&self->menu);
    self->menu = mlx_menu_new(&options, self->overview, now_us);
}

const char *cmlx_menu_title(const cmlx_menu_t *self)
{
    return mlx_menu_title(self->menu);
}

const char *cmlx_menu_tooltip(const cmlx_menu_t *self)
{
    return mlx_menu_tooltip(self->menu);
}

int cmlx_menu_level(const cmlx_menu_t *self)
{
    return (int)mlx_menu_level(self->menu);
}

size_t cmlx_menu_count(const cmlx_menu_t *self)
{
    return mlx_menu_count(self->menu);
}

cmlx_menu_item_t cmlx_menu_at(const cmlx_menu_t *self, size_t index)
{
    const mlx_menu_item_t *item = mlx_menu_at(self->menu, index);
    return (cmlx_menu_item_t){.kind = (int)item->kind,
                              .id = item->id,
                              .text = item->text,
                              .enabled = item->enabled,
                              .action = (int)item->action};
}
