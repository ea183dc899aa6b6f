/*  darwin_dvfs.h - from time in performance states to utilisation and hertz
 *
 *  The kernel counts how long a core or the GPU was in each of its states; the power manager's
 *  registry entry (AppleARMIODevice "pmgr") has the table of frequencies behind them: 8 bytes an
 *  entry, u32 little-endian frequency, then voltage. CPU tables are in Hz up to M3 and in kHz from
 *  M4; the GPU's first entry is 0 (off). State n is entry n of its table; the kernel names more
 *  states than some chips have, and time in one without an entry leaves the frequency unknown.
 *  Tables are found by name for M1 to M4 and through "acc-clusters" (8 bytes a cluster: table
 *  number, tier) on chips that renamed them.
 *
 *      mlx_dvfs_read(&dvfs);
 *      if (mlx_dvfs_tier("PCPU010", &tier) && mlx_dvfs_use(&api, channel, &dvfs.tier[tier], &use))
 *          printf("%.0f %% at %.0f Hz\n", 100 * mlx_dvfs_busy(&use), mlx_dvfs_hertz(&use));
 */
#ifndef MLX_SAMPLER_DARWIN_DVFS_H
#define MLX_SAMPLER_DARWIN_DVFS_H

#include "darwin_ioreport.h"

enum {
    MLX_DVFS_TIERS = 3, /* kinds of core, fastest first */
    MLX_DVFS_STATES_MAX = 64,
};

typedef struct {
    size_t count; /* 0: unknown */
    double hertz[MLX_DVFS_STATES_MAX];
} mlx_dvfs_table_t;

typedef struct {
    mlx_dvfs_table_t tier[MLX_DVFS_TIERS];
    mlx_dvfs_table_t gpu;
} mlx_dvfs_t;

/*  Time in states, in the kernel's ticks. */
typedef struct {
    double total;
    double down;   /* switched off, as against idle */
    double active; /* at some frequency */
    double cycles; /* active time weighted by frequency */
    bool has_cycles;
} mlx_dvfs_use_t;

/*  Read the tables of this machine; a table that does not exist stays empty. */
void mlx_dvfs_read(mlx_dvfs_t *self);

/*  The tier of a core by its channel's name: "PCPU010", "DIE_1_ECPU3", "MCPU0"; and its letters. */
bool mlx_dvfs_tier(const char *channel, size_t *tier);
const char *mlx_dvfs_tier_name(size_t tier);

/*  Read the states of CHANNEL into USE. TABLE may be NULL or empty: then without frequency. False
 *  when the channel counted nothing. */
bool mlx_dvfs_use(const mlx_ioreport_t *api, CFDictionaryRef channel, const mlx_dvfs_table_t *table,
                  mlx_dvfs_use_t *use);
void mlx_dvfs_add(mlx_dvfs_use_t *sum, const mlx_dvfs_use_t *use);

/*  Ratio 0..1 and mean frequency while active; NaN (a value the setters leave out) when unknown. */
double mlx_dvfs_busy(const mlx_dvfs_use_t *use);
double mlx_dvfs_hertz(const mlx_dvfs_use_t *use);

#endif
