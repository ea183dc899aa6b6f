#include "common/runtime/stream_stats.h"

#include "common/base/json.h"
#include "common/runtime/stream_reply.h"
#include "proto/buf.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/*  The live rate counts tokens in steps of a tenth of a second. */
enum {
    STEP_US = 100 * 1000,
    STEPS = 20,
    SOONEST_US = 250 * 1000, /* before that a rate says nothing */
};

typedef enum {
    FORM_OPAQUE, /* compressed, or no JSON */
    FORM_WHOLE,  /* one object */
    FORM_LINES,  /* NDJSON */
    FORM_EVENTS, /* SSE */
} form_t;

struct mlx_stream_stats {
    const mlx_stream_api_t *api;
    form_t form;
    mlx_buf_t request;
    bool request_skipped; /* longer than we read */
    mlx_buf_t line;       /* unfinished line, or the whole reply so far */
    bool line_skipped;
    bool failed;
    bool complete; /* the reply said that it is at its end */
    int64_t sent_us;
    int64_t first_us; /* of text */
    int64_t last_us;
    int64_t pieces;   /* of text so far */
    int64_t at_count; /* pieces when the server last told its count */
    int64_t thoughts; /* pieces of thinking alone */
    double generation_s;
    int64_t step; /* number of the newest step */
    uint32_t steps[STEPS];
    mlx_stream_figures_t known;
};

mlx_stream_stats_t *mlx_stream_stats_new(const char *path, int64_t now_us)
{
    const mlx_stream_api_t *api = mlx_stream_api(path);
    if (!api)
        return NULL;
    mlx_stream_stats_t *self = mlx_alloc(1, sizeof(*self));
    self->api = api;
    self->sent_us = self->first_us = self->last_us = -1;
    self->generation_s = NAN;
    self->known = (mlx_stream_figures_t){.api = mlx_stream_api_name(api),
                                         .status = -1,
                                         .started_us = now_us,
                                         .ended_us = -1,
                                         .ttft_s = NAN,
                                         .live_rate = NAN,
                                         .prompt_tokens = -1,
                                         .whole_prompt = -1,
                                         .generated_tokens = -1,
                                         .prompt_rate = NAN,
                                         .generation_rate = NAN,
                                         .client_rate = NAN,
                                         .load_s = NAN,
                                         .total_s = NAN,
                                         .prompt_s = NAN,
                                         .queued_s = NAN,
                                         .cached_tokens = -1,
                                         .draft_tokens = -1,
                                         .draft_accepted = -1,
                                         .thinking_tokens = -1,
                                         .progress_total = -1,
                                         .progress_done = -1};
    return self;
}

void mlx_stream_stats_destroy(mlx_stream_stats_t **self)
{
    if (!*self)
        return;
    mlx_buf_clear(&(*self)->request);
    mlx_buf_clear(&(*self)->line);
    free(*self);
    *self = NULL;
}

/*  A name to show: cut to the field on a character's border, control characters replaced. */
static void keep_text(char *field, size_t size, const char *text)
{
    size_t len = strlen(text);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
            len--;
    }
    for (size_t i = 0; i < len; i++)
        field[i] = (unsigned char)text[i] < 0x20 || text[i] == 0x7f ? '?' : text[i];
    field[len] = '\0';
}

/*  ---- request ---- */

void mlx_stream_stats_request(mlx_stream_stats_t *self, const char *data, size_t len)
{
    if (self->request_skipped || self->known.outcome != MLX_STREAM_RUNNING)
        return;
    if (len > MLX_STREAM_MAX_REQUEST - self->request.len) {
        self->request_skipped = true;
        mlx_buf_clear(&self->request);
        return;
    }
    mlx_buf_append(&self->request, data, len);
}

void mlx_stream_stats_sent(mlx_stream_stats_t *self, int64_t now_us)
{
    self->sent_us = now_us;
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *body =
        self->request.len ? mlx_json_parse(self->request.data, self->request.len, NULL) : NULL;
    mlx_buf_clear(&self->request);
    const char *model = mlx_value_str(body, "model");
    if (model)
        keep_text(self->known.model, sizeof(self->known.model), model);
}

/*  ---- live rate ---- */

