/*  inodes.h - which names are the same bytes on the disk, and which apps use them
 *
 *  Made from a scan of the apps and a walk over the cache's own files. A group is one inode; groups
 *  that are the same bytes on the disk (clones) have one leader. All sums count what the file
 *  system counts: each inode once, each extent once.
 *
 *      mlx_inodes_t *inodes = mlx_inodes_new(cache, scan, &err);
 *      for (size_t g = 0; g < inodes->group_count; g++) ...
 *      mlx_inodes_destroy(&inodes);
 */
#ifndef MLX_CACHE_STORE_INODES_H
#define MLX_CACHE_STORE_INODES_H

#include "services/cache/commands/internal.h"
#include "services/cache/plan/fsys.h"

typedef struct {
    mlx_identity_t id;
    const mlx_seen_t *seen;   /* NULL: a file of the cache itself */
    const char *view;         /* of the cache, under models/: its path there */
    char sha256[MLX_HEX_MAX]; /* known or claimed; "" when neither */
    bool blob;                /* of the cache, under blobs/ */
    uint64_t disk_bytes;
    uint64_t names; /* hard links, wherever they are */
} mlx_ref_t;

typedef struct {
    size_t first; /* its refs lie together */
    size_t count;
    uint64_t disk_bytes;
    mlx_runs_t runs;    /* where its bytes lie; none where nobody can say */
    uint64_t exclusive; /* bytes that it shares with no other inode */
    unsigned
        own_apps; /* a bit for each adapter that has this inode, in the order of mlx_adapters */
    size_t own_places; /* different files of apps that are this inode */
    bool outside;      /* it has names besides those that are known here: nothing frees it */

    size_t leader; /* what follows is, for the leader of several groups, of all of them */
    bool in_cache; /* the cache has a name for it */
    unsigned apps;
    size_t places;
    uint64_t cache_only; /* bytes that only the cache holds: removing all of it frees them */

    /*  Of every group with this content wherever it lies, on other devices and as copies too. */
    bool content_in_cache;
    unsigned content_apps;
} mlx_group_t;

typedef struct {
    mlx_ref_t *refs; /* in order of their inodes */
    size_t count;
    mlx_group_t *groups;
    size_t group_count;
    size_t *by_sha256; /* groups in order of their hash; those without one first */
    uint64_t total;    /* bytes on the disk */
    uint64_t saved;    /* bytes that the apps' files would need more if none of them shared */
    mlx_scan_t *views;
} mlx_inodes_t;

/*  SCAN must outlive the result. */
mlx_inodes_t *mlx_inodes_new(mlx_cache_t *cache, const mlx_scan_t *scan, mlx_error_t *err);
void mlx_inodes_destroy(mlx_inodes_t **self);

/*  Index of the group of that inode, or SIZE_MAX. */
size_t mlx_inodes_find(const mlx_inodes_t *self, const mlx_identity_t *id);

/*  Bytes on the disk as far as they can be freed by removing what is known here. */
uint64_t mlx_inodes_freeable(const mlx_inodes_t *self);

/*  Bytes that the disk would hold without the groups that are true in GONE. */
uint64_t mlx_inodes_without(const mlx_inodes_t *self, const bool *gone);

/*  Hash of a group, "" when none is known. */
const char *mlx_group_sha256(const mlx_inodes_t *self, const mlx_group_t *group);

/*  Bit of an adapter, by its name. */
unsigned mlx_app_bit(const char *app);

/*  The sums (inodes_sum.c): fill exclusive, cache_only, total and saved. */
void mlx_inodes_sum(mlx_inodes_t *self);

#endif
