#include "common/view/menu_items.h"

#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"

enum {
    TEXT_MAX_CHARACTERS = 120
};

mlx_menu_item_t *mlx_menu_items_add(mlx_menu_items_t *self, mlx_item_kind_t kind, const char *id,
                                    char *text, mlx_action_t action)
{
    self->items = mlx_grow(self->items, self->count, sizeof *self->items);
    mlx_menu_item_t *item = &self->items[self->count++];
    *item = (mlx_menu_item_t){.kind = kind,
                              .id = self->within ? mlx_format("%s.%s", self->within, id)
                                                 : mlx_strdup(id),
                              .text = mlx_utf8_line(text, TEXT_MAX_CHARACTERS),
                              .enabled = kind == MLX_ITEM_ACTION || kind == MLX_ITEM_MENU,
                              .action = action,
                              .nested = self->within != NULL};
    free(text);
    return item;
}

void mlx_menu_items_text(mlx_menu_items_t *self, const char *id, char *text)
{
    mlx_menu_items_add(self, MLX_ITEM_TEXT, id, text, MLX_ACTION_NONE);
}

void mlx_menu_items_open(mlx_menu_items_t *self, const char *id, char *text)
{
    mlx_menu_items_add(self, MLX_ITEM_MENU, id, text, MLX_ACTION_NONE);
    self->within = mlx_strdup(id);
}

void mlx_menu_items_close(mlx_menu_items_t *self)
{
    free(self->within);
    self->within = NULL;
}

void mlx_menu_items_clear(mlx_menu_items_t *self)
{
    for (size_t i = 0; i < self->count; i++) {
        free((char *)self->items[i].id);
        free((char *)self->items[i].text);
    }
    free(self->items);
    mlx_menu_items_close(self);
    *self = (mlx_menu_items_t){0};
}

static bool same_text(const char *a, const char *b)
{
    return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same_item(const mlx_menu_item_t *a, const mlx_menu_item_t *b)
{
    return strcmp(a->text, b->text) == 0 && strcmp(a->id, b->id) == 0 && a->kind == b->kind &&
           a->enabled == b->enabled && a->action == b->action && a->mark == b->mark &&
           a->chosen == b->chosen && a->nested == b->nested && same_text(a->setting, b->setting);
}

bool mlx_menu_items_equal(const mlx_menu_items_t *a, const mlx_menu_items_t *b)
{
    bool same = a->count == b->count;
    for (size_t i = 0; same && i < a->count; i++)
        same = same_item(&a->items[i], &b->items[i]);
    return same;
}
