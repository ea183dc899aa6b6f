#include "services/cache/transfer/file_transfer.h"

#include "services/cache/transfer/fetch.h"
#include "services/cache/transfer/partial_file.h"
#include "services/cache/transfer/stream_hasher.h"

#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    TRIES = 6,
    TRIES_UNREACHED = 2, /* of a server that was never reached: it may not exist */
    PAUSE_MS = 1000,
    MAX_PAUSE_MS = 60000,
    MAX_WRONG_RANGES = 2,
    BEHIND_BYTES = 8 * 1024 * 1024,
};

struct mlx_file_transfer {
    mlx_file_transfer_options_t options;
    mlx_partial_file_t *disk;
    mlx_stream_hasher_t *hasher;

    pthread_mutex_t lock;
    mlx_range_map_t *ranges;
    bool *taken;
    unsigned busy;
    unsigned allowed;      /* streams */
    bool answered;         /* one stream until a first answer came: it may lead elsewhere */
    bool plain;            /* ranges are of no use with this server */
    unsigned wrong_ranges; /* answers with another range than was asked for */
    bool ended;            /* complete or failed */
    bool wrong_bytes;      /* once already */
    bool keeping;          /* a thread is making pieces durable */
    char *address;         /* where redirects led; NULL: not known */
    bool address_auth;
};

/*  One piece, or a whole file, in one thread. */
typedef struct {
    mlx_file_transfer_t *part;
    size_t index;
    bool ranged;
    bool yield;     /* leave the piece to whoever may go on with it */
    uint64_t at;    /* of the next byte that comes */
    uint64_t limit; /* nothing is expected from here on */
    uint64_t behind;
    mlx_fetch_reply_t reply;
    mlx_error_t error;
    mlx_error_t disk; /* no new try would mend it */
    long status;
    char *error_code;
    unsigned refusals;
    bool unreached; /* nobody answered in this run so far */
} stream_t;

typedef enum {
    TRY_DONE,
    TRY_AGAIN,
    TRY_NOW, /* again, without a pause */
    TRY_NEVER,
    TRY_YIELD,
} verdict_t;

static bool is_ending(const mlx_file_transfer_t *self)
{
    return self->options.ending(self->options.arg);
}

static bool is_simple(const mlx_file_transfer_t *self)
{
    return mlx_range_map_count(self->ranges) == 1;
}

mlx_file_transfer_t *mlx_file_transfer_new(const mlx_file_transfer_options_t *options)
{
    mlx_file_transfer_t *self = mlx_alloc(1, sizeof *self);
    const mlx_download_t *download = options->download;
    self->options = *options;
    self->ranges =
        mlx_range_map_new(download->file->etag, download->file->size, options->run->piece);
    self->taken = mlx_alloc(mlx_range_map_count(self->ranges), sizeof *self->taken);
    self->allowed = (unsigned)mlx_range_map_count(self->ranges);
    pthread_mutex_init(&self->lock, NULL);
    return self;
}

void mlx_file_transfer_destroy(mlx_file_transfer_t **self)
{
    mlx_file_transfer_t *part = *self;
    *self = NULL;
    if (!part)
        return;
    mlx_stream_hasher_destroy(&part->hasher);
    mlx_partial_file_close(&part->disk, part->ranges);
    mlx_range_map_destroy(&part->ranges);
    pthread_mutex_destroy(&part->lock);
    free(part->taken);
    free(part->address);
    free(part);
}

int mlx_file_transfer_open(mlx_file_transfer_t *self)
{
    const mlx_downloads_t *run = self->options.run;
    mlx_download_t *download = self->options.download;
    mlx_error_t err = {0};
    self->disk = mlx_partial_file_open(run->fs, run->home, download->file->etag,
                                       download->compressible, self->ranges, &err);
    if (!self->disk) {
        download->error = err;
        return -1;
    }
    self->hasher = mlx_stream_hasher_new(mlx_partial_file_fd(self->disk), download->file->size,
                                         strlen(download->file->etag) == MLX_SHA1_HEX);
    atomic_store(&download->done, mlx_range_map_bytes(self->ranges));
    mlx_stream_hasher_grew(self->hasher, mlx_range_map_frontier(self->ranges));
    return 0;
}

