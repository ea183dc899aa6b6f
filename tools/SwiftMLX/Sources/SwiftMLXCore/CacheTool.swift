#if !os(iOS) && !os(tvOS) && !os(visionOS) && !os(watchOS)
import Foundation

/// Downloads into the shared cache with `mlx-cache add`, so that every app has the model afterwards,
/// and gives models of the cache to apps with `mlx-cache link`.
///
/// Where the cache's service runs, `mlx-cache` reports its progress on the bus as well, so that the
/// menu bar shows it too.
public struct CacheToolDownloader: ModelDownloader, ModelLinker {
    /// The program.
    public let tool: URL

    /// Uses the program at `tool`.
    public init(tool: URL) {
        self.tool = tool
    }

    /// Looks for `mlx-cache` on the search path, then where the suite and Homebrew install it and
    /// beside this program: an app started from the desktop has a short path. Nil when it is not
    /// installed.
    public static func installed(
        environment: [String: String] = ProcessInfo.processInfo.environment
    ) -> CacheToolDownloader? {
        let path = (environment["PATH"] ?? "").split(separator: ":").map(String.init)
        let home = CachePlaces(environment: environment).home.path
        let own = Bundle.main.executableURL.map { [$0.deletingLastPathComponent().path] } ?? []
        let usual = [home + "/.local/bin"] + own + ["/opt/homebrew/bin", "/usr/local/bin"]
        return (path + usual)
            .filter { $0.hasPrefix("/") }
            .map { URL(fileURLWithPath: $0).appendingPathComponent("mlx-cache") }
            .first(where: isProgram)
            .map(CacheToolDownloader.init)
    }

    /// A folder counts as executable too.
    private static func isProgram(_ file: URL) -> Bool {
        var isFolder = ObjCBool(false)
        return FileManager.default.fileExists(atPath: file.path, isDirectory: &isFolder)
            && !isFolder.boolValue && FileManager.default.isExecutableFile(atPath: file.path)
    }

    /// Runs `mlx-cache add`. It resumes an interrupted download. How far it is is not
    /// told here: the cache's service tells that on the bus (see the module `SwiftMLXBus`).
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        AsyncThrowingStream.running { continuation in
            // Checked so that a name is never taken for an option.
            _ = try ModelName(model)
            continuation.yield(DownloadProgress(phase: "downloading"))
            try await run(["add", "--json", model], words: "add \(model)")
        }
    }

    /// Runs `mlx-cache link`.
    public func link(_ model: String, to app: String) async throws {
        _ = try ModelName(model)
        _ = try ModelName(app)
        try await run(["link", "--json", app, model], words: "link \(app) \(model)")
    }

    /// Asks `mlx-cache status`.
    public func names() async -> [String: String] {
        let output = try? await within(probeLimit, asking: tool.path) {
            try await run(["status", "--json"], words: "status")
        }
        let models = output.flatMap { try? JSONValue(parsing: $0) }?["models"]?.arrayValue ?? []
        return models.reduce(into: [:]) { names, model in
            guard let view = model["view"]?.stringValue, let name = model["name"]?.stringValue else { return }
            names[view] = name
        }
    }

    /// What the program writes; an error where it fails.
    @discardableResult
    private func run(_ arguments: [String], words: String) async throws -> Data {
        let run = ToolRun(tool, arguments)
        let output: AsyncThrowingStream<Data, any Error>
        do {
            output = try run.start()
        } catch {
            throw MLXError(.downloadFailed, "\(tool.path) cannot be started: "
                + error.localizedDescription, hint: "reinstall the suite")
        }
        var written = Data()
        for try await piece in output where written.count < Self.maximumOutput { written += piece }
        try Task.checkCancellation()
        let end = run.end
        guard end.status == 0, !end.wasKilled else {
            let why = end.wasKilled ? "it was ended by signal \(end.status)" : end.talk.isEmpty
                ? "it ended with status \(end.status)" : end.talk
            throw MLXError(.downloadFailed, "mlx-cache \(words): \(why)",
                           hint: "run `mlx-cache \(words)` in a terminal to see more")
        }
        return written
    }

    private static let maximumOutput = 16 << 20
}

/// A program that runs with its output as a stream. Dropping the stream interrupts it, and it keeps
/// what it has so that the next attempt resumes from there.
private final class ToolRun: Sendable {
    struct End {
        var status: Int32 = 0
        var wasKilled = false
        var talk = ""
    }

    private let process = Locked(Process())
    private let outcome = Locked(End())
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

    /// How it ended, once its output is read to the end.
    var end: End { outcome.withLock { $0 } }

    func start() throws -> AsyncThrowingStream<Data, any Error> {
        // Before anything else: a process that never ran must not be interrupted, nor its pipes read.
        try process.withLock { try $0.run() }
        let (stream, continuation) = AsyncThrowingStream<Data, any Error>.makeStream()
        continuation.onTermination = { [self] reason in
            guard case .cancelled = reason else { return }
            process.withLock { if $0.isRunning { $0.interrupt() } }
        }
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
            let end = process.withLock { process in
                process.waitUntilExit()
                return End(status: process.terminationStatus,
                           wasKilled: process.terminationReason == .uncaughtSignal,
                           talk: talk.withLock { $0 })
            }
            outcome.withLock { $0 = end }
            continuation.finish()
        }
        return stream
    }
}
#endif
