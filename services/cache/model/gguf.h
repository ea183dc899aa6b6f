/*  gguf.h - is this a complete GGUF file, and what model is in it? Streamed, nothing trusted
 *
 *  Format (ggml/docs/gguf.md): magic "GGUF", u32 version 2 or 3, u64 tensor and key counts, typed
 *  key-values, tensor infos, padding to the alignment, data. Checked: every count against the bytes
 *  that are left, every string and array length, dimensions, alignment, and that each tensor ends
 *  inside the file. Vocabulary arrays make headers of several MB: they are walked, not kept.
 *
 *      mlx_gguf_t info;
 *      if (mlx_gguf_check(fd, size, &info, &err) == 0)
 *          printf("%s %s\n", info.architecture, mlx_gguf_quant(info.file_type));
 */
#ifndef MLX_CACHE_MODEL_GGUF_H
#define MLX_CACHE_MODEL_GGUF_H

#include "proto/error.h"

/*  What is absent in the file is "" or -1. */
typedef struct {
    uint32_t version;
    uint64_t tensors;
    uint64_t parameters;    /* sum over the tensors' shapes */
    uint64_t unknown_types; /* tensors of a ggml type not known here: only their start is checked */
    uint64_t header_bytes;  /* where the data starts */
    char architecture[64];
    char name[128];
    char size_label[32];
    int64_t file_type; /* see mlx_gguf_quant */
    int64_t context_length;
    int64_t embedding_length;
    int64_t block_count;
    int64_t split_no; /* this shard, from 0 */
    int64_t split_count;
    bool chat_template; /* the file brings its own */
} mlx_gguf_t;

/*  Check the file of SIZE bytes open as FD. 0, or -1 with code failed and what is wrong. */
int mlx_gguf_check(int fd, uint64_t size, mlx_gguf_t *info, mlx_error_t *err);

/*  What is told while a header is read; members may be NULL. Of an array of numbers its first
 *  MLX_GGUF_ELEMENTS; of a text its first MLX_GGUF_TEXT bytes and its whole length. KEY and NAME
 *  are "" when they are too long to be one of those that mean something. */
enum {
    MLX_GGUF_ELEMENTS = 1024,
    MLX_GGUF_TEXT = 1024 * 1024
};

typedef struct {
    void (*number)(void *arg, const char *key, size_t index, int64_t value); /* and booleans */
    void (*length)(void *arg, const char *key, uint64_t count);              /* of an array */
    void (*tensor)(void *arg, const char *name, uint64_t bytes);
    void (*text)(void *arg, const char *key, const char *text, size_t kept, uint64_t len);
    void *arg;
} mlx_gguf_visitor_t;

/*  Check as mlx_gguf_check does, in MEMORY (the first LEN bytes, the whole header among them) where
 *  that is not NULL, and tell VISITOR (NULL: nobody). */
int mlx_gguf_visit(int fd, const void *memory, size_t len, uint64_t size,
                   const mlx_gguf_visitor_t *visitor, mlx_gguf_t *info, mlx_error_t *err);

/*  "Q4_K_M" for general.file_type 15 and so on; "unknown" for what is not in the table. */
const char *mlx_gguf_quant(int64_t file_type);

#endif
