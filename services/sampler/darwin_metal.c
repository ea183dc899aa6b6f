#include "darwin_metal.h"

#include "darwin_get.h"

#include <dlfcn.h>

typedef struct {
    void *(*create)(void);
} metal_t;

/*  Objective-C by its C functions; a message's result is a function of that type. */
typedef struct {
    void *(*selector)(const char *name);
    uint64_t (*send)(void *object, void *selector);
} objc_t;

static void close_library(void *library_p)
{
    void **library = library_p;
    if (*library)
        dlclose(*library);
    *library = NULL;
}

int64_t mlx_metal_recommended(mlx_error_t *err)
{
    static const mlx_dl_symbol_t metal_symbols[] = {
        {"MTLCreateSystemDefaultDevice", offsetof(metal_t, create)}};
    static const mlx_dl_symbol_t objc_symbols[] = {{"sel_registerName", offsetof(objc_t, selector)},
                                                   {"objc_msgSend", offsetof(objc_t, send)}};
    metal_t metal = {0};
    objc_t objc = {0};
    int64_t arm = 0;
    if (!mlx_sysctl_int("hw.optional.arm64", &arm) || !arm)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND,
                             "not asked on an Intel Mac: it would wake "
                             "the other GPU");
    MLX_CLEANUP(close_library)
    void *framework =
        dlopen("/System/Library/Frameworks/Metal.framework/Metal", RTLD_LAZY | RTLD_LOCAL);
    MLX_CLEANUP(close_library)
    void *runtime = dlopen("/usr/lib/libobjc.A.dylib", RTLD_LAZY | RTLD_LOCAL);
    if (!framework || !runtime)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this macOS has no Metal");
    if (mlx_dl_load(framework, metal_symbols, MLX_COUNT(metal_symbols), &metal, err) ||
        mlx_dl_load(runtime, objc_symbols, MLX_COUNT(objc_symbols), &objc, err))
        return -1;
    void *device = metal.create();
    if (!device)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "Metal has no GPU here");
    uint64_t bytes = objc.send(device, objc.selector("recommendedMaxWorkingSetSize"));
    (void)objc.send(device, objc.selector("release"));
    if (bytes == 0 || bytes > INT64_MAX)
        return mlx_error_set(err, MLX_ERR_FAILED, "Metal recommends no working set");
    return (int64_t)bytes;
}
