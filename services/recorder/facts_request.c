/*  What a request that has ended adds to the facts: who asked for a load and how long it took,
 *  conversations, and the speed of a kind of model. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "facts.h"

#define SECOND_US INT64_C(1000000)

enum {
    TALK_MINUTES = 10,           /* a conversation that rested longer begins anew */
    TALK_TOKENS = 1000,          /* a prompt worth being cached */
    RATE_TOKENS = 32,            /* a reply long enough to tell a speed */
    RATE_PROMPT = 4096,          /* behind a longer prompt every model is slower */
    SEEN_LATE_US = 10 * 1000000, /* a load may be seen that much later than it ended */
};

static int64_t int_of(const mlx_value_t *map, const char *key)
{
    int64_t value = 0;
    mlx_value_int(map, key, &value);
    return value;
}

static const char *text_of(const mlx_value_t *map, const char *key)
{
    const char *text = mlx_value_str(map, key);
    return text ? text : "";
}

/* ---- loads ---- */

/*  The newest load of MODEL happened during the request D: its client asked for it. A server counts
 *  a wait for a free place as loading: no time is taken where another request ended meanwhile. */
static void take_load(const mlx_fact_runtime_t *runtime, mlx_fact_model_t *model,
                      const mlx_value_t *d)
{
    int64_t start = int_of(d, "start"), end = int_of(d, "end");
    double load_s = mlx_value_real_or_nan(d, "load");
    if (!model->load_count || !start)
        return;
    size_t newest = (model->load_count - 1) % MLX_FACT_LOADS;
    int64_t seen = model->loads[newest];
    if (seen < start || seen > end + SEEN_LATE_US || model->askers[newest][0] || load_s <= 0)
        return;
    snprintf(model->askers[newest], MLX_FACT_WHO, "%.*s", (int)MLX_FACT_WHO - 1,
             text_of(d, "client"));
    if (load_s > 0 && runtime->ended_at <= start)
        model->load_s = load_s;
}

/* ---- conversations ---- */

/*  That of CLIENT with MODEL, else a place for it: unused, or of the one that rested longest. */
static mlx_fact_talk_t *talk_of(mlx_fact_runtime_t *runtime, const char *client, const char *model)
{
    mlx_fact_talk_t *oldest = &runtime->talks[0];
    for (mlx_fact_talk_t *talk = runtime->talks; talk < runtime->talks + MLX_FACT_TALKS; talk++) {
        if (talk->at && strncmp(talk->client, client, MLX_FACT_WHO - 1) == 0 &&
            strcmp(talk->model, model) == 0)
            return talk;
        if (talk->at < oldest->at)
            oldest = talk;
    }
    *oldest = (mlx_fact_talk_t){0};
    snprintf(oldest->client, sizeof oldest->client, "%.*s", (int)MLX_FACT_WHO - 1, client);
    snprintf(oldest->model, sizeof oldest->model, "%.127s", model);
    return oldest;
}

/*  A prompt that goes on with a conversation holds the prompt before it, the reply, and something
 *  that is new. Prompts of other kinds hardly ever have such a length, three times in a row. */
static bool goes_on(const mlx_fact_talk_t *talk, double prompt, int64_t start)
{
    double known = talk->prompt_tokens + talk->tokens;
    return talk->at && start - talk->at < TALK_MINUTES * (60 * SECOND_US) &&
           prompt >= talk->prompt_tokens + 0.8 * talk->tokens && prompt > talk->prompt_tokens + 8 &&
           prompt <= known + fmax(500, known / 10);
}

static void take_talk(mlx_fact_runtime_t *runtime, const mlx_value_t *d)
{
    double prompt = mlx_value_real_or_nan(d, "prompt_tokens"),
           cached = mlx_value_real_or_nan(d, "cached_tokens");
    double tokens = mlx_value_real_or_nan(d, "tokens"), load_s = mlx_value_real_or_nan(d, "load");
    if (!(prompt > 0) || !*text_of(d, "client") || !*text_of(d, "model"))
        return;
    mlx_fact_talk_t *talk = talk_of(runtime, text_of(d, "client"), text_of(d, "model"));
    bool again = goes_on(talk, prompt, int_of(d, "start")) && !(load_s > 0.1) &&
                 talk->prompt_tokens >= (int)TALK_TOKENS && cached < talk->prompt_tokens / 2;
    if (again) {
        talk->broken++;
        talk->again += talk->prompt_tokens - cached;
        talk->cached = cached;
    } else {
        talk->broken = 0;
        talk->again = 0;
    }
    talk->at = int_of(d, "end");
    talk->prompt_tokens = prompt;
    talk->tokens = tokens > 0 ? tokens : 0;
}

/* ---- speed ---- */

static mlx_fact_kind_t *kind_of(mlx_facts_t *self, const mlx_fact_model_t *model)
{
    mlx_fact_kind_t *oldest = &self->kinds[0];
    for (mlx_fact_kind_t *kind = self->kinds; kind < self->kinds + MLX_FACT_KINDS; kind++) {
        if (strcmp(kind->family, model->family) == 0 &&
            strcmp(kind->parameters, model->parameters) == 0 &&
            strcmp(kind->quantization, model->quantization) == 0)
            return kind;
        if (kind->at < oldest->at)
            oldest = kind;
    }
    *oldest = (mlx_fact_kind_t){0};
    snprintf(oldest->family, sizeof oldest->family, "%s", model->family);
    snprintf(oldest->parameters, sizeof oldest->parameters, "%s", model->parameters);
    snprintf(oldest->quantization, sizeof oldest->quantization, "%s", model->quantization);
    return oldest;
}

static void take_rate(mlx_facts_t *self, const mlx_fact_model_t *model, const mlx_value_t *d)
{
    double rate = mlx_value_real_or_nan(d, "tokens_per_second");
    bool named = model->family[0] && model->parameters[0] && model->quantization[0];
    bool whole =
        model->has_vram && model->size > 0 && (double)model->vram >= 0.97 * (double)model->size;
    if (!named || !whole || !(rate > 0) ||
        !(mlx_value_real_or_nan(d, "tokens") >= (int)RATE_TOKENS) ||
        mlx_value_real_or_nan(d, "prompt_tokens") > (int)RATE_PROMPT)
        return;
    mlx_fact_kind_t *kind = kind_of(self, model);
    snprintf(kind->name, sizeof kind->name, "%s", model->name);
    kind->size = model->size;
    kind->at = int_of(d, "end");
    kind->rates[kind->count++ % MLX_FACT_RATES] = rate;
}

void mlx_facts_request(mlx_facts_t *self, mlx_fact_runtime_t *runtime, const mlx_value_t *d)
{
    const char *name = mlx_value_str(d, "model");
    const mlx_fact_model_t *found = name ? mlx_fact_model(runtime, name) : NULL;
    if (found) {
        take_load(runtime, &runtime->models[found - runtime->models], d);
        take_rate(self, found, d);
    }
    take_talk(runtime, d);
    if (int_of(d, "end") > runtime->ended_at)
        runtime->ended_at = int_of(d, "end");
}
