// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// One GPU: `sensor.gpu.<n>`.
public struct SensorGPU: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.gpu.<n>"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Product name.
    public var name: String?
    /// Nvidia, amd, intel, apple.
    public var vendor: String?
    /// Sensor back end that read it.
    public var backend: String?
    /// Stable identity: UUID or bus address.
    public var id: String?
    /// Time the GPU was busy, as a ratio from 0 to 1.
    public var utilization: Double?
    /// GPU memory in use, in bytes.
    public var memoryUsed: Int?
    /// GPU memory installed, in bytes.
    public var memoryTotal: Int?
    /// Memory_used and memory_total are of the machine's memory, which it shares.
    public var unified: Bool?
    /// Core clock, in hertz.
    public var frequency: Double?
    /// Memory clock, in hertz.
    public var memoryFrequency: Double?
    /// Power drawn, in watts.
    public var power: Double?
    /// Power limit in force, in watts.
    public var powerLimit: Double?
    /// Energy used since the driver was loaded, in joules.
    public var energy: Double?
    /// Core temperature, in celsius.
    public var temperature: Double?
    /// Fan speed as a share of its maximum, as a ratio from 0 to 1.
    public var fan: Double?
    /// Slowest speed the fan can be set to, as a ratio from 0 to 1.
    public var fanMin: Double?
    /// Fastest speed the fan can be set to, as a ratio from 0 to 1.
    public var fanMax: Double?
    /// Time the video encoder was busy, as a ratio from 0 to 1.
    public var encoder: Double?
    /// Time the video decoder was busy, as a ratio from 0 to 1.
    public var decoder: Double?
    /// Time the busiest video engine was busy, as a ratio from 0 to 1.
    public var media: Double?
    /// Memory that the video engines read (Apple Silicon), in bytes per second.
    public var mediaRead: Double?
    /// Memory that they write, in bytes per second.
    public var mediaWrite: Double?
    /// What the GPU sends over PCIe, in bytes per second.
    public var pcieTx: Double?
    /// What it receives, in bytes per second.
    public var pcieRx: Double?
    /// The parts of a divided GPU (MIG).
    public var instances: [Instances]?
    /// Why clocks are throttled, in words: power limit, temperature, current, ...
    public var throttle: [String]?
    /// Processes with a context on the GPU.
    public var processes: [Process]?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        name = data.read("name")
        vendor = data.read("vendor")
        backend = data.read("backend")
        id = data.read("id")
        utilization = data.read("utilization")
        memoryUsed = data.read("memory_used")
        memoryTotal = data.read("memory_total")
        unified = data.read("unified")
        frequency = data.read("frequency")
        memoryFrequency = data.read("memory_frequency")
        power = data.read("power")
        powerLimit = data.read("power_limit")
        energy = data.read("energy")
        temperature = data.read("temperature")
        fan = data.read("fan")
        fanMin = data.read("fan_min")
        fanMax = data.read("fan_max")
        encoder = data.read("encoder")
        decoder = data.read("decoder")
        media = data.read("media")
        mediaRead = data.read("media_read")
        mediaWrite = data.read("media_write")
        pcieTx = data.read("pcie_tx")
        pcieRx = data.read("pcie_rx")
        instances = data.read("instances")
        throttle = data.read("throttle")
        processes = data.read("processes")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// The parts of a divided GPU (MIG).
    public struct Instances: BusRecord {
        /// As the processes name it.
        public var number: Int?
        /// Identity of the part.
        public var id: String?
        /// Its kind: how large a part it is.
        public var name: String?
        /// Memory in use, in bytes.
        public var memoryUsed: Int?
        /// Memory of the part, in bytes.
        public var memoryTotal: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            number = data.read("number")
            id = data.read("id")
            name = data.read("name")
            memoryUsed = data.read("memory_used")
            memoryTotal = data.read("memory_total")
        }
    }

    /// Processes with a context on the GPU.
    public struct Process: BusRecord {
        /// Process id.
        public var pid: Int?
        /// Its name.
        public var program: String?
        /// Number of the part of a divided GPU that it runs in.
        public var instance: Int?
        /// GPU memory the process holds, in bytes.
        public var memory: Int?
        /// Share of the GPU's time the process used, as a ratio from 0 to 1.
        public var utilization: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            pid = data.read("pid")
            program = data.read("program")
            instance = data.read("instance")
            memory = data.read("memory")
            utilization = data.read("utilization")
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

/// One neural processor (NPU): `sensor.npu.<n>`.
public struct SensorNpu: BusTopic {
    /// The topic's name.
    public static let pattern = "sensor.npu.<n>"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Product name, or the driver's.
    public var name: String?
    /// Intel, amd, ...
    public var vendor: String?
    /// Sensor back end that read it.
    public var backend: String?
    /// Stable identity: bus address.
    public var id: String?
    /// Time it was busy, as a ratio from 0 to 1.
    public var utilization: Double?
    /// Memory its programs hold, in bytes.
    public var memoryUsed: Int?
    /// Clock, in hertz.
    public var frequency: Double?
    /// Fastest clock, in hertz.
    public var frequencyMax: Double?
    /// Processes that have it open.
    public var processes: [Process]?
    /// Values that are older than the message; others are of its time.
    public var held: [Held]?
    /// Fields that are not available, and why.
    public var missing: [MissingField]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        name = data.read("name")
        vendor = data.read("vendor")
        backend = data.read("backend")
        id = data.read("id")
        utilization = data.read("utilization")
        memoryUsed = data.read("memory_used")
        frequency = data.read("frequency")
        frequencyMax = data.read("frequency_max")
        processes = data.read("processes")
        held = data.read("held")
        missing = data.read("missing")
    }

    /// Processes that have it open.
    public struct Process: BusRecord {
        /// Process id.
        public var pid: Int?
        /// Its name.
        public var program: String?
        /// Memory the process holds there, in bytes.
        public var memory: Int?
        /// Share of its time the process used, as a ratio from 0 to 1.
        public var utilization: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            pid = data.read("pid")
            program = data.read("program")
            memory = data.read("memory")
            utilization = data.read("utilization")
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
