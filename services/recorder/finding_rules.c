/*  The rules. Each returns the first that it finds; the table at the end says what they are. */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "common/base/units.h"
#include "finding_rules.h"

static const double gb = 1e9;

enum {
    LOADS_AN_HOUR = 4,
    WAITS = 2,
    WAITS_MINUTES = 10,
    IDLE_MINUTES = 30,
    RECENT_MINUTES = 10,
    ROUND = 4096, /* tokens of context that are recommended at a time */
};

static bool is_fresh(int64_t t, int64_t now_us)
{
    return now_us - t < MLX_FACT_STALE_US;
}

bool mlx_finding_model(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out,
                       mlx_finding_model_fn fn)
{
    for (size_t i = 0; i < facts->runtime_count; i++) {
        const mlx_fact_runtime_t *runtime = &facts->runtimes[i];
        for (size_t k = 0; is_fresh(runtime->t, now_us) && k < runtime->count; k++) {
            const mlx_fact_model_t *model = &runtime->models[k];
            if (!model->loaded || !fn(facts, runtime, model, now_us, out))
                continue;
            snprintf(out->subject, sizeof out->subject, "%s%s", runtime->topic, model->name);
            return true;
        }
    }
    return false;
}

static void say_unload(const mlx_fact_runtime_t *runtime, const mlx_fact_model_t *model, char *out,
                       size_t size)
{
    if (strcmp(runtime->kind, "ollama") == 0)
        snprintf(out, size, "ollama stop %s", model->name);
    else
        snprintf(out, size, "stop %s, or let it unload the model", runtime->label);
}

/* ---- the context ---- */

static bool is_recent(int64_t at, int64_t now_us)
{
    return now_us - at < RECENT_MINUTES * MINUTE_US;
}

static bool last_of(const mlx_fact_runtime_t *runtime, const mlx_fact_model_t *model,
                    int64_t now_us)
{
    return runtime->last.at && is_recent(runtime->last.at, now_us) && model->context > 0 &&
           mlx_fact_model(runtime, runtime->last.model) == model;
}

static void say_context(const mlx_fact_runtime_t *runtime, const mlx_fact_model_t *model,
                        int64_t needed, mlx_finding_t *out)
{
    bool ollama = strcmp(runtime->kind, "ollama") == 0;
    snprintf(out->remedy, sizeof out->remedy,
             ollama ? "load it with more context: OLLAMA_CONTEXT_LENGTH=%lld ollama serve"
                    : "start the server with more context: llama-server -c %lld",
             (long long)needed);
    out->threshold = (double)model->context;
}

/*  The server says that it cut a prompt, and MODEL is the one that has such a context: what is kept
 *  never is more, and never is less than half of it. */
static bool cut(const mlx_fact_runtime_t *runtime, const mlx_fact_model_t *model, int64_t now_us,
                mlx_finding_t *out)
{
    const mlx_fact_cut_t *fact = &runtime->cut;
    double context = (double)model->context;
    if (!fact->at || !is_recent(fact->at, now_us) || context <= 0 || fact->kept > context ||
        fact->kept < context / 2)
        return false;
    snprintf(out->summary, sizeof out->summary,
             "%s: a prompt was cut to %.0f of its %.0f tokens: its context is %lld", model->name,
             fact->kept, fact->asked, (long long)model->context);
    out->value = fact->asked;
    say_context(runtime, model, ((int64_t)fact->asked / ROUND + 2) * ROUND, out);
    return true;
}

/*  A prompt that fills the context to the last token was cut to it. */
static bool truncated(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                      const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    (void)facts;
    if (cut(runtime, model, now_us, out))
        return true;
    if (!last_of(runtime, model, now_us) ||
        !(runtime->last.prompt_tokens >= (double)model->context - 1))
        return false;
    snprintf(out->summary, sizeof out->summary,
             "%s: a prompt was cut: its %.0f tokens are the whole context of %lld", model->name,
             runtime->last.prompt_tokens, (long long)model->context);
    out->value = runtime->last.prompt_tokens;
    say_context(runtime, model, model->context * 2, out);
    return true;
}

