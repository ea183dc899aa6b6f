/*  notify.h - declarations of notify(3), which cross compilers' macOS headers lack
 *
 *  Never on a Mac's include path. Source: the manual page notify(3).
 */
#ifndef MLX_TESTS_NOTIFY_H
#define MLX_TESTS_NOTIFY_H

#include <stdint.h>

#define NOTIFY_STATUS_OK 0

uint32_t notify_register_check(const char *name, int *out_token);
uint32_t notify_get_state(int token, uint64_t *state64);
uint32_t notify_cancel(int token);

#endif
