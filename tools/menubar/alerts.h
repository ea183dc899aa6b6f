/*  alerts.h - which messages about alerts are news to a person
 *
 *  alert.* is retained and published again now and then; a person wants to hear of each alert once
 *  when it begins and once when it ends. One that ended before we came is not news.
 *
 *      switch (mlx_alerts_see(alerts, message)) ...
 */
#ifndef MLX_TOOLS_MENUBAR_ALERTS_H
#define MLX_TOOLS_MENUBAR_ALERTS_H

#include "proto/message.h"

typedef struct mlx_alerts mlx_alerts_t;

typedef enum {
    MLX_NEWS_NONE,
    MLX_NEWS_FIRING,
    MLX_NEWS_RESOLVED,
} mlx_news_t;

enum {
    MLX_ALERTS_MAX = 256 /* firing at the same time; more are not news */
};

mlx_alerts_t *mlx_alerts_new(void);
void mlx_alerts_destroy(mlx_alerts_t **self);

/*  MESSAGE of a topic alert.<rule>, of any host. */
mlx_news_t mlx_alerts_see(mlx_alerts_t *self, const mlx_message_t *message);

#endif