static bool prompt_truncated(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, truncated);
}

static bool nearly_full(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                        const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    mlx_finding_t other;
    double used = runtime->last.prompt_tokens + fmax(runtime->last.tokens, 0);
    if (!last_of(runtime, model, now_us) || !(used >= 0.9 * (double)model->context) ||
        truncated(facts, runtime, model, now_us, &other))
        return false;
    snprintf(out->summary, sizeof out->summary,
             "%s: the newest request took %.0f of the %lld tokens of its context", model->name,
             used, (long long)model->context);
    out->value = used;
    say_context(runtime, model, model->context * 2, out);
    return true;
}

static bool context_full(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, nearly_full);
}

/* ---- memory ---- */

/*  GPU memory of all cards, and what of it is in use. */
static double gpu_memory(const mlx_facts_t *facts, int64_t now_us, double *used)
{
    double total = 0;
    *used = 0;
    for (size_t i = 0; i < facts->gpu_count; i++) {
        const mlx_fact_gpu_t *gpu = &facts->gpus[i];
        if (!is_fresh(gpu->t, now_us) || isnan(gpu->memory_total))
            continue;
        total += gpu->memory_total;
        *used += isnan(gpu->memory_used) ? 0 : gpu->memory_used;
    }
    return total;
}

static bool beside_gpu(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                       const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    double used, total = gpu_memory(facts, now_us, &used);
    (void)runtime;
    if (total <= 0 || !model->has_vram || model->size <= 0 ||
        (double)model->vram > 0.97 * (double)model->size)
        return false;
    MLX_CLEANUP(mlx_free_p)
    char *rest = mlx_format_unit((double)(model->size - model->vram), MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *size = mlx_format_unit((double)model->size, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *card = mlx_format_unit(total, MLX_UNIT_BYTES);
    snprintf(out->summary, sizeof out->summary,
             "%s: %s of its %s are not on the GPU (of %s): their layers run on the processor",
             model->name, rest, size, card);
    snprintf(out->remedy, sizeof out->remedy,
             "take a smaller quantization or context (now %lld tokens), or unload other models: "
             "mlxctl status",
             (long long)model->context);
    out->value = (double)model->vram / (double)model->size;
    out->threshold = 0.97;
    return true;
}

static bool cpu_layers(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, beside_gpu);
}

static bool swapped(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                    const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    double rise = facts->swap_used - model->swap_at_load;
    double least = fmax(0.5 * gb, 0.05 * (double)model->size);
    if (!is_fresh(facts->memory_t, now_us) || !(rise > least))
        return false;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_format_unit(rise, MLX_UNIT_BYTES);
    snprintf(out->summary, sizeof out->summary,
             "swap grew by %s since %s was loaded, %lld minutes ago: memory is too small for it",
             text, model->name, (long long)((now_us - model->loaded_at) / MINUTE_US));
    say_unload(runtime, model, out->remedy, sizeof out->remedy);
    out->value = rise;
    out->threshold = least;
    return true;
}

static bool swapping(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, swapped);
}

static bool idle(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                 const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    double used, total = gpu_memory(facts, now_us, &used);
    int64_t since = now_us - model->used_at;
    bool goes = model->expires_at && model->expires_at - now_us < IDLE_MINUTES * MINUTE_US;
    if (total <= 0 || used < 0.8 * total || (double)model->vram < 0.2 * total || goes ||
        since < IDLE_MINUTES * MINUTE_US)
        return false;
    MLX_CLEANUP(mlx_free_p) char *held = mlx_format_unit((double)model->vram, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *card = mlx_format_unit(total, MLX_UNIT_BYTES);
    snprintf(out->summary, sizeof out->summary,
             "%s holds %s of %s of GPU memory and was not used for %lld minutes", model->name, held,
             card, (long long)(since / MINUTE_US));
    say_unload(runtime, model, out->remedy, sizeof out->remedy);
    out->value = (double)since / 1e6;
    out->threshold = IDLE_MINUTES * 60;
    return true;
}

static bool idle_model(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, idle);
}

