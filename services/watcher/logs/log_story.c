#include "log_story.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "log_request.h"

enum {
    OPEN = 64,
    CHILDREN = 32,
    WAITING = 32,
    WAIT_US = 1000 * 1000,         /* Ollama's line on a request follows its runner's at once */
    FRESH_US = 4500 * 1000,        /* speeds are told every 3 s */
    READING_US = 30 * 1000 * 1000, /* a prompt of which nothing was heard for so long is over */
    STRANGE_MAX = 2,
};

typedef struct {
    int64_t port;
    char model[MLX_LOG_NAME_MAX];
} child_t;

struct mlx_log_story {
    const mlx_log_grammar_t *format;
    mlx_ended_sink_t sink;
    mlx_log_request_t open[OPEN];
    mlx_log_request_t waiting[WAITING];
    size_t waiting_count;
    child_t children[CHILDREN]; /* a ring */
    size_t next_child;
    int64_t named_child, named_slot, named_task; /* who the lines without a name are about */
    bool loading;
    int64_t load_start_us, load_end_us; /* wall clock */
    int strange;
    double tokens_total, prompt_total, requests_total;
    mlx_activity_last_t last;
    char last_model[MLX_LOG_NAME_MAX];
    mlx_activity_cut_t cut;
};

mlx_log_story_t *mlx_log_story_new(const mlx_log_grammar_t *format, mlx_ended_sink_t sink)
{
    mlx_log_story_t *self = mlx_alloc(1, sizeof *self);
    self->format = format;
    self->sink = sink;
    self->named_slot = -1;
    mlx_activity_t nothing;
    mlx_activity_clear(&nothing);
    self->last = nothing.last;
    return self;
}

void mlx_log_story_destroy(mlx_log_story_t **self)
{
    free(*self);
    *self = NULL;
}

/* ---- who is meant ---- */

static mlx_log_request_t *open_of(mlx_log_story_t *self, int64_t child, int64_t slot)
{
    for (size_t i = 0; i < OPEN; i++)
        if (self->open[i].used && self->open[i].child == child && self->open[i].slot == slot)
            return &self->open[i];
    return NULL;
}

static const char *model_of(const mlx_log_story_t *self, int64_t child)
{
    for (size_t i = 0; i < CHILDREN && child; i++)
        if (self->children[i].port == child)
            return self->children[i].model;
    return "";
}

/*  What it made so far stays in the totals, which never fall. */
static void leave(mlx_log_story_t *self, mlx_log_request_t *request)
{
    self->tokens_total += mlx_log_request_so_far(request);
    request->used = false;
}

static mlx_log_request_t *begin(mlx_log_story_t *self, int64_t child, int64_t slot, int64_t task)
{
    mlx_log_request_t *request = open_of(self, child, slot);
    for (size_t i = 0; i < OPEN && !request; i++)
        if (!self->open[i].used)
            request = &self->open[i];
    if (!request)
        return NULL;
    leave(self, request);
    mlx_log_request_clear(request);
    request->used = true;
    request->child = child;
    request->slot = slot;
    request->task = task;
    snprintf(request->model, sizeof request->model, "%s", model_of(self, child));
    return request;
}

/*  The request that FACT is about; one whose beginning was not seen begins here. */
static mlx_log_request_t *request_of(mlx_log_story_t *self, const mlx_log_fact_t *fact)
{
    int64_t child = fact->child, slot = fact->slot, task = fact->task;
    if (slot < 0 && self->named_slot >= 0) { /* figures below a header */
        child = self->named_child;
        slot = self->named_slot;
        task = self->named_task;
    }
    mlx_log_request_t *request = open_of(self, child, slot);
    if (request && (task < 0 || request->task < 0 || request->task == task))
        return request;
    return begin(self, child, slot, task);
}

/* ---- the end ---- */

static void remember(mlx_log_story_t *self, const mlx_ended_t *request)
{
    mlx_activity_last_t *last = &self->last;
    snprintf(self->last_model, sizeof self->last_model, "%s", request->model ? request->model : "");
    last->t_us = request->end_us;
    last->source = "log";
    last->model = self->last_model[0] ? self->last_model : NULL;
    last->tokens = request->tokens;
    last->tokens_per_second = request->rate;
    last->prompt_tokens = request->prompt_tokens;
    last->prompt_cached = request->cached_tokens;
    last->prompt_tokens_per_second = request->prompt_rate;
    last->ttft_s = request->ttft_s;
    last->outcome = request->outcome;
}

