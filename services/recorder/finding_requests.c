/*  Rules that are drawn from requests, and the one from a server's version. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/base/stats.h"
#include "common/base/units.h"
#include "finding_rules.h"

enum {
    AGAIN = 3, /* requests in a row */
    TALK_MINUTES = 10,
    LOAD_S = 10,
    RATES_MIN = 5,
    FIXES_PARTS = 3, /* of a version */
    CACHED_MIN = 16, /* fewer tokens than that are a chat's frame: nothing was kept */
};

/*  A solid-state disk on SATA reads 500 MB/s, a hard disk or a network half of that at best. */
static const double slow_disk = 250e6;

/*  A quantization that is smaller by that has less to read for each token, and should be faster. */
static const double smaller = 0.95, slower = 0.85;

/* ---- the prompt cache ---- */

static void say_cache(const mlx_fact_runtime_t *runtime, const mlx_fact_talk_t *talk,
                      mlx_finding_t *out)
{
    snprintf(out->subject, sizeof out->subject, "%s%s", runtime->topic, talk->model);
    snprintf(out->summary, sizeof out->summary,
             "%s: the prompt cache is broken at token %.0f: %d requests in a row of %s were read "
             "again from there, %.0f tokens that were known",
             talk->model, talk->cached, talk->broken, talk->client, talk->again);
    if (talk->cached >= (int)CACHED_MIN)
        snprintf(out->remedy, sizeof out->remedy,
                 "let %s put what changes (a date, an id, a list of tools) behind token %.0f, at "
                 "the end of the prompt: mlxctl requests --client %s",
                 talk->client, talk->cached, talk->client);
    else if (strcmp(runtime->kind, "ollama") == 0)
        snprintf(out->remedy, sizeof out->remedy,
                 "give each conversation a place: OLLAMA_NUM_PARALLEL=2 ollama serve");
    else
        snprintf(out->remedy, sizeof out->remedy,
                 "give each conversation a place: llama-server -np 2");
    out->value = talk->cached;
    out->threshold = talk->prompt_tokens / 2;
}

bool mlx_finding_cache(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    for (size_t i = 0; i < facts->runtime_count; i++)
        for (size_t k = 0; k < MLX_FACT_TALKS; k++) {
            const mlx_fact_talk_t *talk = &facts->runtimes[i].talks[k];
            if (talk->broken < AGAIN || now_us - talk->at > TALK_MINUTES * MINUTE_US)
                continue;
            say_cache(&facts->runtimes[i], talk, out);
            return true;
        }
    return false;
}

/* ---- loading ---- */

