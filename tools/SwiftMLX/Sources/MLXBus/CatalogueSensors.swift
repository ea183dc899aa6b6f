// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// A field that this machine cannot give, and why.
public struct MissingField: BusRecord {
    /// Key that this machine cannot give.
    public var field: String?
    /// The reason, for a person.
    public var why: String?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        field = data.read("field")
        why = data.read("why")
    }
}

/// A measured figure with what is known of its spread.
public struct Interval: BusRecord {
    /// Prompts, or rounds, that gave a value.
    public var count: Int?
    /// Median over prompts.
    public var median: Double?
    /// Mean over prompts.
    public var mean: Double?
    /// Lower end of the 95 % interval of the mean.
    public var low: Double?
    /// Low and high are the least and greatest value: no interval can be told.
    public var range: Bool?
    /// Upper end.
    public var high: Double?
    /// 10th percentile.
    public var p10: Double?
    /// 90th percentile.
    public var p90: Double?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        count = data.read("count")
        median = data.read("median")
        mean = data.read("mean")
        low = data.read("low")
        range = data.read("range")
        high = data.read("high")
        p10 = data.read("p10")
        p90 = data.read("p90")
    }
}

/// Main memory: `sensor.memory`.
public struct SensorMemory: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.memory"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Memory installed, in bytes.
    public var total: Int?
    /// Memory that cannot be reclaimed at once, in bytes.
    public var used: Int?
    /// Memory a new process can get without swapping, in bytes.
    public var available: Int?
    /// Memory not used at all, in bytes.
    public var free: Int?
    /// Page cache, in bytes.
    public var cached: Int?
    /// Memory that cannot be paged out (macOS), in bytes.
    public var wired: Int?
    /// Memory held by the compressor, in bytes.
    public var compressed: Int?
    /// What bounds it: machine, cgroup v1 or cgroup v2.
    public var availableBound: String?
    /// Cgroup limit where it is below total, in bytes.
    public var limit: Int?
    /// Charged to the cgroup that has the least left, in bytes.
    public var limitUsed: Int?
    /// Unified memory the GPU may wire (macOS), in bytes.
    public var gpuLimit: Int?
    /// Working set that Metal recommends to stay within (macOS), in bytes.
    public var gpuRecommended: Int?
    /// What the memory controllers read, in bytes per second.
    public var bandwidthRead: Double?
    /// What they write, in bytes per second.
    public var bandwidthWrite: Double?
    /// Swap configured, in bytes.
    public var swapTotal: Int?
    /// Swap in use, in bytes.
    public var swapUsed: Int?
    /// Share of the last 10 s in which some task waited for memory (PSI), as a ratio from 0 to 1.
    public var pressure: Double?
    /// The same, all tasks waiting, as a ratio from 0 to 1.
    public var pressureFull: Double?
    /// Normal, warning or critical.
    public var pressureLevel: String?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        total = data.read("total")
        used = data.read("used")
        available = data.read("available")
        free = data.read("free")
        cached = data.read("cached")
        wired = data.read("wired")
        compressed = data.read("compressed")
        availableBound = data.read("available_bound")
        limit = data.read("limit")
        limitUsed = data.read("limit_used")
        gpuLimit = data.read("gpu_limit")
        gpuRecommended = data.read("gpu_recommended")
        bandwidthRead = data.read("bandwidth_read")
        bandwidthWrite = data.read("bandwidth_write")
        swapTotal = data.read("swap_total")
        swapUsed = data.read("swap_used")
        pressure = data.read("pressure")
        pressureFull = data.read("pressure_full")
        pressureLevel = data.read("pressure_level")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// Values that are older than the message; others are of its time.
    public struct Held: BusRecord {
        /// Key whose value was measured before the message was made.
        public var field: String?
        /// How long before, in seconds.
        public var age: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            field = data.read("field")
            age = data.read("age")
        }
    }
}

