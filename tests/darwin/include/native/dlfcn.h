/*  dlfcn.h - dlopen and friends of the double, for compiling macOS sources natively
 *
 *  Under names of their own: the sanitizers' run time calls the real ones.
 */
#ifndef MLX_TESTS_DLFCN_H
#define MLX_TESTS_DLFCN_H

#define RTLD_LAZY 1
#define RTLD_LOCAL 4

#define dlopen dd_dlopen
#define dlsym dd_dlsym
#define dlclose dd_dlclose

void *dd_dlopen(const char *path, int flags);
void *dd_dlsym(void *library, const char *symbol);
int dd_dlclose(void *library);

#endif
