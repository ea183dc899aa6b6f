// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// Retained messages at once: `bus.snapshot`.
public struct BusSnapshot: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Retained messages, with their data under "d".
        public var messages: [Message]?
        /// Ask for the next page with it; absent: this was the last.
        public var cursor: Int?
        /// Messages of this page that are too large for any answer; absent: none.
        public var leftOut: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            messages = data.read("messages")
            cursor = data.read("cursor")
            leftOut = data.read("left_out")
        }

        /// Retained messages, with their data under "d".
        public struct Message: BusRecord {
            /// Of the message.
            public var topic: String?
            /// Where it comes from.
            public var host: String?
            /// Service.
            public var src: String?
            /// When it was published.
            public var time: Date?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                topic = data.read("topic")
                host = data.read("host")
                src = data.read("src")
                time = data.read("t")
            }
        }
    }

    /// The service that runs it.
    public static let service = "bus"
    /// Its name on the bus.
    public static let name = "bus.snapshot"

    /// Topics that begin with it; absent: all.
    public var prefix: String?
    /// From the result before, for the next page.
    public var cursor: Int?

    /// The command; what is not given is left to the service.
    public init(prefix: String? = nil, cursor: Int? = nil) {
        self.prefix = prefix
        self.cursor = cursor
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["prefix": prefix, "cursor": cursor]
    }
}

/// Services that take commands: `bus.services`.
public struct BusServices: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Services that registered for commands.
        public var services: [Service]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            services = data.read("services")
        }

        /// Services that registered for commands.
        public struct Service: BusRecord {
            /// Of the service.
            public var name: String?
            /// It can take commands now.
            public var connected: Bool?
            /// It has confirmed that recently.
            public var answers: Bool?
            /// Of its process, as the kernel tells it; absent where it does not.
            public var pid: Int?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                name = data.read("name")
                connected = data.read("connected")
                answers = data.read("answers")
                pid = data.read("pid")
            }
        }
    }

    /// The service that runs it.
    public static let service = "bus"
    /// Its name on the bus.
    public static let name = "bus.services"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}

/// Read the list of allowed keys again: `bus.keys`.
public struct BusKeys: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Connections with keys that are no longer on the allow-list, ended just now.
        public var ended: Int?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            ended = data.read("ended")
        }
    }

    /// The service that runs it.
    public static let service = "bus"
    /// Its name on the bus.
    public static let name = "bus.keys"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}

/// Measure a model: `bench.run`.
public struct BenchRun: BusCommand {
    /// What comes while it runs.
    public typealias Progress = BenchProgress
    /// What comes at its end.
    public typealias Outcome = BenchResult

    /// The service that runs it.
    public static let service = "bencher"
    /// Its name on the bus.
    public static let name = "bench.run"

    /// Model; absent: the one that is loaded.
    public var model: String?
    /// Runtime; absent: the first reachable one.
    public var url: String?
    /// Wall time without loading the model; absent: the setting bench.budget_s, in seconds.
    public var budget: Double?
    /// Prompts (strings) instead of the built-in ten.
    public var prompts: [String]?
    /// Instead of prompts: "context" or "parallel".
    public var sweep: String?

    /// The command; what is not given is left to the service.
    public init(
        model: String? = nil,
        url: String? = nil,
        budget: Double? = nil,
        prompts: [String]? = nil,
        sweep: String? = nil
    ) {
        self.model = model
        self.url = url
        self.budget = budget
        self.prompts = prompts
        self.sweep = sweep
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "url": url, "budget": budget, "prompts": prompts, "sweep": sweep]
    }
}

/// Load a model into memory: `model.load`.
public struct ModelLoad: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// That was meant.
        public var model: String?
        /// Kind of the runtime.
        public var runtime: String?
        /// Of the runtime.
        public var endpoint: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            runtime = data.read("runtime")
            endpoint = data.read("endpoint")
        }
    }

    /// The service that runs it.
    public static let service = "watcher"
    /// Its name on the bus.
    public static let name = "model.load"

    /// Name as the runtime gives it.
    public var model: String?
    /// Its kind, URL or endpoint; absent: the only one that has the model.
    public var runtime: String?
    /// Also while a request runs.
    public var force: Bool?

    /// The command; what is not given is left to the service.
    public init(model: String? = nil, runtime: String? = nil, force: Bool? = nil) {
        self.model = model
        self.runtime = runtime
        self.force = force
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "runtime": runtime, "force": force]
    }
}

/// Free a model's memory: `model.unload`.
public struct ModelUnload: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// That was meant.
        public var model: String?
        /// Kind of the runtime.
        public var runtime: String?
        /// Of the runtime.
        public var endpoint: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            runtime = data.read("runtime")
            endpoint = data.read("endpoint")
        }
    }

    /// The service that runs it.
    public static let service = "watcher"
    /// Its name on the bus.
    public static let name = "model.unload"

    /// Name as the runtime gives it.
    public var model: String?
    /// Its kind, URL or endpoint; absent: the only one that has the model.
    public var runtime: String?
    /// Also while a request runs.
    public var force: Bool?

    /// The command; what is not given is left to the service.
    public init(model: String? = nil, runtime: String? = nil, force: Bool? = nil) {
        self.model = model
        self.runtime = runtime
        self.force = force
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "runtime": runtime, "force": force]
    }
}

/// Load a model and keep it until it is unloaded: `model.pin`.
public struct ModelPin: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// That was meant.
        public var model: String?
        /// Kind of the runtime.
        public var runtime: String?
        /// Of the runtime.
        public var endpoint: String?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            runtime = data.read("runtime")
            endpoint = data.read("endpoint")
        }
    }

    /// The service that runs it.
    public static let service = "watcher"
    /// Its name on the bus.
    public static let name = "model.pin"

    /// Name as the runtime gives it.
    public var model: String?
    /// Its kind, URL or endpoint; absent: the only one that has the model.
    public var runtime: String?
    /// Also while a request runs.
    public var force: Bool?

    /// The command; what is not given is left to the service.
    public init(model: String? = nil, runtime: String? = nil, force: Bool? = nil) {
        self.model = model
        self.runtime = runtime
        self.force = force
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "runtime": runtime, "force": force]
    }
}
