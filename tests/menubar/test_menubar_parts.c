/*  The small parts of mlx-menubar: places, alerts, openers, and what a front end is called */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/config.h"
#include "tools/menubar/alerts.h"
#include "tools/menubar/bar_formats.h"
#include "tools/menubar/frontend.h"
#include "tools/menubar/opener.h"
#include "tools/menubar/places.h"

static void history_is_where_the_gateway_listens(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"127.0.0.1:11490", "http://127.0.0.1:11490/#history"},
        {"0.0.0.0:8080", "http://127.0.0.1:8080/#history"},
        {"[::]:8080", "http://[::1]:8080/#history"},
        {"localhost:1", "http://localhost:1/#history"},
    };
    for (size_t i = 0; i < MLX_COUNT(cases); i++) {
        char *url = mlx_history_url(cases[i][0]);
        assert_string_equal(url, cases[i][1]);
        free(url);
    }
}

static void preferences_are_made_once_and_valid(void **state)
{
    (void)state;
    char dir[] = "/tmp/mlx-test-parts-XXXXXX", path[128];
    mlx_error_t err = {0};
    struct stat info;
    assert_non_null(mkdtemp(dir));
    snprintf(path, sizeof path, "%s/a/b/config.yaml", dir);
    char *made = mlx_preferences_file(NULL, path, &err);
    assert_non_null(made);
    assert_int_equal(stat(made, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600);
    assert_true(info.st_size > 1000);
    mlx_config_t *config = mlx_config_open(NULL, path, &err);
    if (!config)
        fail_msg("the example is no configuration: %s", err.text);
    mlx_config_destroy(&config);
    free(made);
    /* What is there is the user's. */
    assert_int_equal(truncate(path, 0), 0);
    made = mlx_preferences_file(NULL, path, &err);
    assert_int_equal(stat(made, &info), 0);
    assert_int_equal(info.st_size, 0);
    free(made);
    assert_null(mlx_preferences_file(NULL, "/proc/nowhere/config.yaml", &err));
    assert_non_null(strstr(err.text, "/proc/nowhere"));
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", dir);
    assert_int_equal(system(command), 0);
}

static mlx_news_t see(mlx_alerts_t *alerts, const char *topic, const char *host, const char *fires)
{
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *d = mlx_value_map();
    mlx_value_set_str(d, "state", fires);
    mlx_message_t message = {.topic = (char *)topic, .host = (char *)host, .d = d};
    return mlx_alerts_see(alerts, &message);
}

static void alerts_are_news_when_they_change(void **state)
{
    (void)state;
    mlx_alerts_t *alerts = mlx_alerts_new();
    assert_int_equal(see(alerts, "alert.hot", "a", "resolved"), MLX_NEWS_NONE);
    assert_int_equal(see(alerts, "alert.hot", "a", "firing"), MLX_NEWS_FIRING);
    assert_int_equal(see(alerts, "alert.hot", "a", "firing"), MLX_NEWS_NONE);
    assert_int_equal(see(alerts, "alert.hot", "b", "firing"), MLX_NEWS_FIRING);
    assert_int_equal(see(alerts, "alert.full", "a", "firing"), MLX_NEWS_FIRING);
    assert_int_equal(see(alerts, "alert.hot", "a", "resolved"), MLX_NEWS_RESOLVED);
    assert_int_equal(see(alerts, "alert.hot", "a", "resolved"), MLX_NEWS_NONE);
    assert_int_equal(see(alerts, "alert.full", "a", "firing"), MLX_NEWS_NONE);
    assert_int_equal(see(alerts, "alert.hot", "a", NULL), MLX_NEWS_NONE);
    mlx_alerts_destroy(&alerts);
}

static void a_flood_of_alerts_is_bounded(void **state)
{
    (void)state;
    mlx_alerts_t *alerts = mlx_alerts_new();
    char topic[32];
    int news = 0;
    for (int i = 0; i < MLX_ALERTS_MAX * 2; i++) {
        snprintf(topic, sizeof topic, "alert.a%d", i);
        news += see(alerts, topic, "a", "firing") == MLX_NEWS_FIRING;
    }
    assert_int_equal(news, MLX_ALERTS_MAX);
    assert_int_equal(see(alerts, "alert.a0", "a", "resolved"), MLX_NEWS_RESOLVED);
    assert_int_equal(see(alerts, "alert.a511", "a", "firing"), MLX_NEWS_FIRING);
    mlx_alerts_destroy(&alerts);
}

static void on_failed(void *arg, const char *what)
{
    snprintf(arg, 64, "%s", what);
}

static void openers_are_reaped(void **state)
{
    (void)state;
    static const char *const good[] = {"true", NULL}, *const bad[] = {"false", NULL},
                             *const none[] = {"no-such-program-anywhere", NULL},
                             *const slow[] = {"sh", "-c", "while [ -e $SLOW ]; do sleep 0.05; done",
                                              NULL};
    char failed[64] = "";
    mlx_error_t err = {0};
    mlx_opener_t *opener = mlx_opener_new(on_failed, failed);
    assert_int_equal(mlx_opener_run(opener, good, "good", &err), 0);
    assert_int_equal(mlx_opener_run(opener, bad, "bad", &err), 0);
    assert_int_equal(mlx_opener_run(opener, bad, NULL, &err), 0); /* nobody asks how it ended */
    while (mlx_opener_running(opener))
        mlx_opener_reap(opener);
    assert_string_equal(failed, "bad");
    /* Valgrind forks where the C library shares memory, and the error comes as an exit status. */
    if (mlx_opener_run(opener, none, "none", &err) == 0) {
        while (mlx_opener_running(opener))
            mlx_opener_reap(opener);
        assert_string_equal(failed, "none");
    } else {
        assert_int_equal(err.code, MLX_ERR_UNAVAILABLE);
        assert_non_null(strstr(err.text, "no-such-program-anywhere"));
    }
    assert_int_equal(mlx_opener_running(opener), 0);
    char flag[] = "/tmp/mlx-test-parts-XXXXXX";
    close(mkstemp(flag));
    setenv("SLOW", flag, 1);
    for (int i = 0; i < 16; i++)
        assert_int_equal(mlx_opener_run(opener, slow, "slow", &err), 0);
    assert_int_equal(mlx_opener_run(opener, slow, "slow", &err), -1);
    assert_int_equal(err.code, MLX_ERR_BUSY);
    unlink(flag);
    while (mlx_opener_running(opener))
        mlx_opener_reap(opener);
    mlx_opener_destroy(&opener);
}

static void every_format_is_a_front_end(void **state)
{
    (void)state;
    for (size_t i = 0; i < mlx_bar_formats_count; i++)
        assert_non_null(mlx_frontend_find(mlx_bar_formats[i].name));
    for (size_t i = 0; i < mlx_fronts_count; i++)
        assert_true(strcmp(mlx_frontends[i].name, "tray") == 0 ||
                    mlx_bar_format_find(mlx_frontends[i].name));
    assert_null(mlx_frontend_find("gnome"));
    assert_string_equal(mlx_frontend_fallback()->name, "plain");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_is_where_the_gateway_listens),
        cmocka_unit_test(preferences_are_made_once_and_valid),
        cmocka_unit_test(alerts_are_news_when_they_change),
        cmocka_unit_test(a_flood_of_alerts_is_bounded),
        cmocka_unit_test(openers_are_reaped),
        cmocka_unit_test(every_format_is_a_front_end),
    };
    return cmocka_run_group_tests_name("menubar_parts", tests, NULL, NULL);
}
