// Made from proto/catalogue_topics.c; do not edit.
// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.
import Foundation

/// Add a model to the cache: `cache.add`.
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

/// Link a cached model into an app: `cache.link`.
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

/// Remove a linked model from an app: `cache.unlink`.
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

/// Show, or share, what is on the disk twice: `cache.dedup`.
public struct CacheDedup: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// Nothing was changed.
        public var dryRun: Bool?
        /// That sharing frees, in bytes.
        public var wouldFree: Int?
        /// That it freed; absent: nothing was changed, in bytes.
        public var freed: Int?
        /// Each file.
        public var steps: [Steps]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            dryRun = data.read("dry_run")
            wouldFree = data.read("would_free")
            freed = data.read("freed")
            steps = data.read("steps")
        }

        /// Each file.
        public struct Steps: BusRecord {
            /// What is done with the file.
            public var action: String?
            /// Of the file.
            public var path: String?
            /// Of the file whose bytes it is to share.
            public var source: String?
            /// Of the file, in bytes.
            public var size: Int?
            /// How they are shared: clone, hardlink.
            public var method: String?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                action = data.read("action")
                path = data.read("path")
                source = data.read("source")
                size = data.read("size")
                method = data.read("method")
            }
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.dedup"

    /// Share the bytes; absent or false: only say what would be shared.
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

/// Which stores have a model, with its paths: `cache.where`.
public struct CacheWhere: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// With that name, else with it as a part; 20 at most.
        public var models: [Model]?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            models = data.read("models")
        }

        /// With that name, else with it as a part; 20 at most.
        public struct Model: BusRecord {
            /// Model name.
            public var name: String?
            /// What the apps call it, where that differs.
            public var names: [String]?
            /// Where the cache has it from.
            public var source: String?
            /// The shared cache holds it.
            public var cached: Bool?
            /// No file is missing or damaged.
            public var complete: Bool?
            /// Of the cache's.
            public var missingFiles: Int?
            /// Of the cache's.
            public var damagedFiles: Int?
            /// Of its files, in bytes.
            public var size: Int?
            /// That they take on the disk, in bytes.
            public var disk: Int?
            /// Apps that have it.
            public var usedBy: [UsedBy]?
            /// Each store that has it.
            public var places: [Places]?

            /// Reads the fields that are there.
            public init(_ data: BusData) {
                name = data.read("name")
                names = data.read("names")
                source = data.read("source")
                cached = data.read("cached")
                complete = data.read("complete")
                missingFiles = data.read("missing_files")
                damagedFiles = data.read("damaged_files")
                size = data.read("size")
                disk = data.read("disk")
                usedBy = data.read("used_by")
                places = data.read("places")
            }

            /// Apps that have it.
            public struct UsedBy: BusRecord {
                /// That has it.
                public var app: String?
                /// How it has the bytes of the cache: clone, hardlink, symlink, copy.
                public var method: String?
                /// On a volume that is not mounted now.
                public var offline: Bool?

                /// Reads the fields that are there.
                public init(_ data: BusData) {
                    app = data.read("app")
                    method = data.read("method")
                    offline = data.read("offline")
                }
            }

            /// Each store that has it.
            public struct Places: BusRecord {
                /// Whose store it is; mlx-cache: the shared cache.
                public var app: String?
                /// Folder of the store.
                public var store: String?
                /// As this app calls the model.
                public var name: String?
                /// No file is missing or damaged.
                public var complete: Bool?
                /// Of its files, in bytes.
                public var size: Int?
                /// Files there.
                public var filesCount: Int?
                /// The first 64 of them.
                public var files: [Files]?

                /// Reads the fields that are there.
                public init(_ data: BusData) {
                    app = data.read("app")
                    store = data.read("store")
                    name = data.read("name")
                    complete = data.read("complete")
                    size = data.read("size")
                    filesCount = data.read("files_count")
                    files = data.read("files")
                }

                /// The first 64 of them.
                public struct Files: BusRecord {
                    /// Of the file in its model.
                    public var name: String?
                    /// Of the file, in bytes.
                    public var size: Int?
                    /// Of what holds its bytes; absent: outside of the store.
                    public var path: String?

                    /// Reads the fields that are there.
                    public init(_ data: BusData) {
                        name = data.read("name")
                        size = data.read("size")
                        path = data.read("path")
                    }
                }
            }
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.where"

    /// Its name in the cache or in any app, whole or a part of it.
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

/// Would a model fit in memory now: `cache.fits`.
public struct CacheFits: BusCommand {
    /// What comes while it runs.
    public typealias Progress = NoProgress
    /// What comes at its end.
    public struct Outcome: BusRecord {
        /// That was meant.
        public var model: String?
        /// Of the model.
        public var architecture: String?
        /// Tokens that it was reckoned for.
        public var context: Int?
        /// Tokens that the model can at most.
        public var contextMax: Int?
        /// Of the tensors, in bytes.
        public var weights: Int?
        /// Of the KV cache, in bytes.
        public var cache: Int?
        /// Of recurrent layers, in bytes.
        public var state: Int?
        /// Of buffers while it computes, in bytes.
        public var compute: Int?
        /// Of the result's buffer, in bytes.
        public var output: Int?
        /// That it needs, in bytes.
        public var total: Int?
        /// Memory of this machine, in bytes.
        public var machine: Int?
        /// Free now, in bytes.
        public var available: Int?
        /// Free now on GPUs with memory of their own, in bytes.
        public var gpuAvailable: Int?
        /// Now.
        public var fits: Bool?
        /// Loaded models whose memory would be enough.
        public var fitsWithout: [String]?
        /// To be expected, from the newest benchmark and the size, in tokens per second.
        public var tokensPerSecond: Double?

        /// Reads the fields that are there.
        public init(_ data: BusData) {
            model = data.read("model")
            architecture = data.read("architecture")
            context = data.read("context")
            contextMax = data.read("context_max")
            weights = data.read("weights")
            cache = data.read("cache")
            state = data.read("state")
            compute = data.read("compute")
            output = data.read("output")
            total = data.read("total")
            machine = data.read("machine")
            available = data.read("available")
            gpuAvailable = data.read("gpu_available")
            fits = data.read("fits")
            fitsWithout = data.read("fits_without")
            tokensPerSecond = data.read("tokens_per_second")
        }
    }

    /// The service that runs it.
    public static let service = "cache"
    /// Its name on the bus.
    public static let name = "cache.fits"

    /// Of the cache or a hub (org/name, hf.co/org/name:QUANT, name:tag), or a path.
    public var model: String?
    /// Tokens; absent: 4096, or what the model can at most.
    public var context: Int?
    /// Conversations at a time; absent: 1.
    public var slots: Int?
    /// Type of the KV cache: f16 (what absent means), q8_0, q4_0, ...
    public var cache: String?

    /// The command; what is not given is left to the service.
    public init(
        model: String? = nil,
        context: Int? = nil,
        slots: Int? = nil,
        cache: String? = nil
    ) {
        self.model = model
        self.context = context
        self.slots = slots
        self.cache = cache
    }

    /// The arguments by their names on the bus.
    public var arguments: [String: (any BusWritable)?] {
        ["model": model, "context": context, "slots": slots, "cache": cache]
    }
}