/* ---- who does what ---- */

unsigned mlx_file_transfer_busy(mlx_file_transfer_t *self)
{
    pthread_mutex_lock(&self->lock);
    unsigned busy = self->busy;
    pthread_mutex_unlock(&self->lock);
    return busy;
}

static bool find_piece(const mlx_file_transfer_t *self, size_t *index)
{
    unsigned limit = self->plain || !self->answered ? 1 : self->allowed;
    if (self->ended || self->busy >= limit)
        return false;
    if (mlx_range_map_complete(self->ranges)) {
        *index = 0; /* nothing but to verify it */
        return self->busy == 0;
    }
    for (size_t i = 0; i < mlx_range_map_count(self->ranges); i++)
        if (!self->taken[i] && !mlx_range_map_has(self->ranges, i)) {
            *index = i;
            return true;
        }
    return false;
}

bool mlx_file_transfer_take(mlx_file_transfer_t *self, size_t *index)
{
    pthread_mutex_lock(&self->lock);
    bool found = find_piece(self, index);
    if (found) {
        self->taken[*index] = true;
        self->busy++;
    }
    pthread_mutex_unlock(&self->lock);
    return found;
}

/* ---- one answer ---- */

/*  The server sends everything: this stream takes it all, if no other writes to the file. */
static bool take_all(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    p->plain = true;
    s->yield = p->busy > 1;
    pthread_mutex_unlock(&p->lock);
    s->at = s->behind = 0;
    s->limit = p->options.download->file->size;
    s->ranged = false;
    return !s->yield;
}

static bool wrong_range(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    if (++p->wrong_ranges >= MAX_WRONG_RANGES) {
        p->plain = true;
        s->yield = p->busy > 1;
    }
    pthread_mutex_unlock(&p->lock);
    mlx_error_set(&s->error, MLX_ERR_UNAVAILABLE,
                  "%s: the server sent a different range than requested",
                  p->options.download->file->path);
    return false;
}

/*  The rest of the file goes where this answer came from. */
static void keep_address(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    bool first = !p->answered;
    p->answered = true;
    if (s->reply.url && !p->address) {
        p->address = mlx_strdup(s->reply.url);
        p->address_auth = !s->reply.redirected;
    }
    pthread_mutex_unlock(&p->lock);
    if (first)
        p->options.widen(p->options.arg);
}

static bool on_head(void *arg, const mlx_http_reply_t *head)
{
    stream_t *s = arg;
    keep_address(s);
    if (!s->ranged)
        return true;
    const char *range = mlx_http_header(head, "content-range");
    unsigned long long from, to, total;
    if (head->status == 206 && range &&
        sscanf(range, "bytes %llu-%llu/%llu", &from, &to, &total) == 3 && from == s->at &&
        to >= from && to < s->limit && total == s->part->options.download->file->size)
        return true;
    return head->status == 200 ? take_all(s) : wrong_range(s);
}

