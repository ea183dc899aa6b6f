/*  findings.h - what the content checks found in the files of one model
 *
 *  A list of {"file", "where", "text", "refused"}: refused is what could run code when the model is
 *  loaded, the rest is worth knowing. Names from inside files are made printable here.
 *
 *      mlx_risks_t found = {.list = mlx_value_list()};
 *      found.file = "pytorch_model.bin";
 *      mlx_found(&found, true, "archive/data.pkl", "imports %s", name);
 */
#ifndef MLX_CACHE_CONTENT_FINDINGS_H
#define MLX_CACHE_CONTENT_FINDINGS_H

#include "proto/value.h"

enum {
    MLX_FINDINGS_MAX = 32 /* listed; the rest is counted */
};

typedef struct {
    mlx_value_t *list;
    const char *file; /* borrowed: the one that is looked at */
    size_t refused;
    size_t count;
    char first
        [300]; /* the first that is refused, with its file: "a.bin (byte 2): imports os.system" */
} mlx_risks_t;

void mlx_found(mlx_risks_t *self, bool refused, const char *where, const char *fmt, ...)
    MLX_PRINTF(4, 5);

#endif
