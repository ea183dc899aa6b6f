/*  cmlxbus.h - the bus client for Swift: feeds, calls, values, the menu
 *
 *  The suite's own client belongs to one thread with one event loop. Here each feed and each call
 *  is such a thread with a client of its own, so that closing it closes its sockets. Swift opens
 *  one feed for all its loops over one bus. This header names no other header of the suite, so that
 *  Swift can read it alone.
 *
 *      cmlx_feed_t *feed = cmlx_feed_open(NULL, "sensor.gpu.", on_message, on_end, self, &err);
 *      ...
 *      cmlx_feed_close(feed);
 *
 *  Functions of the types below are called in the feed's or call's own thread. After on_end no more
 *  come: that is where ARG may be released.
 */
#ifndef CMLXBUS_H
#define CMLXBUS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int code;       /* exit code of the suite's programs; 0: none */
    char text[512]; /* what and where */
    char hint[256]; /* what to do; may be empty */
} cmlx_error_t;

/*  The name of an error's code, "unavailable", ... Static storage. */
const char *cmlx_error_name(int code);

/*  Values: a borrowed tree; it lives as long as the message or reply it came from. */
typedef struct mlx_value cmlx_node_t;

typedef enum {
    CMLX_NULL,
    CMLX_BOOL,
    CMLX_INT,
    CMLX_REAL,
    CMLX_STR,
    CMLX_LIST,
    CMLX_MAP,
} cmlx_type_t;

cmlx_type_t cmlx_node_type(const cmlx_node_t *node); /* NULL: CMLX_NULL */
const cmlx_node_t *cmlx_node_get(const cmlx_node_t *map, const char *key);
const cmlx_node_t *cmlx_node_at(const cmlx_node_t *container, size_t index);
const char *cmlx_node_key(const cmlx_node_t *map, size_t index);
size_t cmlx_node_count(const cmlx_node_t *container);
bool cmlx_node_bool(const cmlx_node_t *node, bool *out);
bool cmlx_node_int(const cmlx_node_t *node, int64_t *out);
bool cmlx_node_real(const cmlx_node_t *node, double *out);
const char *cmlx_node_str(const cmlx_node_t *node, size_t *len); /* NULL: no string */

/*  Making a tree, for the arguments of a call. Whoever makes it must free it, unless it went into a
 *  container. KEY NULL: append to a list. */
cmlx_node_t *cmlx_node_new_map(void);
cmlx_node_t *cmlx_node_new_list(void);
cmlx_node_t *cmlx_node_new_bool(bool value);
cmlx_node_t *cmlx_node_new_int(int64_t value);
cmlx_node_t *cmlx_node_new_real(double value);
cmlx_node_t *cmlx_node_new_str(const char *text, size_t len);
cmlx_node_t *cmlx_node_new_null(void);
void cmlx_node_put(cmlx_node_t *container, const char *key, cmlx_node_t *item);
void cmlx_node_free(cmlx_node_t *node);

/*  One message; whoever gets it must free it. */
typedef struct cmlx_message cmlx_message_t;

const char *cmlx_message_topic(const cmlx_message_t *self);
const char *cmlx_message_host(const cmlx_message_t *self);
const char *cmlx_message_source(const cmlx_message_t *self);
int64_t cmlx_message_sequence(const cmlx_message_t *self);
int64_t cmlx_message_time(const cmlx_message_t *self); /* microseconds since 1970 */
const cmlx_node_t *cmlx_message_data(const cmlx_message_t *self);
void cmlx_message_free(cmlx_message_t *self);

/*  Feeds. */
typedef struct cmlx_feed cmlx_feed_t;
typedef void (*cmlx_message_fn)(void *arg, cmlx_message_t *message);
typedef void (*cmlx_end_fn)(void *arg);

/*  The directory of the bus's sockets, as every program of the suite finds it. The caller frees the
 *  string. NULL with ERR. */
char *cmlx_run_dir(cmlx_error_t *err);

/*  All messages whose topic begins with PREFIX, retained values first; reconnects by itself. */
cmlx_feed_t *cmlx_feed_open(const char *run_dir, const char *prefix, cmlx_message_fn fn,
                            cmlx_end_fn end, void *arg, cmlx_error_t *err);

/*  Deliver messages under PREFIX too, from any thread. No wider prefix than that may be open
 *  already: its messages come anyway. Only what the bus has not delivered to this feed before comes
 *  first. */
void cmlx_feed_add(cmlx_feed_t *self, const char *prefix);

/*  After how many seconds the source of a retained TOPIC says it again; 0: only when it changes;
 *  -1: the bus keeps none of its messages. */
int cmlx_topic_period(const char *topic);

/*  End it; returns at once, from any thread, once per feed. The handle is dead afterwards. */
void cmlx_feed_close(cmlx_feed_t *self);

/*  Calls. */
typedef struct cmlx_call cmlx_call_t;

typedef enum {
    CMLX_PROGRESS,
    CMLX_DONE,
    CMLX_ERROR,
} cmlx_reply_t;

/*  VALUE (progress, done) and ERR (error) are borrowed. */
typedef void (*cmlx_reply_fn)(void *arg, cmlx_reply_t kind, const cmlx_node_t *value,
                              const cmlx_error_t *err);

/*  Send COMMAND to SERVICE with ARGS (borrowed, a map). One CMLX_DONE or CMLX_ERROR comes, at the
 *  latest after TIMEOUT_MS. */
cmlx_call_t *cmlx_call_open(const char *run_dir, const char *service, const char *command,
                            const cmlx_node_t *args, int64_t timeout_ms, cmlx_reply_fn fn,
                            cmlx_end_fn end, void *arg, cmlx_error_t *err);

/*  End it; when it is not over, the service is told to stop. As cmlx_feed_close. */
void cmlx_call_close(cmlx_call_t *self);

/*  The catalogue as a tree; whoever gets it must free it. */
cmlx_node_t *cmlx_catalogue(void);

/*  The menu bar's view-model, the same as on every other front end. */
typedef struct cmlx_menu cmlx_menu_t;

typedef struct {
    int kind;       /* 0 text, 1 separator, 2 action */
    const char *id; /* borrowed until the next refresh */
    const char *text;
    bool enabled;
    int action; /* 0 none, 1 benchmark, 2 cancel it, 3 history, 4 preferences, 5 quit */
} cmlx_menu_item_t;

cmlx_menu_t *cmlx_menu_new(void);
void cmlx_menu_free(cmlx_menu_t *self);
void cmlx_menu_put(cmlx_menu_t *self, const cmlx_message_t *message);

/*  Draw it again. TITLE: 0 tokens, 1 memory, 2 GPU. NOTE may be NULL. */
void cmlx_menu_refresh(cmlx_menu_t *self, int title, bool bench_running, const char *note,
                       int64_t now_us);
const char *cmlx_menu_title(const cmlx_menu_t *self);
const char *cmlx_menu_tooltip(const cmlx_menu_t *self);
int cmlx_menu_level(const cmlx_menu_t *self); /* 0 offline, 1 idle, 2 busy, 3 warning */
size_t cmlx_menu_count(const cmlx_menu_t *self);
cmlx_menu_item_t cmlx_menu_at(const cmlx_menu_t *self, size_t index);

#endif
