import MLXBus
import SwiftMLXCore

/// Downloads into the shared cache with the suite's cache service, `mlx-cached`.
///
/// ```swift
/// let model = try await MLXModel.load("deepseek-r1:14b", resolver: .suite()) { report in
///     print(report.phase, report.fraction ?? 0)
/// }
/// ```
///
/// Every app has the model afterwards, and every front end of the suite shows the progress. Cancelling
/// stops the service; what is there stays, and the next attempt resumes from it.
public struct BusDownloader: ModelDownloader {
    private let bus: MetricsBus

    /// Longest download: a large model over a slow line.
    private static let patience = Duration.seconds(7 * 24 * 3600)

    /// Downloads with the service on `bus`.
    public init(bus: MetricsBus = MetricsBus()) {
        self.bus = bus
    }

    /// Has the service take `model` and passes its reports on.
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        AsyncThrowingStream.running { [bus] continuation in
            let name = try ModelName(model)
            // Opened before the command is given, so that no report is missed.
            let reports = bus.values(of: CacheProgress.self).makeAsyncIterator()
            let following = Task {
                var reports = reports
                while let report = try await reports.next() {
                    guard let about = report.model, name.matches(about) else { continue }
                    continuation.yield(DownloadProgress(phase: report.phase ?? "download",
                                                        completed: report.done, total: report.total))
                }
            }
            defer { following.cancel() }
            do {
                for try await _ in bus.run(CacheAdd(model: model), timeout: Self.patience) {}
            } catch let error as BusError {
                throw MLXError(error.code == "unavailable" ? .unavailable : .downloadFailed,
                               "the cache service: \(error.text)", hint: error.hint)
            }
            try Task.checkCancellation()
        }
    }
}

extension ModelResolver {
    /// What this computer offers, with downloads by the suite's cache service where it runs.
    public static func suite(bus: MetricsBus = MetricsBus()) -> ModelResolver {
        var resolver = ModelResolver.standard
        resolver.downloaders.insert(BusDownloader(bus: bus), at: 0)
        return resolver
    }
}
