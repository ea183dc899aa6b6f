extension AsyncThrowingStream where Failure == any Error {
    /// A stream that `body` feeds from a task of its own, cancelled when the reader goes away.
    package static func running(
        _ body: @escaping @Sendable (Continuation) async throws -> Void
    ) -> AsyncThrowingStream {
        AsyncThrowingStream { continuation in
            let task = Task {
                do {
                    try await body(continuation)
                    continuation.finish()
                } catch {
                    continuation.finish(throwing: error)
                }
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
