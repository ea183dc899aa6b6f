/*  reserve.h - a little of the disk set aside for the time when it is full
 *
 *  To remove a model takes some bytes first, for the registry and its journal. Without them a full
 *  disk could not be freed.
 *
 *      mlx_reserve_use(home);    before the registry is opened: gives the bytes back when the disk
 *                                has less than them
 *      mlx_reserve_keep(home);   after it was closed: takes them again once there is enough
 *
 *  Both do what they can and say nothing: they are no part of what was asked for.
 */
#ifndef MLX_CACHE_STORE_RESERVE_H
#define MLX_CACHE_STORE_RESERVE_H

#include "services/cache/plan/fsops.h"

void mlx_reserve_use(const mlx_root_t *home);
void mlx_reserve_keep(const mlx_root_t *home);

#endif