static bool put(stream_t *s, const char *data, size_t len)
{
    int fd = mlx_partial_file_fd(s->part->disk);
    for (size_t done = 0; done < len;) {
        ssize_t n = pwrite(fd, data + done, len - done, (off_t)(s->at + done));
        if (n < 0 && errno != EINTR) {
            mlx_fs_error(&s->disk, errno, "write", s->part->options.download->file->path);
            return false;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    return true;
}

static void reached(stream_t *s, size_t index)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    uint64_t before = mlx_range_map_frontier(p->ranges);
    mlx_range_map_reached(p->ranges, index, s->at);
    uint64_t frontier = mlx_range_map_frontier(p->ranges);
    if (frontier > before)
        mlx_stream_hasher_grew(p->hasher, frontier);
    atomic_store(&p->options.download->done, mlx_range_map_bytes(p->ranges));
    pthread_mutex_unlock(&p->lock);
}

static void write_behind(stream_t *s)
{
    if (s->at > s->behind)
        mlx_partial_file_write_behind(s->part->disk, s->behind, s->at - s->behind);
    s->behind = s->at;
}

/*  The bytes up to the end of the piece that they begin in. What is there already, and may be
 *  hashed, is never written again. */
static size_t take_some(stream_t *s, const char *data, size_t len)
{
    mlx_file_transfer_t *p = s->part;
    size_t index = mlx_range_map_of(p->ranges, s->at);
    uint64_t room = mlx_range_map_end(p->ranges, index) - s->at;
    size_t n = room < len ? (size_t)room : len;
    pthread_mutex_lock(&p->lock);
    uint64_t there = mlx_range_map_at(p->ranges, index);
    pthread_mutex_unlock(&p->lock);
    if (s->at < there) {
        n = there - s->at < n ? (size_t)(there - s->at) : n;
        s->at += n;
        return n;
    }
    if (!put(s, data, n))
        return 0;
    s->at += n;
    reached(s, index);
    return n;
}

static bool on_data(void *arg, const char *data, size_t len)
{
    stream_t *s = arg;
    const mlx_download_t *download = s->part->options.download;
    if (len > s->limit - s->at && s->limit < download->file->size)
        return wrong_range(s);
    if (len > s->limit - s->at) {
        mlx_error_set(&s->disk, MLX_ERR_DATA_LOSS, "%s is longer than the server announced",
                      download->file->path);
        return false;
    }
    while (len) {
        size_t n = take_some(s, data, len);
        if (!n)
            return false;
        data += n;
        len -= n;
    }
    if (s->at - s->behind >= BEHIND_BYTES)
        write_behind(s);
    return !is_ending(s->part);
}

/* ---- one request ---- */

/*  Where a redirect led has expired, or takes one stream only: ask for a new address, then alone.
 */
static verdict_t refused(stream_t *s, bool slow)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    free(p->address);
    p->address = NULL;
    bool others = p->busy > 1;
    if (slow || s->refusals++) {
        p->allowed = 1;
        slow = slow && !others;
    }
    pthread_mutex_unlock(&p->lock);
    if (slow)
        p->options.slow_down(p->options.arg);
    if (s->refusals == 1)
        return TRY_NOW;
    return others ? TRY_YIELD : TRY_AGAIN;
}

static verdict_t verdict_of(stream_t *s, bool led)
{
    mlx_file_transfer_t *p = s->part;
    const mlx_fetch_reply_t *reply = &s->reply;
    /* An answer that names the hub's error is the hub's own, wherever it moved. */
    led = led && !reply->error_code;
    s->status = led ? 0 : reply->status;
    mlx_error_set(&s->error, MLX_ERR_UNAVAILABLE, "%s: the server returned HTTP %ld",
                  p->options.download->file->path, reply->status);
    if (reply->status / 100 == 2) {
        pthread_mutex_lock(&p->lock);
        bool has =
            s->ranged ? mlx_range_map_has(p->ranges, s->index) : mlx_range_map_complete(p->ranges);
        pthread_mutex_unlock(&p->lock);
        mlx_error_set(&s->error, MLX_ERR_UNAVAILABLE, "%s: the response ended early",
                      p->options.download->file->path);
        return has ? TRY_DONE : TRY_AGAIN;
    }
    if (reply->status == 416) {
        wrong_range(s);
        return s->yield ? TRY_YIELD : TRY_AGAIN;
    }
    if (reply->status == 429)
        return refused(s, true);
    if (led && (reply->status == 403 || reply->status == 401 || reply->status == 410))
        return refused(s, false);
    if (reply->status / 100 == 5 || reply->status == 408)
        return TRY_AGAIN;
    free(s->error_code);
    s->error_code = mlx_strdup(reply->error_code);
    return TRY_NEVER;
}

static bool is_stopped(void *arg)
{
    const stream_t *s = arg;
    return is_ending(s->part);
}

