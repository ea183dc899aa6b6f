/*  OLLAMA_HOST in every form that Ollama itself takes, and addresses that are none. */
#include "common/runtime/endpoint.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define OLLAMA_PORT 11434

static void accepts_what_ollama_accepts(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *url;
        const char *segment;
    } cases[] = {
        {NULL, "http://127.0.0.1:11434", "127_0_0_1-11434"},
        {"", "http://127.0.0.1:11434", "127_0_0_1-11434"},
        {"  \"10.1.2.3\" ", "http://10.1.2.3:11434", "10_1_2_3-11434"},
        {"0.0.0.0", "http://127.0.0.1:11434", "127_0_0_1-11434"},
        {"0.0.0.0:8080", "http://127.0.0.1:8080", "127_0_0_1-8080"},
        {":8080", "http://127.0.0.1:8080", "127_0_0_1-8080"},
        {"http://0.0.0.0:11434/", "http://127.0.0.1:11434", "127_0_0_1-11434"},
        {"http://host", "http://host:80", "host-80"},
        {"https://Host.Example", "https://host.example:443", "host_example-443"},
        {"https://host.example:1/a/b//", "https://host.example:1/a/b", "host_example-1"},
        {"host/ollama", "http://host:11434/ollama", "host-11434"},
        {"[::]:9", "http://[::1]:9", "__1-9"},
        {"::1", "http://[::1]:11434", "__1-11434"},
        {"[fe80::1]", "http://[fe80::1]:11434", "fe80__1-11434"},
        {"HTTP://a", "http://a:80", "a-80"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_endpoint_t at;
        mlx_error_t err = {0};
        if (mlx_endpoint_parse(&at, cases[i].text, OLLAMA_PORT, &err))
            fail_msg("%s: %s", cases[i].text, err.text);
        assert_string_equal(at.url, cases[i].url);
        assert_string_equal(at.segment, cases[i].segment);
    }
}

static void refuses_what_is_no_address(void **state)
{
    (void)state;
    char long_host[300];
    memset(long_host, 'a', sizeof long_host - 1);
    long_host[sizeof long_host - 1] = '\0';
    const char *const cases[] = {"ftp://x",    "host:0",      "host:65536", "host:",     "host:12x",
                                 "a b",        "host/a b",    "host/?q",    "user@host", "a\nb",
                                 "host/\x01p", "http://h:-1", long_host};
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        mlx_endpoint_t at;
        mlx_error_t err = {0};
        if (mlx_endpoint_parse(&at, cases[i], OLLAMA_PORT, &err) == 0)
            fail_msg("taken for an address: %s", cases[i]);
        assert_int_equal(err.code, MLX_ERR_USAGE);
        assert_true(err.text[0] && err.hint[0]);
    }
}

static void keeps_a_topic_segment_short(void **state)
{
    (void)state;
    char host[120];
    memset(host, 'h', sizeof host - 1);
    host[sizeof host - 1] = '\0';
    mlx_endpoint_t at;
    assert_int_equal(mlx_endpoint_parse(&at, host, OLLAMA_PORT, NULL), 0);
    assert_int_equal(strlen(at.segment), 64);
    assert_string_equal(at.segment + 58, "-11434");
}

static void knows_the_same_place(void **state)
{
    (void)state;
    mlx_endpoint_t a;
    mlx_endpoint_t b;
    mlx_endpoint_parse(&a, "localhost", OLLAMA_PORT, NULL);
    mlx_endpoint_parse(&b, "0.0.0.0", OLLAMA_PORT, NULL);
    assert_true(mlx_endpoint_same(&a, &b));
    assert_true(mlx_endpoint_local(&a) && mlx_endpoint_local(&b));
    mlx_endpoint_parse(&b, "127.0.0.1:1", OLLAMA_PORT, NULL);
    assert_false(mlx_endpoint_same(&a, &b));
    mlx_endpoint_parse(&b, "10.0.0.1", OLLAMA_PORT, NULL);
    assert_false(mlx_endpoint_local(&b));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_what_ollama_accepts),
        cmocka_unit_test(refuses_what_is_no_address),
        cmocka_unit_test(keeps_a_topic_segment_short),
        cmocka_unit_test(knows_the_same_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
