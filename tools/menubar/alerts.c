#include "alerts.h"

#include <stdlib.h>
#include <string.h>

struct mlx_alerts {
    char *firing[MLX_ALERTS_MAX]; /* "topic host" */
    size_t count;
};

mlx_alerts_t *mlx_alerts_new(void)
{
    return mlx_alloc(1, sizeof(mlx_alerts_t));
}

void mlx_alerts_destroy(mlx_alerts_t **self_p)
{
    mlx_alerts_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->count; i++)
        free(self->firing[i]);
    free(self);
}

mlx_news_t mlx_alerts_see(mlx_alerts_t *self, const mlx_message_t *message)
{
    const char *state = mlx_value_str(message->d, "state");
    if (!state || mlx_value_get(message->d, "silenced_until"))
        return MLX_NEWS_NONE;
    MLX_CLEANUP(mlx_free_p) char *key = mlx_format("%s %s", message->topic, message->host);
    bool fires = strcmp(state, "firing") == 0;
    size_t at = 0;
    while (at < self->count && strcmp(self->firing[at], key) != 0)
        at++;
    bool known = at < self->count;
    if (fires == known || (fires && self->count == MLX_ALERTS_MAX))
        return MLX_NEWS_NONE;
    if (fires) {
        self->firing[self->count++] = key;
        key = NULL;
        return MLX_NEWS_FIRING;
    }
    free(self->firing[at]);
    self->firing[at] = self->firing[--self->count];
    return MLX_NEWS_RESOLVED;
}
