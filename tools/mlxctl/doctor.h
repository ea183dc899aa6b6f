/*  doctor.h - what is missing of the suite on this machine, why there is no tok/s, what to type
 *
 *  A pure function of what the bus says; `mlxctl doctor` adds what needs no bus.
 */
#ifndef MLX_TOOLS_MLXCTL_DOCTOR_H
#define MLX_TOOLS_MLXCTL_DOCTOR_H

#include "common/view/overview.h"

/*  How bad a check's outcome is: all is well; something is missing, and the machine is as it is;
 *  something does less than it could; something does not work. */
typedef enum {
    MLX_DOCTOR_OK,
    MLX_DOCTOR_NOTE,
    MLX_DOCTOR_WARNING,
    MLX_DOCTOR_FAULT
} mlx_doctor_level_t;

/*  "ok", "note", "warning", "fault". */
const char *mlx_doctor_word(mlx_doctor_level_t level);

/*  Append {level, check, text, remedy} to LIST; REMEDY (may be NULL) is what to type or do. */
void mlx_doctor_add(mlx_value_t *list, mlx_doctor_level_t level, const char *check,
                    const char *text, const char *remedy);

/*  Append the checks of services, sensors, model servers, their speed and what the rules found, on
 *  OVERVIEW's host. REGISTERED: the broker's list of services, {name, connected, ...}. Texts come
 *  partly from outside. */
void mlx_doctor_look(mlx_value_t *list, const mlx_overview_t *overview,
                     const mlx_value_t *registered, int64_t now_us);

/*  The worst level in LIST. */
mlx_doctor_level_t mlx_doctor_worst(const mlx_value_t *list);

#endif
