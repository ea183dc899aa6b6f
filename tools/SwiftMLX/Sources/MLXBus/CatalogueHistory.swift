// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// Points of one series: `history.query`.
public struct HistoryQuery: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Its full name.
        public var series: String?
        /// Of the values.
        public var unit: String?
        /// Finest rows that were read: raw, minute or hour.
        public var tier: String?
        /// Interval between the points, in seconds.
        public var step: Double?
        /// Lists of [t, min, max, mean, count]; a step without samples has none.
        public var points: [[Double]]?
        /// The newest hundred events on this machine in that time.
        public var events: [Events]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            series = data.read("series")
            unit = data.read("unit")
            tier = data.read("tier")
            step = data.read("step")
            points = data.read("points")
            events = data.read("events")
        }

        /// The newest hundred events on this machine in that time.
        public struct Events: BusRecord {
            /// When it happened.
            public var time: Date?
            /// Model, runtime, alert, gap, finding or benchmark.
            public var kind: String?
            /// What happened, for a person.
            public var text: String?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                time = data.read("t")
                kind = data.read("kind")
                text = data.read("text")
            }
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "history.query"

    /// Host/topic/field, as history.series lists them; without host: this one.
    public var series: String?
    /// Start of the range; absent: an hour before its end.
    public var since: Date?
    /// End of the range; absent: now.
    public var until: Date?
    /// Wanted interval between points; absent: chosen automatically, in seconds.
    public var step: Double?
    /// At most about this many points; absent: 600.
    public var points: Int?

    /// The command; what is not given is left to the service.
    public init(
        series: String? = nil,
        since: Date? = nil,
        until: Date? = nil,
        step: Double? = nil,
        points: Int? = nil
    ) {
        self.series = series
        self.since = since
        self.until = until
        self.step = step
        self.points = points
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["series": series, "since": since, "until": until, "step": step, "points": points]
    }
}

/// Names of all series: `history.series`.
public struct HistorySeries: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Names of all series, sorted.
        public var series: [String]?
        /// The last name here, if there are more; absent: that was all.
        public var next: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            series = data.read("series")
            next = data.read("next")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "history.series"

    /// Series that begin with it; absent: all.
    public var prefix: String?
    /// Only names behind this one: "next" of the result before.
    public var after: String?

    /// The command; what is not given is left to the service.
    public init(prefix: String? = nil, after: String? = nil) {
        self.prefix = prefix
        self.after = after
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["prefix": prefix, "after": after]
    }
}

/// Rows of one series as stored, page by page: `history.export`.
public struct HistoryExport: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Its full name.
        public var series: String?
        /// Of the values.
        public var unit: String?
        /// Lists of [t, value], or of [t, min, max, mean, last, count].
        public var rows: [[Double]]?
        /// Ask for the next page with it; absent: this was the last.
        public var cursor: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            series = data.read("series")
            unit = data.read("unit")
            rows = data.read("rows")
            cursor = data.read("cursor")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "history.export"

    /// As for history.query.
    public var series: String?
    /// Raw, minute or hour; absent: raw.
    public var tier: String?
    /// Start of the range; absent: the oldest.
    public var since: Date?
    /// End of the range; absent: now.
    public var until: Date?
    /// From the result before, for the next page.
    public var cursor: Int?

    /// The command; what is not given is left to the service.
    public init(
        series: String? = nil,
        tier: String? = nil,
        since: Date? = nil,
        until: Date? = nil,
        cursor: Int? = nil
    ) {
        self.series = series
        self.tier = tier
        self.since = since
        self.until = until
        self.cursor = cursor
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["series": series, "tier": tier, "since": since, "until": until, "cursor": cursor]
    }
}

/// What the database holds: `history.info`.
public struct HistoryInfo: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Database file.
        public var path: String?
        /// Its size, in bytes.
        public var bytes: Int?
        /// Bytes of it that are unused, in bytes.
        public var free: Int?
        /// Series known.
        public var series: Int?
        /// Time of the oldest row.
        public var oldest: Date?
        /// Each tier.
        public var tiers: [Tiers]?
        /// Samples stored since start.
        public var samples: Int?
        /// Samples not stored: the disk was full, or there were too many series.
        public var lost: Int?
        /// Samples that were not finite numbers, or were too large.
        public var refused: Int?
        /// Pieces that could not be read.
        public var damaged: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            path = data.read("path")
            bytes = data.read("bytes")
            free = data.read("free")
            series = data.read("series")
            oldest = data.read("oldest")
            tiers = data.read("tiers")
            samples = data.read("samples")
            lost = data.read("lost")
            refused = data.read("refused")
            damaged = data.read("damaged")
        }

        /// Each tier.
        public struct Tiers: BusRecord {
            /// Raw, minute or hour.
            public var name: String?
            /// Rows kept.
            public var rows: Int?
            /// Every row since then is kept; absent: all there ever were.
            public var since: Date?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                name = data.read("name")
                rows = data.read("rows")
                since = data.read("since")
            }
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "history.info"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}

/// Give unused space back to the file system: `history.vacuum`.
public struct HistoryVacuum: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Size before, in bytes.
        public var before: Int?
        /// Size now, in bytes.
        public var after: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            before = data.read("before")
            after = data.read("after")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "history.vacuum"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}

