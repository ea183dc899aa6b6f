/*  Operations that could not be ended: what they are, why, and how to let one go. */
#include "services/cache/commands/internal.h"

#include <stdlib.h>

static const char *const unended[] = {"open", "undoing"};

static void add_aside(mlx_cache_t *self, int64_t id, mlx_value_t *list)
{
    mlx_error_t why = {0};
    MLX_CLEANUP(mlx_stmt_destroy)
    mlx_stmt_t *q = mlx_db_query(self->db, NULL,
                                 "SELECT kind, model, app, reason, (SELECT root FROM steps"
                                 " WHERE op = ops.id LIMIT 1) FROM ops WHERE id = ?",
                                 "i", id);
    if (mlx_stmt_step(q, &why) <= 0 || !mlx_stmt_str(q, 3))
        return;
    const char *kind = mlx_stmt_str(q, 0), *model = mlx_stmt_str(q, 1);
    mlx_value_t *one = mlx_value_append(list, mlx_value_map());
    MLX_CLEANUP(mlx_free_p)
    char *text =
        mlx_format("operation %lld (%s%s%s) is set aside: %s", (long long)id, kind ? kind : "?",
                   model ? " " : "", model ? model : "", mlx_stmt_str(q, 3));
    MLX_CLEANUP(mlx_free_p)
    char *hint = mlx_format("every command that changes something retries it; to abandon it: "
                            "mlx-cache undo --forget %lld",
                            (long long)id);
    mlx_value_set_str(one, "app", mlx_stmt_str(q, 2) ? mlx_stmt_str(q, 2) : "cache");
    mlx_value_set_str(one, "path", mlx_stmt_str(q, 4) ? mlx_stmt_str(q, 4) : self->options.home);
    mlx_value_set_int(one, "operation", id);
    mlx_value_set_str(one, "text", text);
    mlx_value_set_str(one, "hint", hint);
}

void mlx_cache_list_aside(mlx_cache_t *self, mlx_value_t *list)
{
    for (size_t s = 0; s < MLX_COUNT(unended); s++) {
        size_t count;
        MLX_CLEANUP(mlx_free_p)
        int64_t *ids = mlx_journal_find(self->db, unended[s], NULL, NULL, NULL, &count, NULL);
        for (size_t i = 0; i < count; i++)
            add_aside(self, ids[i], list);
    }
}

int mlx_cache_let_go(mlx_cache_t *self, int64_t id, mlx_error_t *err)
{
    for (size_t s = 0; s < MLX_COUNT(unended); s++) {
        size_t count;
        MLX_CLEANUP(mlx_free_p)
        int64_t *ids = mlx_journal_find(self->db, unended[s], NULL, NULL, NULL, &count, err);
        const mlx_cache_plan_t plan = {.id = id};
        for (size_t i = 0; i < count; i++)
            if (ids[i] == id)
                return mlx_journal_close(self->db, &plan, "forgotten", self->options.now_s(), err);
    }
    mlx_error_set(err, MLX_ERR_NOT_FOUND, "operation %lld is not set aside", (long long)id);
    return mlx_error_hint(err, "mlx-cache doctor lists what is");
}
