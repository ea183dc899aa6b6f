/*  reference.h - what a person means by the name of a model
 *
 *      "org/name", "org/name:QUANT", "org/name@revision"           a repository of the hub
 *      "hf.co/org/name:QUANT", "hf://org/name@revision",
 *      "https://huggingface.co/org/name/tree/REV/folder", ".../blob/REV/file.gguf",
 *      "org/name/file.gguf", "hf://org/name@revision/file.gguf"
 *      "name:tag", "user/name:tag", "https://ollama.com/library/name"
 *                                                                  a model of Ollama's registry
 *      "oci://host/name:tag"                                       an artifact in an OCI registry
 *      "./file.gguf", "/folder", "file.gguf" (where it is here)    a path
 *
 *  "org/name" is the hub's even where the working directory has such a folder: "./org/name" is
 *  that.
 *
 *      mlx_reference_t reference;
 *      if (mlx_reference_parse("hf://org/name@v1:Q8_0", NULL, &reference, &err) == 0)
 *          puts(reference.repo);
 *      mlx_reference_clear(&reference);
 */
#ifndef MLX_CACHE_MODEL_REFERENCE_H
#define MLX_CACHE_MODEL_REFERENCE_H

#include "proto/error.h"

#include <stdbool.h>

typedef enum {
    MLX_REFERENCE_PATH,
    MLX_REFERENCE_HUB,
    MLX_REFERENCE_OCI,
    MLX_REFERENCE_OLLAMA,
} mlx_reference_kind_t;

typedef struct {
    mlx_reference_kind_t kind;
    bool or_ollama; /* "user/name:Q4_0" may be a model of Ollama's registry as well */
    char *repo;     /* of the hub */
    char *quant;    /* a quantisation or a GGUF file's path; NULL: none was named */
    char *revision; /* NULL: none was named */
    char *folder;   /* of a page of one folder; NULL: the whole repository */
    char *ollama;   /* name of the model whose page TEXT is; NULL: TEXT is the name */
} mlx_reference_t;

/*  ENDPOINT: the hub's address beside huggingface.co (HF_ENDPOINT; NULL: none). Code usage when
 *  TEXT is a URL of something else, or a data set, a space or a kernel. */
int mlx_reference_parse(const char *text, const char *endpoint, mlx_reference_t *self,
                        mlx_error_t *err);
void mlx_reference_clear(mlx_reference_t *self);

/*  The quantisation that a file's name tells ("Q4_K_M", "IQ2_XXS", "BF16", "UD-Q4_K_XL"), as it is
 *  written there. Caller owns it; NULL when there is none. */
char *mlx_reference_quant_of(const char *path);

/*  Is WORD a quantisation as a whole. */
bool mlx_reference_is_quant(const char *word);

#endif