/*  "org/Qwen3-8B-Q4_K_M.gguf" and "qwen3-8b-q4_k_m" are one; so is ":latest" and nothing. */
static void plain_name(const char *name, char *out, size_t size)
{
    const char *slash = strrchr(name, '/');
    snprintf(out, size, "%s", slash ? slash + 1 : name);
    static const char *const ends[] = {":latest", ".gguf"};
    for (size_t i = 0; i < MLX_COUNT(ends); i++) {
        size_t len = strlen(out), end = strlen(ends[i]);
        if (len > end && strcmp(out + len - end, ends[i]) == 0)
            out[len - end] = '\0';
    }
    for (char *c = out; *c; c++)
        *c = (char)tolower((unsigned char)*c);
}

static bool same_weights(const mlx_fact_model_t *a, const mlx_fact_model_t *b)
{
    char x[sizeof a->name], y[sizeof b->name];
    if (a->digest[0] && b->digest[0])
        return strcmp(a->digest, b->digest) == 0;
    plain_name(a->name, x, sizeof x);
    plain_name(b->name, y, sizeof y);
    return strcmp(x, y) == 0 && strcmp(a->quantization, b->quantization) == 0;
}

static bool twice(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                  const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    for (const mlx_fact_runtime_t *other = runtime + 1;
         other < facts->runtimes + facts->runtime_count; other++)
        for (size_t k = 0; is_fresh(other->t, now_us) && k < other->count; k++) {
            const mlx_fact_model_t *copy = &other->models[k];
            /* One server under two addresses tells one time of expiry. */
            bool one = model->expires_at && model->expires_at == copy->expires_at;
            if (one || !copy->loaded || copy->size <= 0 || !same_weights(model, copy))
                continue;
            MLX_CLEANUP(mlx_free_p)
            char *size = mlx_format_unit((double)copy->size, MLX_UNIT_BYTES);
            snprintf(out->summary, sizeof out->summary,
                     "%s is loaded twice, by %s and by %s: the second takes %s", model->name,
                     runtime->label, other->label, size);
            say_unload(other, copy, out->remedy, sizeof out->remedy);
            out->value = (double)copy->size;
            return true;
        }
    return false;
}

static bool two_copies(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, twice);
}

/* ---- loads and queues ---- */

/*  "4096 (curl)": a context that was asked for at load I, and who did. */
static void say_asked(const mlx_fact_model_t *model, size_t i, char *out, size_t size)
{
    bool known = model->askers[i][0];
    snprintf(out, size, "%lld%s%s%s", (long long)model->contexts[i], known ? " (" : "",
             model->askers[i], known ? ")" : "");
}

/*  The least and the greatest context that MODEL was loaded with in the past hour, each with its
 *  client where it is known; "" for one only. */
static void name_contexts(const mlx_fact_model_t *model, int64_t now_us, char *out, size_t size)
{
    size_t least = MLX_FACT_LOADS, most = MLX_FACT_LOADS;
    char low[64], high[64];
    out[0] = '\0';
    for (size_t i = 0; i < model->load_count && i < MLX_FACT_LOADS; i++) {
        if (now_us - model->loads[i] > HOUR_US || model->contexts[i] <= 0)
            continue;
        if (least == MLX_FACT_LOADS || model->contexts[i] < model->contexts[least])
            least = i;
        if (most == MLX_FACT_LOADS || model->contexts[i] > model->contexts[most])
            most = i;
    }
    if (least == MLX_FACT_LOADS || model->contexts[least] == model->contexts[most])
        return;
    say_asked(model, least, low, sizeof low);
    say_asked(model, most, high, sizeof high);
    snprintf(out, size, ": clients ask for contexts of %s and %s tokens", low, high);
}

