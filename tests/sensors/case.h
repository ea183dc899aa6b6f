/*  case.h - a machine from tests/fixtures/sensors/cases: a JSON map of path to content, or of path
 *  to {"link": target}; and NVIDIA's library beside it */
#ifndef MLX_TESTS_SENSORS_CASE_H
#define MLX_TESTS_SENSORS_CASE_H

#include "rig.h"

/*  An empty rig with the files of NAME ("zfs.json"), and BACKEND probed. */
void case_open(rig_t *rig, const char *name, const char *backend);

/*  The same without a probe, with the library's double configured by TEXT (fake_nvml.c); how often
 *  one of its functions was called so far. */
void case_open_nvml(rig_t *rig, const char *name, const char *text);
void case_set_nvml(const rig_t *rig, const char *text);
size_t case_calls(const rig_t *rig);

#endif
