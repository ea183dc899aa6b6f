#include "retained.h"

#include <czmq.h>
#include <string.h>

enum {
    KEY_MAX = 512,
    OVERHEAD = 384 /* of a value beside its bytes: the entry, its key, the table */
};

typedef struct mlx_retained_value value_t;
typedef struct source source_t;
typedef struct owner owner_t;

struct source {
    source_t *before, *after; /* of its owner's, in order of when they were heard */
    owner_t *owner;
    char *key;
    char *src;
    size_t src_len;
    char *boot;
    size_t boot_len;
    size_t value_count; /* values that are its last word */
    int64_t heard_us;
};

struct mlx_retained_value {
    value_t *before, *after;  /* of its owner's, in order of when they were set */
    value_t *earlier, *later; /* of all, in order of number */
    owner_t *owner;           /* who published it last */
    source_t *source;
    char *key;
    size_t key_len;
    char *topic;
    uint64_t number;
    bool wanted; /* else the entry only spares the next message the look-ups */
    bool set;
    char *body;
    size_t len;
    size_t room;
};

/*  A process, a peer or a lone source. */
struct owner {
    owner_t *next;
    uint64_t id;
    size_t bytes;
    size_t value_count, source_count;
    value_t *oldest, *newest;
    source_t *longest, *latest; /* silent for longest; heard last */
};

struct mlx_retained {
    bool (*wanted)(const char *topic);
    mlx_retained_budget_t budget;
    zhashx_t *values;  /* "host topic" -> value_t */
    zhashx_t *sources; /* "host src boot" -> source_t */
    value_t *first, *last;
    owner_t *owners;
    uint64_t next_number;
    mlx_retained_stats_t stats;
    char key[KEY_MAX]; /* as make_key left it: on the stack it would be cleared each time */
};

/*  The names with a space between: they hold none (the broker checks), so keys cannot collide. Cut
 *  at the size of the key: the broker bounds the names well below it. */
static const char *make_key(mlx_retained_t *self, const mlx_span_t *names, size_t count)
{
    size_t at = 0;
    for (size_t i = 0; i < count; i++) {
        size_t room = sizeof self->key - 2 - at;
        size_t len = names[i].len < room ? names[i].len : room;
        memcpy(self->key + at, names[i].data, len);
        at += len;
        if (i + 1 < count)
            self->key[at++] = ' ';
    }
    self->key[at] = '\0';
    return self->key;
}

/* ---- owners and what is theirs ---- */

static uint64_t hash(const char *text)
{
    uint64_t h = 0xcbf29ce484222325;
    for (; *text; text++)
        h = (h ^ (uint8_t)*text) * 0x100000001b3;
    return h | (uint64_t)1 << 63; /* no process and no peer has such a number */
}

static owner_t *owner_of(mlx_retained_t *self, uint64_t id)
{
    owner_t *owner = self->owners;
    while (owner && owner->id != id)
        owner = owner->next;
    if (owner)
        return owner;
    owner = mlx_alloc(1, sizeof *owner);
    *owner = (owner_t){.id = id, .next = self->owners};
    self->owners = owner;
    return owner;
}

static void drop_owner_if_idle(mlx_retained_t *self, owner_t *owner)
{
    if (owner->value_count || owner->source_count)
        return;
    owner_t **at = &self->owners;
    while (*at != owner)
        at = &(*at)->next;
    *at = owner->next;
    free(owner);
}

static size_t weight_of(const value_t *value)
{
    return value->set ? value->room + OVERHEAD : 0;
}

static void leave_owner(mlx_retained_t *self, value_t *value)
{
    owner_t *owner = value->owner;
    *(value->before ? &value->before->after : &owner->oldest) = value->after;
    *(value->after ? &value->after->before : &owner->newest) = value->before;
    value->before = value->after = NULL;
    owner->value_count--;
    owner->bytes -= weight_of(value);
    self->stats.bytes -= weight_of(value);
}

static void join_owner(mlx_retained_t *self, value_t *value, owner_t *owner)
{
    value->owner = owner;
    value->before = owner->newest;
    *(owner->newest ? &owner->newest->after : &owner->oldest) = value;
    owner->newest = value;
    owner->value_count++;
    owner->bytes += weight_of(value);
    self->stats.bytes += weight_of(value);
}

static void leave_sources(source_t *source)
{
    owner_t *owner = source->owner;
    *(source->before ? &source->before->after : &owner->longest) = source->after;
    *(source->after ? &source->after->before : &owner->latest) = source->before;
    source->before = source->after = NULL;
    owner->source_count--;
}