/*  GIN: Ollama's own line on the request; NULL: there is none. */
static void tell(mlx_log_story_t *self, const mlx_log_request_t *request, const mlx_log_fact_t *gin)
{
    mlx_ended_t told;
    mlx_log_request_ended(request, &told);
    if (gin) {
        told.api = gin->api;
        told.status = gin->status;
        told.start_us = request->end_us - (int64_t)(gin->seconds * 1e6);
        if (self->load_end_us > told.start_us && self->load_start_us >= told.start_us - WAIT_US)
            told.load_s = (double)(self->load_end_us - self->load_start_us) / 1e6;
        double rest = gin->seconds - mlx_log_or(told.load_s, 0) - request->read_s - request->made_s;
        told.queue_s = rest > 0 ? rest : isnan(rest) ? (double)NAN : 0;
    }
    remember(self, &told);
    mlx_ended_tell(&self->sink, &told);
}

/*  Into the totals, and told now or with Ollama's line. */
static void finish(mlx_log_story_t *self, mlx_log_request_t *request, int64_t now_us,
                   int64_t wall_us)
{
    request->end_us = wall_us;
    mlx_log_request_complete(request);
    self->requests_total++;
    if (request->whole && !(request->made >= request->tokens) && !isnan(request->tokens))
        self->tokens_total += request->tokens;
    else if (request->whole && !isnan(request->made))
        self->tokens_total += request->made;
    if (request->whole && !isnan(request->read))
        self->prompt_total += request->read;
    /*  Lines are read a few at a time: what the server measured is no shorter than it took. */
    double span = mlx_log_or(request->read_s, 0) + mlx_log_or(request->made_s, 0);
    int64_t latest_us = wall_us - (int64_t)(span * 1e6);
    if (span > 0 && (request->start_us == 0 || request->start_us > latest_us))
        request->start_us = latest_us;
    request->used = false;
    if (!self->format->nameless || self->waiting_count == WAITING) {
        tell(self, request, NULL);
        return;
    }
    request->due_us = now_us + WAIT_US;
    self->waiting[self->waiting_count++] = *request;
}

/*  What the engine in an app tells belongs to the app's request. */
static bool hand_over(mlx_log_story_t *self, mlx_log_request_t *engine)
{
    mlx_log_request_t *app = engine->slot >= 0 ? open_of(self, 0, -1) : NULL;
    if (!app || !engine->inside)
        return false;
    mlx_log_request_t kept = *app;
    leave(self, app);
    *app = *engine;
    app->slot = -1;
    app->task = kept.task;
    app->inside = false;
    app->total = mlx_log_or(engine->total, kept.total);
    app->start_us = kept.start_us;
    app->since_us = kept.since_us;
    app->cancelled = app->cancelled || kept.cancelled;
    memcpy(app->model, kept.model, sizeof app->model);
    engine->used = false;
    return true;
}

/* ---- facts ---- */

static void start(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us,
                  int64_t wall_us)
{
    mlx_log_request_t *app = open_of(self, 0, -1);
    if (app && fact->slot < 0 && !app->anonymous)
        finish(self, app, now_us, wall_us); /* its end was not told */
    mlx_log_request_t *request = begin(self, fact->child, fact->slot, fact->task);
    if (!request)
        return;
    request->whole = true;
    request->inside = fact->slot >= 0 && open_of(self, 0, -1) != NULL;
    request->start_us = wall_us;
    request->since_us = now_us;
    request->heard_us = now_us;
    request->total = fact->total;
    request->cached = fact->cached;
    if (fact->model[0])
        snprintf(request->model, sizeof request->model, "%s", fact->model);
    self->loading = false;
}

/*  How far a prompt is: by tokens of the slot, of what is not cached, or as a share. */
static void read_prompt(mlx_log_request_t *request, const mlx_log_fact_t *fact)
{
    request->total = mlx_log_or(fact->total, request->total);
    request->cached = mlx_log_or(fact->cached, request->cached);
    request->done = mlx_log_or(fact->done, request->done);
    request->prompt_rate = mlx_log_or(fact->rate, request->prompt_rate);
    if (!isnan(fact->tokens)) {
        double cached = mlx_log_or(request->cached, 0);
        request->done = fact->tokens + cached;
        request->total = mlx_log_or(request->total, fact->prompt + cached);
    } else if (!isnan(fact->prompt) && !isnan(request->total)) {
        request->done = fact->prompt * request->total;
    }
}

static void add_prompt(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us,
                       int64_t wall_us)
{
    bool fresh = !open_of(self, fact->child, fact->slot);
    mlx_log_request_t *request = request_of(self, fact);
    if (!request)
        return;
    read_prompt(request, fact);
    request->heard_us = now_us;
    if (fresh) {
        request->anonymous = fact->slot < 0;
        request->since_us = now_us;
        request->start_us = wall_us;
    }
    if (request->anonymous && request->done >= request->total)
        leave(self, request); /* what comes is not spoken of */
}

