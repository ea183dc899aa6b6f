/*  The daemon's inner part in a real loop over real stores: what changes is told, commands are
 *  run. */
#include "tests/cache/double.h"

#include "services/cache/daemon/cached.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    DEADLINE_MS = 20000
};

typedef struct {
    world_t *world;
    mlx_loop_t *loop;
    mlx_cached_t *cached;
    mlx_timer_t *deadline;
    const char *wanted; /* model that a status must name */
    bool wanted_gone;
    bool met;
    unsigned ended;
    unsigned progress;
    bool impatient; /* cancel as soon as something has come */
    mlx_error_t error;
    mlx_value_t *report;
} fixture_t;

static const char *variable(void *arg, const char *name)
{
    const world_t *w = arg;
    for (size_t i = 0; w->variables[i]; i += 2)
        if (strcmp(w->variables[i], name) == 0)
            return w->variables[i + 1];
    return NULL;
}

static bool names(const mlx_value_t *status, const char *model)
{
    const mlx_value_t *models = mlx_value_get(status, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++)
        if (strcmp(mlx_value_str(mlx_value_at(models, i), "name"), model) == 0)
            return true;
    return false;
}

static void on_status(void *arg, const mlx_value_t *status)
{
    fixture_t *self = arg;
    if (!self->wanted || names(status, self->wanted) == self->wanted_gone)
        return;
    self->met = true;
    mlx_loop_stop(self->loop);
}

static void on_progress(void *arg, const mlx_value_t *progress)
{
    fixture_t *self = arg;
    int64_t done = 0;
    assert_non_null(mlx_value_str(progress, "model"));
    mlx_value_int(progress, "done", &done);
    self->progress++;
    if (self->impatient && done > 0)
        mlx_cached_cancel(self->cached, self);
}

static void on_problem(void *arg, const mlx_error_t *err)
{
    (void)arg;
    fail_msg("%s", err->text);
}

static void on_end(void *arg, const mlx_value_t *report, const mlx_error_t *err)
{
    fixture_t *self = arg;
    self->ended++;
    self->error = *err;
    mlx_value_destroy(&self->report);
    self->report = mlx_value_copy(report);
    mlx_loop_stop(self->loop);
}

static void on_late(void *arg)
{
    (void)arg;
    fail_msg("nothing happened for %d ms", DEADLINE_MS);
}

static void run(fixture_t *self)
{
    self->deadline = mlx_loop_after(self->loop, DEADLINE_MS, on_late, self);
    mlx_loop_run(self->loop);
    mlx_loop_cancel(self->loop, &self->deadline);
}

static void wait_for(fixture_t *self, const char *model, bool gone)
{
    self->wanted = model;
    self->wanted_gone = gone;
    self->met = false;
    while (!self->met)
        run(self);
    self->wanted = NULL;
}

static void begin(fixture_t *self, int64_t look_ms, bool watch)
{
    mlx_error_t err = {0};
    self->loop = mlx_loop_new();
    self->cached =
        mlx_cached_new(&(mlx_cached_options_t){.loop = self->loop,
                                               .home = self->world->home,
                                               .env = {.get = variable, .arg = self->world},
                                               .watch = watch,
                                               .look_ms = look_ms,
                                               .settle_ms = 20,
                                               .status = on_status,
                                               .progress = on_progress,
                                               .problem = on_problem,
                                               .arg = self},
                       &err);
    assert_non_null(self->cached);
}

static void end(fixture_t *self)
{
    mlx_cached_destroy(&self->cached);
    mlx_loop_destroy(&self->loop);
    mlx_value_destroy(&self->report);
    world_destroy(&self->world);
}

static void changes_are_told(int64_t look_ms, bool watch)
{
    fixture_t self = {.world = world_new()};
    char hex[MLX_HEX_MAX];
    world_ollama_model(self.world, "one", "1", 1, hex);
    begin(&self, look_ms, watch);
    wait_for(&self, "one:1", false);
    world_ollama_model(self.world, "two", "2", 2, hex);
    wait_for(&self, "two:2", false);
    MLX_CLEANUP(mlx_free_p)
    char *manifest =
        world_path(self.world, "home/.ollama/models/manifests/registry.ollama.ai/library/two/2");
    assert_int_equal(unlink(manifest), 0);
    wait_for(&self, "two:2", true);
    end(&self);
}

static void test_watched_changes_are_told(void **state)
{
    (void)state;
#ifdef __linux__
    /* Looking would come after the deadline only. */
    changes_are_told(10 * DEADLINE_MS, true);
#endif
}

static void test_changes_are_told_without_watching(void **state)
{
    (void)state;
    changes_are_told(50, false);
}

static mlx_value_t *args_of(const char *app, const char *model)
{
    mlx_value_t *args = mlx_value_map();
    mlx_value_set_str(args, "app", app);
    mlx_value_set_str(args, "model", model);
    return args;
}

static void command(fixture_t *self, const char *cmd, const char *app, const char *model)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = args_of(app, model);
    unsigned before = self->ended;
    if (mlx_cached_command(self->cached, cmd, args, on_end, self, &err))
        fail_msg("%s", err.text);
    while (self->ended == before)
        run(self);
}

static void dedup(fixture_t *self, bool yes)
{
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = mlx_value_map();
    unsigned before = self->ended;
    mlx_value_set_bool(args, "yes", yes);
    if (mlx_cached_command(self->cached, "cache.dedup", args, on_end, self, &err))
        fail_msg("%s", err.text);
    while (self->ended == before)
        run(self);
    assert_int_equal(self->error.code, MLX_OK);
}

