/*  fuzz_range.c - four lines of a query: what is taken is within its bounds */
#include "services/gateway/range.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const int64_t now = 1764061200000000;
    MLX_CLEANUP(mlx_free_p) char *text = mlx_strndup(size ? (const char *)data : "", size);
    const char *parts[4] = {0};
    char *rest = text;
    for (size_t i = 0; i < MLX_COUNT(parts) && rest; i++)
        parts[i] = strsep(&rest, "\n");
    mlx_range_t range;
    mlx_error_t err = {0};
    if (mlx_range_parse(
            &range,
            &(mlx_range_text_t){
                .series = parts[0], .since = parts[1], .until = parts[2], .points = parts[3]},
            now, &err)) {
        if (err.code != MLX_ERR_USAGE || !err.text[0])
            mlx_panic("refused without a reason");
        return 0;
    }
    if (!range.series[0] || strlen(range.series) > MLX_RANGE_SERIES_MAX)
        mlx_panic("a series that is none");
    if (range.since_us >= range.until_us || range.points < 2 || range.points > MLX_RANGE_POINTS_MAX)
        mlx_panic("a range out of bounds");
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_range_args(&range);
    if (mlx_value_size(args) != 4)
        mlx_panic("not the arguments of history.query");
    return 0;
}
