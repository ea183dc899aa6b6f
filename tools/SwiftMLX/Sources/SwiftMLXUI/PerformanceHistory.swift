import SwiftMLXCore

/// How fast a model has been answering: the live rate and the last answers.
public struct PerformanceHistory: Sendable, Equatable {
    /// The rate during one stretch of an answer.
    public struct Sample: Sendable, Hashable, Identifiable {
        /// Number of the sample since the beginning.
        public let id: Int
        /// Tokens per second.
        public let rate: Double
    }

    /// Most samples kept.
    public static let maximumSamples = 120
    /// The length of one sample.
    public static let stretch = Duration.milliseconds(500)

    /// Rates of the last answers, oldest first.
    public private(set) var samples: [Sample] = []
    /// The figures of the last whole answer.
    public private(set) var last: GenerationStatistics?
    /// Time to the first token of the running or last answer.
    public private(set) var timeToFirstToken: Duration?

    private var count = 0
    private var time = Duration.zero
    private var taken = 0

    /// An empty history.
    public init() {}

    /// The newest rate: the server's figure once the answer is whole.
    public var tokensPerSecond: Double? {
        last?.tokensPerSecond ?? samples.last?.rate
    }

    /// Counts a token. The wait for an answer's first token is not part of the rate.
    public mutating func add(_ token: GeneratedToken) {
        if token.elapsed == token.interval {
            (count, time, last) = (0, .zero, nil)
            timeToFirstToken = token.elapsed
            return
        }
        count += 1
        time += token.interval
        guard time >= Self.stretch else { return }
        samples.append(Sample(id: taken, rate: Double(count) / time.inSeconds))
        samples.removeFirst(max(0, samples.count - Self.maximumSamples))
        taken += 1
        (count, time) = (0, .zero)
    }

    /// Takes the figures of a whole answer.
    public mutating func finish(_ figures: GenerationStatistics) {
        last = figures
    }
}
