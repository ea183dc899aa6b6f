/*  places.h - where the menu's items lead: the history page and the settings file
 *
 *      MLX_CLEANUP(mlx_free_p) char *url = mlx_history_url(listen);
 *      MLX_CLEANUP(mlx_free_p) char *path = mlx_preferences_file(NULL, NULL, &err);
 */
#ifndef MLX_TOOLS_MENUBAR_PLACES_H
#define MLX_TOOLS_MENUBAR_PLACES_H

#include "common/base/env.h"
#include "proto/error.h"

/*  "http://127.0.0.1:11490/" from gateway.listen; a listener on all addresses is asked at loopback.
 *  Caller owns it and must free it. */
char *mlx_history_url(const char *listen);

/*  The settings file: PATH, or the usual place when NULL. One that is missing is made, with every
 *  setting as a comment and its default. Caller owns the path and must free it. NULL with ERR. */
char *mlx_preferences_file(const mlx_env_t *env, const char *path, mlx_error_t *err);

/*  Write TEXT into PATH, whose folders are made where they are missing. FLAG: O_EXCL leaves a file
 *  alone that is there, O_TRUNC replaces it. 0, or -1 with ERR. */
int mlx_write_new(const char *path, const char *text, int flag, mlx_error_t *err);

#endif
