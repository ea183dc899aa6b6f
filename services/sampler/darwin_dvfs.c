#include "darwin_dvfs.h"
#include "darwin_get.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum {
    ENTRY = 8,
    CLUSTERS_MAX = 16
};

/*  Fastest first. KEY is the table's name on the chips that have it under a fixed one. */
static const struct {
    const char *letters;
    const char *key;
} tiers[MLX_DVFS_TIERS] = {
    {"PCPU", "voltage-states5-sram"},
    {"MCPU", "voltage-states1-sram"},
    {"ECPU", "voltage-states1-sram"},
};

static uint32_t little_endian(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static CFTypeRef copy_table(io_registry_entry_t pmgr, const char *key)
{
    MLX_CLEANUP(mlx_cf_release_p)
    CFStringRef name = CFStringCreateWithCString(kCFAllocatorDefault, key, kCFStringEncodingUTF8);
    return name ? mlx_io_copy_property(pmgr, name) : NULL;
}

/*  With OFF entries of 0 stay: the table counts the state in which it is off as well. */
static void read_table(io_registry_entry_t pmgr, const char *key, bool off, mlx_dvfs_table_t *table)
{
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef property = copy_table(pmgr, key);
    const uint8_t *data;
    size_t len;
    double fastest = 0;
    table->count = 0;
    if (!mlx_cf_bytes(property, &data, &len))
        return;
    for (size_t at = 0; at + ENTRY <= len && table->count < MLX_DVFS_STATES_MAX; at += ENTRY) {
        double value = little_endian(data + at);
        if (value > 0 || off)
            table->hertz[table->count++] = value;
        fastest = fmax(fastest, value);
    }
    /* No core of any Mac is slower than 100 MHz at its best, none reaches 100 GHz. */
    if (fastest < 100e6)
        for (size_t i = 0; i < table->count; i++)
            table->hertz[i] *= 1000;
}

/*  The cluster of the tier that is RANK-th from the fastest, or the slowest when there are fewer.
 */
static const uint8_t *ranked_cluster(const uint8_t *data, size_t len, size_t rank)
{
    const uint8_t *found = NULL;
    unsigned below = 256;
    for (size_t step = 0; step <= rank; step++) {
        const uint8_t *best = NULL;
        for (size_t at = 0; at + ENTRY <= len && at < (size_t)ENTRY * CLUSTERS_MAX; at += ENTRY)
            if (data[at + 1] < below && (!best || data[at + 1] > best[1]))
                best = data + at;
        if (!best)
            break;
        below = best[1];
        found = best;
    }
    return found;
}

static void read_cluster_table(io_registry_entry_t pmgr, size_t rank, mlx_dvfs_table_t *table)
{
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef property = copy_table(pmgr, "acc-clusters");
    const uint8_t *data;
    size_t len;
    if (!mlx_cf_bytes(property, &data, &len))
        return;
    const uint8_t *cluster = ranked_cluster(data, len, rank);
    char key[32];
    if (!cluster)
        return;
    snprintf(key, sizeof key, "voltage-states%u-sram", cluster[0]);
    read_table(pmgr, key, false, table);
}

void mlx_dvfs_read(mlx_dvfs_t *self)
{
    MLX_CLEANUP(mlx_io_release_p) io_object_t pmgr = mlx_io_find("AppleARMIODevice", "pmgr");
    *self = (mlx_dvfs_t){0};
    if (!pmgr)
        return;
    for (size_t i = 0; i < MLX_DVFS_TIERS; i++) {
        read_table(pmgr, tiers[i].key, false, &self->tier[i]);
        if (self->tier[i].count == 0)
            read_cluster_table(pmgr, i, &self->tier[i]);
    }
    read_table(pmgr, "voltage-states9", true, &self->gpu);
}

bool mlx_dvfs_tier(const char *channel, size_t *tier)
{
    for (size_t i = 0; i < MLX_DVFS_TIERS; i++)
        if (strstr(channel, tiers[i].letters)) {
            *tier = i;
            return true;
        }
    return false;
}

const char *mlx_dvfs_tier_name(size_t tier)
{
    return tiers[tier].letters;
}

typedef enum {
    STATE_ACTIVE,
    STATE_IDLE,
    STATE_DOWN
} kind_t;

static kind_t kind_of(CFStringRef name)
{
    static const struct {
        const char *name;
        kind_t kind;
    } kinds[] = {{"IDLE", STATE_IDLE}, {"DOWN", STATE_DOWN}, {"OFF", STATE_DOWN}};
    char text[32];
    if (mlx_cf_text(name, text, sizeof text))
        for (size_t i = 0; i < MLX_COUNT(kinds); i++)
            if (strcmp(text, kinds[i].name) == 0)
                return kinds[i].kind;
    return STATE_ACTIVE;
}

/*  Frequency of the active state INDEX; NaN when the table has no entry for it. State n is entry n;
 *  a table that begins with 0 counts the state in which the thing is off. */
static double state_hertz(const mlx_dvfs_table_t *table, size_t index)
{
    size_t entry = index + (table->hertz[0] <= 0);
    return entry < table->count && table->hertz[entry] > 0 ? table->hertz[entry] : (double)NAN;
}

bool mlx_dvfs_use(const mlx_ioreport_t *api, CFDictionaryRef channel, const mlx_dvfs_table_t *table,
                  mlx_dvfs_use_t *use)
{
    double active[MLX_DVFS_STATES_MAX];
    size_t count = 0;
    int32_t states = api->state_count(channel);
    *use = (mlx_dvfs_use_t){0};
    if (states <= 0 || states > MLX_DVFS_STATES_MAX)
        return false;
    for (int32_t i = 0; i < states; i++) {
        double time = (double)api->state_residency(channel, i);
        kind_t kind = kind_of(api->state_name(channel, i));
        if (time < 0)
            return false;
        use->total += time;
        if (kind == STATE_DOWN)
            use->down += time;
        if (kind == STATE_ACTIVE) {
            use->active += time;
            active[count++] = time;
        }
    }
    use->has_cycles = table && table->count > 0;
    for (size_t i = 0; use->has_cycles && i < count; i++) {
        if (active[i] <= 0)
            continue; /* there may be more names than the chip has frequencies */
        double hertz = state_hertz(table, i);
        use->has_cycles = !isnan(hertz);
        use->cycles += active[i] * hertz;
    }
    return use->total > 0;
}

void mlx_dvfs_add(mlx_dvfs_use_t *sum, const mlx_dvfs_use_t *use)
{
    if (use->total <= 0)
        return;
    sum->has_cycles = use->has_cycles && (sum->has_cycles || sum->total <= 0);
    sum->total += use->total;
    sum->down += use->down;
    sum->active += use->active;
    sum->cycles += use->cycles;
}

double mlx_dvfs_busy(const mlx_dvfs_use_t *use)
{
    return use->total > 0 ? use->active / use->total : (double)NAN;
}

double mlx_dvfs_hertz(const mlx_dvfs_use_t *use)
{
    return use->has_cycles && use->active > 0 ? use->cycles / use->active : (double)NAN;
}
