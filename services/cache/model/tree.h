/*  tree.h - the list of files of a hub repository, from the hub's tree API
 *
 *  `GET /api/models/{id}/tree/{rev}?recursive=true` answers pages of a JSON array; each page is
 *  added to one tree. A path that is not fit to be a file here is kept with its fault, so that a
 *  README with a strange name does no harm, and choosing it is an error.
 *
 *      mlx_tree_t *tree = mlx_tree_new();
 *      while (more pages) mlx_tree_add_page(tree, body, len, &err);
 *      mlx_tree_select_model(tree, &err);
 *      mlx_tree_destroy(&tree);
 */
#ifndef MLX_CACHE_MODEL_TREE_H
#define MLX_CACHE_MODEL_TREE_H

#include "services/cache/model/file.h"

typedef struct {
    mlx_model_file_t file; /* without the SHA-256 of small plain files: the hub has none */
    bool selected;
    bool left_out;   /* weights that are there in another form too */
    char fault[160]; /* why it cannot be taken; "" when it can */
} mlx_tree_file_t;

typedef struct {
    mlx_tree_file_t *files;
    size_t count;
} mlx_tree_t;

mlx_tree_t *mlx_tree_new(void);
void mlx_tree_destroy(mlx_tree_t **self);

/*  Add the files of one page; folders are passed over. */
int mlx_tree_add_page(mlx_tree_t *self, const char *json, size_t len, mlx_error_t *err);

/*  Select the files that match a pattern of INCLUDE (NULL: all) and none of EXCLUDE (may be NULL);
 *  both lists end with NULL. An error when nothing is left (not_found), a chosen file has a fault,
 *  or two of them would be one file here. */
int mlx_tree_select(mlx_tree_t *self, const char *const *include, const char *const *exclude,
                    mlx_error_t *err);

/*  Select the model: its weights, whatever their format, with what it needs beside them, also in
 *  folders. Of the same weights in several formats or precisions the one that most programs read is
 *  taken (safetensors first); the rest is marked left_out. An error that lists what is there
 *  (not_found) when there are no weights. */
int mlx_tree_select_model(mlx_tree_t *self, mlx_error_t *err);

/*  Are weights among the selected files; the same error when not. */
int mlx_tree_need_weights(const mlx_tree_t *self, mlx_error_t *err);

/*  The first names, for messages. Caller owns the string and must free it. */
char *mlx_tree_list(const mlx_tree_t *self);

/*  Select one quantisation of a GGUF repository: every shard of the file whose name holds QUANT
 *  (NULL: Q4_K_M, else Q8_0, else the first), case ignored, and its best mmproj companion. */
int mlx_tree_select_gguf(mlx_tree_t *self, const char *quant, mlx_error_t *err);

/*  Is it the part of a GGUF model that sees or hears (mmproj). */
bool mlx_tree_is_companion(const mlx_tree_file_t *file);

/*  Does the repository have safetensors, does it have GGUF files. */
bool mlx_tree_has(const mlx_tree_t *self, const char *pattern);

#endif
