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

/// Something that gives a model of the shared cache to an app, without a second copy.
public protocol ModelLinker: Sendable {
    /// Makes `model` of the cache appear in `app`, one of those that `mlx-cache apps` lists.
    func link(_ model: String, to app: String) async throws

    /// The names of the cache's models by their folders, as far as it can tell.
    func names() async -> [String: String]
}

extension ModelLinker {
    /// None: the folders' own names must do.
    public func names() async -> [String: String] { [:] }
}

extension OllamaBackend: ModelDownloader {
    /// Has the server pull the model: from Ollama's library, else from the hub.
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        guard let hub = (try? ModelName(model))?.hubName else { return pull(model) }
        return AsyncThrowingStream.running { continuation in
            do {
                for try await report in pull(model) { continuation.yield(report) }
            } catch let error as MLXError where error.code != .unavailable {
                for try await report in pull(hub) { continuation.yield(report) }
            }
        }
    }
}
