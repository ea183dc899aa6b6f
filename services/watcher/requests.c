#include "requests.h"

#include <arpa/inet.h>
#include <math.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "asker_process.h"
#include "asker_socket.h"
#include "common/base/clock.h"
#include "request_energy.h"
#include "traffic.h"

enum {
    RECENT = 256,  /* requests of the tap that slots may tell again */
    WAITING = 256, /* events until the kind of the runtime is known */
    PLACES = 64,   /* runtimes: as many as a watcher watches */
    LOOK_US = 250000,
    HELD = 64,          /* events of slots that may yet turn out to be the tap's */
    HOLD_US = 300000,   /* the tap has told an end by then */
    LATE_US = 12000000, /* slots are asked again at the latest after that long */
    SLACK_US = 200000,  /* a slot is released a moment after the reply's last byte */
    FRESH_US = 1500000, /* a client that was seen at work so long ago is the one that ended */
    SHIFTS = 8,         /* a log may tell an end that late: others have begun since */
};

#define TOKENS_SLACK 1.0 /* by which the two counts of one request may differ */

/*  A request in the tap, running or ended lately. */
typedef struct {
    uint64_t id;
    int64_t start_us, end_us; /* wall clock; end 0: it runs */
    double tokens;            /* by the server's count; NaN: it told none */
    bool worked;              /* a model worked on it: slots saw it too */
    bool told;                /* and have told it */
    bool seen;                /* in the newest snapshot */
    mlx_asker_t asker;
} tapped_t;

/*  Looks in a row at which the same client was at work. */
typedef struct {
    size_t clients; /* different ones; ASKER is one of them */
    mlx_asker_t asker;
    int64_t from_us, to_us; /* the first and the last of these looks */
} shift_t;

/*  A runtime on this machine, and who asks it directly. */
typedef struct {
    int port;
    mlx_traffic_t *traffic;
    int64_t looked_us;
    shift_t shifts[SHIFTS]; /* a ring */
    size_t shift_count;     /* ever; the newest is at (shift_count - 1) % SHIFTS */
    char name[MLX_ASKER_NAME];
} place_t;

typedef struct {
    char topic[200];
    size_t count;
} load_t;

/*  What slots told while the tap had requests that were not over. */
typedef struct {
    char *topic;
    mlx_value_t *d;
    int64_t start_us;        /* wall clock: first seen; 0: never */
    int64_t seen_us, end_us; /* at work for the last time, and over */
    double tokens;
    int64_t due_us; /* monotonic */
} held_t;

struct mlx_requests {
    mlx_requests_options_t options;
    mlx_asker_finder_t *finder;
    mlx_request_energy_t *energy;
    tapped_t tapped[RECENT]; /* a ring */
    size_t next;
    place_t places[PLACES];
    size_t place_count;
    load_t loads[PLACES];
    size_t load_count;
    held_t held[HELD];
    size_t held_count;
    mlx_value_t *waiting; /* list of data whose topic is not known yet */
};

static void release(held_t *held)
{
    free(held->topic);
    mlx_value_destroy(&held->d);
}

mlx_requests_t *mlx_requests_new(const mlx_requests_options_t *options)
{
    mlx_requests_t *self = mlx_alloc(1, sizeof *self);
    self->options = *options;
    self->finder = mlx_asker_finder_new(options->proc_root);
    self->energy = mlx_request_energy_new();
    self->waiting = mlx_value_list();
    return self;
}

void mlx_requests_destroy(mlx_requests_t **self_p)
{
    mlx_requests_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    for (size_t i = 0; i < self->place_count; i++)
        mlx_traffic_destroy(&self->places[i].traffic);
    mlx_asker_finder_destroy(&self->finder);
    mlx_request_energy_destroy(&self->energy);
    mlx_value_destroy(&self->waiting);
    for (size_t i = 0; i < self->held_count; i++)
        release(&self->held[i]);
    free(self);
}

/* ---- energy ---- */