/*  What to ask for, and where; the address to be freed. */
static char *prepare(stream_t *s, mlx_fetch_t *request)
{
    mlx_file_transfer_t *p = s->part;
    const mlx_download_t *download = p->options.download;
    pthread_mutex_lock(&p->lock);
    bool all = p->plain || download->compressible;
    bool open_ended = all || is_simple(p);
    s->at = s->behind = all ? 0 : mlx_range_map_at(p->ranges, s->index);
    s->limit = open_ended ? download->file->size : mlx_range_map_end(p->ranges, s->index);
    s->ranged = !all && (s->at || !open_ended);
    s->yield = false;
    char *address = p->address ? mlx_strdup(p->address) : NULL;
    *request = (mlx_fetch_t){.url = address ? address : download->url,
                             .auth = address && !p->address_auth ? NULL : download->auth,
                             .from = s->at,
                             .to = open_ended ? 0 : s->limit,
                             .stall_ms = p->options.run->stall_ms,
                             .on_head = on_head,
                             .on_data = on_data,
                             .stop = is_stopped,
                             .arg = s};
    pthread_mutex_unlock(&p->lock);
    return address;
}

static verdict_t attempt(stream_t *s, int64_t *wait_s)
{
    mlx_file_transfer_t *p = s->part;
    mlx_fetch_t request;
    MLX_CLEANUP(mlx_free_p) char *address = prepare(s, &request);
    int rc = mlx_fetch(&request, &s->reply, &s->error);
    s->unreached = !p->options.answered(p->options.arg, !s->reply.unconnected);
    *wait_s = s->reply.retry_after_s;
    write_behind(s);
    bool hopeless = rc && (is_ending(p) || (s->error.code == MLX_ERR_USAGE && !address));
    verdict_t verdict = TRY_AGAIN;
    if (s->disk.code || (hopeless && !s->yield))
        verdict = TRY_NEVER;
    else if (s->yield)
        verdict = TRY_YIELD;
    else if (rc == 0)
        verdict = verdict_of(s, address || s->reply.url);
    mlx_fetch_reply_clear(&s->reply);
    return verdict;
}

/* ---- one piece ---- */

static bool has_piece(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    bool has = mlx_range_map_has(p->ranges, s->index);
    pthread_mutex_unlock(&p->lock);
    return has;
}

static uint64_t bytes_of(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    pthread_mutex_lock(&p->lock);
    uint64_t bytes =
        s->ranged ? mlx_range_map_at(p->ranges, s->index) : mlx_range_map_bytes(p->ranges);
    pthread_mutex_unlock(&p->lock);
    return bytes;
}

static verdict_t transfer(stream_t *s)
{
    mlx_file_transfer_t *p = s->part;
    const mlx_downloads_t *run = p->options.run;
    int64_t pause_ms = run->pause_ms ? run->pause_ms : PAUSE_MS;
    unsigned tries = run->tries ? run->tries : TRIES;
    for (unsigned try = 0; try < tries && !is_ending(p);) {
        if (has_piece(s))
            return TRY_DONE;
        int64_t wait_s = -1;
        uint64_t before = bytes_of(s);
        verdict_t verdict = attempt(s, &wait_s);
        if (verdict == TRY_NOW)
            continue;
        if (verdict != TRY_AGAIN)
            return verdict;
        /* A connection that breaks after it brought something has not failed. */
        bool moved = bytes_of(s) > before;
        try = moved ? 0 : try + 1;
        if (try >= tries || (s->unreached && try >= TRIES_UNREACHED))
            break;
        p->options.pause(p->options.arg, wait_s >= 0 ? wait_s * 1000 : pause_ms, &s->error);
        pause_ms = moved || pause_ms * 2 > MAX_PAUSE_MS ? pause_ms : pause_ms * 2;
    }
    return TRY_NEVER;
}

static mlx_file_transfer_end_t fail(mlx_file_transfer_t *self, const mlx_error_t *err, stream_t *s)
{
    mlx_download_t *download = self->options.download;
    pthread_mutex_lock(&self->lock);
    self->ended = true;
    if (!download->error.code) {
        download->error = *err;
        download->status = s->status;
        download->error_code = s->error_code;
        s->error_code = NULL;
        if (!err->code)
            mlx_error_set(&download->error, MLX_ERR_INTERRUPTED,
                          "interrupted; partial files are kept");
    }
    pthread_mutex_unlock(&self->lock);
    return MLX_PART_FAILED;
}

