/*  battery: what feeds a MacBook, and how full its battery is
 *
 *  Registry entry AppleSmartBattery: CurrentCapacity and MaxCapacity in one unit (percent on Apple
 *  Silicon, mAh on Intel), ExternalConnected; Voltage in mV and Amperage in mA, below zero while it
 *  discharges; TimeRemaining in minutes (65535: not known yet); CycleCount; what it holds when full
 *  (AppleRawMaxCapacity on Apple Silicon, else MaxCapacity) and held new (DesignCapacity) in mAh. A
 *  Mac without a battery has no such entry.
 */
#include "darwin_get.h"
#include "sensor.h"

static const char topic[] = "sensor.power";

static io_object_t find_battery(void)
{
    MLX_CLEANUP(mlx_io_release_p) io_iterator_t found = mlx_io_match("AppleSmartBattery");
    return found ? IOIteratorNext(found) : 0;
}

static int probe_battery(void **state, const mlx_sensor_env_t *env, mlx_error_t *err)
{
    (void)env;
    MLX_CLEANUP(mlx_io_release_p) io_object_t battery = find_battery();
    if (!battery)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "this Mac has no battery");
    *state = mlx_alloc(1, 1); /* nothing is kept between two samples */
    return 0;
}

static void close_battery(void **state)
{
    mlx_free_p(state);
}

static bool read_number(io_object_t battery, CFStringRef key, int64_t *out)
{
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef value = mlx_io_copy_property(battery, key);
    return mlx_cf_int(value, out);
}

static bool read_truth(io_object_t battery, CFStringRef key)
{
    bool truth = false;
    MLX_CLEANUP(mlx_cf_release_p) CFTypeRef value = mlx_io_copy_property(battery, key);
    return mlx_cf_bool(value, &truth) && truth;
}

static void read_flow(io_object_t battery, mlx_value_t *map, mlx_readings_t *out)
{
    int64_t milliamperes;
    int64_t millivolts;
    int64_t minutes;
    bool charging = read_truth(battery, CFSTR("IsCharging"));
    bool has = read_number(battery, CFSTR("Amperage"), &milliamperes) &&
               read_number(battery, CFSTR("Voltage"), &millivolts) && millivolts > 0 &&
               millivolts < 100000 && milliamperes > -100000 && milliamperes < 100000;
    bool discharging = has && milliamperes < 0 && !charging;
    const char *state = discharging                                  ? "discharging"
                        : charging                                   ? "charging"
                        : read_truth(battery, CFSTR("FullyCharged")) ? "full"
                                                                     : "idle";
    mlx_value_set_str(map, "battery_state", state);
    const char *why = "it neither charges nor discharges";
    if (charging || discharging) {
        double watts = has ? (double)milliamperes * (double)millivolts * 1e-6 : 0;
        if (has && milliamperes)
            mlx_value_set_real(map, "battery_power", watts < 0 ? -watts : watts);
        if (read_number(battery, CFSTR("TimeRemaining"), &minutes) && minutes > 0 &&
            minutes < 65535)
            mlx_value_set_real(map, "battery_time", (double)minutes * 60);
        why = "the battery does not report it yet";
    }
    mlx_readings_missing(out, topic, "battery_power", why);
    mlx_readings_missing(out, topic, "battery_time", why);
}

static void read_age(io_object_t battery, mlx_value_t *map, mlx_readings_t *out)
{
    int64_t full;
    int64_t design;
    int64_t cycles;
    bool has = read_number(battery, CFSTR("AppleRawMaxCapacity"), &full) ||
               read_number(battery, CFSTR("MaxCapacity"), &full);
    /* 100 is a percentage, not a capacity. */
    if (has && read_number(battery, CFSTR("DesignCapacity"), &design) && design > 0 && full > 100 &&
        full < 2 * design)
        mlx_value_set_real(map, "battery_health",
                           full > design ? 1 : (double)full / (double)design);
    else
        mlx_readings_missing(out, topic, "battery_health", "the battery does not report it");
    if (read_number(battery, CFSTR("CycleCount"), &cycles) && cycles >= 0 && cycles < 100000)
        mlx_value_set_int(map, "battery_cycles", cycles);
}

static int sample_battery(void *state, int64_t now_us, mlx_readings_t *out, mlx_error_t *err)
{
    (void)state;
    (void)now_us;
    MLX_CLEANUP(mlx_io_release_p) io_object_t battery = find_battery();
    if (!battery)
        return mlx_error_set(err, MLX_ERR_NOT_FOUND, "the battery is gone");
    MLX_CLEANUP(mlx_cf_release_p)
    CFTypeRef external = mlx_io_copy_property(battery, CFSTR("ExternalConnected"));
    mlx_value_t *map = mlx_readings_topic(out, topic);
    bool connected;
    if (mlx_cf_bool(external, &connected))
        mlx_value_set_str(map, "source", connected ? "ac" : "battery");
    else
        mlx_readings_missing(out, topic, "source", "the battery does not report it");
    int64_t now;
    int64_t full;
    if (read_number(battery, CFSTR("CurrentCapacity"), &now) &&
        read_number(battery, CFSTR("MaxCapacity"), &full) && full > 0 && now >= 0 && now <= full)
        mlx_value_set_real(map, "battery", (double)now / (double)full);
    else
        mlx_readings_missing(out, topic, "battery", "the battery does not report it");
    read_flow(battery, map, out);
    read_age(battery, map, out);
    return 0;
}

const mlx_sensor_backend_t mlx_sensor_battery = {
    .name = "battery",
    .min_period_s = 5.0,
    .probe = probe_battery,
    .sample = sample_battery,
    .close = close_battery,
    .topic = topic,
    .fields = "source battery",
};