/// Stored benchmark results: `bench.list`.
public struct BenchList: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Newest first, with the "host" they come from.
        public var results: [BenchResult]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            results = data.read("results")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "bench.list"

    /// Results of this model; absent: of all.
    public var model: String?
    /// Results whose id starts with this; absent: of any id.
    public var id: String?
    /// At most so many, 1 to 100; absent: 50.
    public var limit: Int?

    /// The command; what is not given is left to the service.
    public init(model: String? = nil, id: String? = nil, limit: Int? = nil) {
        self.model = model
        self.id = id
        self.limit = limit
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "id": id, "limit": limit]
    }
}

/// Requests that have ended: `requests.list`.
public struct RequestsList: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Newest first, with the "host", "runtime" and "endpoint" they come from.
        public var requests: [RuntimeRequest]?
        /// Ask for older ones with it; absent: there are none.
        public var cursor: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            requests = data.read("requests")
            cursor = data.read("cursor")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "requests.list"

    /// Part of a client's name, program, User-Agent, key fingerprint or address.
    public var client: String?
    /// Part of a model's name.
    public var model: String?
    /// Of this machine; absent: of all.
    public var host: String?
    /// Ended then or later; absent: the oldest.
    public var since: Date?
    /// Ended before; absent: now.
    public var until: Date?
    /// At most so many, 1 to 500; absent: 100.
    public var limit: Int?
    /// From the result before, for older ones.
    public var cursor: Int?

    /// The command; what is not given is left to the service.
    public init(
        client: String? = nil,
        model: String? = nil,
        host: String? = nil,
        since: Date? = nil,
        until: Date? = nil,
        limit: Int? = nil,
        cursor: Int? = nil
    ) {
        self.client = client
        self.model = model
        self.host = host
        self.since = since
        self.until = until
        self.limit = limit
        self.cursor = cursor
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [
            "client": client,
            "model": model,
            "host": host,
            "since": since,
            "until": until,
            "limit": limit,
            "cursor": cursor
        ]
    }
}

/// Percentiles of requests' times and tokens: `requests.spread`.
public struct RequestsSpread: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// As asked.
        public var measure: String?
        /// Of the values.
        public var unit: String?
        /// Begin: not before the first request, nor in a day whose requests are gone.
        public var since: Date?
        /// End.
        public var until: Date?
        /// Of the points, in seconds.
        public var step: Double?
        /// That a percentile may have, of itself, as a ratio from 0 to 1.
        public var error: Double?
        /// Requests in all; without any the following are absent.
        public var count: Int?
        /// As in a point, of all.
        public var min: Double?
        /// Of all.
        public var max: Double?
        /// Of all.
        public var mean: Double?
        /// Of all.
        public var p10: Double?
        /// Of all.
        public var p50: Double?
        /// Of all.
        public var p90: Double?
        /// Of all.
        public var p95: Double?
        /// Of all.
        public var p99: Double?
        /// Lists of [above, up to, count]; those without requests have none.
        public var buckets: [String]?
        /// Steps that have requests.
        public var points: [Points]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            measure = data.read("measure")
            unit = data.read("unit")
            since = data.read("since")
            until = data.read("until")
            step = data.read("step")
            error = data.read("error")
            count = data.read("count")
            min = data.read("min")
            max = data.read("max")
            mean = data.read("mean")
            p10 = data.read("p10")
            p50 = data.read("p50")
            p90 = data.read("p90")
            p95 = data.read("p95")
            p99 = data.read("p99")
            buckets = data.read("buckets")
            points = data.read("points")
        }

        /// Steps that have requests.
        public struct Points: BusRecord {
            /// Start of the step.
            public var time: Date?
            /// Requests in it that succeeded and reported the measure.
            public var count: Int?
            /// Least value.
            public var min: Double?
            /// Largest.
            public var max: Double?
            /// Mean.
            public var mean: Double?
            /// The value that 10 % of the requests were below.
            public var p10: Double?
            /// 50 %.
            public var p50: Double?
            /// 90 %.
            public var p90: Double?
            /// 95 %.
            public var p95: Double?
            /// 99 %.
            public var p99: Double?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                time = data.read("t")
                count = data.read("count")
                min = data.read("min")
                max = data.read("max")
                mean = data.read("mean")
                p10 = data.read("p10")
                p50 = data.read("p50")
                p90 = data.read("p90")
                p95 = data.read("p95")
                p99 = data.read("p99")
            }
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "requests.spread"

    /// Ttft, latency or tokens (generated).
    public var measure: String?
    /// Part of a model's name; absent: all.
    public var model: String?
    /// Start of the range; absent: a day before its end.
    public var since: Date?
    /// End of the range; absent: now.
    public var until: Date?

    /// The command; what is not given is left to the service.
    public init(
        measure: String? = nil,
        model: String? = nil,
        since: Date? = nil,
        until: Date? = nil
    ) {
        self.measure = measure
        self.model = model
        self.since = since
        self.until = until
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["measure": measure, "model": model, "since": since, "until": until]
    }
}
