/*  notes.h - what is known of a model's content: its licence, and what the checks found
 *
 *  Kept beside the model in the registry, and gone with it. Keys are "license" (text) and
 *  "findings" (JSON, see content/findings.h).
 *
 *      mlx_notes_put(db, "org/name", "license", "apache-2.0", &err);
 */
#ifndef MLX_CACHE_STORE_NOTES_H
#define MLX_CACHE_STORE_NOTES_H

#include "common/base/db.h"

/*  Of the model MODEL, which must be there; VALUE NULL takes the note away. */
int mlx_notes_put(mlx_db_t *db, const char *model, const char *key, const char *value,
                  mlx_error_t *err);

/*  NULL when there is none. Caller owns it and must free it. */
char *mlx_notes_get(mlx_db_t *db, const char *model, const char *key);

#endif
