// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// The shared model cache: `cache.status`.
public struct CacheStatus: BusTopic {
    /// The topic's name.
    public static let pattern = "cache.status"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Where the cache is.
    public var dir: String?
    /// Models in the cache.
    public var modelsCount: Int?
    /// Disk space the cache uses, in bytes.
    public var bytes: Int?
    /// Disk space that sharing avoided, in bytes.
    public var saved: Int?
    /// Copies that do not exist.
    public var duplicatesAvoided: Int?
    /// Disk space that is there twice, in bytes.
    public var duplicateBytes: Int?
    /// Of files as long as others, not read yet: they may be there twice, in bytes.
    public var lookalikeBytes: Int?
    /// Each model.
    public var models: [Model]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        dir = data.read("dir")
        modelsCount = data.read("models_count")
        bytes = data.read("bytes")
        saved = data.read("saved")
        duplicatesAvoided = data.read("duplicates_avoided")
        duplicateBytes = data.read("duplicate_bytes")
        lookalikeBytes = data.read("lookalike_bytes")
        models = data.read("models")
    }

    /// Each model.
    public struct Model: BusRecord {
        /// Model name.
        public var name: String?
        /// Bytes of its files, in bytes.
        public var size: Int?
        /// Apps that use it.
        public var usedBy: [String]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            size = data.read("size")
            usedBy = data.read("used_by")
        }
    }
}

/// A cache operation under way: `cache.progress`.
public struct CacheProgress: BusTopic {
    /// The topic's name.
    public static let pattern = "cache.progress"
    /// Whether the bus keeps the newest value.
    public static let isRetained = false

    /// Of the operation.
    public var id: String?
    /// Add, link, dedup, clean, ...
    public var operation: String?
    /// Model worked on.
    public var model: String?
    /// Resolve, download, verify, ...
    public var phase: String?
    /// Bytes done, in bytes.
    public var done: Int?
    /// Bytes in all, in bytes.
    public var total: Int?
    /// Speed now, in bytes per second.
    public var rate: Double?
    /// Estimate until the end, in seconds.
    public var eta: Double?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        id = data.read("id")
        operation = data.read("operation")
        model = data.read("model")
        phase = data.read("phase")
        done = data.read("done")
        total = data.read("total")
        rate = data.read("rate")
        eta = data.read("eta")
    }
}

/// The history database: `history.status`.
public struct HistoryStatus: BusTopic {
    /// The topic's name.
    public static let pattern = "history.status"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Database file.
    public var path: String?
    /// Size on disk, in bytes.
    public var bytes: Int?
    /// Series known.
    public var series: Int?
    /// Samples stored since start.
    public var samples: Int?
    /// Samples not stored: the disk was full, or there were too many series.
    public var lost: Int?
    /// Time of the oldest sample.
    public var oldest: Date?
    /// Time the newest flush took, in seconds.
    public var flush: Double?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        path = data.read("path")
        bytes = data.read("bytes")
        series = data.read("series")
        samples = data.read("samples")
        lost = data.read("lost")
        oldest = data.read("oldest")
        flush = data.read("flush")
    }
}

/// A process of the suite: `service.<name>.health`.
public struct ServiceHealth: BusTopic {
    /// The topic's name.
    public static let pattern = "service.<name>.health"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Up, degraded or down.
    public var state: String?
    /// Why not up, for a person.
    public var reason: String?
    /// Of the program.
    public var version: String?
    /// Process id.
    public var pid: Int?
    /// Since its start, in seconds.
    public var uptime: Double?
    /// Messages published.
    public var messages: Int?
    /// Messages lost on the way to it, by sequence gaps.
    public var drops: Int?
    /// Errors counted.
    public var errors: Int?
    /// Memory it costs the machine (shared pages divided by their users), in bytes.
    public var memory: Int?
    /// CPU time used, in seconds.
    public var cpu: Double?
    /// The newest error, one line.
    public var lastError: String?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        state = data.read("state")
        reason = data.read("reason")
        version = data.read("version")
        pid = data.read("pid")
        uptime = data.read("uptime")
        messages = data.read("messages")
        drops = data.read("drops")
        errors = data.read("errors")
        memory = data.read("memory")
        cpu = data.read("cpu")
        lastError = data.read("last_error")
    }
}

/// An alert rule that fires or has ended: `alert.<rule>`.
public struct Alert: BusTopic {
    /// The topic's name.
    public static let pattern = "alert.<rule>"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Firing or resolved.
    public var state: String?
    /// One line for a person.
    public var summary: String?
    /// Where the value came from.
    public var topic: String?
    /// Which value.
    public var field: String?
    /// The value.
    public var value: Double?
    /// The limit it crossed.
    public var threshold: Double?
    /// When it began.
    public var since: Date?
    /// Nobody is told until then; absent: it is not silenced.
    public var silencedUntil: Date?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        state = data.read("state")
        summary = data.read("summary")
        topic = data.read("topic")
        field = data.read("field")
        value = data.read("value")
        threshold = data.read("threshold")
        since = data.read("since")
        silencedUntil = data.read("silenced_until")
    }
}

/// Why the machine is slow for its models, and what helps: `finding.<rule>`.
public struct Finding: BusTopic {
    /// The topic's name.
    public static let pattern = "finding.<rule>"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// Firing or resolved.
    public var state: String?
    /// One line for a person, with the numbers.
    public var summary: String?
    /// What helps, with the command.
    public var remedy: String?
    /// What it is about: a topic, or a topic and a model.
    public var subject: String?
    /// The number that it was found by, where there is one.
    public var value: Double?
    /// The limit of it.
    public var threshold: Double?
    /// When it began, or ended.
    public var since: Date?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        state = data.read("state")
        summary = data.read("summary")
        remedy = data.read("remedy")
        subject = data.read("subject")
        value = data.read("value")
        threshold = data.read("threshold")
        since = data.read("since")
    }
}
