/*  autostart.h - does the tray start with the desktop session? (XDG autostart)
 *
 *      if (mlx_autostart_set(NULL, program, !mlx_autostart(NULL), &err)) ...
 */
#ifndef MLX_TOOLS_MENUBAR_AUTOSTART_H
#define MLX_TOOLS_MENUBAR_AUTOSTART_H

#include "common/base/env.h"
#include "proto/error.h"

/*  By the user's own file, or by the system's where there is none. */
bool mlx_autostart(const mlx_env_t *env);

/*  Write the user's file: one that starts PROGRAM, or one that hides the system's; without one of
 *  the system it is removed. 0, or -1 with ERR. */
int mlx_autostart_set(const mlx_env_t *env, const char *program, bool on, mlx_error_t *err);

#endif
