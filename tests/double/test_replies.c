/*  What the double says is what the real server said: every recording, byte for byte, but for the
 *  clock and what was measured.
 */
#include "proto/base.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/base/file.h"
#include "tests/double/play.h"

static const char DIR[] = "tests/fixtures/ollama/";

static char *load(const char *name, const char *suffix)
{
    char path[256];
    size_t len = 0;
    mlx_error_t err = {0};
    snprintf(path, sizeof(path), "%s%s%s", DIR, name, suffix);
    char *text = mlx_file_read(path, 1 << 20, &len, &err);
    if (!text)
        fail_msg("%s", err.text);
    return text;
}

/*  TEXT with the value after each KEY, up to a character of STOP, cut out. */
static char *without(char *text, const char *key, const char *stop)
{
    mlx_buf_t out = {0};
    const char *at = text;
    const char *hit;
    while ((hit = strstr(at, key))) {
        hit += strlen(key);
        mlx_buf_append(&out, at, (size_t)(hit - at));
        at = hit + strcspn(hit, stop);
    }
    mlx_buf_puts(&out, at);
    free(text);
    return mlx_buf_take(&out);
}

/*  What differs from run to run, cut out. */
static char *timeless(char *text)
{
    static const char *const CUTS[][2] = {
        {"\"created_at\":\"", "\""},  {"_duration\":", ",}"}, {"\"expires_at\":\"", "\""},
        {"\"id\":\"chatcmpl-", "\""}, {"\"created\":", ",}"}, {"Date: ", "\r"},
    };
    for (size_t i = 0; i < MLX_COUNT(CUTS); i++)
        text = without(text, CUTS[i][0], CUTS[i][1]);
    return text;
}

static void replay(const mlx_play_t *play, const char *name, const char *suffix, bool exact)
{
    char method[16];
    char path[64];
    char *request = load(name, ".request");
    char *body = strstr(request, "\n\n");
    assert_int_equal(sscanf(request, "%15s %63s", method, path), 2);
    body = body ? body + 2 : request + strlen(request);
    body[strcspn(body, "\n")] = '\0';

    mlx_play_reply_t reply = mlx_play_fetch(play, method, path, body);
    char *recorded = load(name, suffix);
    if (exact) {
        assert_string_equal(mlx_buf_str(&reply.body), recorded);
    } else {
        char *said = timeless(mlx_buf_take(&reply.body));
        recorded = timeless(recorded);
        assert_string_equal(said, recorded);
        free(said);
    }
    char *recorded_head = timeless(load(name, ".headers"));
    recorded_head[strlen(recorded_head) - 2] = '\0';
    char *said_head = timeless(mlx_buf_take(&reply.head));
    char *close = strstr(said_head, "Connection: close\r\n");
    assert_non_null(close);
    *close = '\0';
    /* A body that the clock makes longer or shorter has another length. */
    if (!exact) {
        recorded_head = without(recorded_head, "Content-Length: ", "\r");
        said_head = without(said_head, "Content-Length: ", "\r");
    }
    assert_string_equal(said_head, recorded_head);
    free(said_head);
    free(recorded_head);
    free(recorded);
    free(request);
    mlx_play_free(&reply);
}

static void test_recordings(void **state)
{
    mlx_play_t *play = mlx_play_new((const char *[]){"--rate", "5000", "--load-ms", "0", NULL});
    (void)state;
    replay(play, "version", ".json", true);
    replay(play, "tags", ".json", true);
    replay(play, "show", ".json", true);
    replay(play, "ps-idle", ".json", true);
    replay(play, "load-only", ".json", false);
    replay(play, "ps-loaded", ".json", false);
    replay(play, "generate-stream", ".ndjson", false);
    replay(play, "generate-nonstream", ".json", false);
    replay(play, "chat-stream", ".ndjson", false);
    replay(play, "chat-nonstream", ".json", false);
    replay(play, "v1-models", ".json", true);
    replay(play, "v1-chat-stream", ".sse", false);
    replay(play, "v1-chat-stream-usage", ".sse", false);
    replay(play, "err-unknown-model-generate", ".json", true);
    replay(play, "err-bad-json", ".json", true);
    replay(play, "err-missing-model", ".json", true);
    replay(play, "unload", ".json", false);
    replay(play, "ps-idle", ".json", true);
    mlx_play_destroy(&play);
}

static void test_other_models(void **state)
{
    mlx_play_t *play =
        mlx_play_new((const char *[]){"--model", "demo:8b", "--model", "tiny-random", NULL});
    (void)state;
    mlx_value_t *tags = mlx_play_json(mlx_play_port(play), "GET", "/api/tags", NULL);
    const mlx_value_t *list = mlx_value_get(tags, "models");
    assert_int_equal(mlx_value_size(list), 2);
    const mlx_value_t *demo = mlx_value_at(list, 0);
    assert_string_equal(mlx_value_str(demo, "name"), "demo:8b");
    assert_string_equal(mlx_value_str(mlx_value_get(demo, "details"), "parameter_size"), "8.0B");
    assert_string_equal(mlx_value_str(mlx_value_at(list, 1), "digest"),
                        "7338d06a0c1c4df9622f7675b1aa413ccfd75a9668bfa57fa3db68bbdf366835");
    mlx_value_destroy(&tags);
    mlx_play_destroy(&play);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_recordings),
        cmocka_unit_test(test_other_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