/// Processor: `sensor.cpu`.
public struct SensorCPU: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.cpu"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Product name.
    public var name: String?
    /// Cores online.
    public var cores: Int?
    /// Time the cores were busy, mean over all, as a ratio from 0 to 1.
    public var utilization: Double?
    /// Time in user code, as a ratio from 0 to 1.
    public var user: Double?
    /// Time in the kernel, as a ratio from 0 to 1.
    public var system: Double?
    /// Idle time with I/O outstanding, as a ratio from 0 to 1.
    public var iowait: Double?
    /// Mean clock, in hertz.
    public var frequency: Double?
    /// Load average, 1 minute.
    public var load1: Double?
    /// Load average, 5 minutes.
    public var load5: Double?
    /// Load average, 15 minutes.
    public var load15: Double?
    /// Share of the last 10 s in which some task waited for a core (PSI), as a ratio from 0 to 1.
    public var pressure: Double?
    /// Each core.
    public var core: [Core]?
    /// Each kind of cores, where there are several.
    public var cluster: [Cluster]?
    /// Why clocks are throttled, in words: temperature.
    public var throttle: [String]?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        name = data.read("name")
        cores = data.read("cores")
        utilization = data.read("utilization")
        user = data.read("user")
        system = data.read("system")
        iowait = data.read("iowait")
        frequency = data.read("frequency")
        load1 = data.read("load1")
        load5 = data.read("load5")
        load15 = data.read("load15")
        pressure = data.read("pressure")
        core = data.read("core")
        cluster = data.read("cluster")
        throttle = data.read("throttle")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// Each core.
    public struct Core: BusRecord {
        /// Core number.
        public var id: Int?
        /// Name of its cluster, where there are several.
        public var cluster: String?
        /// Time the core was busy, as a ratio from 0 to 1.
        public var utilization: Double?
        /// Clock, in hertz.
        public var frequency: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            id = data.read("id")
            cluster = data.read("cluster")
            utilization = data.read("utilization")
            frequency = data.read("frequency")
        }
    }

    /// Each kind of cores, where there are several.
    public struct Cluster: BusRecord {
        /// Cluster as the system calls it: E, P, ...
        public var name: String?
        /// Cores in it.
        public var cores: Int?
        /// Time its cores were busy, as a ratio from 0 to 1.
        public var utilization: Double?
        /// Clock, in hertz.
        public var frequency: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            cores = data.read("cores")
            utilization = data.read("utilization")
            frequency = data.read("frequency")
        }
    }

    /// Values that are older than the message; others are of its time.
    public struct Held: BusRecord {
        /// Key whose value was measured before the message was made.
        public var field: String?
        /// How long before, in seconds.
        public var age: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            field = data.read("field")
            age = data.read("age")
        }
    }
}

/// Temperatures and fans: `sensor.temperature`.
public struct SensorTemperature: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.temperature"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Processor, in celsius.
    public var cpu: Double?
    /// Graphics processor, in celsius.
    public var gpu: Double?
    /// Hottest sensor, in celsius.
    public var max: Double?
    /// Nominal, moderate, heavy, trapping or sleeping (macOS).
    public var thermalState: String?
    /// Every sensor.
    public var sensor: [Sensor]?
    /// Every fan.
    public var fan: [Fan]?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        cpu = data.read("cpu")
        gpu = data.read("gpu")
        max = data.read("max")
        thermalState = data.read("thermal_state")
        sensor = data.read("sensor")
        fan = data.read("fan")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// Every sensor.
    public struct Sensor: BusRecord {
        /// What it measures.
        public var label: String?
        /// Chip or back end.
        public var source: String?
        /// Temperature, in celsius.
        public var celsius: Double?
        /// How long before the message it was measured; absent: 0, in seconds.
        public var age: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            label = data.read("label")
            source = data.read("source")
            celsius = data.read("celsius")
            age = data.read("age")
        }
    }

    /// Every fan.
    public struct Fan: BusRecord {
        /// Which fan.
        public var label: String?
        /// Speed, in revolutions per minute.
        public var rpm: Double?
        /// How long before the message it was measured; absent: 0, in seconds.
        public var age: Double?
        /// Slowest speed it is set to, in revolutions per minute.
        public var min: Double?
        /// Fastest speed, in revolutions per minute.
        public var max: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            label = data.read("label")
            rpm = data.read("rpm")
            age = data.read("age")
            min = data.read("min")
            max = data.read("max")
        }
    }

    /// Values that are older than the message; others are of its time.
    public struct Held: BusRecord {
        /// Key whose value was measured before the message was made.
        public var field: String?
        /// How long before, in seconds.
        public var age: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            field = data.read("field")
            age = data.read("age")
        }
    }
}

/// Power and energy: `sensor.power`.
public struct SensorPower: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.power"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Whole machine, in watts.
    public var total: Double?
    /// Processor cores, in watts.
    public var cpu: Double?
    /// Graphics, all GPUs, in watts.
    public var gpu: Double?
    /// Memory, in watts.
    public var dram: Double?
    /// Apple Neural Engine, in watts.
    public var ane: Double?
    /// Processor package, in watts.
    public var package: Double?
    /// Energy of the package since an arbitrary start, in joules.
    public var energy: Double?
    /// Ac or battery.
    public var source: String?
    /// Battery charge, as a ratio from 0 to 1.
    public var battery: Double?
    /// Charging, discharging, full or idle.
    public var batteryState: String?
    /// Power into the battery while it charges, out of it while it discharges, in watts.
    public var batteryPower: Double?
    /// Full charge as a share of what it held when new, as a ratio from 0 to 1.
    public var batteryHealth: Double?
    /// Until it is full, or empty, in seconds.
    public var batteryTime: Double?
    /// Times it was charged, in full charges.
    public var batteryCycles: Int?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        total = data.read("total")
        cpu = data.read("cpu")
        gpu = data.read("gpu")
        dram = data.read("dram")
        ane = data.read("ane")
        package = data.read("package")
        energy = data.read("energy")
        source = data.read("source")
        battery = data.read("battery")
        batteryState = data.read("battery_state")
        batteryPower = data.read("battery_power")
        batteryHealth = data.read("battery_health")
        batteryTime = data.read("battery_time")
        batteryCycles = data.read("battery_cycles")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// Values that are older than the message; others are of its time.
    public struct Held: BusRecord {
        /// Key whose value was measured before the message was made.
        public var field: String?
        /// How long before, in seconds.
        public var age: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            field = data.read("field")
            age = data.read("age")
        }
    }
}