/*  All is there. Other bytes than were announced are forgotten, and fetched once more. */
static mlx_file_transfer_end_t verify(mlx_file_transfer_t *self, stream_t *s)
{
    mlx_download_t *download = self->options.download;
    char git[MLX_HEX_MAX] = "";
    /* The disk writes while the hash catches up. */
    int failed = mlx_partial_file_sync(self->disk);
    if (mlx_stream_hasher_finish(self->hasher, download->sha256, git))
        failed = failed ? failed : EIO;
    const char *got = git[0] ? git : download->sha256;
    mlx_error_t err = {0};
    if (failed) {
        download->sha256[0] = '\0';
        mlx_fs_error(&err, failed, "write", download->file->path);
        return fail(self, &err, s);
    }
    if (strcmp(got, download->file->etag) == 0) {
        pthread_mutex_lock(&self->lock);
        self->ended = true;
        pthread_mutex_unlock(&self->lock);
        return MLX_PART_WHOLE;
    }
    mlx_error_set(&err, MLX_ERR_DATA_LOSS,
                  "%s: the server sent the wrong bytes (%.12s.., not %.12s..)",
                  download->file->path, got, download->file->etag);
    mlx_error_hint(&err, "try again later, or use another mirror");
    download->sha256[0] = '\0';
    mlx_stream_hasher_restart(self->hasher);
    pthread_mutex_lock(&self->lock);
    bool again = !self->wrong_bytes;
    self->wrong_bytes = true;
    mlx_error_t disk = {0};
    if (mlx_partial_file_discard(self->disk, self->ranges, &disk))
        err = disk;
    atomic_store(&download->done, 0);
    pthread_mutex_unlock(&self->lock);
    return again && !disk.code ? MLX_PART_MORE : fail(self, &err, s);
}

/*  Make what is there durable, in one thread at a time; the others go on. */
static void keep(mlx_file_transfer_t *self)
{
    pthread_mutex_lock(&self->lock);
    bool mine = !self->keeping && !mlx_range_map_complete(self->ranges) &&
                mlx_partial_file_is_due(self->disk, self->ranges);
    if (mine) {
        self->keeping = true;
        MLX_CLEANUP(mlx_free_p) char *text = mlx_range_map_text(self->ranges);
        uint64_t bytes = mlx_range_map_bytes(self->ranges);
        pthread_mutex_unlock(&self->lock);
        mlx_partial_file_keep(self->disk, text, bytes);
        pthread_mutex_lock(&self->lock);
        self->keeping = false;
    }
    pthread_mutex_unlock(&self->lock);
}

mlx_file_transfer_end_t mlx_file_transfer_fetch(mlx_file_transfer_t *self, size_t index)
{
    stream_t s = {.part = self, .index = index, .ranged = true};
    verdict_t verdict = has_piece(&s) ? TRY_DONE : transfer(&s);
    mlx_file_transfer_end_t result = MLX_PART_MORE;
    if (verdict == TRY_NEVER && is_ending(self))
        s.error = (mlx_error_t){0};
    if (verdict == TRY_NEVER)
        result = fail(self, s.disk.code ? &s.disk : &s.error, &s);
    else if (verdict == TRY_DONE)
        keep(self);
    pthread_mutex_lock(&self->lock);
    self->taken[index] = false;
    self->busy--;
    bool last = self->busy == 0 && !self->ended && mlx_range_map_complete(self->ranges);
    self->busy += last; /* nobody else takes it meanwhile */
    pthread_mutex_unlock(&self->lock);
    if (last) {
        result = verify(self, &s);
        pthread_mutex_lock(&self->lock);
        self->busy--;
        pthread_mutex_unlock(&self->lock);
    }
    free(s.error_code);
    return result;
}
