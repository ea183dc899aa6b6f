/*  The last values that the broker keeps, without a broker. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <string.h>

#include "services/bus/retained.h"

static bool any_topic(const char *topic)
{
    return topic[0] != '\0';
}

static bool count_value(void *arg, const char *topic, mlx_span_t body)
{
    (void)topic;
    (void)body;
    ++*(size_t *)arg;
    return true;
}

static void put(mlx_retained_t *kept, const char *text, const mlx_retained_from_t *from,
                int64_t now_us)
{
    mlx_span_t topic = {.data = text, .len = strlen(text)}, body = {.data = "x", .len = 1};
    mlx_retained_put(kept, mlx_retained_known(kept, topic, from), topic, from, body, now_us);
}

/*  What a run published that has ended goes when its time is over, though another run of the same
 *  program lives. */
static void values_go_with_their_run(void **state)
{
    (void)state;
    mlx_retained_from_t from = {.host = {.data = "vm", .len = 2},
                                .src = {.data = "s", .len = 1},
                                .boot = {.data = "0001", .len = 4}};
    mlx_retained_t *kept = mlx_retained_new(any_topic, (mlx_retained_budget_t){0});
    size_t count = 0;
    uint64_t cursor = 0;
    put(kept, "a", &from, 0);
    put(kept, "b", &from, 0);
    from.boot.data = "0002";
    put(kept, "a", &from, 100);
    mlx_retained_expire(kept, 50);
    mlx_retained_each(kept, "", 0, &cursor, count_value, &count);
    assert_int_equal(count, 1);
    mlx_retained_destroy(&kept);
}

#define SPAN(text)                                                                                 \
    {                                                                                              \
        .data = (text), .len = sizeof(text) - 1                                                    \
    }

/*  Names that were checked once are not checked again; those that only look the same are. */
static void only_the_same_names_are_known(void **state)
{
    (void)state;
    static const struct {
        mlx_span_t topic;
        mlx_retained_from_t from;
        bool known;
    } rows[] = {
        {SPAN("a.b"), {SPAN("vm"), SPAN("s"), SPAN("0001"), 0}, true},
        {SPAN("a.b\0\x1b[2J"), {SPAN("vm"), SPAN("s"), SPAN("0001"), 0}, false},
        {SPAN("a.b"), {SPAN("vm"), SPAN("s\0"), SPAN("0001"), 0}, false},
        {SPAN("a.b"), {SPAN("vm"), SPAN("s"), SPAN("0001\0"), 0}, false},
        {SPAN("a.b"), {SPAN("vm"), SPAN("t"), SPAN("0001"), 0}, false},
        {SPAN("a.b"), {SPAN("vm"), SPAN("s"), SPAN("0002"), 0}, false},
        {SPAN("b"), {SPAN("vm a."), SPAN("s"), SPAN("0001"), 0}, false},
        {SPAN(""), {SPAN("vm a.b\0"), SPAN("s"), SPAN("0001"), 0}, false},
        {SPAN("a.b"), {SPAN(""), SPAN("s"), SPAN("0001"), 0}, false},
        {SPAN("a.c"), {SPAN("vm"), SPAN("s"), SPAN("0001"), 0}, false},
    };
    mlx_retained_t *kept = mlx_retained_new(any_topic, (mlx_retained_budget_t){0});
    put(kept, "a.b", &rows[0].from, 0);
    for (size_t i = 0; i < MLX_COUNT(rows); i++)
        assert_int_equal(mlx_retained_known(kept, rows[i].topic, &rows[i].from) != NULL,
                         rows[i].known);
    mlx_retained_destroy(&kept);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_go_with_their_run),
        cmocka_unit_test(only_the_same_names_are_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