void mlx_requests_running(mlx_requests_t *self, const char *topic, size_t count, int64_t now_us)
{
    size_t i = 0, sum = 0;
    while (i < self->load_count && strcmp(self->loads[i].topic, topic) != 0)
        i++;
    if (i == PLACES)
        return;
    if (i == self->load_count) {
        self->load_count++;
        snprintf(self->loads[i].topic, sizeof self->loads[i].topic, "%s", topic);
    }
    self->loads[i].count = count;
    for (size_t k = 0; k < self->load_count; k++)
        sum += self->loads[k].count;
    mlx_request_energy_running(self->energy, sum, now_us);
}

void mlx_requests_hear(mlx_requests_t *self, const char *topic, const mlx_value_t *d,
                       int64_t now_us)
{
    mlx_request_energy_hear(self->energy, topic, d, now_us);
}

/* ---- publishing ---- */

/*  The message of REQUEST, with what it cost. */
static mlx_value_t *message_of(const mlx_requests_t *self, mlx_ended_t *request, int64_t now_us,
                               int64_t wall_us)
{
    int64_t ago_us = wall_us - now_us;
    if (request->start_us > 0)
        request->joules = mlx_request_energy_of(self->energy, request->start_us - ago_us,
                                                request->end_us - ago_us);
    return mlx_ended_message(request);
}

/*  Takes D over. */
static void publish(mlx_requests_t *self, const char *topic, mlx_value_t *d)
{
    if (topic) {
        self->options.publish(self->options.arg, topic, d);
        mlx_value_destroy(&d);
    } else if (mlx_value_size(self->waiting) < WAITING) {
        mlx_value_append(self->waiting, d);
    } else {
        mlx_value_destroy(&d);
    }
}

static void publish_waiting(mlx_requests_t *self, const char *topic)
{
    if (!topic || mlx_value_size(self->waiting) == 0)
        return;
    for (size_t i = 0; i < mlx_value_size(self->waiting); i++)
        self->options.publish(self->options.arg, topic, mlx_value_at(self->waiting, i));
    mlx_value_destroy(&self->waiting);
    self->waiting = mlx_value_list();
}

/* ---- the tap ---- */

static tapped_t *tapped_of(mlx_requests_t *self, uint64_t id)
{
    for (size_t i = 0; i < RECENT; i++)
        if (self->tapped[i].id == id)
            return &self->tapped[i];
    tapped_t *entry = &self->tapped[self->next];
    self->next = (self->next + 1) % RECENT;
    *entry = (tapped_t){.id = id};
    return entry;
}

static void note(tapped_t *entry, const mlx_tap_request_t *request, int64_t now_us, int64_t wall_us)
{
    const mlx_stream_figures_t *f = &request->figures;
    bool runs = f->outcome == MLX_STREAM_RUNNING;
    entry->seen = true;
    entry->start_us = wall_us - (now_us - f->started_us);
    entry->end_us = runs ? 0 : wall_us - (now_us - f->ended_us);
    entry->tokens = f->server_counted ? (double)f->generated_tokens : NAN;
    entry->worked = runs || f->generated_tokens > 0 || (f->status < 400 && f->status > 0);
}

/*  A request that is gone without an end: the tap had more than it keeps. */
static void end_unseen(mlx_requests_t *self, int64_t wall_us)
{
    for (size_t i = 0; i < RECENT; i++) {
        tapped_t *entry = &self->tapped[i];
        if (entry->id && !entry->seen && !entry->end_us)
            entry->end_us = wall_us;
        entry->seen = false;
    }
}

void mlx_requests_tap(mlx_requests_t *self, const char *topic, mlx_tap_snapshot_t *snapshot,
                      int64_t now_us, int64_t wall_us)
{
    publish_waiting(self, topic);
    for (size_t i = 0; i < snapshot->count; i++) {
        mlx_tap_request_t *request = &snapshot->requests[i];
        tapped_t *entry = tapped_of(self, request->id);
        if (!entry->asker.pid) {
            entry->asker = request->asker;
            mlx_asker_find(self->finder, &entry->asker, now_us);
        }
        request->asker = entry->asker;
        note(entry, request, now_us, wall_us);
        if (request->figures.outcome == MLX_STREAM_RUNNING)
            continue;
        mlx_ended_t ended;
        mlx_ended_of_stream(&ended, &request->figures, now_us, wall_us);
        ended.asker = &request->asker;
        publish(self, topic, message_of(self, &ended, now_us, wall_us));
    }
    end_unseen(self, wall_us);
}

