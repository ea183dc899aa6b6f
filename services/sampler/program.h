/*  program.h - what a process is called */
#ifndef MLX_SAMPLER_PROGRAM_H
#define MLX_SAMPLER_PROGRAM_H

#include "proto/value.h"

/*  Set "program" of ITEM to the name of process PID by PROC_ROOT/<pid>/comm: one line of UTF-8,
 *  what cannot be shown replaced by "?". Nothing when the process is gone. */
void mlx_program_add(mlx_value_t *item, const char *proc_root, int64_t pid);

#endif
