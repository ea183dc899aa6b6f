/*  support.h - what the tests of the tap share: cutting a stream into pieces, recorded exchanges */
#ifndef MLX_TESTS_TAP_SUPPORT_H
#define MLX_TESTS_TAP_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "proto/buf.h"

/*  Where to cut: all zero for nowhere; otherwise the first that is set decides. */
typedef struct {
    const char *name;
    size_t first;  /* one cut, after this many bytes */
    size_t piece;  /* pieces of this size */
    uint64_t seed; /* pieces of 1..64 bytes, drawn from this seed */
} cut_plan_t;

typedef void (*feed_fn)(void *arg, const char *data, size_t len);

/*  Give DATA to FN piece by piece, each in memory of its own so that a sanitizer sees overruns. */
void feed_cut(const cut_plan_t *plan, const char *data, size_t len, feed_fn fn, void *arg);

/*  The next number of a small generator; SEED must not be 0. */
uint64_t draw(uint64_t *seed);

/*  A recorded exchange under tests/fixtures/ollama. */
typedef struct {
    const char *name;
    const char *suffix; /* of the body: json, ndjson, sse */
    int status;
    const char *type;
    bool chunked;
} fixture_t;

extern const fixture_t fixtures[]; /* ends with a NULL name */
const fixture_t *fixture(const char *name);

void fixture_body(const fixture_t *f, mlx_buf_t *out);

/*  The reply as it was on the wire, in chunks of CHUNK bytes when it was chunked. */
void fixture_reply(const fixture_t *f, size_t chunk, mlx_buf_t *out);

/*  The request as a client would send it, and its body alone. */
void fixture_request_body(const fixture_t *f, mlx_buf_t *out);
void fixture_request(const fixture_t *f, mlx_buf_t *out);

#endif