/* ---- what goes there directly ---- */

/*  Whether ENTRY, which is over, can be what slots told: it began before that ended, had not ended
 *  when it was last seen at work, and no count speaks against it. SEEN_US 0: it came and went
 *  between two looks. */
static bool may_be_one(const tapped_t *entry, const held_t *held)
{
    int64_t seen_us = held->seen_us > 0 ? held->seen_us : held->end_us - LATE_US;
    int64_t late_us = held->end_us - entry->end_us;
    bool overlap = entry->start_us <= held->end_us && entry->end_us + SLACK_US >= seen_us &&
                   late_us >= -HOLD_US && late_us <= LATE_US;
    bool counted = !isnan(entry->tokens) && !isnan(held->tokens);
    bool same = counted && fabs(entry->tokens - held->tokens) <= TOKENS_SLACK;
    /*  A look that was answered late says that it was at work when it no longer was. */
    bool within = same && held->start_us >= entry->start_us - SLACK_US &&
                  held->start_us <= entry->end_us + SLACK_US && late_us <= LATE_US;
    return entry->id && entry->end_us && entry->worked && !entry->told &&
           (within || (overlap && (same || !counted)));
}

/*  Whether the tap has told it. Each of its requests stands for one of the slots'. */
static bool went_through_tap(mlx_requests_t *self, const held_t *held)
{
    tapped_t *best = NULL;
    for (size_t i = 0; i < RECENT; i++) {
        tapped_t *entry = &self->tapped[i];
        if (may_be_one(entry, held) && (!best || entry->end_us > best->end_us))
            best = entry;
    }
    if (best)
        best->told = true;
    return best != NULL;
}

static bool tap_is_at_work(const mlx_requests_t *self)
{
    for (size_t i = 0; i < RECENT; i++)
        if (self->tapped[i].id && !self->tapped[i].end_us)
            return true;
    return false;
}

void mlx_requests_settle(mlx_requests_t *self, int64_t now_us)
{
    size_t kept = 0;
    for (size_t i = 0; i < self->held_count; i++) {
        held_t *held = &self->held[i];
        if (held->due_us > now_us) {
            self->held[kept++] = *held;
            continue;
        }
        if (!went_through_tap(self, held))
            self->options.publish(self->options.arg, held->topic, held->d);
        release(held);
    }
    self->held_count = kept;
}

static place_t *place_of(mlx_requests_t *self, int port)
{
    for (size_t i = 0; i < self->place_count; i++)
        if (self->places[i].port == port)
            return &self->places[i];
    if (port <= 0 || self->place_count == PLACES)
        return NULL;
    place_t *place = &self->places[self->place_count++];
    *place = (place_t){.port = port, .traffic = mlx_traffic_new(port, self->options.opens)};
    return place;
}

/*  Who was at work at PLACE for most of the time from START_US to END_US (monotonic), or shortly
 *  before it; NULL: not known, or others were, too. */
static const mlx_asker_t *asker_of(const place_t *place, int64_t start_us, int64_t end_us)
{
    const shift_t *best = NULL;
    int64_t most_us = -(int64_t)FRESH_US;
    for (size_t i = 0; i < SHIFTS && i < place->shift_count; i++) {
        const shift_t *shift = &place->shifts[i];
        int64_t from_us = shift->from_us > start_us ? shift->from_us : start_us;
        int64_t to_us = shift->to_us < end_us ? shift->to_us : end_us;
        if (to_us - from_us >= most_us) {
            most_us = to_us - from_us;
            best = shift;
        }
    }
    return best && best->clients == 1 ? &best->asker : NULL;
}

