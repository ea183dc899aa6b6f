import Foundation

/// How far a download is.
public struct DownloadProgress: Sendable, Hashable {
    /// What is being done, for people to read.
    public let phase: String
    /// Bytes that are there, where known.
    public let completed: Int?
    /// Bytes in all, where known.
    public let total: Int?

    /// Ratio 0…1 of the bytes that are there, or nil where it cannot be told.
    public var fraction: Double? {
        guard let completed, let total, total > 0 else { return nil }
        return min(1, max(0, Double(completed) / Double(total)))
    }

    /// Makes a report.
    public init(phase: String, completed: Int? = nil, total: Int? = nil) {
        self.phase = phase
        self.completed = completed
        self.total = total
    }
}

/// Something that brings a model onto this computer.
public protocol ModelDownloader: Sendable {
    /// Downloads `model` and reports how far it is. The stream ends when the model is usable.
    func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error>
}

extension OllamaBackend: ModelDownloader {
    /// Has the server pull the model.
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        pull(model)
    }
}

#if !os(iOS) && !os(tvOS) && !os(visionOS) && !os(watchOS)
/// Downloads into the shared cache with `mlx-cache add`, so that every app has the model afterwards.
///
/// Where the cache's service runs, `mlx-cache` reports its progress on the bus as well, so that the
/// menu bar shows it too.
public struct CacheToolDownloader: ModelDownloader {
    /// The program.
    public let tool: URL

    /// Uses the program at `tool`.
    public init(tool: URL) {
        self.tool = tool
    }

    /// Looks for `mlx-cache` on the search path and where Homebrew puts programs, which an app
    /// started from the Dock does not have on its path. Nil when it is not installed.
    public static func installed(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> CacheToolDownloader? {
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        return (path + ["/opt/homebrew/bin", "/usr/local/bin"])
            .filter { $0.hasPrefix("/") }
            .map { URL(fileURLWithPath: $0).appendingPathComponent("mlx-cache") }
            .first { FileManager.default.isExecutableFile(atPath: $0.path) }
            .map(CacheToolDownloader.init)
    }

    /// Runs `mlx-cache add`. It goes on where an interrupted download stopped. How far it is is not
    /// told here: the cache's service tells that on the bus (see the module `SwiftMLXBus`).
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        AsyncThrowingStream.running { [tool] continuation in
            // Checked so that a name is never taken for an option.
            _ = try ModelName(model)
            continuation.yield(DownloadProgress(phase: "downloading"))
            let run = ToolRun(tool, ["add", "--json", model])
            for try await _ in try run.start() {}
            try Task.checkCancellation()
            let (status, talk) = run.result
            guard status == 0 else {
                throw MLXError(.downloadFailed, "mlx-cache add \(model): \(talk)",
                               mend: "run `mlx-cache add \(model)` in a terminal to see more")
            }
        }
    }
}

/// A program that runs with its output as a stream. Dropping the stream interrupts it, and it keeps
/// what it has so that the next attempt goes on from there.
private final class ToolRun: Sendable {
    private let process = Locked(Process())
    private let outcome = Locked<(status: Int32, talk: String)>((0, ""))
    private let output = Pipe()
    private let errors = Pipe()

    init(_ tool: URL, _ arguments: [String]) {
        process.withLock {
            $0.executableURL = tool
            $0.arguments = arguments
            $0.standardInput = FileHandle.nullDevice
            $0.standardOutput = output
            $0.standardError = errors
        }
    }

    var result: (status: Int32, talk: String) { outcome.withLock { $0 } }

    func start() throws -> AsyncThrowingStream<Data, any Error> {
        let (stream, continuation) = AsyncThrowingStream<Data, any Error>.makeStream()
        continuation.onTermination = { [self] reason in
            if case .cancelled = reason { process.withLock { $0.interrupt() } }
        }
        try process.withLock { try $0.run() }
        // Threads of their own: both reads block until the program is gone.
        let talk = Locked("")
        let errorsDone = DispatchSemaphore(value: 0)
        Thread.detachNewThread { [errors] in
            let text = errors.fileHandleForReading.readDataToEndOfFile()
            // What was done comes first, a line for each file; what went wrong is the last line.
            let line = text.split(separator: UInt8(ascii: "\n")).last ?? Data()
            talk.withLock { $0 = line.suffix(400).printable }
            errorsDone.signal()
        }
        Thread.detachNewThread { [self] in
            while case let piece = output.fileHandleForReading.availableData, !piece.isEmpty {
                continuation.yield(piece)
            }
            errorsDone.wait()
            let status = process.withLock { process in
                process.waitUntilExit()
                return process.terminationStatus
            }
            outcome.withLock { $0 = (status, talk.withLock { $0 }) }
            continuation.finish()
        }
        return stream
    }
}
#endif