/*  What is there twice is told with the status; a plan changes nothing. */
static void test_dedup(void **state)
{
    (void)state;
    fixture_t self = {.world = world_new()};
    char hex[MLX_HEX_MAX];
    world_lmstudio_model(self.world, "pub/one", 2, hex);
    world_lmstudio_model(self.world, "pub/twin", 2, hex);
    begin(&self, 10 * DEADLINE_MS, true);
    command(&self, "cache.refresh", NULL, NULL);
    assert_true(world_number(self.report, "lookalike_bytes") > 0);
    dedup(&self, false);
    int64_t bytes = world_number(self.report, "would_free");
    assert_true(bytes > 0);
    command(&self, "cache.refresh", NULL, NULL);
    assert_int_equal(world_number(self.report, "duplicate_bytes"), bytes); /* still there */
    assert_int_equal(world_number(self.report, "lookalike_bytes"), 0);     /* and read now */
    dedup(&self, true);
    assert_true(world_number(self.report, "freed") > 0);
    command(&self, "cache.refresh", NULL, NULL);
    assert_int_equal(world_number(self.report, "duplicate_bytes"), 0);
    end(&self);
}

static void test_commands(void **state)
{
    (void)state;
    fixture_t self = {.world = world_new()};
    MLX_CLEANUP(double_destroy) double_t *hub = double_new(self.world);
    MLX_CLEANUP(mlx_buf_clear) mlx_buf_t content = {0};
    fixture_gguf(&content, 50000, 1);
    double_file(hub, "org/GGUF", "m-Q4_K_M.gguf", content.data, content.len);
    begin(&self, 10 * DEADLINE_MS, true);
    command(&self, "cache.add", NULL, "org/GGUF");
    assert_int_equal(self.error.code, MLX_OK);
    assert_true(self.progress > 0);
    command(&self, "cache.link", "ollama", "org/GGUF");
    assert_int_equal(self.error.code, MLX_OK);
    world_check_sound(self.world);
    command(&self, "cache.refresh", NULL, NULL);
    assert_true(names(self.report, "org/GGUF"));
    command(&self, "cache.where", NULL, "org/gguf");
    assert_int_equal(self.error.code, MLX_OK);
    const mlx_value_t *found = mlx_value_at(mlx_value_get(self.report, "models"), 0);
    const mlx_value_t *places = mlx_value_get(found, "places");
    assert_int_equal(mlx_value_size(places), 2); /* the cache, and Ollama by another name */
    assert_string_equal(mlx_value_str(mlx_value_at(places, 0), "app"), "mlx-cache");
    assert_string_equal(mlx_value_str(mlx_value_at(places, 1), "app"), "ollama");
    for (size_t i = 0; i < 2; i++)
        assert_int_equal(
            access(mlx_value_str(mlx_value_at(mlx_value_get(mlx_value_at(places, i), "files"), 0),
                                 "path"),
                   R_OK),
            0);
    command(&self, "cache.where", NULL, "nosuch");
    assert_int_equal(self.error.code, MLX_ERR_NOT_FOUND);
    command(&self, "cache.fits", NULL, "/nosuch/folder");
    assert_int_equal(self.error.code, MLX_ERR_NOT_FOUND);
    command(&self, "cache.unlink", "ollama", "org/GGUF");
    assert_int_equal(self.error.code, MLX_OK);
    command(&self, "cache.add", NULL, "org/nosuch");
    assert_int_equal(self.error.code, MLX_ERR_NOT_FOUND);
    mlx_error_t err = {0};
    assert_int_equal(mlx_cached_command(self.cached, "cache.nosuch", NULL, on_end, &self, &err),
                     -1);
    assert_int_equal(mlx_cached_command(self.cached, "cache.add", NULL, on_end, &self, &err), -1);
    assert_int_equal(err.code, MLX_ERR_USAGE);
    end(&self);
}

static void test_cancelled_add_keeps_its_part(void **state)
{
    (void)state;
    fixture_t self = {.world = world_new()};
    MLX_CLEANUP(double_destroy) double_t *hub = double_new(self.world);
    double_mlx_repo(hub, "org/mlx", 400000, 1);
    double_faults(hub, "pace 1000 0.05\n");
    begin(&self, 10 * DEADLINE_MS, true);
    self.impatient = true;
    command(&self, "cache.add", NULL, "org/mlx");
    self.impatient = false;
    assert_int_equal(self.error.code, MLX_ERR_INTERRUPTED);
    double_faults(hub, "");
    command(&self, "cache.add", NULL, "org/mlx");
    assert_int_equal(self.error.code, MLX_OK);
    assert_true(double_requests(hub, "bytes=") > 0);
    /* Ended in the middle of another one. */
    double_mlx_repo(hub, "org/other", 400000, 2);
    double_faults(hub, "pace 1000 0.05\n");
    mlx_error_t err = {0};
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *args = args_of(NULL, "org/other");
    assert_int_equal(mlx_cached_command(self.cached, "cache.add", args, on_end, &self, &err), 0);
    end(&self);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_watched_changes_are_told),
        cmocka_unit_test(test_changes_are_told_without_watching),
        cmocka_unit_test(test_dedup),
        cmocka_unit_test(test_commands),
        cmocka_unit_test(test_cancelled_add_keeps_its_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
