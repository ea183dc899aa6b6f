#include "slots.h"

#include <math.h>
#include <stdlib.h>

#include "rate.h"

enum {
    STALE_US = 3 * 1000 * 1000,
    TAIL_MAX = 100000, /* tokens between two looks: more is not a count */
};

/*  What is remembered of one slot. */
typedef struct {
    mlx_slot_t seen;
    int64_t since_us; /* the first look at its present request */
    mlx_rate_t decode;
    mlx_rate_t prompt;
    int64_t first_decoded; /* at the first look that found tokens; -1: none yet */
    int64_t first_decoded_us;
    int64_t last_look_us;
} track_t;

struct mlx_slots {
    track_t *tracks;
    size_t count;
    int64_t last_look_us; /* 0: never */
    mlx_rate_t sum;       /* of tokens_total, while something generates */
    int64_t changed_us;   /* when the set of those that generate changed last; 0: never */
    double tokens_total;
    double prompt_tokens_total;
    double requests_total;
    mlx_activity_last_t last;
    mlx_ended_sink_t sink;
};

mlx_slots_t *mlx_slots_new(void)
{
    mlx_slots_t *self = mlx_alloc(1, sizeof *self);
    mlx_activity_t nothing;
    mlx_activity_clear(&nothing);
    self->last = nothing.last;
    return self;
}

void mlx_slots_destroy(mlx_slots_t **self)
{
    if (!*self)
        return;
    free((*self)->tracks);
    free(*self);
    *self = NULL;
}

void mlx_slots_sink(mlx_slots_t *self, mlx_ended_sink_t sink)
{
    self->sink = sink;
}

/*  The track of slot ID; *FRESH when it was never seen before. */
static track_t *track_of(mlx_slots_t *self, int64_t id, bool *fresh)
{
    *fresh = false;
    for (size_t i = 0; i < self->count; i++)
        if (self->tracks[i].seen.id == id)
            return &self->tracks[i];
    if (self->count == MLX_SLOTS_MAX)
        return NULL;
    *fresh = true;
    self->tracks = mlx_grow(self->tracks, self->count, sizeof *self->tracks);
    track_t *track = &self->tracks[self->count++];
    *track = (track_t){.first_decoded = -1};
    return track;
}

/*  Tokens that the request of TRACK made in all, by what the idle slot NOW still holds; -1: not
 *  known. While a prompt is read its length is not known, and a context that was shifted holds
 *  less. */
static int64_t made_in_all(const track_t *track, const mlx_slot_t *now)
{
    const mlx_slot_t *seen = &track->seen;
    if (now->processing || now->task != seen->task || now->held < 0 || seen->decoded == 0 ||
        seen->prompt_done < 0 || seen->prompt_cached < 0)
        return -1;
    int64_t made = now->held + 1 - seen->prompt_done - seen->prompt_cached;
    return made >= seen->decoded && made - seen->decoded <= TAIL_MAX ? made : -1;
}

/*  Tell that request TASK ended since the last look; TRACK NULL: nothing was seen of it. */
static void tell_ended(const mlx_slots_t *self, const track_t *track, int64_t task, int64_t now_us,
                       int64_t wall_us)
{
    const mlx_activity_last_t *last = &self->last;
    mlx_ended_t request;
    mlx_ended_clear(&request);
    request.end_us = wall_us;
    request.task = task;
    if (track) {
        request.start_us = wall_us - (now_us - track->since_us);
        request.seen_us = wall_us - (now_us - track->last_look_us);
        request.tokens = last->tokens;
        request.exact = true;
        request.rate = last->tokens_per_second;
        request.prompt_tokens = last->prompt_tokens;
        request.prompt_rate = last->prompt_tokens_per_second;
        if (track->seen.prompt_cached >= 0 && track->seen.decoded > 0)
            request.cached_tokens = (double)track->seen.prompt_cached;
    }
    mlx_ended_tell(&self->sink, &request);
}

/*  The request of TRACK is over: what was seen of it, and what the slot NOW tells of its end. */
static void finish(mlx_slots_t *self, const track_t *track, const mlx_slot_t *now, int64_t wall_us)
{
    mlx_activity_last_t *last = &self->last;
    int64_t made = made_in_all(track, now);
    self->requests_total++;
    if (made >= 0)
        self->tokens_total += (double)(made - track->seen.decoded);
    last->tokens = made >= 0 ? (double)made : NAN;
    last->t_us = wall_us;
    last->tokens_per_second = NAN;
    last->prompt_tokens = NAN;
    last->prompt_cached = NAN;
    last->prompt_tokens_per_second = mlx_rate_value(&track->prompt);
    int64_t span = track->last_look_us - track->first_decoded_us;
    if (track->first_decoded >= 0 && span > 0)
        last->tokens_per_second =
            (double)(track->seen.decoded - track->first_decoded) * 1e6 / (double)span;
    if (track->seen.decoded > 0 && track->seen.prompt_done >= 0 && track->seen.prompt_cached >= 0) {
        last->prompt_tokens = (double)(track->seen.prompt_done + track->seen.prompt_cached);
        last->prompt_cached = (double)track->seen.prompt_cached;
    }
}

static void begin(track_t *track, int64_t now_us)
{
    track->since_us = now_us;
    track->first_decoded = -1;
    mlx_rate_reset(&track->decode);
    mlx_rate_reset(&track->prompt);
}

static double rise(int64_t before, int64_t now)
{
    return now > before ? (double)(now - before) : 0;
}

