/*  screen.h - the seed's screen as an overview: what the menu is drawn from in these tests */
#ifndef MLX_TESTS_MENUBAR_SCREEN_H
#define MLX_TESTS_MENUBAR_SCREEN_H

#include "common/view/menu_view.h"

#define SCREEN_NOW 1795000000000000LL
#define SCREEN_HOST "vm"

/*  deepseek-r1:14b (or MODEL) at 42.3 tok/s, 14.2 of 48 GB, GPU 67 %, 48 degrees. Caller owns
 *  it. */
mlx_overview_t *screen_new(const char *model, double rate);

/*  Put D (taken over) under TOPIC. */
void screen_put(mlx_overview_t *overview, const char *topic, mlx_value_t *d);

/*  Data of one topic of the screen. Caller owns it. */
mlx_value_t *screen_memory(void);
mlx_value_t *screen_models(const char *model);
mlx_value_t *screen_activity(const char *model, double rate);
mlx_value_t *screen_gpu(double temperature);
mlx_value_t *screen_cache(void);
mlx_value_t *screen_health(const char *state);

#endif
