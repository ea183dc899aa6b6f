/*  darwin_energy.h - from an energy counter that moves in batches to watts
 *
 *  The kernel publishes its energy counters every two seconds or so, not at each look; on chips of
 *  two dies at two moments that do not lie evenly. Divided by the time between two looks a steady
 *  36 W reads 0, 76, 0, 0, 78. So it is divided by the time between two movements of the counter, a
 *  batch or more apart, and that value holds until the next one. A counter that does not move for
 *  10 s tells nothing: neither what it said before nor 0.
 *
 *      mlx_energy_t energy;
 *      mlx_energy_start(&energy, now_us);
 *      mlx_energy_move(&energy, joules, later_us);         at each look, 0 when it stood still
 *      double watts = mlx_energy_watts(&energy, later_us);
 */
#ifndef MLX_SAMPLER_DARWIN_ENERGY_H
#define MLX_SAMPLER_DARWIN_ENERGY_H

#include "proto/base.h"

enum {
    MLX_ENERGY_POINTS = 32
};

typedef struct {
    struct {
        int64_t t_us;
        double joules;
    } points[MLX_ENERGY_POINTS]; /* where the counter moved, newest last; the first is the start */
    size_t count;
    double watts;
} mlx_energy_t;

/*  Begin at NOW_US (monotonic). */
void mlx_energy_start(mlx_energy_t *self, int64_t now_us);

/*  The counter moved by JOULES since it was looked at last; not above 0: it stood still. */
void mlx_energy_move(mlx_energy_t *self, double joules, int64_t now_us);

/*  Has it moved since the start? Has it stood still for too long to tell anything? */
bool mlx_energy_moved(const mlx_energy_t *self);
bool mlx_energy_stands(const mlx_energy_t *self, int64_t now_us);

/*  Watts as of the last movement; NAN (a value the setters leave out) while they are not known. */
double mlx_energy_watts(const mlx_energy_t *self, int64_t now_us);

#endif
