/*  prom_text.h - read the Prometheus text format that runtimes serve on /metrics
 *
 *  Format: prometheus.io "exposition formats", text 0.0.4, and the sample lines of OpenMetrics 1.0:
 *  NAME[{LABEL="VALUE",...}] VALUE [TIMESTAMP]. Comments and types are skipped: the caller knows
 *  which names it wants. Nothing is copied but one sample at a time, so that memory stays bounded
 *  whatever the body holds; a line that is none is counted and skipped.
 *
 *      size_t bad;
 *      mlx_prom_parse(body, body_len, on_sample, self, &bad);
 */
#ifndef MLX_COMMON_RUNTIME_PROM_TEXT_H
#define MLX_COMMON_RUNTIME_PROM_TEXT_H

#include "proto/base.h"

enum {
    MLX_PROM_NAME_MAX = 128,
    MLX_PROM_LABELS_MAX = 4096
};

typedef struct {
    char name[MLX_PROM_NAME_MAX];
    const char *labels; /* between the braces, escapes as they came; borrowed; see mlx_prom_label */
    size_t labels_len;
    double value; /* may be NaN or infinite */
} mlx_prom_sample_t;

typedef void (*mlx_prom_fn)(void *arg, const mlx_prom_sample_t *sample);

/*  Call FN for each sample of the LEN bytes of TEXT; returns their number. *BAD (may be NULL) is
 *  the number of lines that are neither sample, comment nor blank. */
size_t mlx_prom_parse(const char *text, size_t len, mlx_prom_fn fn, void *arg, size_t *bad);

/*  Value of label NAME without escapes into OUT (CAP bytes, cut if longer, terminated). False when
 *  the sample has no such label. */
bool mlx_prom_label(const mlx_prom_sample_t *sample, const char *name, char *out, size_t cap);

#endif
