#include "request_stats.h"

#include <stdlib.h>
#include <string.h>

#include "proto/utf8.h"

enum {
    GROUPS_MAX = 128,
    MODEL_MAX = 128 /* characters of its name */
};

#define IDLE_US (3600 * (int64_t)1000000)

static const char *const outcomes[] = {"ok", "error", "client_abort", "server_abort", "lost"};

/*  What the interfaces of model servers ask for. */
static const struct {
    const char *api;
    const char *operation;
} operations[] = {
    {"chat", "chat"},
    {"chat_completions", "chat"},
    {"messages", "chat"},
    {"responses", "chat"},
    {"generate", "text_completion"},
    {"completions", "text_completion"},
    {"embeddings", "embeddings"},
    {"rerank", "rerank"},
};

struct mlx_request_stats {
    mlx_request_group_t *groups;
    size_t count;
};

mlx_request_stats_t *mlx_request_stats_new(void)
{
    return mlx_alloc(1, sizeof(mlx_request_stats_t));
}

static void clear_group(mlx_request_group_t *group)
{
    free(group->host);
    free(group->runtime);
    free(group->endpoint);
    free(group->model);
    free(group->operation);
    free(group->outcome);
    for (size_t i = 0; i < MLX_MEASURE_COUNT; i++)
        mlx_histogram_destroy(&group->of[i]);
}

void mlx_request_stats_destroy(mlx_request_stats_t **self)
{
    for (size_t i = 0; *self && i < (*self)->count; i++)
        clear_group(&(*self)->groups[i]);
    if (*self)
        free((*self)->groups);
    mlx_free_p(self);
}

/* ---- groups ---- */

static void fill_group(mlx_request_group_t *group, const mlx_request_group_t *like, int64_t now_us)
{
    size_t count;
    const mlx_measure_t *measures = mlx_measures(&count);
    *group = (mlx_request_group_t){.host = mlx_strdup(like->host),
                                   .runtime = mlx_strdup(like->runtime),
                                   .endpoint = mlx_strdup(like->endpoint),
                                   .model = mlx_strdup(like->model),
                                   .operation = mlx_strdup(like->operation),
                                   .outcome = mlx_strdup(like->outcome),
                                   .since = now_us,
                                   .newest = now_us};
    for (size_t i = 0; i < count; i++)
        if (!measures[i].ok_only || strcmp(like->outcome, "ok") == 0)
            group->of[i] = mlx_histogram_new(&measures[i]);
}

static bool same(const mlx_request_group_t *a, const mlx_request_group_t *b)
{
    return strcmp(a->model, b->model) == 0 && strcmp(a->outcome, b->outcome) == 0 &&
           strcmp(a->operation, b->operation) == 0 && strcmp(a->endpoint, b->endpoint) == 0 &&
           strcmp(a->runtime, b->runtime) == 0 && strcmp(a->host, b->host) == 0;
}

static mlx_request_group_t *find(mlx_request_stats_t *self, const mlx_request_group_t *like)
{
    for (size_t i = 0; i < self->count; i++)
        if (same(&self->groups[i], like))
            return &self->groups[i];
    return NULL;
}

/*  The group that may make room, or NULL. */
static mlx_request_group_t *idlest(mlx_request_stats_t *self, int64_t now_us)
{
    mlx_request_group_t *oldest = NULL;
    for (size_t i = 0; i < self->count; i++)
        if (!oldest || self->groups[i].newest < oldest->newest)
            oldest = &self->groups[i];
    return oldest && now_us - oldest->newest > IDLE_US ? oldest : NULL;
}

/*  The group like LIKE, made if need be; NULL: there is no room. */
static mlx_request_group_t *group_of(mlx_request_stats_t *self, const mlx_request_group_t *like,
                                     size_t room, int64_t now_us)
{
    mlx_request_group_t *group = find(self, like);
    if (group)
        return group;
    if (self->count < room) {
        self->groups = mlx_grow(self->groups, self->count, sizeof *self->groups);
        group = &self->groups[self->count++];
    } else {
        group = idlest(self, now_us);
        if (!group)
            return NULL;
        clear_group(group);
    }
    fill_group(group, like, now_us);
    return group;
}

/*  Words of a topic: runtime.<kind>.<endpoint>.… */
static char *word(const char *topic, int number)
{
    while (number-- > 0)
        topic += strcspn(topic, ".") + 1;
    return mlx_strndup(topic, strcspn(topic, "."));
}

