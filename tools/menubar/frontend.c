#include "frontend.h"

#include <string.h>

#define TEXT(n, notes)                                                                             \
    {                                                                                              \
        .name = n, .notifies = notes, .open = mlx_frontend_text_open,                              \
        .draw = mlx_frontend_text_draw, .close = mlx_frontend_text_close                           \
    }

#ifdef __APPLE__
#define BAR_NOTIFIES true /* there is no tray that would */
#else
#define BAR_NOTIFIES false
#endif

const mlx_frontend_t mlx_frontends[] = {
#ifdef __linux__
    {.name = "tray",
     .nested = true,
     .notifies = true,
     .open = mlx_frontend_tray_open,
     .draw = mlx_frontend_tray_draw,
     .close = mlx_frontend_tray_close},
#endif
    TEXT("plain", false),
    TEXT("short", false),
    TEXT("json", false),
    TEXT("swiftbar", BAR_NOTIFIES),
    TEXT("xbar", BAR_NOTIFIES),
    TEXT("waybar", false),
    TEXT("i3blocks", false),
};

const size_t mlx_fronts_count = MLX_COUNT(mlx_frontends);

const mlx_frontend_t *mlx_frontend_find(const char *name)
{
    for (size_t i = 0; i < mlx_fronts_count; i++)
        if (strcmp(mlx_frontends[i].name, name) == 0)
            return &mlx_frontends[i];
    return NULL;
}

const mlx_frontend_t *mlx_frontend_fallback(void)
{
    return mlx_frontend_find("plain");
}
