/*  `mlx-cache fits`, and what add says of it. */
#include "cli.h"

#include "common/base/units.h"
#include "common/cli/term.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int read_load(const mlx_args_t *args, mlx_load_t *load, mlx_error_t *err)
{
    const char *context = mlx_args_value(args, "context"), *slots = mlx_args_value(args, "slots");
    load->cache = mlx_args_value(args, "cache-type");
    load->unified = true;
    if (context && cli_number(context, 1, MLX_LOAD_CONTEXT_MAX, &load->context, err))
        return -1;
    if (slots && cli_number(slots, 1, MLX_LOAD_SLOTS_MAX, &load->slots, err))
        return -1;
    return mlx_load_check(load, err);
}

void cli_tell_fits(mlx_cache_t *cache, const char *model)
{
    const mlx_load_t load = {.unified = true};
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *report = mlx_cache_fits_here(cache, model, &load, NULL);
    int64_t total = 0, available = 0, context = 0;
    bool fits = false;
    if (!mlx_value_int(report, "total", &total) || !mlx_value_bool(report, "fits", &fits) ||
        !mlx_value_int(report, "available", &available) ||
        !mlx_value_int(report, "context", &context))
        return; /* not known before the download */
    MLX_CLEANUP(mlx_free_p) char *needs = mlx_format_unit((double)total, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *spare = mlx_format_unit((double)available, MLX_UNIT_BYTES);
    MLX_CLEANUP(mlx_free_p) char *name = mlx_term_clean(model, 0);
    fprintf(stderr, "%s needs %s of memory at %lld tokens of context: %s, %s are free\n", name,
            needs, (long long)context, fits ? "fits" : "does not fit now", spare);
}

int cli_ask_fits(const mlx_args_t *args, mlx_cache_t *cache, mlx_value_t **report, mlx_error_t *err)
{
    mlx_load_t load = {0};
    if (read_load(args, &load, err))
        return -1;
    *report = mlx_cache_fits_here(cache, mlx_args_operand(args, 0), &load, err);
    bool fits = true;
    if (*report)
        mlx_value_bool(*report, "fits", &fits);
    return *report && fits ? 0 : -1;
}
