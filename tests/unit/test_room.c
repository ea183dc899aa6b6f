/*  What the overview keeps of many and greedy sources, and when it forgets them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "common/base/json.h"
#include "common/view/overview.h"
#include "common/view/prompt_words.h"

static void hear(mlx_overview_t *overview, const char *src, const char *topic, mlx_value_t *d,
                 int64_t heard_us)
{
    mlx_message_t message = {.topic = (char *)(uintptr_t)topic,
                             .host = (char *)"h",
                             .src = (char *)(uintptr_t)src,
                             .boot = (char *)"b",
                             .seq = 1,
                             .t = heard_us,
                             .d = d};
    mlx_overview_hear(overview, &message, heard_us);
    mlx_value_destroy(&d);
}

/*  Who is gone is forgotten while others speak; when nobody does, it is the bus. */
static void who_is_gone_is_forgotten(void **state)
{
    mlx_overview_t *overview = mlx_overview_new("h");
    int64_t now_us = (int64_t)1000 * 1000000;
    (void)state;
    hear(overview, "visitor", "alert.v", mlx_value_map(), now_us);
    for (int second = 0; second < 50; second++)
        hear(overview, "bus", "service.bus.health", mlx_value_map(), now_us += 1000000);
    assert_true(mlx_overview_has(overview, "alert.v", "h"));
    now_us += (int64_t)600 * 1000000; /* nobody for ten minutes */
    hear(overview, "bus", "service.bus.health", mlx_value_map(), now_us);
    assert_true(mlx_overview_has(overview, "alert.v", "h"));
    for (int second = 0; second < 20; second++)
        hear(overview, "bus", "service.bus.health", mlx_value_map(), now_us += 1000000);
    assert_false(mlx_overview_has(overview, "alert.v", "h"));
    assert_true(mlx_overview_has(overview, "service.bus.health", "h"));
    mlx_overview_destroy(&overview);
}

static mlx_value_t *weighty(size_t bytes)
{
    mlx_value_t *d = mlx_value_map();
    MLX_CLEANUP(mlx_free_p) char *text = mlx_alloc(bytes + 1, 1);
    memset(text, 'x', bytes);
    mlx_value_set_str(d, "x", text);
    return d;
}

/*  The greediest source pays for what it says, not the others. */
static void what_is_kept_has_a_budget(void **state)
{
    mlx_overview_t *overview = mlx_overview_new("h");
    (void)state;
    hear(overview, "honest", "alert.honest", weighty(10), 1);
    for (int i = 0; i < 100; i++) {
        char topic[32];
        snprintf(topic, sizeof topic, "alert.g%d", i);
        hear(overview, "greedy", topic, weighty(1000000), 2);
    }
    assert_true(mlx_overview_has(overview, "alert.honest", "h"));
    assert_true(mlx_overview_has(overview, "alert.g99", "h"));
    assert_false(mlx_overview_has(overview, "alert.g0", "h"));
    mlx_value_t *all = mlx_overview_value(overview, 3);
    assert_true(mlx_value_footprint(all) < (size_t)34 << 20);
    mlx_value_destroy(&all);
    mlx_overview_destroy(&overview);
}

/*  The same words everywhere, and as much as is known. */
static void how_far_a_prompt_is_is_said_alike(void **state)
{
    static const struct {
        const char *json, *words;
    } cases[] = {
        {"{\"prompt_tokens\":2717,\"prompt_done\":1685,\"prompt_cached\":1024,"
         "\"prompt_tokens_per_second\":91.2,\"prompt_remaining\":10.4}",
         "prompt 62 % \u00b7 91 tok/s \u00b7 11 s left \u00b7 1,024 of 2,717 cached"},
        {"{\"prompt_done\":1536,\"prompt_tokens_per_second\":9.06}",
         "prompt 1,536 tokens \u00b7 9.1 tok/s"},
        {"{\"prompt_tokens\":100000,\"prompt_done\":99999,\"prompt_remaining\":600}",
         "prompt 99 % \u00b7 10 min left"},
        {"{\"prompt_done\":0,\"prompt_tokens_per_second\":0}", "prompt"},
        {"{\"tokens\":12}", NULL},
    };
    (void)state;
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        MLX_CLEANUP(mlx_value_destroy)
        mlx_value_t *request = mlx_json_parse(cases[i].json, strlen(cases[i].json), NULL);
        MLX_CLEANUP(mlx_free_p) char *words = mlx_prompt_words(request);
        if (cases[i].words)
            assert_string_equal(words, cases[i].words);
        else
            assert_null(words);
    }
    mlx_overview_t *overview = mlx_overview_new("vm");
    mlx_value_t *d = mlx_value_map();
    mlx_value_set_bool(d, "busy", true);
    mlx_value_set_str(d, "model", "m");
    mlx_value_append(mlx_value_set(d, "running", mlx_value_list()),
                     mlx_json_parse(cases[0].json, strlen(cases[0].json), NULL));
    mlx_message_t message = {.topic = (char *)"runtime.ollama.x.activity",
                             .host = "vm",
                             .src = "test",
                             .boot = "0",
                             .seq = 1,
                             .t = 1795000000000000,
                             .d = d};
    mlx_overview_put(overview, &message);
    mlx_value_destroy(&d);
    MLX_CLEANUP(mlx_value_destroy)
    mlx_value_t *headline = mlx_overview_headline_value(overview, 1795000000000000);
    assert_string_equal(mlx_value_str(headline, "prompt"), cases[0].words);
    assert_string_equal(mlx_value_str(mlx_value_at(mlx_value_get(headline, "work"), 0), "prompt"),
                        cases[0].words);
    mlx_overview_destroy(&overview);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_gone_is_forgotten),
        cmocka_unit_test(what_is_kept_has_a_budget),
        cmocka_unit_test(how_far_a_prompt_is_is_said_alike),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
