/*  program.h - what a process is called */
#ifndef MLX_SAMPLER_PROGRAM_H
#define MLX_SAMPLER_PROGRAM_H

#include "proto/base.h"

/*  The name of process PID by PROC_ROOT/<pid>/comm: one line of UTF-8, what cannot be shown
 *  replaced by "?", "" when it does not fit or the process is gone. */
void mlx_program_name(char *out, size_t size, const char *proc_root, int64_t pid);

#endif
