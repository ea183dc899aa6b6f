import Foundation
import MLXBus
import SwiftMLXBus
import SwiftMLXCore
import Testing

@Suite(.timeLimit(.minutes(2))) struct BusDownloaderTests {
    @Test func passesTheServicesReportsOn() async throws {
        let bus = try TestBus()
        var reports: [DownloadProgress] = []
        for try await report in BusDownloader(bus: bus.client).download("m") { reports.append(report) }
        // A reader that is slower than its source may miss the half, never the whole.
        #expect(reports.last == DownloadProgress(phase: "download", completed: 100, total: 100))
        #expect(reports.count <= 2)
    }

    @Test func saysWhatTheServiceSaysOfMemory() async throws {
        let bus = try TestBus()
        let fitter = BusFitter(bus: bus.client)
        #expect(await fitter.fit(of: ModelInfo(name: "small")) == .fits)
        #expect(await fitter.fit(of: ModelInfo(name: "large")) == .fitsWithout(["other"]))
        #expect(await fitter.fit(of: ModelInfo(name: "unknown")) == nil)
    }

    @Test func passesTheServicesErrorOn() async throws {
        let bus = try TestBus()
        let error = await #expect(throws: MLXError.self) {
            for try await _ in BusDownloader(bus: bus.client).download("absent") {}
        }
        #expect(error?.code == .downloadFailed)
        #expect(error?.text.contains("no hub has it") == true)
    }
}

/// With the real `mlx-cached`: `tests/swift/cached.py` starts it, and a hub that has the model.
@Suite(.timeLimit(.minutes(2))) struct CacheServiceTests {
    static let environment = ProcessInfo.processInfo.environment

    @Test(.enabled(if: environment["MLX_TEST_CACHED_MODEL"] != nil, "tests/swift/cached.py names it"))
    func theRealServiceDownloadsWithProgress() async throws {
        let model = try #require(Self.environment["MLX_TEST_CACHED_MODEL"])
        let directory = try #require(Self.environment["MLX_RUNTIME_DIR"])
        let bus = MetricsBus(runDirectory: URL(fileURLWithPath: directory))
        var reports: [DownloadProgress] = []
        for try await report in BusDownloader(bus: bus).download(model) { reports.append(report) }
        #expect(!reports.isEmpty)
        #expect(reports.contains { $0.total ?? 0 > 0 })
        #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.completed ?? 0 <= $1.completed ?? .max })
    }
}
