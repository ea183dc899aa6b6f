#include "common/view/bench_words.h"

#include "proto/buf.h"

static bool mean_of(const mlx_value_t *map, double *mean)
{
    return mlx_value_real(mlx_value_get(map, "tokens_per_second"), "mean", mean);
}

static void put_point(mlx_buf_t *out, const mlx_value_t *point)
{
    const char *name = mlx_value_str(point, "name");
    double mean;
    if (mean_of(point, &mean) && name)
        mlx_buf_printf(out, "%s%.1f tok/s at %s", out->len ? ", " : "", mean, name);
}

/*  The first and the last point of a sweep. */
static void put_sweep(mlx_buf_t *out, const mlx_value_t *points)
{
    size_t count = mlx_value_size(points);
    if (count > 0)
        put_point(out, mlx_value_at(points, 0));
    if (count > 1)
        put_point(out, mlx_value_at(points, count - 1));
}

static void put_age(mlx_buf_t *out, int64_t age_us)
{
    static const struct {
        int64_t seconds;
        int64_t until; /* of them */
        const char *name;
    } table[] = {{60, 90, "min"}, {3600, 48, "h"}, {86400, INT64_MAX, "days"}};
    int64_t age = age_us / 1000000;
    for (size_t i = 0; age >= 0 && i < MLX_COUNT(table); i++)
        if (age / table[i].seconds < table[i].until) {
            mlx_buf_printf(out, ", %lld %s ago", (long long)(age / table[i].seconds),
                           table[i].name);
            return;
        }
}

char *mlx_bench_words(const mlx_value_t *result, int64_t now_us)
{
    mlx_buf_t out = {0};
    const char *model = mlx_value_str(result, "model");
    double mean;
    int64_t t;
    if (mean_of(result, &mean))
        mlx_buf_printf(&out, "%.1f tok/s", mean);
    else
        put_sweep(&out, mlx_value_get(result, "points"));
    if (out.len && model)
        mlx_buf_printf(&out, ", %s", model);
    if (out.len && mlx_value_int(result, "t", &t))
        put_age(&out, now_us - t);
    return out.len ? mlx_buf_take(&out) : NULL;
}
