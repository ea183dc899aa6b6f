/*  overview_state.h - is what the overview holds still so, what is at work, and what is wrong
 *
 *  Every service says its health every two seconds. A source that lets two of those pass is silent:
 *  what it said last is shown as past. One that has no health (a program of somebody else that
 *  publishes figures) is measured by its own pace. All front ends ask here, so that none of them
 *  shows the figures of a dead bus as live.
 *
 *      mlx_connection_t link = mlx_overview_connection(overview, mlx_wall_us());
 *      if (link.state != MLX_LINK_LIVE)
 *          puts(link.text);                 "no data for 7 s: the bus does not answer"
 */
#ifndef MLX_COMMON_VIEW_OVERVIEW_STATE_H
#define MLX_COMMON_VIEW_OVERVIEW_STATE_H

#include "common/base/clock.h"
#include "common/view/overview.h"

enum {
    MLX_OVERVIEW_SILENT_US = 3800000 /* with a look every second a person knows within 5 s */
};

typedef enum {
    MLX_LINK_NONE,   /* nothing was ever heard of the host */
    MLX_LINK_LIVE,   /* all that should speak does */
    MLX_LINK_PARTLY, /* a source of the host is silent, others speak */
    MLX_LINK_LOST,   /* the host, or the bus itself, is silent */
} mlx_link_t;

typedef struct {
    mlx_link_t state;
    double seconds; /* since the silent one was heard last; 0 while live */
    char text[192]; /* one line for a person; "" while live */
} mlx_connection_t;

mlx_connection_t mlx_overview_connection(const mlx_overview_t *self, int64_t now_us);

/*  "live", "partly", "lost" or "none". */
const char *mlx_link_name(mlx_link_t state);

/*  {state, seconds, text}; caller owns it. */
mlx_value_t *mlx_overview_connection_value(const mlx_overview_t *self, int64_t now_us);

/*  Is the source of MESSAGE, which mlx_overview_each gave, silent? */
bool mlx_overview_late(const mlx_overview_t *self, const mlx_message_t *message, int64_t now_us);

/*  Which figures of the host come, wholly or partly, from a silent source. */
typedef struct {
    bool sensors;
    bool runtimes;
} mlx_lateness_t;

mlx_lateness_t mlx_overview_lateness(const mlx_overview_t *self, int64_t now_us);

/*  A model at work at one runtime. Strings are borrowed until the next put. */
typedef struct {
    const char *topic; /* of the runtime's activity */
    const char *model; /* NULL: the runtime does not say */
    size_t requests;
    double tokens_per_second;   /* of all its requests; NaN: unknown, or none has begun to answer */
    const mlx_value_t *running; /* all that the runtime works on */
} mlx_work_t;

/*  The models at work on the overview's host, at most MAX. Returns their number. */
size_t mlx_overview_work(const mlx_overview_t *self, int64_t now_us, mlx_work_t *work, size_t max);

/*  The same as a list of {model, requests, tokens_per_second, prompt}; caller owns it. */
mlx_value_t *mlx_overview_work_value(const mlx_overview_t *self, int64_t now_us);

/*  Who has requests under way on the host, where known: "chat.py, curl and 2 more". NULL: nobody,
 *  or not known. Comes from outside; caller owns it. */
char *mlx_overview_clients(const mlx_overview_t *self, int64_t now_us);

/*  Speed of all requests of the activity D, or NaN. */
double mlx_activity_rate(const mlx_value_t *d);

/*  Speed of MODEL by the activity D, or NaN: idle or unknown. *REQUESTS (may be NULL): how many. */
double mlx_activity_model(const mlx_value_t *d, const char *model, size_t *requests);

/*  What deserves a person's eye on the host, most urgent first: a list of {kind, name, text} with
 *  kind "alert", "finding", "service", "silent" or "memory". TEXT is one line and comes partly from
 *  outside.
 *  Caller owns it. */
mlx_value_t *mlx_overview_warnings(const mlx_overview_t *self, int64_t now_us);

#endif