static void advance(mlx_stream_stats_t *self, int64_t now_us)
{
    int64_t step = now_us / STEP_US;
    if (step - self->step >= STEPS) {
        memset(self->steps, 0, sizeof(self->steps));
        self->step = step;
    }
    while (self->step < step)
        self->steps[++self->step % STEPS] = 0;
}

static void count_piece(mlx_stream_stats_t *self, int64_t now_us)
{
    self->pieces++;
    self->last_us = now_us;
    advance(self, now_us);
    if (self->first_us < 0)
        self->first_us = now_us; /* begins the first interval, ends none: not in a step */
    else
        self->steps[self->step % STEPS]++;
}

/*  A piece counts as one token until the server tells how many it has made: some put several in one
 *  piece. */
static double live_rate(const mlx_stream_stats_t *self, int64_t now_us)
{
    int64_t step = now_us / STEP_US;
    int64_t oldest = step - STEPS + 1;
    int64_t from_us = oldest * STEP_US > self->first_us ? oldest * STEP_US : self->first_us;
    if (self->first_us < 0 || now_us - from_us < SOONEST_US)
        return NAN;
    uint32_t count = 0;
    for (int64_t s = oldest > self->step - STEPS + 1 ? oldest : self->step - STEPS + 1;
         s <= self->step; s++)
        count += s >= 0 ? self->steps[s % STEPS] : 0;
    double per_piece = self->at_count > 0 && self->known.server_counted
                           ? (double)self->known.generated_tokens / (double)self->at_count
                           : 1;
    return count * per_piece / ((double)(now_us - from_us) * 1e-6);
}

/*  ---- reply ---- */

static const struct {
    const char *type;
    form_t form;
} forms[] = {
    {"application/x-ndjson", FORM_LINES},
    {"application/jsonl", FORM_LINES},
    {"text/event-stream", FORM_EVENTS},
    {"application/json", FORM_WHOLE},
};

static form_t form_of(const char *content_type, const char *encoding)
{
    if (*encoding && strcasecmp(encoding, "identity") != 0)
        return FORM_OPAQUE;
    for (size_t i = 0; i < MLX_COUNT(forms); i++) {
        size_t len = strlen(forms[i].type);
        if (strncasecmp(content_type, forms[i].type, len) == 0 && strchr("; \t", content_type[len]))
            return forms[i].form;
    }
    return FORM_OPAQUE;
}

void mlx_stream_stats_head(mlx_stream_stats_t *self, int status, const char *content_type,
                           const char *encoding)
{
    self->known.status = status;
    self->form = form_of(content_type, encoding);
    self->known.streamed = self->form == FORM_LINES || self->form == FORM_EVENTS;
}

static void keep_count(int64_t *known, int64_t told)
{
    if (told >= 0)
        *known = told;
}

/*  What a server tells of how it came to its tokens. */
static void take_details(mlx_stream_stats_t *self, const mlx_stream_event_t *event)
{
    self->thoughts += event->text && event->thinks;
    keep_count(&self->known.cached_tokens, event->cached_tokens);
    keep_count(&self->known.draft_tokens, event->draft_tokens);
    keep_count(&self->known.draft_accepted, event->draft_accepted);
    keep_count(&self->known.thinking_tokens, event->thinking_tokens);
    if (!isnan(event->prompt_s))
        self->known.prompt_s = event->prompt_s;
    if (!isnan(event->load_s))
        self->known.load_s = event->load_s;
    if (!isnan(event->total_s))
        self->known.total_s = event->total_s;
}

/*  Progress never goes back. What was cached took no time. */
static void take_progress(mlx_stream_figures_t *known, const mlx_stream_event_t *event)
{
    int64_t done = event->progress_done,
            cached = known->cached_tokens > 0 ? known->cached_tokens : 0;
    if (event->progress_total <= 0 || done < 0 || done > event->progress_total ||
        done < known->progress_done)
        return;
    known->progress_total = event->progress_total;
    known->progress_done = done;
    if (event->progress_s > 0 && done > cached)
        known->prompt_rate = (double)(done - cached) / event->progress_s;
}

