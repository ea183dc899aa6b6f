/*  menu_view.h - what a menu bar shows: a pure function from the overview to title, items and icon
 *
 *  Every front end draws this and nothing else: the Linux tray, SwiftBar, xbar, waybar, i3blocks
 *  and MLXDash.app. Two menus are equal when nothing a person sees has changed, so a front end
 *  redraws only then. Names come from outside: every text here is one line of well-formed UTF-8 of
 *  bounded length; what else is special to a front end (markup, separators) is for it to escape.
 *
 *      mlx_menu_t *menu = mlx_menu_new(&(mlx_menu_options_t){0}, overview, now_us);
 *      for (size_t i = 0; i < mlx_menu_count(menu); i++) ... mlx_menu_at(menu, i) ...
 *      mlx_menu_destroy(&menu);
 */
#ifndef MLX_COMMON_VIEW_MENU_VIEW_H
#define MLX_COMMON_VIEW_MENU_VIEW_H

#include "common/view/overview.h"

typedef struct mlx_menu mlx_menu_t;

typedef enum {
    MLX_ITEM_TEXT, /* a reading; not clickable */
    MLX_ITEM_SEPARATOR,
    MLX_ITEM_ACTION, /* clickable while enabled */
    MLX_ITEM_MENU,   /* holds the nested items that follow it */
} mlx_item_kind_t;

typedef enum {
    MLX_ACTION_NONE,
    MLX_ACTION_BENCHMARK,
    MLX_ACTION_CANCEL_BENCHMARK,
    MLX_ACTION_HISTORY,
    MLX_ACTION_PREFERENCES,
    MLX_ACTION_QUIT,
    MLX_ACTION_SET,       /* write the item's setting into the configuration */
    MLX_ACTION_AUTOSTART, /* start with the desktop session, or no more */
} mlx_action_t;

typedef enum {
    MLX_MARK_NONE,
    MLX_MARK_CHECK,
    MLX_MARK_RADIO,
} mlx_mark_t;

typedef struct {
    mlx_item_kind_t kind;
    const char *id;   /* stable: "model", "performance", "memory", "host1.memory", ... */
    const char *text; /* "Memory: 14.2 GB / 48.0 GB (29%)"; "" for a separator */
    bool enabled;
    mlx_action_t action;
    bool nested;         /* in the submenu of the last MLX_ITEM_MENU before it */
    mlx_mark_t mark;     /* what stands before a text that can be chosen */
    bool chosen;         /* is it set? */
    const char *setting; /* of MLX_ACTION_SET: "menubar.title=memory"; static */
} mlx_menu_item_t;

/*  How the icon looks: a level that front ends map to colour or class. */
typedef enum {
    MLX_LEVEL_OFFLINE, /* no bus, or nothing heard any more */
    MLX_LEVEL_IDLE,
    MLX_LEVEL_BUSY,
    MLX_LEVEL_WARNING, /* something of mlx_overview_warnings: the menu has its words */
} mlx_level_t;

typedef enum {
    MLX_TITLE_TOKENS,
    MLX_TITLE_MEMORY,
    MLX_TITLE_GPU
} mlx_title_t;

typedef enum {
    MLX_BENCH_NONE,
    MLX_BENCH_OURS,      /* offer to cancel it */
    MLX_BENCH_ELSEWHERE, /* someone else's: shown, but not ours to cancel */
} mlx_bench_state_t;

typedef struct {
    mlx_title_t title; /* what the title shows */
    bool fahrenheit;   /* temperatures in degrees Fahrenheit */
    mlx_bench_state_t bench;
    const char *bench_note; /* "prompt 3 of 10", or NULL */
    const char *notice;     /* a line for the top: "The gateway does not run"; or NULL */
    const char *away;       /* why nothing was heard yet: "the bus does not answer"; or NULL */
    bool nested;            /* the front end has submenus: requests, other machines, preferences */
    bool notifies;          /* for the preferences: alerts are told */
    bool autostart;         /* ...: it starts with the session */
} mlx_menu_options_t;

/*  Caller owns the result and must destroy it. OVERVIEW is as it was afterwards. */
mlx_menu_t *mlx_menu_new(const mlx_menu_options_t *options, mlx_overview_t *overview,
                         int64_t now_us);
void mlx_menu_destroy(mlx_menu_t **self);

/*  "42 tok/s" while something generates, "2 models \u00b7 100 tok/s" while several do; the memory
 *  or GPU share when so chosen; "idle", "no data", "offline". */
const char *mlx_menu_title(const mlx_menu_t *self);

/*  At most four characters for inside an icon: "42", "1.2k", "-". */
const char *mlx_menu_badge(const mlx_menu_t *self);

/*  A few lines that hold what the menu says. */
const char *mlx_menu_tooltip(const mlx_menu_t *self);

/*  "benchmark", "cancel", "history", "preferences", "quit", "set", "autostart"; "none". */
const char *mlx_action_name(mlx_action_t action);

mlx_level_t mlx_menu_level(const mlx_menu_t *self);
const char *mlx_level_name(mlx_level_t level); /* "offline", "idle", "busy", "warning" */
uint32_t mlx_level_rgb(mlx_level_t level);     /* 0xRRGGBB, seen on dark and on light */

/*  Share of memory in use, 0..100 for bars that want a percentage; -1 when unknown. */
int mlx_menu_percentage(const mlx_menu_t *self);

size_t mlx_menu_count(const mlx_menu_t *self);
const mlx_menu_item_t *mlx_menu_at(const mlx_menu_t *self, size_t index);

bool mlx_menu_equal(const mlx_menu_t *a, const mlx_menu_t *b);

#endif
