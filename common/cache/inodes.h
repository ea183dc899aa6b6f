/*  inodes.h - which names are the same bytes on the disk, and which apps use them
 *
 *  Made from a scan of the apps and a walk over the cache's own files. A group is one inode; groups
 *  that the file system says share their blocks have one leader. What a leader costs, it costs
 * once.
 *
 *      mlx_inodes_t *inodes = mlx_inodes_new(cache, scan, &err);
 *      for (size_t g = 0; g < inodes->group_count; g++) ...
 *      mlx_inodes_destroy(&inodes);
 */
#ifndef MLX_COMMON_CACHE_INODES_H
#define MLX_COMMON_CACHE_INODES_H

#include "common/cache/cache_internal.h"

typedef struct {
    mlx_identity_t id;
    const mlx_seen_t *seen;   /* NULL: a file of the cache itself */
    char sha256[MLX_HEX_MAX]; /* known or claimed; "" when neither */
    bool blob;                /* of the cache, under blobs/ */
    uint64_t disk_bytes;
} mlx_ref_t;

typedef struct {
    size_t first; /* its refs lie together */
    size_t count;
    uint64_t disk_bytes;
    bool in_cache; /* the cache has a name for it */
    unsigned apps; /* a bit for each adapter, in the order of mlx_adapters */
    size_t leader; /* for the leader of several groups, apps and in_cache are those of all */
} mlx_group_t;

typedef struct {
    mlx_ref_t *refs; /* in order of their inodes */
    size_t count;
    mlx_group_t *groups;
    size_t group_count;
    size_t *by_sha256; /* groups in order of their hash; those without one first */
} mlx_inodes_t;

/*  SCAN must outlive the result. */
mlx_inodes_t *mlx_inodes_new(mlx_cache_t *cache, const mlx_scan_t *scan, mlx_error_t *err);
void mlx_inodes_destroy(mlx_inodes_t **self);

/*  Index of the group of that inode, or SIZE_MAX. */
size_t mlx_inodes_find(const mlx_inodes_t *self, const mlx_identity_t *id);

/*  First ref's hash of a group, "" when none is known. */
const char *mlx_group_sha256(const mlx_inodes_t *self, const mlx_group_t *group);

/*  Bit of an adapter, by its name. */
unsigned mlx_app_bit(const char *app);

#endif
