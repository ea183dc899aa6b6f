#include "reasons.h"

#include <stdio.h>
#include <string.h>

#include "common/runtime/endpoint.h"

/*  What curl says, without the question that the reader knows. */
static void plain_error(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                        char *out, size_t cap)
{
    MLX_CLEANUP(mlx_free_p) char *known = mlx_format("GET %s%s: ", question->url, question->path);
    size_t skip = strncmp(reply->error.text, known, strlen(known)) ? 0 : strlen(known);
    snprintf(out, cap, "%.250s", reply->error.text + skip);
}

static void connection_reason(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                              char *out, size_t cap)
{
    switch (reply->fault) {
    case MLX_HTTP_FAULT_NO_HOST:
        snprintf(out, cap, "there is no host of that name");
        return;
    case MLX_HTTP_FAULT_UNANSWERED:
        snprintf(out, cap, "it closed the connection without an answer%s",
                 strncmp(question->url, "https:", 6) ? ", as servers of https do when asked by http"
                                                     : "");
        return;
    case MLX_HTTP_FAULT_NOT_HTTP:
        snprintf(out, cap, "what listens there does not speak HTTP");
        return;
    case MLX_HTTP_FAULT_NOT_TLS:
        snprintf(out, cap, "it does not speak TLS: give its URL as http://");
        return;
    default:
        if (reply->refused)
            snprintf(out, cap, "nothing is listening there");
        else
            plain_error(question, reply, out, cap);
    }
}

/*  "" when URL has none. Caller owns it. */
static char *origin_of(const char *url)
{
    const char *host = strstr(url, "://");
    return mlx_strndup(url, host ? (size_t)(host - url) + 3 + strcspn(host + 3, "/?#") : 0);
}

/*  Of where it sends people only scheme, host and port are shown: the rest may be anything. */
static void redirect_reason(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                            char *out, size_t cap)
{
    mlx_endpoint_t here, there;
    MLX_CLEANUP(mlx_free_p) char *asked = origin_of(question->url);
    MLX_CLEANUP(mlx_free_p) char *origin = origin_of(reply->location);
    bool known = *origin && !mlx_endpoint_parse(&there, origin, 80, NULL) &&
                 !mlx_endpoint_parse(&here, asked, 80, NULL);
    if (known && strcmp(here.url, there.url) != 0)
        snprintf(out, cap, "it redirects to %s (HTTP %ld): give that as its URL", there.url,
                 reply->status);
    else
        snprintf(out, cap, "it redirects to another page (HTTP %ld)", reply->status);
}

static bool tells_state(const mlx_reason_question_t *question)
{
    return question->backend && strcmp(question->path, question->backend->queries[0].path) == 0;
}

static void status_reason(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                          char *out, size_t cap)
{
    const char *cause =
        mlx_runtime_cause(question->backend, question->path, reply->status, reply->body);
    if (reply->status >= 300 && reply->status < 400)
        redirect_reason(question, reply, out, cap);
    else if (reply->status == 404 && tells_state(question))
        snprintf(out, cap, "it does not know %s (HTTP 404): no %s, or a version without that",
                 question->path, question->backend->kind);
    else if (cause)
        snprintf(out, cap, "%.250s", cause);
    else
        snprintf(out, cap, "HTTP %ld", reply->status);
}

bool mlx_reason_failed(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                       char *out, size_t cap)
{
    if (reply->refused || reply->error.code)
        connection_reason(question, reply, out, cap);
    else if (mlx_runtime_wants_key(question->backend, question->path, reply->status, reply->body))
        mlx_runtime_keys_advice(question->keys, question->url, out, cap);
    else if (reply->status != 200)
        status_reason(question, reply, out, cap);
    return reply->refused || reply->error.code || reply->status != 200;
}

void mlx_reason_misread(const mlx_reason_question_t *question, const mlx_http_reply_t *reply,
                        const mlx_error_t *err, char *out, size_t cap)
{
    const char *cause =
        mlx_runtime_cause(question->backend, question->path, reply->status, reply->body);
    if (cause)
        snprintf(out, cap, "%.250s", cause);
    else if (tells_state(question))
        snprintf(out, cap, "its answer to %s is not that of %s: %.200s", question->path,
                 question->backend->kind, err->text);
    else
        snprintf(out, cap, "not what was asked for: %.250s", err->text);
}
