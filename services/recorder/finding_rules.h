/*  finding_rules.h - for the rules' own files: rules that stand in a file of their own, and helpers
 */
#ifndef MLX_RECORDER_FINDING_RULES_H
#define MLX_RECORDER_FINDING_RULES_H

#include "findings.h"

#define SECOND_US INT64_C(1000000)
#define MINUTE_US (60 * SECOND_US)
#define HOUR_US (60 * MINUTE_US)

typedef bool (*mlx_finding_model_fn)(const mlx_facts_t *facts, const mlx_fact_runtime_t *runtime,
                                     const mlx_fact_model_t *model, int64_t now_us,
                                     mlx_finding_t *out);

/*  The first loaded model of which FN says yes; it is the subject of OUT. */
bool mlx_finding_model(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out,
                       mlx_finding_model_fn fn);

/*  Rules that are drawn from requests, and from a server's version (finding_requests.c). */
bool mlx_finding_cache(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out);
bool mlx_finding_slow_load(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out);
bool mlx_finding_quantization(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out);
bool mlx_finding_old_server(const mlx_facts_t *facts, int64_t now_us, mlx_finding_t *out);

#endif
