/*  What this machine has free for a model now, from the system and from the bus where it runs. */
#include "services/cache/cache.h"

#include "common/base/paths.h"
#include "common/bus/bus.h"
#include "common/bus/command.h"
#include "common/bus/last_values.h"
#include "common/os/os.h"

#include <string.h>
#include <unistd.h>

enum {
    SNAPSHOT_MS = 1000
};

typedef struct {
    mlx_loop_t *loop;
    mlx_value_t *messages;
} wait_t;

static void on_message(void *arg, const mlx_message_t *message)
{
    const wait_t *wait = arg;
    mlx_value_append(wait->messages, mlx_message_value(message));
}

static void on_end(void *arg, const mlx_error_t *err)
{
    wait_t *wait = arg;
    if (err)
        mlx_value_destroy(&wait->messages);
    mlx_loop_stop(wait->loop);
}

/*  The messages that the bus remembers; NULL where none runs. Caller owns it. */
static mlx_value_t *ask_bus(void)
{
    MLX_CLEANUP(mlx_free_p) char *run_dir = mlx_paths_run_dir(NULL, NULL);
    MLX_CLEANUP(mlx_free_p)
    char *path = mlx_format("%s/" MLX_SOCKET_PUBLISH, run_dir ? run_dir : "");
    if (!run_dir || access(path, W_OK) != 0)
        return NULL;
    wait_t wait = {.loop = mlx_loop_new()};
    mlx_bus_t *bus =
        mlx_bus_new(wait.loop, &(mlx_bus_options_t){.run_dir = run_dir, .src = "mlx-cache"}, NULL);
    if (bus) {
        wait.messages = mlx_value_list();
        mlx_last_values_t *ask =
            mlx_last_values_ask(bus, "", SNAPSHOT_MS, on_message, on_end, &wait);
        mlx_loop_run(wait.loop);
        mlx_last_values_destroy(&ask);
        mlx_bus_destroy(&bus);
    }
    mlx_loop_destroy(&wait.loop);
    return wait.messages;
}

/*  The memory of a GPU that has its own. */
static void note_gpu(const mlx_value_t *d, mlx_machine_t *machine)
{
    int64_t total = 0, used = 0;
    bool unified = false;
    mlx_value_bool(d, "unified", &unified);
    if (!unified && mlx_value_int(d, "memory_total", &total) &&
        mlx_value_int(d, "memory_used", &used) && used >= 0 && total > used)
        machine->gpu_available += (uint64_t)(total - used);
}

static void note_loaded(const mlx_value_t *d, mlx_value_t *loaded)
{
    const mlx_value_t *models = mlx_value_get(d, "models");
    for (size_t i = 0; i < mlx_value_size(models); i++)
        mlx_value_append(loaded, mlx_value_copy(mlx_value_at(models, i)));
}

/*  How fast the newest benchmark was, and how large its model is: loaded, or of the cache. */
static void note_speed(const mlx_value_t *result, const mlx_value_t *sizes, mlx_machine_t *machine)
{
    const char *model = mlx_value_str(result, "model");
    double speed = 0;
    int64_t size = 0;
    if (!model || machine->measured_bytes ||
        !mlx_value_real(mlx_value_get(result, "tokens_per_second"), "median", &speed))
        return;
    for (size_t i = 0; i < mlx_value_size(sizes); i++) {
        const mlx_value_t *one = mlx_value_at(sizes, i);
        const char *name = mlx_value_str(one, "name");
        if (name && strcmp(name, model) == 0 && mlx_value_int(one, "size", &size) && size > 0) {
            machine->tokens_per_second = speed;
            machine->measured_bytes = (uint64_t)size;
        }
    }
}

static void note_bus(const mlx_value_t *messages, mlx_cache_t *cache, mlx_value_t *loaded,
                     mlx_machine_t *machine)
{
    const mlx_value_t *result = NULL;
    for (size_t i = 0; i < mlx_value_size(messages); i++) {
        const mlx_value_t *message = mlx_value_at(messages, i), *d = mlx_value_get(message, "d");
        const char *topic = mlx_value_str(message, "topic");
        if (!topic)
            continue;
        if (mlx_starts_with(topic, "sensor.gpu."))
            note_gpu(d, machine);
        else if (mlx_starts_with(topic, "runtime.") && mlx_value_get(d, "models"))
            note_loaded(d, loaded);
        else if (strcmp(topic, "bench.result") == 0)
            result = d;
    }
    if (!result)
        return;
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *status = mlx_cache_status(cache, NULL);
    note_speed(result, mlx_value_get(status, "models"), machine);
    note_speed(result, loaded, machine);
}

mlx_value_t *mlx_cache_fits_here(mlx_cache_t *cache, const char *model, const mlx_load_t *load,
                                 mlx_error_t *err)
{
    mlx_machine_t machine = {0};
    mlx_os_memory(&machine.total, &machine.available, NULL);
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *loaded = mlx_value_list();
    MLX_CLEANUP(mlx_value_destroy) mlx_value_t *messages = ask_bus();
    note_bus(messages, cache, loaded, &machine);
    machine.loaded = loaded;
    return mlx_cache_fits(cache, model, load, &machine, err);
}
