/*  top_keys.h - what a person does in `mlxctl top`, and the state that comes of it
 *
 *  Knows keys and places on the screen, but no terminal: top.c reads those and copies the canvas.
 */
#ifndef MLX_TOOLS_MLXCTL_TOP_KEYS_H
#define MLX_TOOLS_MLXCTL_TOP_KEYS_H

#include "common/bus/bus.h"
#include "top_view.h"

typedef struct mlx_top_keys mlx_top_keys_t;

typedef struct {
    mlx_loop_t *loop;
    mlx_bus_t *bus;
    mlx_overview_t *overview;   /* borrowed */
    bool host_named;            /* somebody chose the machine: the fleet is not shown first */
    void (*changed)(void *arg); /* there is something new to draw */
    void *arg;
} mlx_top_keys_options_t;

/*  With the settings that are kept (top_look.h); what is wrong with them is the first note. */
mlx_top_keys_t *mlx_top_keys_new(const mlx_top_keys_options_t *options);
void mlx_top_keys_destroy(mlx_top_keys_t **self);

/*  The view and its settings; borrowed, and another one after each call below. */
mlx_top_t *mlx_top_keys_top(mlx_top_keys_t *self);
const mlx_top_look_t *mlx_top_keys_look(mlx_top_keys_t *self);

bool mlx_top_keys_paused(const mlx_top_keys_t *self);

/*  A second has passed. A MESSAGE was heard. */
void mlx_top_keys_tick(mlx_top_keys_t *self);
void mlx_top_keys_heard(mlx_top_keys_t *self, const mlx_message_t *message);

/*  A key as ncurses numbers them; a click (WHEEL 0), or a turn of the wheel up or down. */
void mlx_top_keys_press(mlx_top_keys_t *self, int key);
void mlx_top_keys_mouse(mlx_top_keys_t *self, int row, int column, int wheel);

/*  Draw the view, and over it the fleet or the help. */
void mlx_top_keys_draw(mlx_top_keys_t *self, mlx_canvas_t *canvas);

#endif
