#include "results.h"

#include "common/base/json.h"

enum {
    VALUES_MAX = 50000 /* of one list: a reply has its limits */
};

int mlx_results_put(mlx_db_t *db, const char *host, int64_t t_us, const mlx_value_t *d,
                    mlx_error_t *err)
{
    const char *id = mlx_value_str(d, "id");
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    if (!id)
        return mlx_error_set(err, MLX_ERR_USAGE, "a benchmark result without an id");
    mlx_value_int(d, "t", &t_us);
    mlx_json_write(&text, d, false);
    return mlx_db_run(db, err,
                      "INSERT OR IGNORE INTO result (id, host, t, model, data)"
                      " VALUES (?, ?, ?, ?, ?)",
                      "ssiss", id, host, t_us, mlx_value_str(d, "model"), mlx_buf_str(&text));
}

static size_t count_values(const mlx_value_t *value)
{
    size_t count = 1;
    mlx_type_t type = mlx_value_type(value);
    for (size_t i = 0; (type == MLX_LIST || type == MLX_MAP) && i < mlx_value_size(value); i++)
        count += count_values(mlx_value_at(value, i)) + (type == MLX_MAP);
    return count;
}

mlx_value_t *mlx_results_list(mlx_db_t *db, const char *model, const char *id, int64_t limit,
                              mlx_error_t *err)
{
    if (limit < 1 || limit > MLX_RESULTS_MAX) {
        mlx_error_set(err, MLX_ERR_USAGE, "limit must be from 1 to %d", MLX_RESULTS_MAX);
        return NULL;
    }
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(db, err,
                                 "SELECT host, data FROM result WHERE (?1 IS NULL OR model = ?1)"
                                 " AND (?2 IS NULL OR substr(id, 1, length(?2)) = ?2)"
                                 " ORDER BY t DESC LIMIT ?3",
                                 "ssi", model, id, limit);
    mlx_value_t *list = mlx_value_list();
    size_t values = 0;
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const char *data = mlx_stmt_bytes(q, 1, &len);
        mlx_value_t *result = mlx_json_parse(data, len, NULL);
        values += count_values(result);
        if (!result || values > VALUES_MAX) {
            mlx_value_destroy(&result);
            break;
        }
        mlx_value_set_str(result, "host", mlx_stmt_str(q, 0));
        mlx_value_append(list, result);
    }
    if (more < 0)
        mlx_value_destroy(&list);
    return list;
}