static void add_figures(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us)
{
    mlx_log_request_t *request = request_of(self, fact);
    if (!request)
        return;
    request->heard_us = now_us;
    if (fact->what == MLX_LOG_READ) {
        request->read = fact->tokens;
        request->read_s = fact->seconds;
    } else if (fact->what == MLX_LOG_MADE) {
        request->made = fact->tokens;
        request->made_s = fact->seconds;
    } else if (fact->what == MLX_LOG_MAKING) {
        if (!(fact->tokens < request->tokens))
            request->tokens = fact->tokens;
        request->rate = fact->rate;
    } else {
        request->drafted = fact->drafted;
        request->accepted = fact->accepted;
    }
}

/*  By its task, or the only one there is. */
static void cancel(mlx_log_story_t *self, const mlx_log_fact_t *fact)
{
    mlx_log_request_t *only = NULL;
    size_t count = 0;
    for (size_t i = 0; i < OPEN; i++) {
        mlx_log_request_t *request = &self->open[i];
        if (!request->used || request->child != fact->child)
            continue;
        if (fact->task >= 0 && request->task == fact->task) {
            request->cancelled = true;
            return;
        }
        only = request;
        count++;
    }
    if (fact->task < 0 && count == 1)
        only->cancelled = true;
}

static void end(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us, int64_t wall_us)
{
    bool known = open_of(self, fact->child, fact->slot) != NULL;
    if (fact->slot < 0 && !known)
        return;
    mlx_log_request_t *request = request_of(self, fact);
    if (!request)
        return;
    request->held = fact->held;
    if (!known && isnan(request->made) && isnan(request->read)) {
        leave(self, request); /* nothing was seen of it but its end */
        return;
    }
    mlx_log_request_complete(request);
    if (!hand_over(self, request))
        finish(self, request, now_us, wall_us);
}

/*  Ollama's line on a request that its runner has reported; of several that it may be none is
 *  named. What no model worked on, a failure, is told by it alone. */
static void join(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t wall_us)
{
    size_t found = WAITING, count = 0;
    for (size_t i = 0; i < self->waiting_count; i++) {
        const mlx_log_request_t *request = &self->waiting[i];
        double span = mlx_log_or(request->read_s, 0) + mlx_log_or(request->made_s, 0);
        if (span <= fact->seconds * 1.02 + 0.05) {
            found = i;
            count++;
        }
    }
    if (count == 1) {
        mlx_log_request_t request = self->waiting[found];
        self->waiting[found] = self->waiting[--self->waiting_count];
        request.cancelled = request.cancelled || fact->status == 499;
        tell(self, &request, fact);
    } else if (count == 0 && fact->status >= 400) {
        mlx_ended_t told;
        mlx_ended_clear(&told);
        told.source = "log";
        told.end_us = wall_us;
        told.start_us = wall_us - (int64_t)(fact->seconds * 1e6);
        told.api = fact->api;
        told.status = fact->status;
        told.outcome = fact->status == 499 ? "client_abort" : "error";
        self->requests_total++;
        remember(self, &told);
        mlx_ended_tell(&self->sink, &told);
    }
}

/*  A whole request in one line. Where the line times the whole reply, its speed is not told. */
static void add_request(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t wall_us)
{
    if (self->format->nameless) {
        join(self, fact, wall_us);
        return;
    }
    mlx_ended_t told;
    mlx_ended_clear(&told);
    told.source = "log";
    told.end_us = wall_us;
    told.start_us = wall_us - (int64_t)(fact->seconds * 1e6);
    told.model = fact->model[0] ? fact->model : NULL;
    told.api = fact->api;
    told.prompt_tokens = fact->prompt;
    told.tokens = fact->tokens;
    told.exact = true;
    told.outcome = "ok";
    self->requests_total++;
    self->tokens_total += mlx_log_or(fact->tokens, 0);
    self->prompt_total += mlx_log_or(fact->prompt, 0);
    remember(self, &told);
    mlx_ended_tell(&self->sink, &told);
}

static void name(mlx_log_story_t *self, const mlx_log_fact_t *fact)
{
    if (fact->slot >= 0) {
        self->named_child = fact->child;
        self->named_slot = fact->slot;
        self->named_task = fact->task;
        return;
    }
    size_t i = 0;
    while (i < CHILDREN && self->children[i].port != fact->child)
        i++;
    if (i == CHILDREN) {
        i = self->next_child;
        self->next_child = (self->next_child + 1) % CHILDREN;
    }
    self->children[i].port = fact->child;
    memcpy(self->children[i].model, fact->model, sizeof fact->model);
}

static void load(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t wall_us)
{
    bool starts = fact->what == MLX_LOG_LOADING;
    if (starts && !self->loading)
        self->load_start_us = wall_us;
    else if (!starts)
        self->load_end_us = wall_us;
    self->loading = starts;
}

