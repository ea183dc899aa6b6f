/*  desktop.h - what the desktop does for us: open a page or a file, show a notification
 *
 *  desktop_linux.c uses xdg-open and org.freedesktop.Notifications on the session bus,
 *  desktop_darwin.c open(1) and osascript(1). Texts reach programs as arguments, never through a
 *  shell or as script text.
 *
 *      mlx_desktop_t *desktop = mlx_desktop_new(loop, on_failed, self);
 *      if (mlx_desktop_open(desktop, "http://127.0.0.1:11490/", &err)) ...
 *      mlx_desktop_notify(desktop, "alert.hot", MLX_NOTE_ALERT, "GPU is hot", "92 °C for 30 s");
 */
#ifndef MLX_TOOLS_MENUBAR_DESKTOP_H
#define MLX_TOOLS_MENUBAR_DESKTOP_H

#include "common/bus/loop.h"

typedef struct mlx_desktop mlx_desktop_t;

typedef enum {
    MLX_NOTE_INFO,
    MLX_NOTE_ALERT, /* stays until it is looked at, where the desktop can */
} mlx_note_t;

/*  A program that was started to open WHAT ended with an error; or, with WHAT NULL, the session bus
 *  is gone and with it the desktop. */
typedef void (*mlx_desktop_failed_fn)(void *arg, const char *what);

mlx_desktop_t *mlx_desktop_new(mlx_loop_t *loop, mlx_desktop_failed_fn fn, void *arg);
void mlx_desktop_destroy(mlx_desktop_t **self);

/*  Open a URL or an absolute path in the program that the user chose for it. 0 once the opener has
 *  been started, or -1 with ERR (unavailable: there is none). */
int mlx_desktop_open(mlx_desktop_t *self, const char *what, mlx_error_t *err);

/*  Call on SIGCHLD: learns how openers ended. */
void mlx_desktop_reap(mlx_desktop_t *self);

/*  How many openers still run. */
size_t mlx_desktop_opening(const mlx_desktop_t *self);

/*  Show a notification, where there is someone to show it; one of the same KEY is replaced. Title
 *  and text are plain text of one line each. */
void mlx_desktop_notify(mlx_desktop_t *self, const char *key, mlx_note_t note, const char *title,
                        const char *text);

/*  The session bus, opened on first use; Linux only. Borrowed. NULL with ERR (unavailable). */
struct mlx_dbus *mlx_desktop_dbus(mlx_desktop_t *self, mlx_error_t *err);

#endif
