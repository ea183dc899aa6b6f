#include "services/cache/store/notes.h"

int mlx_notes_put(mlx_db_t *db, const char *model, const char *key, const char *value,
                  mlx_error_t *err)
{
    if (!value)
        return mlx_db_run(db, err,
                          "DELETE FROM notes WHERE key = ? AND model IN"
                          " (SELECT id FROM models WHERE name = ?)",
                          "ss", key, model);
    return mlx_db_run(db, err,
                      "INSERT OR REPLACE INTO notes (model, key, value)"
                      " SELECT id, ?, ? FROM models WHERE name = ?",
                      "sss", key, value, model);
}

char *mlx_notes_get(mlx_db_t *db, const char *model, const char *key)
{
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, NULL,
                                 "SELECT value FROM notes JOIN models ON models.id = model"
                                 " WHERE name = ? AND key = ?",
                                 "ss", model, key);
    return mlx_stmt_step(q, NULL) > 0 ? mlx_strdup(mlx_stmt_str(q, 0)) : NULL;
}
