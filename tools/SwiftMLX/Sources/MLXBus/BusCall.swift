import Foundation
internal import CMLXBus

/// A command of a service, with its arguments.
public protocol BusCommand: Sendable, Hashable {
    /// What comes while it runs.
    associatedtype Progress: BusRecord
    /// What comes at its end.
    associatedtype Outcome: BusRecord

    /// The service that runs it.
    static var service: String { get }
    /// Its name on the bus.
    static var name: String { get }
    /// The arguments that are set.
    var arguments: [String: (any BusWritable)?] { get }
}

/// What commands without reports would report.
public struct NoProgress: BusRecord {
    /// Reads nothing.
    public init(_ data: BusData) {}
}

/// What a running command delivers: any number of reports, then its outcome.
public enum CommandEvent<Command: BusCommand>: Sendable, Hashable {
    /// How far it is.
    case progress(Command.Progress)
    /// The end.
    case done(Command.Outcome)
}

extension MetricsBus {
    /// Runs a command and delivers its reports and its outcome.
    ///
    /// ```swift
    /// for try await event in bus.run(BenchRun(model: "deepseek-r1:14b")) {
    ///     switch event {
    ///     case .progress(let report): print(report.prompt ?? 0, "of", report.prompts ?? 0)
    ///     case .done(let result): print(result.tokensPerSecond?.median ?? .nan, "tok/s")
    ///     }
    /// }
    /// ```
    ///
    /// Leaving the loop, or cancelling its task, makes the service stop. Without an answer within
    /// `timeout` it throws ``BusError`` with the code "unavailable".
    public func run<Command: BusCommand>(_ command: Command, timeout: Duration = .seconds(90))
        -> AsyncThrowingStream<CommandEvent<Command>, any Error>
    {
        AsyncThrowingStream { continuation in
            do {
                let call = try open(command, timeout, Replies { reply in
                    switch reply {
                    case .progress(let data): continuation.yield(.progress(Command.Progress(data)))
                    case .done(let data):
                        continuation.yield(.done(Command.Outcome(data)))
                        continuation.finish()
                    case .failed(let error): continuation.finish(throwing: error)
                    }
                })
                continuation.onTermination = { _ in call.close() }
            } catch {
                continuation.finish(throwing: error)
            }
        }
    }

    /// Runs a command and returns its outcome.
    public func call<Command: BusCommand>(_ command: Command, timeout: Duration = .seconds(10))
        async throws -> Command.Outcome
    {
        for try await event in run(command, timeout: timeout) {
            if case .done(let outcome) = event { return outcome }
        }
        throw CancellationError()
    }

    private func open<Command: BusCommand>(_ command: Command, _ timeout: Duration,
                                           _ replies: Replies) throws(BusError) -> Handle {
        let arguments = BusData.map(command.arguments.compactMapValues { $0?.busData }).makeNode()
        defer { cmlx_node_free(arguments) }
        let owned = Unmanaged.passRetained(replies)
        let milliseconds = timeout.components.seconds * 1000
            + timeout.components.attoseconds / 1_000_000_000_000_000
        var error = cmlx_error_t()
        let opened = cmlx_call_open(
            try resolvedRunDirectory(directory), Command.service, Command.name, arguments,
            milliseconds,
            { context, kind, value, error in
                guard let context else { return }
                let replies = Unmanaged<Replies>.fromOpaque(context).takeUnretainedValue()
                switch kind {
                case CMLX_PROGRESS: replies.take(.progress(BusData(value)))
                case CMLX_DONE: replies.take(.done(BusData(value)))
                default: replies.take(.failed(BusError(error?.pointee ?? cmlx_error_t())))
                }
            },
            { context in
                guard let context else { return }
                Unmanaged<Replies>.fromOpaque(context).release()
            },
            owned.toOpaque(), &error)
        guard let opened else {
            owned.release()
            throw BusError(error)
        }
        return Handle { cmlx_call_close(opened) }
    }
}

/// What the C thread calls.
private final class Replies: Sendable {
    enum Reply {
        case progress(BusData), done(BusData), failed(BusError)
    }

    let take: @Sendable (Reply) -> Void

    init(_ take: @escaping @Sendable (Reply) -> Void) {
        self.take = take
    }
}