static void take_event(mlx_stream_stats_t *self, const mlx_stream_event_t *event, int64_t now_us)
{
    mlx_stream_figures_t *known = &self->known;
    if (event->text && self->form != FORM_WHOLE)
        count_piece(self, now_us);
    if (event->model && *event->model)
        keep_text(known->model, sizeof(known->model), event->model);
    self->complete = self->complete || event->ended;
    if (event->done_reason)
        keep_text(known->done_reason, sizeof(known->done_reason), event->done_reason);
    /*  Zero is a count only of what has ended: some streams say it in each piece until then. */
    int64_t least = self->form == FORM_WHOLE || self->pieces == 0 ? 0 : 1;
    if (event->prompt_tokens >= least)
        known->prompt_tokens = event->prompt_tokens;
    if (event->whole_prompt >= least)
        known->whole_prompt = event->whole_prompt;
    if (event->generated_tokens >= least) {
        known->generated_tokens = event->generated_tokens;
        known->server_counted = true;
        self->at_count = self->pieces;
    }
    if (!isnan(event->generation_s))
        self->generation_s = event->generation_s;
    take_details(self, event);
    take_progress(known, event);
    self->failed = self->failed || event->failed;
}

static void take_object(mlx_stream_stats_t *self, const char *data, size_t len, int64_t now_us)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *object = mlx_json_parse(data, len, NULL);
    if (!object)
        return;
    mlx_stream_event_t event;
    mlx_stream_read(self->api, object, &event);
    take_event(self, &event, now_us);
}

/*  In SSE only the data field matters: its object names the event's type again. */
static void take_line(mlx_stream_stats_t *self, const char *line, size_t len, int64_t now_us)
{
    if (self->form == FORM_EVENTS) {
        if (len < 5 || memcmp(line, "data:", 5) != 0)
            return;
        line += 5;
        len -= 5;
    }
    while (len && strchr(" \t\r\n", *line)) {
        line++;
        len--;
    }
    if (self->form == FORM_EVENTS && len >= 6 && memcmp(line, "[DONE]", 6) == 0)
        self->complete = true;
    else if (len && *line == '{')
        take_object(self, line, len, now_us);
}

/*  Gather until MLX_STREAM_MAX_LINE; beyond it the rest of the line is passed over. */
static void gather(mlx_stream_stats_t *self, const char *data, size_t len)
{
    if (self->line_skipped || len > MLX_STREAM_MAX_LINE - self->line.len) {
        self->line_skipped = true;
        mlx_buf_clear(&self->line);
        return;
    }
    mlx_buf_append(&self->line, data, len);
}

static void end_line(mlx_stream_stats_t *self, const char *data, size_t len, int64_t now_us)
{
    if (self->line.len == 0 && !self->line_skipped && len <= MLX_STREAM_MAX_LINE) {
        take_line(self, data, len, now_us); /* the usual case: a line in one piece */
        return;
    }
    gather(self, data, len);
    if (!self->line_skipped)
        take_line(self, mlx_buf_str(&self->line), self->line.len, now_us);
    self->line_skipped = false;
    mlx_buf_clear(&self->line);
}

bool mlx_stream_stats_reads_reply(const mlx_stream_stats_t *self)
{
    return self->form != FORM_OPAQUE && self->known.outcome == MLX_STREAM_RUNNING;
}

void mlx_stream_stats_reply(mlx_stream_stats_t *self, const char *data, size_t len, int64_t now_us)
{
    if (!mlx_stream_stats_reads_reply(self))
        return;
    for (const char *newline;
         self->form != FORM_WHOLE && len && (newline = memchr(data, '\n', len));) {
        size_t line = (size_t)(newline - data);
        end_line(self, data, line, now_us);
        data += line + 1;
        len -= line + 1;
    }
    if (len)
        gather(self, data, len);
}

/*  ---- end ---- */

/*  The server's count, if it told one, and the pieces since. */
static void add_uncounted(const mlx_stream_stats_t *self, mlx_stream_figures_t *out)
{
    int64_t since = self->pieces - self->at_count;
    if (since == 0)
        return;
    out->generated_tokens = since + (out->server_counted ? out->generated_tokens : 0);
    out->server_counted = false;
}

