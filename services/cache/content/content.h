/*  content.h - could a file of a model run code when the model is loaded, and what licence is it
 *
 *  Looked for: pickles that import more than tensors need (in torch's zip files, its old format,
 *  tar and nested archives), arrays of Python objects, Lambda layers of Keras, operations of
 *  TensorFlow that reach files or Python, tensors of ONNX that lie outside of the model, machine
 *  code, Python modules that a configuration asks for (auto_map), and chat templates that reach out
 *  of their sandbox. Nothing is executed; every size is bounded, and what cannot be looked at whole
 *  is a finding.
 *
 *      mlx_content_t content = {.names = names, .count = count, .found = {.list = list}};
 *      mlx_content_check(&content, "pytorch_model.bin", &source);
 */
#ifndef MLX_CACHE_CONTENT_CONTENT_H
#define MLX_CACHE_CONTENT_CONTENT_H

#include "services/cache/content/findings.h"
#include "services/cache/content/source.h"

/*  One model under inspection. */
typedef struct {
    const char *const *names; /* paths of all its files */
    size_t count;
    mlx_risks_t found;
    uint64_t inflated; /* bytes unpacked so far */
    char license[128]; /* "" until known */
    int license_rank;  /* how sure that is: a card beats a file's metadata beats a LICENSE file */
} mlx_content_t;

/*  Check the file NAME of the model. */
void mlx_content_check(mlx_content_t *self, const char *name, const mlx_source_t *source);

/*  The parts, by kind of file. */
void mlx_content_binary(mlx_content_t *self, const char *name, const mlx_source_t *source);
void mlx_content_config(mlx_content_t *self, const char *name, const mlx_source_t *source);
void mlx_content_gguf(mlx_content_t *self, const mlx_source_t *source);
void mlx_content_graph(mlx_content_t *self, const char *name, const mlx_source_t *source);
void mlx_content_license(mlx_content_t *self, const char *name, const mlx_source_t *source);

/*  A chat template of LEN bytes, called WHERE. */
void mlx_template_scan(const char *text, size_t len, const char *where, mlx_risks_t *found);

/*  Does NAME end with one of the words, which are separated by spaces; case does not matter. */
bool mlx_content_ends(const char *name, const char *words);

/*  Has the model a file of that path. */
bool mlx_content_has(const mlx_content_t *self, const char *path);

/*  The licence is TEXT, if nothing of a higher RANK said so before. */
void mlx_content_set_license(mlx_content_t *self, const char *text, size_t len, int rank);

#endif
