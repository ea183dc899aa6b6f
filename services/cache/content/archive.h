/*  archive.h - the members of a zip or tar file, walked without trusting any of its figures
 *
 *  Members are read as what the archive's directory says of them, whatever their checksums or flags
 *  are: loaders do not look at those either.
 *
 *      if (mlx_archive_kind(&source) != MLX_ARCHIVE_NONE)
 *          mlx_archive_walk(&source, each, arg);
 */
#ifndef MLX_CACHE_CONTENT_ARCHIVE_H
#define MLX_CACHE_CONTENT_ARCHIVE_H

#include "services/cache/content/source.h"

typedef enum {
    MLX_ARCHIVE_NONE,
    MLX_ARCHIVE_ZIP,
    MLX_ARCHIVE_TAR,
} mlx_archive_t;

typedef struct {
    char name[256];      /* cut off where it is longer */
    mlx_source_t packed; /* its bytes as they lie there */
    bool deflated;
    bool unreadable; /* packed in another way */
} mlx_member_t;

/*  By what it begins with; a zip also by its end. */
mlx_archive_t mlx_archive_kind(const mlx_source_t *source);

/*  Call EACH for every member. 0, or -1 when the archive cannot be read whole. */
int mlx_archive_walk(const mlx_source_t *source,
                     void (*each)(void *arg, const mlx_member_t *member), void *arg);

/*  The first bytes of a deflated member, at most MAX; *ENDED: these are all. NULL when they are
 *  damaged. Caller owns them and must free them. */
char *mlx_member_inflate(const mlx_member_t *member, size_t max, size_t *len, bool *ended);

#endif
