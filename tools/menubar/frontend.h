/*  frontend.h - front ends: one small interface, one line of a table each
 *
 *  A front end shows a menu and, where it can, reports clicks. "tray" is an icon with a menu
 *  (Linux); the others write text to standard output for a status bar (bar_formats.h).
 *
 *      const mlx_frontend_t *frontend = mlx_frontend_find("waybar");
 *      void *state = NULL;
 *      if (frontend->open(frontend, &host, &state, &err) == 0) frontend->draw(state, menu, &err);
 *      frontend->close(&state);
 */
#ifndef MLX_TOOLS_MENUBAR_FRONTEND_H
#define MLX_TOOLS_MENUBAR_FRONTEND_H

#include "common/view/menu_view.h"
#include "desktop.h"

typedef struct mlx_front mlx_frontend_t;

/*  What a front end may use; lives longer than it. */
typedef struct {
    mlx_desktop_t *desktop;
    const char *program; /* path of mlx-menubar */
    bool stream;         /* more than one update follows */
    /*  A click; SETTING is that of MLX_ACTION_SET, or NULL. */
    void (*act)(void *arg, mlx_action_t action, const char *setting);
    void *arg;
} mlx_frontend_host_t;

struct mlx_front {
    const char *name;
    bool nested;   /* draws submenus */
    bool notifies; /* may show notifications: there is one such front end in a session */

    /*  0 and *STATE, or -1 with ERR. close it in either case. */
    int (*open)(const mlx_frontend_t *self, const mlx_frontend_host_t *host, void **state,
                mlx_error_t *err);
    /*  0, or -1 when nobody looks any more: with ERR when that is a failure, else its code is
     *  ok. */
    int (*draw)(void *state, const mlx_menu_t *menu, mlx_error_t *err);
    void (*close)(void **state);
};

/*  The front ends of this platform; the first is tried first when none is named. */
extern const mlx_frontend_t mlx_frontends[];
extern const size_t mlx_fronts_count;

/*  NULL when there is none of this NAME here. */
const mlx_frontend_t *mlx_frontend_find(const char *name);

/*  The one without which there would be none: plain text. */
const mlx_frontend_t *mlx_frontend_fallback(void);

/*  Parts of the table. */
int mlx_frontend_text_open(const mlx_frontend_t *self, const mlx_frontend_host_t *host,
                           void **state, mlx_error_t *err);
int mlx_frontend_text_draw(void *state, const mlx_menu_t *menu, mlx_error_t *err);
void mlx_frontend_text_close(void **state);
int mlx_frontend_tray_open(const mlx_frontend_t *self, const mlx_frontend_host_t *host,
                           void **state, mlx_error_t *err);
int mlx_frontend_tray_draw(void *state, const mlx_menu_t *menu, mlx_error_t *err);
void mlx_frontend_tray_close(void **state);

#endif
