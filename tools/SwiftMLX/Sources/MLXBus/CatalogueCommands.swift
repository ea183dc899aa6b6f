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

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            messages = data.read("messages")
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

    /// The command; what is not given is left to the service.
    public init(prefix: String? = nil) {
        self.prefix = prefix
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["prefix": prefix]
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

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                name = data.read("name")
                connected = data.read("connected")
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

    /// The command; what is not given is left to the service.
    public init(
        model: String? = nil,
        url: String? = nil,
        budget: Double? = nil,
        prompts: [String]? = nil
    ) {
        self.model = model
        self.url = url
        self.budget = budget
        self.prompts = prompts
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "url": url, "budget": budget, "prompts": prompts]
    }
}

/// Take a model into the cache: `cache.add`.
public struct CacheAdd: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {

        /// Reads the fields that are there.
        public init(_ data: BusData) {
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.add"

    /// Org/name, hf.co/org/name:QUANT, name:tag of an Ollama registry, or a path.
    public var model: String?

    /// The command; what is not given is left to the service.
    public init(model: String? = nil) {
        self.model = model
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model]
    }
}

/// Make a model of the cache appear in an app: `cache.link`.
public struct CacheLink: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {

        /// Reads the fields that are there.
        public init(_ data: BusData) {
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.link"

    /// Huggingface, ollama, lmstudio, llamacpp or dir.
    public var app: String?
    /// A model of the cache.
    public var model: String?

    /// The command; what is not given is left to the service.
    public init(app: String? = nil, model: String? = nil) {
        self.app = app
        self.model = model
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["app": app, "model": model]
    }
}

/// Take a linked model out of an app again: `cache.unlink`.
public struct CacheUnlink: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {

        /// Reads the fields that are there.
        public init(_ data: BusData) {
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.unlink"

    /// Huggingface, ollama, lmstudio, llamacpp or dir.
    public var app: String?
    /// A model of the cache.
    public var model: String?

    /// The command; what is not given is left to the service.
    public init(app: String? = nil, model: String? = nil) {
        self.app = app
        self.model = model
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["app": app, "model": model]
    }
}

/// Show, or remove, what no app and no model needs: `cache.clean`.
public struct CacheClean: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {

        /// Reads the fields that are there.
        public init(_ data: BusData) {
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.clean"

    /// Remove it; absent or false: only say what would be removed.
    public var yes: Bool?

    /// The command; what is not given is left to the service.
    public init(yes: Bool? = nil) {
        self.yes = yes
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["yes": yes]
    }
}

/// Scan the stores again and publish cache.status: `cache.refresh`.
public struct CacheRefresh: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public typealias Outcome = CacheStatus

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.refresh"

    /// The command; what is not given is left to the service.
    public init() {}

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        [:]
    }
}
