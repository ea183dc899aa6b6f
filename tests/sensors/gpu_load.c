/*  Keep an NVIDIA GPU busy for a while, so that its readings can be compared under load: memory is
 *  filled by the GPU and copied over PCIe both ways. Needs the driver's own library only.
 *
 *      gpu_load SECONDS [GPU]
 *
 *  Exit code 1, with the reason, where there is no such GPU. */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DEVICE_BYTES ((size_t)1 << 30)
#define HOST_BYTES ((size_t)64 << 20)
#define FILLS 200 /* for each copy there and back */

typedef struct {
    int (*init)(unsigned);
    int (*device)(int *, int);
    int (*context)(void **, unsigned, int);
    int (*alloc)(uint64_t *, size_t);
    int (*fill)(uint64_t, unsigned, size_t);
    int (*upload)(uint64_t, const void *, size_t);
    int (*download)(void *, uint64_t, size_t);
    int (*wait)(void);
} cuda_t;

static int load(cuda_t *cuda)
{
    static const char *const names[] = {
        "cuInit",         "cuDeviceGet",     "cuCtxCreate_v2",  "cuMemAlloc_v2",
        "cuMemsetD32_v2", "cuMemcpyHtoD_v2", "cuMemcpyDtoH_v2", "cuCtxSynchronize",
    };
    void *library = dlopen("libcuda.so.1", RTLD_NOW);
    void *found[sizeof names / sizeof *names];
    _Static_assert(sizeof found == sizeof *cuda, "one pointer for each name");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        found[i] = library ? dlsym(library, names[i]) : NULL;
        if (!found[i])
            return fprintf(stderr, "no NVIDIA driver to compute with: %s\n", dlerror()), -1;
    }
    memcpy(cuda, found, sizeof found);
    return 0;
}

static int work(const cuda_t *cuda, double seconds)
{
    uint64_t memory;
    char *host = calloc(1, HOST_BYTES);
    struct timespec start;
    struct timespec now;
    int code = host ? cuda->alloc(&memory, DEVICE_BYTES) : -1;
    clock_gettime(CLOCK_MONOTONIC, &start);
    while (code == 0) {
        for (unsigned i = 0; i < FILLS && code == 0; i++)
            code = cuda->fill(memory, i, DEVICE_BYTES / 4);
        code = code ? code : cuda->upload(memory, host, HOST_BYTES);
        code = code ? code : cuda->download(host, memory, HOST_BYTES);
        code = code ? code : cuda->wait();
        clock_gettime(CLOCK_MONOTONIC, &now);
        if (difftime(now.tv_sec, start.tv_sec) >= seconds)
            break;
    }
    free(host);
    return code;
}

int main(int argc, char **argv)
{
    cuda_t cuda;
    int device;
    void *context;
    if (argc < 2 || load(&cuda))
        return argc < 2 ? 2 : 1;
    int code = cuda.init(0);
    code = code ? code : cuda.device(&device, argc > 2 ? atoi(argv[2]) : 0);
    code = code ? code : cuda.context(&context, 0, device);
    code = code ? code : work(&cuda, strtod(argv[1], NULL));
    if (code)
        fprintf(stderr, "CUDA: error %d\n", code);
    return code != 0;
}
