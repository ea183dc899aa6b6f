/*  Bugs for the sanitizers to find: each is of a kind that the back ends could have. CTest runs
 *  every one of them and fails when it is not reported; "none" must stay silent. */
#include "double/dd.h"
#include "services/sampler/darwin_get.h"

#include <dlfcn.h>
#include <notify.h>
#include <stdio.h>
#include <string.h>

static io_object_t first_gpu(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match("IOAccelerator");
    return IOIteratorNext(found);
}

static void none(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_object_t gpu = first_gpu();
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef model = mlx_io_copy_property(gpu, CFSTR("model"));
    char text[64];
    puts(mlx_cf_text(model, text, sizeof text) ? text : "no model");
}

static void property_leaks(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_object_t gpu = first_gpu();
    mlx_io_copy_property(gpu, CFSTR("model"));
}

static void entry_leaks(void)
{
    first_gpu();
}

static void port_leaks(void)
{
    mach_host_self();
}

static void token_leaks(void)
{
    int token;
    notify_register_check("com.apple.system.thermalpressurelevel", &token);
}

static void library_leaks(void)
{
    dlopen("/usr/lib/libIOReport.dylib", RTLD_LAZY | RTLD_LOCAL);
}

static void property_released_twice(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_object_t gpu = first_gpu();
    CFTypeRef model = mlx_io_copy_property(gpu, CFSTR("model"));
    CFRelease(model);
    CFRelease(model);
}

static void entry_released_twice(void)
{
    io_object_t gpu = first_gpu();
    IOObjectRelease(gpu);
    IOObjectRelease(gpu);
}

static void wrong_type(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_object_t gpu = first_gpu();
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef model = mlx_io_copy_property(gpu, CFSTR("model"));
    int64_t number;
    CFNumberGetValue(model, kCFNumberSInt64Type, &number);
}

/*  Overwrite what the plant left on the stack: a stale pointer there hides a leak. */
static void scrub_stack(void)
{
    volatile char stack[65536];
    for (size_t i = 0; i < sizeof stack; i++)
        stack[i] = 0;
}

static const struct {
    const char *name;
    void (*plant)(void);
} plants[] = {
    {"none", none},
    {"property-leaks", property_leaks},
    {"entry-leaks", entry_leaks},
    {"port-leaks", port_leaks},
    {"token-leaks", token_leaks},
    {"library-leaks", library_leaks},
    {"property-released-twice", property_released_twice},
    {"entry-released-twice", entry_released_twice},
    {"wrong-type", wrong_type},
};

int main(int argc, char **argv)
{
    dd_machine_m1();
    for (size_t i = 0; argc == 2 && i < MLX_COUNT(plants); i++)
        if (strcmp(plants[i].name, argv[1]) == 0) {
            plants[i].plant();
            scrub_stack();
            dd_reset();
            return 0;
        }
    return 2;
}
