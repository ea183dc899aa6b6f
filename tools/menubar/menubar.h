/*  menubar.h - the program: the bus on one side, a front end on the other, the menu in between
 *
 *      mlx_menubar_options_t options = {.frontend = mlx_frontend_find("waybar")};
 *      int status = mlx_menubar_run(&options, &err);
 */
#ifndef MLX_TOOLS_MENUBAR_MENUBAR_H
#define MLX_TOOLS_MENUBAR_MENUBAR_H

#include "frontend.h"

typedef struct {
    const char *config; /* settings file; NULL: the usual place */
    const mlx_frontend_t
        *frontend;       /* NULL: the tray where there is a session bus, else plain text */
    bool once;           /* one update, then end */
    mlx_action_t action; /* instead of a front end: do this, then end */
} mlx_menubar_options_t;

/*  Runs until it is told to stop. 0, or -1 with ERR. */
int mlx_menubar_run(const mlx_menubar_options_t *options, mlx_error_t *err);

#endif