static bool loaded_often(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                         const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    char contexts[200];
    int count = 0;
    (void)facts;
    for (size_t i = 0; i < model->load_count && i < MLX_FACT_LOADS; i++)
        count += now_us - model->loads[i] <= HOUR_US;
    if (count < LOADS_AN_HOUR)
        return false;
    name_contexts(model, now_us, contexts, sizeof contexts);
    snprintf(out->summary, sizeof out->summary, "%s was loaded %d times in an hour%s", model->name,
             count, contexts);
    if (contexts[0])
        snprintf(out->remedy, sizeof out->remedy, "set one context (num_ctx) for all clients of %s",
                 runtime->label);
    else
        snprintf(out->remedy, sizeof out->remedy,
                 "keep it loaded: OLLAMA_KEEP_ALIVE=1h, or keep_alive in the clients' requests");
    out->value = count;
    out->threshold = (int)LOADS_AN_HOUR;
    return true;
}

static bool reloaded(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, loaded_often);
}

static bool queueing(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    for (size_t i = 0; i < facts->runtime_count; i++) {
        const mlx_fact_runtime_t *runtime = &facts->runtimes[i];
        double longest = 0;
        int count = 0;
        for (size_t k = 0; k < runtime->wait_count && k < MLX_FACT_WAITS; k++) {
            if (now_us - runtime->waits[k].at > WAITS_MINUTES * MINUTE_US)
                continue;
            longest = fmax(longest, runtime->waits[k].waited_s);
            count++;
        }
        if (count < WAITS)
            continue;
        snprintf(out->subject, sizeof out->subject, "%s", runtime->topic);
        snprintf(out->summary, sizeof out->summary,
                 "%d requests to %s waited for their turn in %d minutes, up to %.1f s", count,
                 runtime->label, WAITS_MINUTES, longest);
        snprintf(out->remedy, sizeof out->remedy,
                 strcmp(runtime->kind, "ollama") == 0
                     ? "let it answer two at a time: OLLAMA_NUM_PARALLEL=2 ollama serve"
                     : "let it answer more at a time: llama-server -np 2");
        out->value = count;
        out->threshold = (int)WAITS;
        return true;
    }
    return false;
}

/* ---- heat and power ---- */

static bool any_busy(const mlx_facts_t *facts)
{
    for (size_t i = 0; i < facts->runtime_count; i++)
        if (facts->runtimes[i].busy)
            return true;
    return false;
}

/*  The words of NVIDIA's library, and those of the Linux drivers for AMD and Intel. */
static const char *const heat_words[] = {"thermal", "temperature", "hot"};
static const char *const power_words[] = {"power", "slowdown", "brake", "current"};

static bool says_any(const char *throttle, const char *const *words, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (strstr(throttle, words[i]))
            return true;
    return false;
}

static bool says_heat(const char *throttle)
{
    return says_any(throttle, heat_words, MLX_COUNT(heat_words));
}

static bool says_limit(const char *throttle)
{
    return says_heat(throttle) || says_any(throttle, power_words, MLX_COUNT(power_words));
}

static void say_cooling(const mlx_fact_gpu_t *gpu, mlx_finding_t *out)
{
    bool heat = says_heat(gpu->throttle);
    bool nvidia = !gpu->vendor[0] || strcmp(gpu->vendor, "nvidia") == 0;
    const char *more =
        nvidia ? heat ? "nvidia-smi -q -d PERFORMANCE" : "nvidia-smi -q -d POWER" : "mlxctl top";
    snprintf(out->remedy, sizeof out->remedy, "check its %s: %s", heat ? "cooling" : "power limit",
             more);
}

/*  In the words of macOS; "sleeping" is the worst: it is about to switch itself off. */
static bool is_hot(const char *state)
{
    static const char *const words[] = {"heavy", "trapping", "sleeping"};
    return *state && says_any(state, words, MLX_COUNT(words));
}