static mlx_request_group_t *place(mlx_request_stats_t *self, const mlx_message_t *message,
                                  const char *model, int64_t now_us)
{
    static char other[] = "other", none[] = "";
    MLX_CLEANUP(mlx_free_p) char *runtime = word(message->topic, 1);
    MLX_CLEANUP(mlx_free_p) char *endpoint = word(message->topic, 2);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_utf8_line(model ? model : "", MODEL_MAX);
    MLX_CLEANUP(mlx_free_p) char *operation = mlx_strdup(mlx_request_operation(message));
    MLX_CLEANUP(mlx_free_p) char *outcome = mlx_strdup(mlx_request_outcome(message));
    mlx_request_group_t like = {.host = message->host,
                                .runtime = runtime,
                                .endpoint = endpoint,
                                .model = name,
                                .operation = operation,
                                .outcome = outcome};
    size_t room = GROUPS_MAX - MLX_COUNT(outcomes); /* the rest is others' */
    mlx_request_group_t *group = group_of(self, &like, room, now_us);
    if (group)
        return group;
    like.host = like.runtime = like.endpoint = like.model = other;
    like.operation = none;
    return group_of(self, &like, GROUPS_MAX, now_us);
}

/* ---- messages ---- */

static bool is_about(const mlx_message_t *message, const char *last)
{
    const char *end = strrchr(message->topic, '.');
    return strncmp(message->topic, "runtime.", strlen("runtime.")) == 0 &&
           strcmp(end + 1, last) == 0 && mlx_catalogue_find(message->topic);
}

bool mlx_request_ended(const mlx_message_t *message)
{
    return is_about(message, "request") && !mlx_value_get(message->d, "requests");
}

/*  A model that is loaded has had no request yet: it is expected to chat. */
const char *mlx_request_outcome(const mlx_message_t *message)
{
    const char *outcome = mlx_value_str(message->d, "outcome");
    if (!mlx_request_ended(message))
        return outcomes[0];
    for (size_t i = 0; outcome && i < MLX_COUNT(outcomes); i++)
        if (strcmp(outcomes[i], outcome) == 0)
            return outcomes[i];
    return "lost";
}

const char *mlx_request_operation(const mlx_message_t *message)
{
    const char *api = mlx_value_str(message->d, "api");
    if (!mlx_request_ended(message))
        return operations[0].operation;
    for (size_t i = 0; api && i < MLX_COUNT(operations); i++)
        if (strcmp(operations[i].api, api) == 0)
            return operations[i].operation;
    return "";
}

/*  FNV-1a, 64 bits: the names of a run are random already, this only spreads them. */
static uint64_t spread(uint64_t hash, const char *text)
{
    for (; *text; text++)
        hash = (hash ^ (unsigned char)*text) * 0x100000001b3u;
    return (hash ^ 0xff) * 0x100000001b3u;
}

mlx_exemplar_t mlx_request_trace(const mlx_message_t *message)
{
    static const uint64_t seeds[] = {0xcbf29ce484222325u, 0x84222325cbf29ce4u, 0x9e3779b97f4a7c15u};
    uint64_t hash[MLX_COUNT(seeds)];
    for (size_t i = 0; i < MLX_COUNT(seeds); i++) {
        hash[i] = spread(spread(spread(seeds[i], message->host), message->src), message->boot);
        hash[i] = (hash[i] ^ (uint64_t)message->seq) * 0x9e3779b97f4a7c15u;
        hash[i] = (hash[i] ^ (hash[i] >> 29)) | 1; /* an id is never 0 */
    }
    mlx_exemplar_t trace = {.trace = {hash[0], hash[1]}, .span = hash[2], .t = message->t};
    mlx_value_int(message->d, "end", &trace.t);
    return trace;
}

static void count(mlx_request_stats_t *self, const mlx_message_t *message, int64_t now_us)
{
    size_t measure_count;
    const mlx_measure_t *measures = mlx_measures(&measure_count);
    mlx_request_group_t *group = place(self, message, mlx_value_str(message->d, "model"), now_us);
    mlx_exemplar_t exemplar = mlx_request_trace(message);
    if (!group)
        return;
    group->newest = now_us;
    for (size_t i = 0; i < measure_count; i++) {
        double value, weight = 1;
        if (group->of[i] && measures[i].read(message->d, &value) &&
            (!measures[i].weight || measures[i].weight(message->d, &weight)))
            mlx_histogram_put(group->of[i], value, (uint64_t)weight, &exemplar);
    }
}

static void expect(mlx_request_stats_t *self, const mlx_message_t *message, int64_t now_us)
{
    const mlx_value_t *models = mlx_value_get(message->d, "models");
    for (size_t i = 0; i < mlx_value_size(models) && i < GROUPS_MAX; i++)
        if (self->count < GROUPS_MAX / 2)
            place(self, message, mlx_value_str(mlx_value_at(models, i), "name"), now_us);
}

void mlx_request_stats_hear(mlx_request_stats_t *self, const mlx_message_t *message, int64_t now_us)
{
    if (mlx_request_ended(message))
        count(self, message, now_us);
    else if (is_about(message, "models"))
        expect(self, message, now_us);
}

void mlx_request_stats_each(const mlx_request_stats_t *self, mlx_request_group_fn fn, void *arg)
{
    for (size_t i = 0; i < self->count; i++)
        fn(arg, &self->groups[i]);
}
