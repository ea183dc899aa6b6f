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
/// Each loop has a connection of its own. The newest value comes first, a slow reader skips old
/// values, and a bus that goes away and comes back is found again. Leaving the loop, or cancelling
/// its task, closes the connection.
public struct MetricsBus: Sendable {
    let directory: URL?

    /// The bus whose sockets are in `runDirectory`; nil is where the suite keeps them.
    public init(runDirectory: URL? = nil) {
        directory = runDirectory
    }

    /// The values of one kind of topic, from all its sources.
    public func values<Topic: BusTopic>(of topic: Topic.Type) -> BusValues<Topic> {
        BusValues(messages: BusMessages(runDirectory: directory, pattern: Topic.pattern))
    }

    /// All messages whose topic begins with `prefix`, untyped.
    public func messages(prefix: String = "") -> BusMessages {
        BusMessages(runDirectory: directory, prefix: prefix)
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

    /// Opens a connection.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(inner: messages.makeAsyncIterator())
    }
}

/// Messages as they come. See ``MetricsBus/messages(prefix:)``.
public struct BusMessages: AsyncSequence, Sendable {
    /// What the sequence delivers.
    public typealias Element = BusMessage

    private let runDirectory: URL?
    private let prefix: String
    private let pattern: TopicPattern?

    init(runDirectory: URL?, prefix: String) {
        self.runDirectory = runDirectory
        self.prefix = prefix
        pattern = nil
    }

    init(runDirectory: URL?, pattern: String) {
        let pattern = TopicPattern(pattern)
        self.runDirectory = runDirectory
        self.pattern = pattern
        prefix = pattern.prefix
    }

    /// Reads the messages.
    public struct AsyncIterator: AsyncIteratorProtocol {
        let feed: Result<Feed, BusError>

        /// The next message; nil after cancellation.
        public mutating func next() async throws -> BusMessage? {
            try await feed.get().next()
        }
    }

    /// Opens a connection. That it cannot be opened is thrown by the first `next()`.
    public func makeAsyncIterator() -> AsyncIterator {
        AsyncIterator(feed: Result { () throws(BusError) in
            try Feed(runDirectory: runDirectory, prefix: prefix, pattern: pattern)
        })
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
