/*  config_edit.h - change one setting in the configuration file, and nothing else in it
 *
 *      mlx_config_edit(path, "menubar.title", "memory", &err);
 *
 *  The file stays as its owner wrote it: comments, order, spaces. It is replaced as a whole,
 *  through symbolic links, with its mode; one that is missing is made.
 */
#ifndef MLX_COMMON_BASE_CONFIG_EDIT_H
#define MLX_COMMON_BASE_CONFIG_EDIT_H

#include "proto/error.h"

/*  Set KEY ("section.name") to the plain word VALUE. 0, or -1 with ERR and the file untouched: also
 *  where the file has mistakes, or writes the section in a form that is not a line for each
 *  setting. */
int mlx_config_edit(const char *path, const char *key, const char *value, mlx_error_t *err);

/*  The same for TEXT in memory: the new one, or NULL with ERR. NAME is for messages. Caller owns
 *  the result and must free it. */
char *mlx_config_edited(const char *text, const char *key, const char *value, const char *name,
                        mlx_error_t *err);

#endif
