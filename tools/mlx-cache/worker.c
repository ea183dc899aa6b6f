/*  mlx-cache-worker: the same table of arguments, whose commands are done here, not handed over. */
#define MLX_CACHE_WORKER
#include "main.c" /* NOLINT(bugprone-suspicious-include): one table, two programs */
