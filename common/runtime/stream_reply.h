/*  stream_reply.h - what one JSON object of a model's reply says, whatever the API
 *
 *  A reply is one object (not streamed), lines of objects (NDJSON) or events with one object each
 *  (SSE). Every API names things differently; this is the only place that knows the names.
 *
 *      const mlx_stream_api_t *api = mlx_stream_api("/api/chat");
 *      mlx_stream_event_t event;
 *      mlx_stream_read(api, object, &event);
 *
 *  Sources: recorded replies of Ollama 0.32.15 (tests/fixtures/ollama); the API references of
 *  OpenAI (chat completions, completions, responses), Anthropic (messages) and llama-server
 *  (completion, timings).
 */
#ifndef MLX_COMMON_RUNTIME_STREAM_REPLY_H
#define MLX_COMMON_RUNTIME_STREAM_REPLY_H

#include "proto/value.h"

/*  One API call that a model works on: it generates text, or embeddings and ranks from text. */
typedef struct mlx_stream_api mlx_stream_api_t;

/*  What is absent is NULL, -1 or NaN. Strings are borrowed from the object. */
typedef struct {
    const char *model;
    bool text;   /* carries generated text: an answer, thinking, a tool call */
    bool thinks; /* of that only thinking */
    bool failed; /* carries an error */
    bool ended;  /* says that the reply is at its end */
    int64_t prompt_tokens;
    int64_t whole_prompt;     /* the same with what was found in a cache */
    int64_t generated_tokens; /* by the server's own count, up to and with this object */
    int64_t cached_tokens;    /* of the prompt, that the server had from before */
    int64_t draft_tokens;     /* proposed by a draft model (speculative decoding) */
    int64_t draft_accepted;   /* and taken */
    int64_t thinking_tokens;  /* of those generated; the server's count */
    int64_t progress_total;   /* while the prompt is read: its tokens */
    int64_t progress_done;    /* of these, those that are read or were cached */
    double progress_s;        /* time the server has spent on it so far */
    double prompt_s;          /* time the server spent on the prompt */
    double generation_s;      /* and on the generated tokens */
    double load_s;
    double total_s;
    const char *done_reason;
} mlx_stream_event_t;

/*  The API behind the request path PATH ("" included), or NULL when no model works on it. A path
 *  may have a prefix: servers are mounted under one behind a proxy. */
const mlx_stream_api_t *mlx_stream_api(const char *path);

/*  Short name: "generate", "chat", "chat_completions", "completions", "responses", "messages",
 *  "embeddings", "rerank". */
const char *mlx_stream_api_name(const mlx_stream_api_t *api);

/*  Read OBJECT (any value; what is not an object says nothing) into *OUT. */
void mlx_stream_read(const mlx_stream_api_t *api, const mlx_value_t *object,
                     mlx_stream_event_t *out);

#endif
