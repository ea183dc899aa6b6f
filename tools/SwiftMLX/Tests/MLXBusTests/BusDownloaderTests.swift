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

    @Test func passesTheServicesErrorOn() async throws {
        let bus = try TestBus()
        let error = await #expect(throws: MLXError.self) {
            for try await _ in BusDownloader(bus: bus.client).download("absent") {}
        }
        #expect(error?.code == .downloadFailed)
        #expect(error?.text.contains("no hub has it") == true)
    }
}
