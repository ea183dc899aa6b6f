/// What a server may take to say which models it has. Whoever listens on a port and stays silent
/// must not hold up the others; answers of a model have no such limit.
let probeLimit = Duration.seconds(2)

/// What a question about one model may take on a server that is known to answer.
let questionLimit = Duration.seconds(10)

/// Runs `body`, or throws ``MLXError/Code/unavailable`` once `limit` has passed. It returns in time
/// even where `body` does not heed its cancellation.
func within<Value: Sendable>(
    _ limit: Duration, asking place: String, _ body: @escaping @Sendable () async throws -> Value
) async throws -> Value {
    let (results, continuation) = AsyncThrowingStream<Value, any Error>.makeStream()
    let work = Task {
        do {
            continuation.yield(try await body())
            continuation.finish()
        } catch {
            continuation.finish(throwing: error)
        }
    }
    let clock = Task {
        try await Task.sleep(for: limit)
        continuation.finish(throwing: MLXError(
            .unavailable, "\(place) did not answer within \(limit.inSeconds.shortest) s",
            hint: "see what listens there, or correct the address"))
    }
    defer {
        work.cancel()
        clock.cancel()
    }
    for try await value in results { return value }
    throw CancellationError()
}

extension Double {
    /// The shortest way to write it: 2 rather than 2.0.
    fileprivate var shortest: String {
        self == rounded() ? String(Int(self)) : String(self)
    }
}
