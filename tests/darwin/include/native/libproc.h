/*  libproc.h - the few libproc calls the suite makes, for compiling macOS sources natively
 *
 *  Held against Apple's by layout.c.
 */
#ifndef MLX_TESTS_LIBPROC_H
#define MLX_TESTS_LIBPROC_H

#include <stdint.h>
#include <sys/proc_info.h>

int proc_listpids(uint32_t type, uint32_t type_info, void *buffer, int size);
int proc_pidinfo(int pid, int flavor, uint64_t arg, void *buffer, int size);
int proc_pidfdinfo(int pid, int fd, int flavor, void *buffer, int size);

#endif
