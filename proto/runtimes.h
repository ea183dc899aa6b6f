/*  runtimes.h - the kinds of model server that the suite knows, one line each
 *
 *  A kind is one file, common/runtime/kind_<name>.c, which defines mlx_runtime_<name>, and its line
 *  here. The words of the configuration, the texts of the catalogue and the table of back ends are
 *  made from this list; its order is that in which an unknown server is offered to them.
 */
#ifndef MLX_PROTO_RUNTIMES_H
#define MLX_PROTO_RUNTIMES_H

/* clang-format off */
#define MLX_RUNTIME_KINDS(X)                                                                       \
    X(dmr)                                                                                         \
    X(koboldcpp)                                                                                   \
    X(localai)                                                                                     \
    X(ollama)                                                                                      \
    X(lmstudio)                                                                                    \
    X(textgen)                                                                                     \
    X(jan)                                                                                         \
    X(llamacpp)                                                                                    \
    X(llamafile)                                                                                   \
    X(vllm)                                                                                        \
    X(sglang)                                                                                      \
    X(llamaswap)                                                                                   \
    X(omlx)                                                                                        \
    X(litertlm)                                                                                    \
    X(mlxlm)                                                                                       \
    X(openai)
/* clang-format on */

/*  For lists of their names: "|ollama|llamacpp...", " ollama llamacpp...". */
#define MLX_RUNTIME_WORD_BAR(kind) "|" #kind
#define MLX_RUNTIME_WORD_BLANK(kind) " " #kind

#endif