void mlx_requests_direct(mlx_requests_t *self, const char *topic, int port, bool tapped,
                         const mlx_ended_t *request)
{
    mlx_ended_t told = *request;
    int64_t now_us = mlx_now_us();
    int64_t wall_us = mlx_wall_us();
    const place_t *place = place_of(self, port);
    if (!topic)
        return;
    if (place) {
        int64_t end_us = now_us - (wall_us - told.end_us);
        int64_t start_us = told.start_us > 0 ? now_us - (wall_us - told.start_us) : end_us;
        told.asker = asker_of(place, start_us, end_us);
    }
    held_t held = {.d = message_of(self, &told, now_us, wall_us),
                   .seen_us = told.seen_us,
                   .start_us = told.start_us,
                   .end_us = told.end_us,
                   .tokens = told.tokens,
                   .due_us = now_us + HOLD_US};
    if (tapped && tap_is_at_work(self) && self->held_count < HELD) {
        held.topic = mlx_strdup(topic);
        self->held[self->held_count++] = held;
        return;
    }
    if (!tapped || !went_through_tap(self, &held))
        self->options.publish(self->options.arg, topic, held.d);
    release(&held);
}

/* ---- who works it ---- */

typedef struct {
    mlx_requests_t *owner;
    place_t *place;
    int64_t now_us;
    size_t clients;
    mlx_asker_t asker;
} look_t;

static void fill_end(struct sockaddr_storage *out, bool six, const uint8_t *address, uint16_t port)
{
    *out = (struct sockaddr_storage){.ss_family = six ? AF_INET6 : AF_INET};
    struct sockaddr_in *v4 = (void *)out;
    struct sockaddr_in6 *v6 = (void *)out;
    if (six) {
        memcpy(&v6->sin6_addr, address, 16);
        v6->sin6_port = htons(port);
    } else {
        memcpy(&v4->sin_addr, address, 4);
        v4->sin_port = htons(port);
    }
}

static bool same_client(const mlx_asker_t *a, const mlx_asker_t *b)
{
    return a->pid == b->pid && strcmp(a->peer.address, b->peer.address) == 0;
}

static bool on_working(void *arg, const mlx_traffic_connection_t *c)
{
    look_t *look = arg;
    struct sockaddr_storage client, server;
    mlx_asker_t asker = {0};
    fill_end(&client, c->six, c->client, c->client_port);
    fill_end(&server, c->six, c->server, (uint16_t)look->place->port);
    asker.peer = mlx_asker_end_between(&client, &server);
    mlx_asker_find(look->owner->finder, &asker, look->now_us);
    if (look->clients == 0 || !same_client(&asker, &look->asker))
        look->clients++;
    look->asker = asker;
    return look->clients < 2;
}

/*  LOOK found clients at work. */
static void note_shift(place_t *place, const look_t *look)
{
    shift_t *newest = place->shift_count ? &place->shifts[(place->shift_count - 1) % SHIFTS] : NULL;
    bool goes_on = newest && newest->clients == look->clients &&
                   same_client(&newest->asker, &look->asker) &&
                   look->now_us - newest->to_us <= FRESH_US;
    if (!goes_on) {
        newest = &place->shifts[place->shift_count++ % SHIFTS];
        *newest = (shift_t){.from_us = look->now_us};
    }
    newest->clients = look->clients;
    newest->asker = look->asker;
    newest->to_us = look->now_us;
    mlx_asker_name(&look->asker, place->name);
}

const char *mlx_requests_look(mlx_requests_t *self, int port, int64_t now_us)
{
    place_t *place = place_of(self, port);
    if (!place)
        return NULL;
    if (now_us - place->looked_us >= LOOK_US) {
        place->looked_us = now_us;
        look_t look = {.owner = self, .place = place, .now_us = now_us};
        if (mlx_traffic_look(place->traffic))
            mlx_traffic_each_working(place->traffic, on_working, &look);
        if (look.clients > 0)
            note_shift(place, &look);
    }
    if (!place->shift_count)
        return NULL;
    const shift_t *newest = &place->shifts[(place->shift_count - 1) % SHIFTS];
    bool fresh = now_us - newest->to_us <= (int64_t)2 * LOOK_US;
    return newest->clients == 1 && fresh && place->name[0] ? place->name : NULL;
}
