/*  registry_reads.h - what the cache reads back from its registry, for fuzz targets
 *
 *  Each function reads rows of one kind as the cache does and panics when something was accepted
 *  that leads out of its folder. Nothing is changed on the disk: the cache is one whose gate
 *  refuses.
 *
 *      mlx_cache_t cache = mlx_reading_cache(db);
 *      mlx_read_models(&cache);
 */
#ifndef MLX_TESTS_FUZZ_REGISTRY_READS_H
#define MLX_TESTS_FUZZ_REGISTRY_READS_H

#include "services/cache/commands/internal.h"

mlx_cache_t mlx_reading_cache(mlx_db_t *db);

void mlx_read_models(mlx_cache_t *cache);
void mlx_read_hashes(mlx_cache_t *cache);
void mlx_read_journal(mlx_cache_t *cache); /* finished operations, then recovery of the others */
void mlx_read_report(mlx_cache_t *cache);

#endif
