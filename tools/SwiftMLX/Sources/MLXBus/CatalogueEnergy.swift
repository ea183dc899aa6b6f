// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// What energy went into: `energy.status`.
public struct EnergyStatus: BusTopic {
    /// The topic's name.
    public static let pattern = "energy.status"
    /// Whether the bus keeps the newest value.
    public static let isRetained = true

    /// What the power is of: the whole machine, or which parts.
    public var scope: String?
    /// Why there is no power now, for a person.
    public var reason: String?
    /// Power while no request runs, in watts.
    public var idlePower: Double?
    /// All that was measured and settled since the recorder started, in joules.
    public var measured: Double?
    /// Of that, what the machine draws anyway, in joules.
    public var base: Double?
    /// Of that, above idle while no request ran, in joules.
    public var other: Double?
    /// Of that, above idle while requests ran, in joules.
    public var requests: Double?
    /// Each model.
    public var models: [Model]?
    /// Each client.
    public var clients: [Clients]?

    /// Reads the fields that are there.
    public init(_ data: BusData) {
        scope = data.read("scope")
        reason = data.read("reason")
        idlePower = data.read("idle_power")
        measured = data.read("measured")
        base = data.read("base")
        other = data.read("other")
        requests = data.read("requests")
        models = data.read("models")
        clients = data.read("clients")
    }

    /// Each model.
    public struct Model: BusRecord {
        /// Of the model; empty: not known.
        public var name: String?
        /// Energy above idle that its requests took, in joules.
        public var joules: Double?
        /// Requests that ended, by the energy ledger.
        public var requests: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            joules = data.read("joules")
            requests = data.read("requests")
        }
    }

    /// Each client.
    public struct Clients: BusRecord {
        /// Of the client; empty: not known.
        public var name: String?
        /// Energy above idle that its requests took, in joules.
        public var joules: Double?
        /// Requests that ended, by the energy ledger.
        public var requests: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            name = data.read("name")
            joules = data.read("joules")
            requests = data.read("requests")
        }
    }
}

/// Energy by model, client or day: `energy.list`.
public struct EnergyList: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// As asked.
        public var by: String?
        /// Each; by model and client the greatest first.
        public var rows: [Rows]?
        /// Of all.
        public var total: Total?
        /// How energy is shared, for a person.
        public var method: String?
        /// Why there are no joules, for a person.
        public var reason: String?
        /// Of the costs.
        public var currency: String?
        /// Power while no request runs, in watts.
        public var idlePower: Double?
        /// Up to when energy is shared.
        public var settled: Date?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            by = data.read("by")
            rows = data.read("rows")
            total = data.read("total")
            method = data.read("method")
            reason = data.read("reason")
            currency = data.read("currency")
            idlePower = data.read("idle_power")
            settled = data.read("settled")
        }

        /// Each; by model and client the greatest first.
        public struct Rows: BusRecord {
            /// Of this row, by model; absent: not known.
            public var model: String?
            /// Of this row, by client; absent: not known.
            public var client: String?
            /// Of this row, by day: local date.
            public var day: String?
            /// Of this row, by hour: local time.
            public var hour: String?
            /// Requests that ended.
            public var requests: Int?
            /// Of these, those whose power was known all the time.
            public var metered: Int?
            /// That they generated.
            public var tokens: Int?
            /// Above idle; absent: power was not known, in joules.
            public var joules: Double?
            /// Where all are metered, in joules.
            public var joulesPerRequest: Double?
            /// Where all are metered, in joules.
            public var joulesPerToken: Double?
            /// Of these joules; absent: without a price.
            public var cost: Double?
            /// Grams, of these joules; absent: without a factor.
            public var co2: Double?
            /// All energy: joules, base, other, unsplit, in joules.
            public var measured: Double?
            /// What the machine draws anyway, in joules.
            public var base: Double?
            /// Above idle while no request ran, in joules.
            public var other: Double?
            /// From when the idle power was not known yet, in joules.
            public var unsplit: Double?
            /// Time in which power was known, in seconds.
            public var known: Double?
            /// Time without: the machine was off or asleep, or its sensors silent, in seconds.
            public var unknown: Double?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                model = data.read("model")
                client = data.read("client")
                day = data.read("day")
                hour = data.read("hour")
                requests = data.read("requests")
                metered = data.read("metered")
                tokens = data.read("tokens")
                joules = data.read("joules")
                joulesPerRequest = data.read("joules_per_request")
                joulesPerToken = data.read("joules_per_token")
                cost = data.read("cost")
                co2 = data.read("co2")
                measured = data.read("measured")
                base = data.read("base")
                other = data.read("other")
                unsplit = data.read("unsplit")
                known = data.read("known")
                unknown = data.read("unknown")
            }
        }

        /// Of all.
        public struct Total: BusRecord {
            /// Of this row, by model; absent: not known.
            public var model: String?
            /// Of this row, by client; absent: not known.
            public var client: String?
            /// Of this row, by day: local date.
            public var day: String?
            /// Of this row, by hour: local time.
            public var hour: String?
            /// Requests that ended.
            public var requests: Int?
            /// Of these, those whose power was known all the time.
            public var metered: Int?
            /// That they generated.
            public var tokens: Int?
            /// Above idle; absent: power was not known, in joules.
            public var joules: Double?
            /// Where all are metered, in joules.
            public var joulesPerRequest: Double?
            /// Where all are metered, in joules.
            public var joulesPerToken: Double?
            /// Of these joules; absent: without a price.
            public var cost: Double?
            /// Grams, of these joules; absent: without a factor.
            public var co2: Double?
            /// All energy: joules, base, other, unsplit, in joules.
            public var measured: Double?
            /// What the machine draws anyway, in joules.
            public var base: Double?
            /// Above idle while no request ran, in joules.
            public var other: Double?
            /// From when the idle power was not known yet, in joules.
            public var unsplit: Double?
            /// Time in which power was known, in seconds.
            public var known: Double?
            /// Time without: the machine was off or asleep, or its sensors silent, in seconds.
            public var unknown: Double?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                model = data.read("model")
                client = data.read("client")
                day = data.read("day")
                hour = data.read("hour")
                requests = data.read("requests")
                metered = data.read("metered")
                tokens = data.read("tokens")
                joules = data.read("joules")
                joulesPerRequest = data.read("joules_per_request")
                joulesPerToken = data.read("joules_per_token")
                cost = data.read("cost")
                co2 = data.read("co2")
                measured = data.read("measured")
                base = data.read("base")
                other = data.read("other")
                unsplit = data.read("unsplit")
                known = data.read("known")
                unknown = data.read("unknown")
            }
        }
    }

    /// The service that runs it.
    public static let service = "recorder"
    /// Its name on the bus.
    public static let name = "energy.list"

    /// Model, client, day, hour or total; absent: model.
    public var by: String?
    /// From the hour that it is in; absent: all.
    public var since: Date?
    /// Hours that begin before; absent: now.
    public var until: Date?

    /// The command; what is not given is left to the service.
    public init(by: String? = nil, since: Date? = nil, until: Date? = nil) {
        self.by = by
        self.since = since
        self.until = until
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["by": by, "since": since, "until": until]
    }
}
