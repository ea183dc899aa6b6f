import Foundation
internal import CMLXBus

/// The bus of the MLX suite: live readings of this machine and its model servers, and commands.
///
/// ```swift
/// let bus = MetricsBus()
/// for try await gpu in bus.values(of: SensorGPU.self) {
///     print(gpu.topic, gpu.utilization ?? .nan)
/// }
/// ```
///
/// All loops of a process over one bus share one connection, which the last of them closes. The newest
/// value comes first, a slow reader skips old values, and a bus that goes away and comes back is
/// found again: ``updates(of:)`` says so in the same loop. Leaving a loop, or cancelling its task,
/// ends it.
public struct MetricsBus: Sendable {
    let directory: URL?

    /// The bus whose sockets are in `runDirectory`; nil is where the suite keeps them.
    public init(runDirectory: URL? = nil) {
        directory = runDirectory
    }

    /// The values of one kind of topic, from all its sources.
    public func values<Topic: BusTopic>(of topic: Topic.Type) -> BusValues<Topic> {
        BusValues(messages: BusMessages(bus: self, pattern: Topic.pattern))
    }

    /// The same values, and between them whether anybody serves the bus: the state first, then each
    /// change.
    ///
    /// ```swift
    /// for try await update in bus.updates(of: SensorGPU.self) {
    ///     switch update {
    ///     case .state(let state): banner = state == .waiting ? "The suite does not run" : nil
    ///     case .value(let gpu): utilization = gpu.utilization
    ///     }
    /// }
    /// ```
    public func updates<Topic: BusTopic>(of topic: Topic.Type) -> BusUpdates<Topic> {
        BusUpdates(messages: BusMessages(bus: self, pattern: Topic.pattern))
    }

    /// All messages whose topic begins with `prefix`, untyped.
    public func messages(prefix: String = "") -> BusMessages {
        BusMessages(bus: self, prefix: prefix)
    }
}

/// Typed values of one kind of topic, as they come. See ``MetricsBus/values(of:)``.
public struct BusValues<Topic: BusTopic>: AsyncSequence, Sendable {
    let messages: BusMessages

    /// Reads the values.
    public struct AsyncIterator: AsyncIteratorProtocol {
        var inner: BusMessages.AsyncIterator

        /// The next value; nil after cancellation.
        public mutating func next() async throws -> BusValue<Topic>? {
            try await inner.next().map(BusValue.init)
        }
    }

    /// Joins the connection, or opens it.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(inner: messages.makeAsyncIterator())
    }
}

/// Messages as they come. See ``MetricsBus/messages(prefix:)``.
public struct BusMessages: AsyncSequence, Sendable {
    /// What the sequence delivers.
    public typealias Element = BusMessage

    private let bus: MetricsBus
    private let prefix: String
    private let pattern: TopicPattern?

    init(bus: MetricsBus, prefix: String) {
        self.bus = bus
        self.prefix = prefix
        pattern = nil
    }

    init(bus: MetricsBus, pattern: String) {
        let pattern = TopicPattern(pattern)
        self.bus = bus
        self.pattern = pattern
        prefix = pattern.prefix
    }

    /// Reads the messages.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let feed: Result<Feed, BusError>

        /// The next message; nil after cancellation.
        public mutating func next() async throws -> BusMessage? {
            while let item = try await feed.get().next() {
                if case .message(let message) = item { return message }
            }
            return nil
        }
    }

    /// Joins the connection, or opens it. That it cannot be opened is thrown by the first `next()`.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(feed: open(states: false))
    }

    func open(states: Bool) -> Result<Feed, BusError> {
        Result { () throws(BusError) in
            try Feed(bus, prefix: prefix, pattern: pattern, states: states)
        }
    }
}

/// What a loop over values and the state of the bus reads.
public enum BusUpdate<Topic: BusTopic>: Sendable {
    /// Whether anybody serves the bus, from now on.
    case state(BusState)
    /// A value.
    case value(BusValue<Topic>)
}

/// Values, and whether the bus is there. See ``MetricsBus/updates(of:)``.
public struct BusUpdates<Topic: BusTopic>: AsyncSequence, Sendable {
    let messages: BusMessages

    /// Reads the values and the states.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let feed: Result<Feed, BusError>

        /// What comes next; nil after cancellation.
        public mutating func next() async throws -> BusUpdate<Topic>? {
            switch try await feed.get().next() {
            case .state(let state): .state(state)
            case .message(let message): .value(BusValue(message))
            case nil: nil
            }
        }
    }

    /// Joins the connection.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(feed: messages.open(states: true))
    }
}

/// A topic's name with wildcards.
struct TopicPattern: Sendable {
    private let segments: [Substring]

    init(_ text: String) {
        segments = text.split(separator: ".", omittingEmptySubsequences: false).map {
            $0.first == "<" ? "" : $0
        }
    }

    /// What every such topic begins with.
    var prefix: String {
        let fixed = segments.prefix { !$0.isEmpty }
        return fixed.joined(separator: ".") + (fixed.count < segments.count ? "." : "")
    }

    func matches(_ topic: String) -> Bool {
        let given = topic.split(separator: ".", omittingEmptySubsequences: false)
        return given.count == segments.count
            && zip(segments, given).allSatisfy { $0.isEmpty || $0 == $1 }
    }
}

/// The directory of the sockets as a path, or the reason why there is none.
func resolvedRunDirectory(_ url: URL?) throws(BusError) -> String {
    if let url { return url.path }
    var error = cmlx_error_t()
    guard let path = cmlx_run_dir(&error) else { throw BusError(error) }
    defer { free(path) }
    return String(cString: path)
}
