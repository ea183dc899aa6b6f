/*  onnx.h - what an ONNX graph reaches outside of its own file: data files, foreign operators
 *
 *  A bounded walk over the protobuf's messages; tensors' bytes are passed over, never read. All
 *  places are looked at that may hold a tensor: initializers, sparse ones, attributes of nodes,
 *  graphs inside of nodes, functions, training graphs.
 *
 *      const mlx_onnx_visitor_t visitor = {.location = on_location, .arg = &list};
 *      if (mlx_onnx_walk(&source, &visitor) == MLX_ONNX_BROKEN)
 *          puts("no program will load it");
 */
#ifndef MLX_CACHE_CONTENT_ONNX_H
#define MLX_CACHE_CONTENT_ONNX_H

#include "services/cache/content/source.h"

typedef struct {
    /*  A tensor is kept in the file LOCATION, as the graph spells it; it may hold anything. */
    void (*location)(void *arg, const char *location);
    /*  A node's operator is of DOMAIN; "" is never told. NULL: not interested. */
    void (*domain)(void *arg, const char *domain);
    /*  The model brings functions of DOMAIN itself. NULL: not interested. */
    void (*own_domain)(void *arg, const char *domain);
    void *arg;
} mlx_onnx_visitor_t;

typedef enum {
    MLX_ONNX_WHOLE,
    MLX_ONNX_BROKEN, /* no such protobuf; what came before the fault was told */
    MLX_ONNX_TOO_BIG /* more parts, or deeper ones, than are looked at */
} mlx_onnx_end_t;

mlx_onnx_end_t mlx_onnx_walk(const mlx_source_t *source, const mlx_onnx_visitor_t *visitor);

/*  Where LOCATION in the graph NAME ("onnx/model.onnx") is inside the model: "onnx/weights.bin".
 *  Caller owns it; NULL when it is outside of the graph's folder, or is no path at all. */
char *mlx_onnx_data_path(const char *name, const char *location);

#endif
