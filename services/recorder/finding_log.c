#include "finding_log.h"

#include "common/base/json.h"

int mlx_finding_log_prepare(mlx_db_t *db, mlx_error_t *err)
{
    return mlx_db_run(
        db, err,
        "CREATE TABLE IF NOT EXISTS finding (n INTEGER PRIMARY KEY, t INTEGER NOT NULL,"
        " host TEXT NOT NULL, rule TEXT NOT NULL, data TEXT NOT NULL)",
        "");
}

int mlx_finding_log_put(mlx_db_t *db, const char *host, int64_t t_us, const char *rule,
                        const mlx_value_t *d, mlx_error_t *err)
{
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t text = {0};
    mlx_json_write(&text, d, false);
    if (mlx_finding_log_prepare(db, err) ||
        mlx_db_run(db, err, "INSERT INTO finding (t, host, rule, data) VALUES (?, ?, ?, ?)", "isss",
                   t_us, host, rule, mlx_buf_str(&text)))
        return -1;
    return mlx_db_run(db, err, "DELETE FROM finding WHERE n <= (SELECT max(n) FROM finding) - ?",
                      "i", (int64_t)MLX_FINDING_LOG_KEPT);
}

mlx_value_t *mlx_finding_log_list(mlx_db_t *db, int64_t limit, mlx_error_t *err)
{
    if (limit < 1 || limit > MLX_FINDING_LOG_MAX) {
        mlx_error_set(err, MLX_ERR_USAGE, "limit must be from 1 to %d", MLX_FINDING_LOG_MAX);
        return NULL;
    }
    if (mlx_finding_log_prepare(db, err))
        return NULL;
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(
        db, err, "SELECT t, host, rule, data FROM finding ORDER BY n DESC LIMIT ?", "i", limit);
    mlx_value_t *list = mlx_value_list();
    int more;
    while ((more = mlx_stmt_step(q, err)) > 0) {
        size_t len;
        const char *data = mlx_stmt_bytes(q, 3, &len);
        mlx_value_t *d = mlx_json_parse(data, len, NULL);
        if (!d)
            continue;
        mlx_value_set_int(d, "t", mlx_stmt_int(q, 0));
        mlx_value_set_str(d, "host", mlx_stmt_str(q, 1));
        mlx_value_set_str(d, "rule", mlx_stmt_str(q, 2));
        mlx_value_append(list, d);
    }
    if (more < 0)
        mlx_value_destroy(&list);
    return list;
}