/*  n tokens take n - 1 steps from the first, which comes out of reading the prompt. */
static double server_rate(const mlx_stream_stats_t *self)
{
    int64_t n = self->known.generated_tokens;
    return n > 1 ? (double)(n - 1) / self->generation_s : NAN;
}

/*  Without the server's clock ours: from the first piece of text to the last. */
static void set_rates(mlx_stream_stats_t *self)
{
    mlx_stream_figures_t *known = &self->known;
    if (known->prompt_tokens > 0 && known->prompt_s > 0)
        known->prompt_rate = (double)known->prompt_tokens / known->prompt_s;
    known->server_timed =
        known->server_counted && known->generated_tokens > 1 && self->generation_s > 0;
    if (known->generated_tokens > 1 && self->last_us > self->first_us)
        known->client_rate =
            (double)(known->generated_tokens - 1) * 1e6 / (double)(self->last_us - self->first_us);
    known->generation_rate = known->server_timed ? server_rate(self) : known->client_rate;
}

/*  What of the time to the first text, or to the end of a reply in one piece, was neither load nor
 *  work by the server's clock. */
static void set_queued(mlx_stream_stats_t *self)
{
    mlx_stream_figures_t *known = &self->known;
    int64_t until_us = self->first_us >= 0 ? self->first_us : known->ended_us;
    double work_s = known->prompt_s + (self->first_us < 0 ? self->generation_s : 0);
    if (isnan(work_s) || self->sent_us < 0 ||
        (self->first_us < 0 && known->outcome != MLX_STREAM_OK))
        return;
    work_s += isnan(known->load_s) ? 0 : known->load_s;
    known->queued_s = fmax((double)(until_us - self->sent_us) * 1e-6 - work_s, 0);
}

static void finish(mlx_stream_stats_t *self, mlx_stream_outcome_t outcome, bool client_left,
                   int64_t now_us)
{
    mlx_stream_figures_t *known = &self->known;
    if (known->outcome != MLX_STREAM_RUNNING)
        return;
    if (outcome == MLX_STREAM_OK && self->line.len)
        take_line(self, self->line.data, self->line.len, now_us);
    mlx_buf_clear(&self->line);
    mlx_buf_clear(&self->request);
    if (outcome == MLX_STREAM_OK && client_left && known->streamed && !self->complete)
        outcome = MLX_STREAM_CLIENT_ABORT;
    if (outcome == MLX_STREAM_OK && (self->failed || known->status >= 400))
        outcome = MLX_STREAM_ERROR;
    known->outcome = outcome;
    known->ended_us = now_us;
    add_uncounted(self, known);
    set_rates(self);
    if (known->thinking_tokens < 0 && self->thoughts > 0)
        known->thinking_tokens = self->thoughts;
    set_queued(self);
}

void mlx_stream_stats_end(mlx_stream_stats_t *self, mlx_stream_outcome_t outcome, int64_t now_us)
{
    finish(self, outcome, false, now_us);
}

void mlx_stream_stats_end_alone(mlx_stream_stats_t *self, int64_t now_us)
{
    finish(self, MLX_STREAM_OK, true, now_us);
}

bool mlx_stream_stats_generating(const mlx_stream_stats_t *self)
{
    return self->first_us >= 0;
}

void mlx_stream_stats_figures(const mlx_stream_stats_t *self, int64_t now_us,
                              mlx_stream_figures_t *out)
{
    *out = self->known;
    if (self->first_us >= 0) {
        int64_t from_us = self->sent_us >= 0 ? self->sent_us : self->known.started_us;
        out->ttft_s = (double)(self->first_us - from_us) * 1e-6;
    }
    if (out->outcome != MLX_STREAM_RUNNING)
        return;
    add_uncounted(self, out);
    out->live_rate = live_rate(self, now_us);
}

const char *mlx_stream_outcome_name(mlx_stream_outcome_t outcome)
{
    static const char *const names[] = {
        [MLX_STREAM_RUNNING] = "running",
        [MLX_STREAM_OK] = "ok",
        [MLX_STREAM_ERROR] = "error",
        [MLX_STREAM_CLIENT_ABORT] = "client_abort",
        [MLX_STREAM_SERVER_ABORT] = "server_abort",
        [MLX_STREAM_LOST] = "lost",
    };
    return names[outcome];
}