static void join_sources(source_t *source, owner_t *owner)
{
    source->owner = owner;
    source->before = owner->latest;
    *(owner->latest ? &owner->latest->after : &owner->longest) = source;
    owner->latest = source;
    owner->source_count++;
}

/* ---- values and sources come and go ---- */

static void drop_value(mlx_retained_t *self, value_t *value)
{
    owner_t *owner = value->owner;
    if (owner)
        leave_owner(self, value);
    *(value->earlier ? &value->earlier->later : &self->first) = value->later;
    *(value->later ? &value->later->earlier : &self->last) = value->earlier;
    if (value->source)
        value->source->value_count--;
    self->stats.count -= value->set;
    zhashx_delete(self->values, value->key);
    free(value->key);
    free(value->topic);
    free(value->body);
    free(value);
    if (owner)
        drop_owner_if_idle(self, owner);
}

static void drop_source(mlx_retained_t *self, source_t *source)
{
    value_t *next;
    for (value_t *value = self->first; value && source->value_count; value = next) {
        next = value->later;
        if (value->source == source)
            drop_value(self, value);
    }
    owner_t *owner = source->owner;
    leave_sources(source);
    zhashx_delete(self->sources, source->key);
    free(source->key);
    free(source->src);
    free(source->boot);
    free(source);
    drop_owner_if_idle(self, owner);
}

typedef enum {
    BYTES,
    VALUES,
    SOURCES
} measure_t;

static owner_t *greediest(const mlx_retained_t *self, measure_t measure)
{
    owner_t *most = NULL;
    size_t amount = 0;
    for (owner_t *owner = self->owners; owner; owner = owner->next) {
        size_t its = measure == BYTES    ? owner->bytes
                     : measure == VALUES ? owner->value_count
                                         : owner->source_count;
        if (its > amount) {
            most = owner;
            amount = its;
        }
    }
    return most;
}

static void evict_value(mlx_retained_t *self, owner_t *owner)
{
    if (!owner || !owner->oldest)
        return;
    self->stats.evicted += owner->oldest->set;
    drop_value(self, owner->oldest);
}

static void evict_source(mlx_retained_t *self, const owner_t *owner)
{
    if (owner && owner->longest)
        drop_source(self, owner->longest);
}

static source_t *source_of(mlx_retained_t *self, const mlx_retained_from_t *from)
{
    const mlx_span_t names[] = {from->host, from->src, from->boot};
    source_t *source = zhashx_lookup(self->sources, make_key(self, names, MLX_COUNT(names)));
    if (source)
        return source;
    if (zhashx_size(self->sources) >= MLX_RETAINED_SOURCES_MAX)
        evict_source(self, greediest(self, SOURCES));
    source = mlx_alloc(1, sizeof *source);
    source->key = mlx_strdup(self->key);
    source->src = mlx_strndup(from->src.data, from->src.len);
    source->src_len = from->src.len;
    source->boot = mlx_strndup(from->boot.data, from->boot.len);
    source->boot_len = from->boot.len;
    zhashx_insert(self->sources, source->key, source);
    join_sources(source, owner_of(self, from->owner ? from->owner : hash(source->key)));
    return source;
}

static value_t *find_value(mlx_retained_t *self, mlx_span_t topic, mlx_span_t host)
{
    const mlx_span_t names[] = {host, topic};
    return zhashx_lookup(self->values, make_key(self, names, MLX_COUNT(names)));
}

static value_t *value_of(mlx_retained_t *self, mlx_span_t topic, mlx_span_t host)
{
    value_t *value = find_value(self, topic, host);
    if (value)
        return value;
    if (zhashx_size(self->values) >= MLX_RETAINED_TOPICS_MAX)
        evict_value(self, greediest(self, VALUES));
    value = mlx_alloc(1, sizeof *value);
    value->key = mlx_strdup(self->key);
    value->key_len = strlen(value->key);
    value->topic = mlx_strndup(topic.data, topic.len);
    value->wanted = self->wanted(value->topic);
    value->number = ++self->next_number;
    value->earlier = self->last;
    *(self->last ? &self->last->later : &self->first) = value;
    self->last = value;
    zhashx_insert(self->values, value->key, value);
    return value;
}

mlx_retained_t *mlx_retained_new(bool (*wanted)(const char *topic), mlx_retained_budget_t budget)
{
    mlx_retained_t *self = mlx_alloc(1, sizeof *self);
    self->wanted = wanted;
    self->budget = budget;
    self->values = zhashx_new();
    self->sources = zhashx_new();
    return self;
}

void mlx_retained_destroy(mlx_retained_t **self_p)
{
    mlx_retained_t *self = *self_p;
    *self_p = NULL;
    if (!self)
        return;
    while (self->first)
        drop_value(self, self->first);
    while (self->owners)
        drop_source(self, self->owners->longest);
    zhashx_destroy(&self->values);
    zhashx_destroy(&self->sources);
    free(self);
}