void mlx_log_story_add(mlx_log_story_t *self, const mlx_log_fact_t *fact, int64_t now_us,
                       int64_t wall_us)
{
    if (fact->what == MLX_LOG_BEGAN && fact->child == 0) {
        mlx_log_story_forget(self);
        self->strange = 0;
    } else if (fact->what == MLX_LOG_STRANGE) {
        self->strange++;
    } else if (mlx_log_story_strange(self)) {
        return;
    }
    switch (fact->what) {
    case MLX_LOG_LOADING:
    case MLX_LOG_LOADED:
        load(self, fact, wall_us);
        break;
    case MLX_LOG_NAMED:
        name(self, fact);
        break;
    case MLX_LOG_STARTED:
        start(self, fact, now_us, wall_us);
        break;
    case MLX_LOG_PROMPT:
        add_prompt(self, fact, now_us, wall_us);
        break;
    case MLX_LOG_READ:
    case MLX_LOG_MADE:
    case MLX_LOG_MAKING:
    case MLX_LOG_DRAFTED:
        add_figures(self, fact, now_us);
        break;
    case MLX_LOG_CANCELLED:
        cancel(self, fact);
        break;
    case MLX_LOG_ENDED:
        end(self, fact, now_us, wall_us);
        break;
    case MLX_LOG_CUT:
        self->cut = (mlx_activity_cut_t){wall_us, fact->prompt, fact->total};
        break;
    case MLX_LOG_REQUEST:
        add_request(self, fact, wall_us);
        break;
    default:
        break;
    }
}

void mlx_log_story_tick(mlx_log_story_t *self, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->waiting_count; i++) {
        if (self->waiting[i].due_us <= now_us)
            tell(self, &self->waiting[i], NULL);
        else
            self->waiting[kept++] = self->waiting[i];
    }
    self->waiting_count = kept;
    for (size_t i = 0; i < OPEN; i++) {
        mlx_log_request_t *request = &self->open[i];
        if (request->used && request->anonymous && now_us - request->heard_us > READING_US)
            leave(self, request);
    }
}

void mlx_log_story_forget(mlx_log_story_t *self)
{
    for (size_t i = 0; i < OPEN; i++)
        leave(self, &self->open[i]);
    self->named_slot = -1;
    self->loading = false;
}

/* ---- what is known ---- */

bool mlx_log_story_busy(const mlx_log_story_t *self)
{
    for (size_t i = 0; i < OPEN; i++)
        if (self->open[i].used)
            return true;
    return false;
}

bool mlx_log_story_loading(const mlx_log_story_t *self)
{
    return self->loading;
}

bool mlx_log_story_strange(const mlx_log_story_t *self)
{
    return self->strange >= STRANGE_MAX;
}

static void list_request(const mlx_log_request_t *request, int64_t now_us, mlx_activity_t *out)
{
    mlx_activity_request_t *item = &out->list[out->list_count++];
    bool fresh = now_us - request->heard_us <= FRESH_US;
    mlx_activity_request_clear(item);
    item->model = request->model[0] ? request->model : NULL;
    item->tokens = request->tokens;
    item->tokens_per_second = fresh ? request->rate : (double)NAN;
    item->age_s = (double)(now_us - request->since_us) / 1e6;
    item->task = request->task;
    out->requests++;
    if (request->tokens > 0 || !isnan(request->read)) {
        out->generating++;
        if (isnan(out->tokens_per_second))
            out->tokens_per_second = item->tokens_per_second;
        else if (!isnan(item->tokens_per_second))
            out->tokens_per_second += item->tokens_per_second;
        return;
    }
    item->prompt_total = request->total;
    item->prompt_done = request->done;
    item->prompt_cached = request->cached;
    item->prompt_tokens_per_second = request->prompt_rate;
    if (isnan(out->prompt_tokens_per_second))
        out->prompt_tokens_per_second = request->prompt_rate;
}

void mlx_log_story_activity(const mlx_log_story_t *self, int64_t now_us, mlx_activity_t *out)
{
    mlx_activity_clear(out);
    out->available = !mlx_log_story_strange(self);
    out->looked_us = now_us;
    out->requests = 0;
    out->generating = 0;
    out->tokens_total = self->tokens_total;
    out->prompt_tokens_total = self->prompt_total;
    out->requests_total = self->requests_total;
    out->last = self->last;
    out->cut = self->cut;
    for (size_t i = 0; i < OPEN && out->list_count < MLX_ACTIVITY_REQUESTS_MAX; i++) {
        const mlx_log_request_t *request = &self->open[i];
        if (!request->used || request->inside)
            continue;
        list_request(request, now_us, out);
        out->tokens_total += mlx_log_request_so_far(request);
    }
}
