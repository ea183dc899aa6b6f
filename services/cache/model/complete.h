/*  complete.h - is a set of files a whole model, or does it lack some that it names itself
 *
 *  What decides: the index of sharded weights, names of the form x-00001-of-00002, an ONNX graph's
 *  data files, and the hub
 *  client's own listing of a repository. Weights that are there in another form too lack nothing.
 *
 *      mlx_missing_t missing;
 *      if (mlx_complete_check(&(mlx_file_set_t){.names = names, .count = count, .read = read},
 *                             &missing))
 *          printf("%s\n", missing.text);
 */
#ifndef MLX_CACHE_MODEL_COMPLETE_H
#define MLX_CACHE_MODEL_COMPLETE_H

#include <stdbool.h>
#include <stddef.h>

typedef struct {
    const char *const *names; /* paths inside the model */
    size_t count;

    /*  The text of one of them, allocated, its length in *LEN; NULL: it cannot be read, and then
     *  says nothing. NULL: only the names are known. */
    char *(*read)(void *arg, const char *name, size_t *len);

    /*  Tells FN the path, inside the model, of every file in which the ONNX graph NAME keeps
     *  tensors. NULL: not known. */
    void (*each_data)(void *arg, const char *name, void (*fn)(void *to, const char *path),
                      void *to);
    void *arg;
    const char *listing; /* of the hub's client (trees/<commit>.json); NULL: none */
    size_t listing_len;
} mlx_file_set_t;

typedef struct {
    size_t count;   /* of missing files */
    char text[200]; /* "model-00002-of-00002.safetensors is missing"; "" when it is whole */
} mlx_missing_t;

/*  True when something is missing. */
bool mlx_complete_check(const mlx_file_set_t *set, mlx_missing_t *missing);

#endif