static bool came_slowly(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                        const mlx_fact_model_t *model, int64_t now_us, mlx_finding_t *out)
{
    double rate = model->load_s > 0 ? (double)model->size / model->load_s : INFINITY;
    (void)facts;
    if (model->size <= 0 || model->load_s < (int)LOAD_S || rate >= slow_disk ||
        now_us - model->loaded_at > HOUR_US)
        return false;
    MLX_CLEANUP(mlx_free_p) char *size = mlx_format_unit((double)model->size, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *speed = mlx_format_unit(rate, MLX_UNIT_BYTES_PER_SECOND);
    snprintf(out->summary, sizeof out->summary,
             "%s took %.0f s to load: %s at %s, where an SSD reads 500 MB/s and more", model->name,
             model->load_s, size, speed);
    snprintf(out->remedy, sizeof out->remedy,
             strcmp(runtime->kind, "ollama") == 0
                 ? "move its weights to a faster disk (OLLAMA_MODELS), or keep it loaded: "
                   "mlxctl pin %s"
                 : "move its weights to a faster disk (MLX_CACHE_DIR for mlx-cache), or keep %s "
                   "loaded",
             model->name);
    out->value = rate;
    out->threshold = slow_disk;
    return true;
}

bool mlx_finding_slow_load(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    return mlx_finding_model(facts, now_us, out, came_slowly);
}

/* ---- quantizations ---- */

static double median_of(const mlx_fact_kind_t *kind)
{
    size_t count = kind->count < MLX_FACT_RATES ? kind->count : MLX_FACT_RATES;
    return mlx_stats_summary(kind->rates, count).median;
}

/*  The quantization SMALL of a model is slower than BIG, which has more to read. */
static bool quantized_badly(const mlx_fact_kind_t *small, const mlx_fact_kind_t *big)
{
    return small->count >= RATES_MIN && big->count >= RATES_MIN &&
           strcmp(small->family, big->family) == 0 &&
           strcmp(small->parameters, big->parameters) == 0 &&
           strcmp(small->quantization, big->quantization) != 0 &&
           (double)small->size < smaller * (double)big->size &&
           median_of(small) < slower * median_of(big);
}

static void say_quantization(const mlx_fact_kind_t *small, const mlx_fact_kind_t *big,
                             mlx_finding_t *out)
{
    MLX_CLEANUP(mlx_free_p) char *less = mlx_format_unit((double)small->size, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *more = mlx_format_unit((double)big->size, MLX_UNIT_BYTES);
    snprintf(out->subject, sizeof out->subject, "%s", small->name);
    snprintf(out->summary, sizeof out->summary,
             "this GPU is slow at %s: %s makes %.1f tok/s with %s, %s %.1f with %s of the same "
             "%s %s",
             small->quantization, small->name, median_of(small), less, big->name, median_of(big),
             more, small->family, small->parameters);
    snprintf(out->remedy, sizeof out->remedy, "use %s, and prove it: mlxctl bench --suite %s %s",
             big->quantization, small->name, big->name);
    out->value = median_of(small);
    out->threshold = slower * median_of(big);
}

bool mlx_finding_quantization(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    for (size_t i = 0; i < MLX_FACT_KINDS; i++)
        for (size_t k = 0; k < MLX_FACT_KINDS; k++) {
            const mlx_fact_kind_t *small = &facts->kinds[i], *big = &facts->kinds[k];
            if (now_us - small->at > 24 * HOUR_US || !quantized_badly(small, big))
                continue;
            say_quantization(small, big, out);
            return true;
        }
    return false;
}

/* ---- versions ---- */

/*  The newest fault of each server that is known to be mended in a version. */
static const struct {
    const char *kind, *since; /* mended in that version */
    const char *fault, *remedy;
} fixes[] = {
    {"ollama", "0.17.1", "a crafted GGUF reads its memory (CVE-2026-7482)",
     "curl -fsSL https://ollama.com/install.sh | sh"},
    {"llamacpp", "b5662", "a crafted vocabulary overflows a buffer (CVE-2025-49847)",
     "brew upgrade llama.cpp, or a release from github.com/ggml-org/llama.cpp"},
    {"vllm", "0.8.5", "a stranger's message runs code (CVE-2025-32444)", "pip install -U vllm"},
};

/*  A build and a release are numbered apart: "b5662-abc" and "1.2.3". */
static bool same_scheme(const char *a, const char *b)
{
    return (*a == 'b') == (*b == 'b');
}

/*  "0.17.1-rc2" and "b5662-abc": the numbers. false: there are none, or only zeros. */
static bool numbers_of(const char *text, int version[FIXES_PARTS])
{
    const char *at = *text == 'b' || *text == 'v' ? text + 1 : text;
    long sum = 0;
    for (int i = 0; i < FIXES_PARTS; i++) {
        char *end;
        long number = strtol(at, &end, 10);
        if (end == at || number < 0 || number > 1000000000)
            number = 0;
        version[i] = (int)number;
        sum += number;
        at = *end == '.' ? end + 1 : "";
    }
    return sum > 0;
}

static bool older(const int a[FIXES_PARTS], const int b[FIXES_PARTS])
{
    for (int i = 0; i < FIXES_PARTS; i++)
        if (a[i] != b[i])
            return a[i] < b[i];
    return false;
}

bool mlx_finding_old_server(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out)
{
    for (size_t i = 0; i < facts->runtime_count * MLX_COUNT(fixes); i++) {
        const mlx_fact_runtime_t *runtime = &facts->runtimes[i / MLX_COUNT(fixes)];
        const size_t k = i % MLX_COUNT(fixes);
        int version[FIXES_PARTS], since[FIXES_PARTS];
        numbers_of(fixes[k].since, since);
        if (now_us - runtime->t > MLX_FACT_STALE_US || strcmp(runtime->kind, fixes[k].kind) != 0 ||
            !same_scheme(runtime->version, fixes[k].since) ||
            !numbers_of(runtime->version, version) || !older(version, since))
            continue;
        snprintf(out->subject, sizeof out->subject, "%s", runtime->topic);
        snprintf(out->summary, sizeof out->summary, "%s is %s, older than %s: %s", runtime->label,
                 runtime->version, fixes[k].since, fixes[k].fault);
        snprintf(out->remedy, sizeof out->remedy, "update it: %s", fixes[k].remedy);
        return true;
    }
    return false;
}
