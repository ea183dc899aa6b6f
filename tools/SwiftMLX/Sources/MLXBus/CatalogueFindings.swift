// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// Alert rules and their state: `alert.list`.
public struct AlertList: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Each rule, with its "rule"; one without state never fired.
        public var alerts: [Alert]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            alerts = data.read("alerts")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "alert.list"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}

/// Silence an alert for some time: `alert.silence`.
public struct AlertSilence: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Each rule, with its "rule"; one without state never fired.
        public var alerts: [Alert]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            alerts = data.read("alerts")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "alert.silence"

    /// Name of the rule.
    public var rule: String?
    /// How long, up to a year; 0 ends it; absent: 3600, in seconds.
    public var seconds: Double?

    /// The command; what is not given is left to the service.
    public init(rule: String? = nil, seconds: Double? = nil) {
        self.rule = rule
        self.seconds = seconds
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["rule": rule, "seconds": seconds]
    }
}

/// Let an alert fire for ten seconds: `alert.test`.
public struct AlertTest: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Each rule, with its "rule"; one without state never fired.
        public var alerts: [Alert]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            alerts = data.read("alerts")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "alert.test"

    /// Name of the rule.
    public var rule: String?

    /// The command; what is not given is left to the service.
    public init(rule: String? = nil) {
        self.rule = rule
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["rule": rule]
    }
}

/// What was found, and when it ended: `finding.list`.
public struct FindingList: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Newest first: each beginning and end, with "rule", "host" and "t".
        public var findings: [Finding]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            findings = data.read("findings")
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "finding.list"

    /// At most so many, 1 to 500; absent: 50.
    public var limit: Int?

    /// The command; what is not given is left to the service.
    public init(limit: Int? = nil) {
        self.limit = limit
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["limit": limit]
    }
}