static bool hot_machine(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    const char *state = facts->thermal_state;
    if (!is_fresh(facts->heat_t, now_us) || !is_hot(state))
        return false;
    snprintf(out->subject, sizeof out->subject, "sensor.temperature");
    snprintf(out->summary, sizeof out->summary,
             "the machine is hot (%s): it runs slower until it has cooled down", state);
    snprintf(out->remedy, sizeof out->remedy,
             "let it cool: clear its vents, then watch mlxctl top");
    return true;
}

static bool throttled(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    if (!any_busy(facts))
        return false;
    for (size_t i = 0; i < facts->gpu_count; i++) {
        const mlx_fact_gpu_t *gpu = &facts->gpus[i];
        char celsius[32] = "", watts[64] = "";
        if (!is_fresh(gpu->t, now_us) || !says_limit(gpu->throttle))
            continue;
        if (!isnan(gpu->celsius))
            snprintf(celsius, sizeof celsius, ", %.0f degrees", gpu->celsius);
        if (!isnan(gpu->watts) && !isnan(gpu->watts_limit))
            snprintf(watts, sizeof watts, ", %.0f of %.0f W", gpu->watts, gpu->watts_limit);
        snprintf(out->subject, sizeof out->subject, "%s", gpu->topic);
        snprintf(out->summary, sizeof out->summary,
                 "GPU %s is throttled while it generates: %s%s%s",
                 gpu->topic + strlen("sensor.gpu."), gpu->throttle, celsius, watts);
        say_cooling(gpu, out);
        out->value = gpu->celsius;
        return true;
    }
    return hot_machine(facts, now_us, out);
}

/* ---- speed over time ---- */

static bool regression(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    const mlx_slower_t *slower = facts->slower;
    char when[32] = "";
    (void)now_us;
    if (!slower)
        return false;
    mlx_format_minute(slower->changed_us, when, sizeof when);
    snprintf(out->subject, sizeof out->subject, "%s%s", slower->topic, slower->model);
    MLX_CLEANUP(mlx_free_p)
    char *text = mlx_format(
        "%s (%s) generates %.0f %% slower (95 %%: %.0f to %.0f %%) since %s, when %s: %zu "
        "requests against %zu before",
        slower->model, slower->options, 100 * (1 - slower->loss.ratio),
        100 * (1 - slower->loss.high), 100 * (1 - slower->loss.low), when, slower->cause,
        slower->after, slower->before);
    snprintf(out->summary, sizeof out->summary, "%s", text);
    if (slower->back[0])
        snprintf(out->remedy, sizeof out->remedy,
                 "go back to %s, then confirm: mlxctl bench --compare", slower->back);
    else
        snprintf(out->remedy, sizeof out->remedy, "confirm: mlxctl bench --compare");
    out->value = slower->loss.ratio;
    out->threshold = 1;
    return true;
}

static const mlx_finding_rule_t rules[] = {
    {"prompt_truncated", 0, "a prompt fills its context to the last token", prompt_truncated},
    {"context_full", 0, "a request took nine tenths of its context", context_full},
    {"cpu_layers", 20, "part of a model is not on the GPU", cpu_layers},
    {"swapping", 20, "swap has grown since a model was loaded", swapping},
    {"throttled", 30, "heat or a power limit throttles the GPU under load", throttled},
    {"queueing", 0, "requests wait for their turn", queueing},
    {"reloaded", 0, "a model is loaded again and again", reloaded},
    {"idle_model", 60, "an unused model holds scarce GPU memory", idle_model},
    {"regression", 0, "an update made a model slower", regression},
    {"prompt_cache", 0, "a conversation is read again from an early token", mlx_finding_cache},
    {"slow_load", 0, "weights came slowly from the disk", mlx_finding_slow_load},
    {"slow_quantization", 0, "a smaller quantization generates more slowly than a bigger one",
     mlx_finding_quantization},
    {"old_server", 60, "a server is older than the fix of a known fault", mlx_finding_old_server},
    {"two_copies", 30, "two servers have loaded the same weights", two_copies},
};

const mlx_finding_rule_t *mlx_finding_rules(size_t *count)
{
    *count = MLX_COUNT(rules);
    return rules;
}