/*  Measure a slot at work. BEFORE is its last look at the same request, zero for a new one. */
static void measure(mlx_slots_t *self, track_t *track, const mlx_slot_t *before,
                    const mlx_slot_t *now, int64_t now_us)
{
    int64_t seen = track->prompt.count > 0 ? before->prompt_done : 0;
    self->tokens_total += rise(before->decoded, now->decoded);
    self->prompt_tokens_total += rise(before->prompt_done, now->prompt_done);
    if (now->decoded > 0) {
        mlx_rate_add(&track->decode, now_us, (double)now->decoded);
        if (track->first_decoded < 0) {
            track->first_decoded = now->decoded;
            track->first_decoded_us = now_us;
        }
    } else if (now->prompt_done > 0 && now->prompt_done != seen) {
        /*  It jumps by a batch, and stands still until the next: a look in between is not a
         *  speed. */
        mlx_rate_add(&track->prompt, now_us, (double)now->prompt_done);
    }
}

/*  How the requests that generate changed from one look to the next. */
typedef struct {
    bool changed; /* one began or ended */
    bool kept;    /* one went on */
    bool any;     /* there is one now */
} change_t;

static void note_change(change_t *change, bool before, bool now, bool same)
{
    change->kept = change->kept || (before && now && same);
    change->changed = change->changed || before != now || (before && !same);
    change->any = change->any || now;
}

static void look(mlx_slots_t *self, const mlx_slot_t *now, int64_t now_us, int64_t wall_us,
                 change_t *change)
{
    bool fresh;
    track_t *track = track_of(self, now->id, &fresh);
    if (!track)
        return;
    mlx_slot_t before = track->seen;
    bool same = !fresh && before.processing && before.task == now->task;
    if (!fresh && before.processing && !(now->processing && same)) {
        finish(self, track, now, wall_us);
        tell_ended(self, track, before.task, now_us, wall_us);
    } else if (!fresh && !before.processing && !now->processing && before.task != now->task) {
        self->requests_total++; /* it came and went between two looks */
        tell_ended(self, NULL, now->task, now_us, wall_us);
    }
    if (now->processing) {
        if (!same)
            begin(track, now_us);
        /*  Tokens made before the watcher first looked are not its to count. */
        const mlx_slot_t none = {0};
        const mlx_slot_t *base = fresh ? now : same ? &before : &none;
        measure(self, track, base, now, now_us);
    }
    note_change(change, before.processing && before.decoded > 0,
                now->processing && now->decoded > 0, same);
    track->seen = *now;
    track->last_look_us = now_us;
}

void mlx_slots_update(mlx_slots_t *self, const mlx_slot_list_t *seen, int64_t now_us,
                      int64_t wall_us)
{
    change_t change = {0};
    for (size_t i = 0; i < seen->count; i++)
        look(self, &seen->slots[i], now_us, wall_us, &change);
    if (!change.kept)
        mlx_rate_reset(&self->sum);
    if (change.changed)
        self->changed_us = now_us;
    if (change.any)
        mlx_rate_add(&self->sum, now_us, self->tokens_total);
    self->last_look_us = now_us;
}

double mlx_slots_requests(const mlx_slots_t *self)
{
    return self->last_look_us ? self->requests_total : (double)NAN;
}

int64_t mlx_slots_changed_us(const mlx_slots_t *self)
{
    return self->changed_us;
}

bool mlx_slots_busy(const mlx_slots_t *self)
{
    for (size_t i = 0; i < self->count; i++)
        if (self->tracks[i].seen.processing)
            return true;
    return false;
}

static void list_request(const track_t *track, bool stale, int64_t since_us, int64_t now_us,
                         mlx_activity_t *out)
{
    mlx_activity_request_t *request = &out->list[out->list_count++];
    mlx_activity_request_clear(request);
    request->tokens = (double)track->seen.decoded;
    request->tokens_per_second = stale ? NAN : mlx_rate_since(&track->decode, since_us);
    request->age_s = (double)(now_us - track->since_us) / 1e6;
    request->task = track->seen.task;
    out->requests++;
    if (track->seen.decoded > 0) {
        out->generating++;
        return;
    }
    /*  A look may have to wait for a long batch: what was measured holds on. */
    double prompt = mlx_rate_value(&track->prompt);
    request->prompt_tokens_per_second = prompt;
    if (track->seen.prompt_done >= 0) {
        double cached = track->seen.prompt_cached > 0 ? (double)track->seen.prompt_cached : 0;
        request->prompt_done = (double)track->seen.prompt_done + cached;
        request->prompt_cached = cached;
    }
    if (isnan(out->prompt_tokens_per_second))
        out->prompt_tokens_per_second = prompt;
    else if (!isnan(prompt))
        out->prompt_tokens_per_second += prompt;
}

void mlx_slots_activity(const mlx_slots_t *self, int64_t since_us, int64_t now_us,
                        mlx_activity_t *out)
{
    mlx_activity_clear(out);
    if (!self->last_look_us)
        return;
    bool stale = now_us - self->last_look_us > STALE_US;
    out->available = true;
    out->looked_us = self->last_look_us;
    out->requests = 0;
    out->generating = 0;
    for (size_t i = 0; i < self->count; i++)
        if (self->tracks[i].seen.processing)
            list_request(&self->tracks[i], stale, since_us, now_us, out);
    if (!stale) /* while a prompt is read there is no speed, not one of 0 */
        out->tokens_per_second = out->requests == 0 ? 0 : mlx_rate_since(&self->sum, since_us);
    out->tokens_total = self->tokens_total;
    out->prompt_tokens_total = self->prompt_tokens_total;
    out->requests_total = self->requests_total;
    out->last = self->last;
}