static bool same(const char *text, size_t len, mlx_span_t span)
{
    return len == span.len && memcmp(text, span.data, len) == 0;
}

static bool is_source(const source_t *source, const mlx_retained_from_t *from)
{
    return same(source->src, source->src_len, from->src) &&
           same(source->boot, source->boot_len, from->boot);
}

mlx_retained_value_t *mlx_retained_known(mlx_retained_t *self, mlx_span_t topic,
                                         const mlx_retained_from_t *from)
{
    value_t *value = find_value(self, topic, from->host);
    /* The key ends at a NUL in the names and is cut at its size, and holds one space only. */
    bool known = value && value->source && value->key_len == from->host.len + 1 + topic.len &&
                 is_source(value->source, from);
    return known ? value : NULL;
}

/*  Memory that a value no longer needs is given back. */
static void set_body(mlx_retained_t *self, value_t *value, mlx_span_t body)
{
    if (body.len > value->room || body.len < value->room / 4) {
        value->body = mlx_realloc(value->body, body.len, 1);
        value->room = body.len;
    }
    memcpy(value->body, body.data, body.len);
    value->len = body.len;
    self->stats.count += !value->set;
    value->set = true;
}

static void keep_to_budget(mlx_retained_t *self, owner_t *owner)
{
    const mlx_retained_budget_t *budget = &self->budget;
    while (budget->owner_bytes && owner->bytes > budget->owner_bytes &&
           owner->oldest != owner->newest)
        evict_value(self, owner);
    while (budget->bytes && self->stats.bytes > budget->bytes && self->stats.count > 1)
        evict_value(self, greediest(self, BYTES));
}

static void set_source(value_t *value, source_t *source)
{
    if (value->source)
        value->source->value_count--;
    value->source = source;
    source->value_count++;
}

/*  The value becomes its owner's newest. */
static void set_value(mlx_retained_t *self, value_t *value, owner_t *owner, mlx_span_t body)
{
    owner_t *former = value->owner;
    if (former)
        leave_owner(self, value);
    if (value->wanted)
        set_body(self, value, body);
    join_owner(self, value, owner);
    if (former && former != owner)
        drop_owner_if_idle(self, former);
}

void mlx_retained_put(mlx_retained_t *self, mlx_retained_value_t *known, mlx_span_t topic,
                      const mlx_retained_from_t *from, mlx_span_t body, int64_t now_us)
{
    value_t *value = known;
    if (!value) {
        source_t *newcomer = source_of(self, from); /* which may cost another source its values */
        value = value_of(self, topic, from->host);
        set_source(value, newcomer);
    }
    source_t *source = value->source;
    source->heard_us = now_us;
    owner_t *home = source->owner;
    if (home->latest != source) {
        leave_sources(source);
        join_sources(source, home);
    }
    uint64_t id = from->owner ? from->owner : home->id;
    owner_t *owner = value->owner && value->owner->id == id ? value->owner : owner_of(self, id);
    set_value(self, value, owner, body);
    keep_to_budget(self, owner);
}

bool mlx_retained_each(const mlx_retained_t *self, const char *prefix, size_t prefix_len,
                       uint64_t *cursor, mlx_retained_fn fn, void *arg)
{
    for (const value_t *value = self->first; value; value = value->later) {
        mlx_span_t body = {.data = value->body, .len = value->len};
        if (value->number <= *cursor)
            continue;
        if (value->set && strlen(value->topic) >= prefix_len &&
            memcmp(value->topic, prefix, prefix_len) == 0 && !fn(arg, value->topic, body))
            return false;
        *cursor = value->number;
    }
    return true;
}

static source_t *silent_since(const mlx_retained_t *self, int64_t before_us)
{
    for (const owner_t *owner = self->owners; owner; owner = owner->next)
        if (owner->longest && owner->longest->heard_us < before_us)
            return owner->longest;
    return NULL;
}

bool mlx_retained_expire(mlx_retained_t *self, int64_t before_us)
{
    source_t *source = silent_since(self, before_us);
    bool any = source != NULL;
    for (; source; source = silent_since(self, before_us))
        drop_source(self, source);
    return any;
}

void mlx_retained_forget(mlx_retained_t *self, const char *host, const char *topic)
{
    value_t *value = find_value(self, (mlx_span_t){.data = topic, .len = strlen(topic)},
                                (mlx_span_t){.data = host, .len = strlen(host)});
    if (value)
        drop_value(self, value);
}

mlx_retained_stats_t mlx_retained_stats(const mlx_retained_t *self)
{
    return self->stats;
}
