import CMLXBusTestSupport
import Foundation
import MLXBus
import Testing
@testable import MLXDashModel

@MainActor @Suite(.serialized, .timeLimit(.minutes(2))) struct DashModelTests {
    /// A real bus in a private directory.
    private final class Rig: @unchecked Sendable {
        let directory: URL
        let bus: OpaquePointer

        init() throws {
            directory = FileManager.default.temporaryDirectory
                .appendingPathComponent("mlxdash-\(UUID().uuidString.prefix(8))")
            try FileManager.default.createDirectory(
                at: directory, withIntermediateDirectories: true,
                attributes: [.posixPermissions: 0o700])
            bus = cmlxtest_bus_new(directory.path)!
        }

        deinit {
            cmlxtest_bus_free(bus)
            try? FileManager.default.removeItem(at: directory)
        }

        /// The newest message of TOPIC.
        func message(_ topic: String) async throws -> BusMessage {
            for try await message in MetricsBus(runDirectory: directory).messages(prefix: topic) {
                return message
            }
            throw CancellationError()
        }
    }

    @Test func menuAndSeriesFollowTheBus() async throws {
        let rig = try Rig()
        cmlxtest_publish_gpu(rig.bus, 0, 0.25)
        cmlxtest_publish_gpu(rig.bus, 1, 0.75)
        cmlxtest_publish_memory(rig.bus, 1, 0)
        let clock = Clock(Date())
        let model = DashModel(bus: MetricsBus(runDirectory: rig.directory)) { clock.time }
        #expect(model.menu.title == "offline")
        for topic in ["sensor.gpu.0", "sensor.gpu.1", "sensor.memory"] {
            model.take(try await rig.message(topic))
        }
        model.tick()
        #expect(model.menu.level == .idle)
        #expect(await model.points(.gpu, .live).map(\.value) == [75], "the busiest GPU")
        #expect(await model.points(.memory, .live).map(\.value) == [1e-9])
        #expect(await model.points(.tokens, .live).isEmpty, "absent is no point, not 0")
        model.title = .gpu
        #expect(model.menu.title == "75%")
    }

    @Test func liveSeriesForgetWhatIsOld() async throws {
        let rig = try Rig()
        cmlxtest_publish_gpu(rig.bus, 0, 0.5)
        let clock = Clock(Date())
        let model = DashModel(bus: MetricsBus(runDirectory: rig.directory)) { clock.time }
        let message = try await rig.message("sensor.gpu.0")
        #expect(message.host == DashModel.hostName, "as the bus calls this machine")
        model.take(message)
        model.tick()
        clock.time += 4
        model.tick()
        #expect(await model.points(.gpu, .live).count == 2)
        // Silent for longer: no new points. After ten minutes the old ones are gone.
        clock.time += 60
        model.tick()
        #expect(await model.points(.gpu, .live).count == 2)
        clock.time += 600
        cmlxtest_publish_gpu(rig.bus, 0, 0.5)
        model.tick()
        #expect(model.menu.level == .offline)
    }

    @Test func aBenchmarkShowsItsProgressAndResult() async throws {
        let rig = try Rig()
        let model = DashModel(bus: MetricsBus(runDirectory: rig.directory))
        model.runBenchmark(model: "m")
        #expect(model.isBenchmarking)
        #expect(model.menu.items.contains { $0.action == .cancelBenchmark })
        await model.settled()
        #expect(model.result?.tokensPerSecond?.median == 42.5)
        #expect(model.error == nil && !model.isBenchmarking)
        #expect(model.menu.items.contains { $0.action == .benchmark })
    }

    @Test func aCancelledBenchmarkIsNoError() async throws {
        let rig = try Rig()
        let model = DashModel(bus: MetricsBus(runDirectory: rig.directory))
        model.runBenchmark(model: "endless")
        while model.benchmark?.phase == nil { await Task.yield() }
        model.cancelBenchmark()
        await model.settled()
        #expect(model.error == nil)
        while cmlxtest_cancels(rig.bus) == 0 { await Task.yield() }
    }

    @Test func aFailedBenchmarkSaysWhy() async throws {
        let rig = try Rig()
        let model = DashModel(bus: MetricsBus(runDirectory: rig.directory))
        model.runBenchmark()
        await model.settled()
        #expect(model.error == "bencher: no model; name one")
    }

    @Test func aSweepShowsItsPoints() {
        let points: BusData = .list([
            .map(["name": .string("512 tokens"), "tokens_per_second": .map(["median": .real(40.25)])]),
            .map(["name": .string("2048 tokens"), "client_tokens_per_second": .map(["median": .real(31)])]),
            .map(["name": .string("8192 tokens")]),
        ])
        func lines(_ data: [String: BusData]) -> [String] { DashModel.lines(of: BenchResult(.map(data))) }
        #expect(lines(["model": .string("m"), "sweep": .string("context"), "points": points])
            == ["512 tokens: 40.2 tok/s", "2048 tokens: 31.0 tok/s"])
        #expect(lines(["model": .string("m"), "tokens_per_second": .map(["median": .real(42.5)])])
            == ["m: 42.5 tok/s"])
        #expect(lines(["model": .string("m"), "sweep": .string("context")]).isEmpty, "nothing, not 0")
    }

    @Test func factsAreWhatHoldsNow() {
        var facts = DashFacts(here: "mac")
        func finding(_ state: String) -> BusData {
            .map(["state": .string(state), "summary": .string("swapping"), "remedy": .string("unload")])
        }
        facts.take("finding.swap", from: "mac", finding("firing"))
        facts.take("finding.swap", from: "nas", finding("firing"))
        facts.take("finding.swap", from: "nas", finding("firing"))
        #expect(facts.findings.map(\.text) == ["nas: swapping", "swapping"])
        facts.take("finding.swap", from: "mac", finding("resolved"))
        #expect(facts.findings.map(\.text) == ["nas: swapping"])

        let models: BusData = .map([
            "models": .list([.map(["name": .string("qwen3:4b")]), .map([:])]), "url": .string("http://127.0.0.1:11434"),
            "can": .list([.string("unload"), .string("pin")]),
        ])
        facts.take("runtime.ollama.a.models", from: "mac", models)
        facts.take("runtime.ollama.a.models", from: "nas", models)
        #expect(facts.models.map(\.text) == ["qwen3:4b", "nas: qwen3:4b"])
        #expect(facts.models.map(\.canUnload) == [true, false], "commands reach this machine only")
        facts.take("runtime.ollama.a.models", from: "nas", .map(["reachable": .bool(false)]))
        #expect(facts.models.map(\.name) == ["qwen3:4b"])

        for number in 0..<20 {
            facts.take("runtime.ollama.a.request", from: "mac", .map([
                "client": .string("app \(number)"), "outcome": .string(number == 19 ? "error" : "ok"),
                "tokens_per_second": .real(40),
            ]))
        }
        facts.take("runtime.ollama.a.request", from: "mac", .map([:]))
        #expect(facts.requests.count == DashFacts.most)
        #expect(facts.requests.prefix(2).map(\.text) == ["app 19  error", "app 18  40.0 tok/s"])
    }

    @Test func seriesOfSeveralSourcesAreJoined() {
        let (a, b) = (Date(timeIntervalSince1970: 1), Date(timeIntervalSince1970: 2))
        let sources = [[DashPoint(time: b, value: 3), DashPoint(time: a, value: 1)],
                       [DashPoint(time: a, value: 2)]]
        #expect(DashModel.joined(sources, .tokens).map(\.value) == [3, 3], "speeds add up")
        #expect(DashModel.joined(sources, .gpu).map(\.value) == [2, 3], "the highest counts")
        let activity = "runtime.ollama.x.activity/tokens_per_second"
        #expect(DashSeries.tokens.localName(of: "mac/" + activity) == activity)
        #expect(DashSeries.tokens.localName(of: "mac/runtime.ollama.x.activity/ttft") == nil)
        #expect(DashSeries.gpu.localName(of: "mac/sensor.gpu.3/utilization") == "sensor.gpu.3/utilization")
        #expect(DashSeries.memory.localName(of: "mac/sensor.memory/total") == nil)
        #expect(DashSeries.memory.localName(of: "used") == nil)
    }
}

/// A clock that a test turns.
private final class Clock: @unchecked Sendable {
    var time: Date

    init(_ time: Date) {
        self.time = time
    }
}
