import CMLXBusTestSupport
import Foundation
import Testing
@testable import MLXBus

/// A real broker with a real publisher and service, in a private directory.
final class TestBus: @unchecked Sendable {
    let directory: URL
    private let bus: OpaquePointer

    init() throws {
        directory = FileManager.default.temporaryDirectory
            .appendingPathComponent("mlxbus-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true,
                                                attributes: [.posixPermissions: 0o700])
        bus = cmlxtest_bus_new(directory.path)
    }

    deinit {
        cmlxtest_bus_free(bus)
        try? FileManager.default.removeItem(at: directory)
    }

    var client: MetricsBus { MetricsBus(runDirectory: directory) }
    var cancels: Int { Int(cmlxtest_cancels(bus)) }

    func publishGPU(_ number: Int, _ utilization: Double) {
        cmlxtest_publish_gpu(bus, Int32(number), utilization)
    }

    func publishMemory(_ count: Int, perSecond: Int = 0) {
        cmlxtest_publish_memory(bus, Int64(count), Int64(perSecond))
    }

    func stopBroker() { cmlxtest_stop_broker(bus) }
    func startBroker() { cmlxtest_start_broker(bus) }

    func restartBroker(_ body: () -> Void = {}) {
        cmlxtest_stop_broker(bus)
        body()
        cmlxtest_start_broker(bus)
    }
}

/// Runs BODY, or fails after a time that only a hang needs.
func withDeadline<Result: Sendable>(
    seconds: Int = 120, _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(seconds))
            throw Hang()
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

struct Hang: Error {}

@Suite(.serialized) struct BusTests {
    @Test func whetherTheBusIsThereCanBeKnown() async throws {
        let nobody = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        #expect(MetricsBus(runDirectory: nobody).state == .waiting)
        let bus = try TestBus()
        try await withDeadline {
            var states = bus.client.states(every: .milliseconds(20)).makeAsyncIterator()
            #expect(await states.next() == .served)
            var values = bus.client.values(of: SensorGPU.self).makeAsyncIterator()
            bus.publishGPU(0, 0.25)
            #expect(try await values.next()?.utilization == 0.25)
            let (waited, wait) = AsyncStream<BusState?>.makeStream()
            bus.restartBroker {
                let looked = DispatchSemaphore(value: 0)
                Task {
                    var changes = bus.client.states(every: .milliseconds(20)).makeAsyncIterator()
                    wait.yield(await changes.next())
                    looked.signal()
                }
                looked.wait()
            }
            #expect(await waited.first { _ in true } == .waiting)
            bus.publishGPU(0, 0.5)
            while try await values.next()?.utilization != 0.5 {}
        }
    }

    @Test func oneLoopTellsValuesAndTheLossOfTheBus() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.25)
        try await withDeadline {
            var updates = bus.client.updates(of: SensorGPU.self).makeAsyncIterator()
            var states: [BusState] = []
            var last: Double?
            func read(until isEnough: ([BusState], Double?) -> Bool) async throws {
                while !isEnough(states, last), let update = try await updates.next() {
                    switch update {
                    case .state(let state): states.append(state)
                    case .value(let gpu): last = gpu.utilization
                    }
                }
            }
            try await read { $0 == [.served] && $1 == 0.25 }
            bus.stopBroker()
            try await read { states, _ in states == [.served, .waiting] }
            bus.startBroker()
            bus.publishGPU(0, 0.5)
            try await read { $0 == [.served, .waiting, .served] && $1 == 0.5 }
        }
    }

    @Test func twentyLoopsShareOneConnection() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.25)
        bus.publishMemory(1)
        try await withDeadline {
            var first = bus.client.values(of: SensorGPU.self).makeAsyncIterator()
            #expect(try await first.next()?.utilization == 0.25)
            let before = cmlxtest_descriptors()
            var loops = (0..<18).map { _ in bus.client.values(of: SensorGPU.self).makeAsyncIterator() }
            for index in loops.indices {
                #expect(try await loops[index].next()?.utilization == 0.25)
            }
            // Others get theirs too, and a wider loop doubles nothing for those that were there.
            var memory = bus.client.values(of: SensorMemory.self).makeAsyncIterator()
            #expect(try await memory.next()?.used == 1)
            var all = bus.client.messages().makeAsyncIterator()
            var topics: Set<String> = []
            while topics.count < 2, let topic = try await all.next()?.topic { topics.insert(topic) }
            #expect(cmlxtest_descriptors() == before)
            bus.publishGPU(0, 0.5)
            bus.publishGPU(1, 0.75)
            while let gpu = try await first.next(), gpu.topic != "sensor.gpu.1" {
                #expect(gpu.utilization == 0.5)
            }
            let (taken, _) = try first.inner.feed.get().inbox.counts
            #expect(taken == 3, "each message once")
        }
    }

    @Test func anExitInTheMiddleOfALoopSaysNothing() async throws {
        let result = try await #require(
            processExitsWith: .success,
            observing: [\.standardOutputContent, \.standardErrorContent]
        ) {
            let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
            try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true,
                                                    attributes: [.posixPermissions: 0o700])
            let bus = MetricsBus(runDirectory: folder)
            let feeds = (0..<4).map { _ in bus.values(of: SensorGPU.self).makeAsyncIterator() }
            let left = try FileManager.default.contentsOfDirectory(atPath: folder.path)
            try FileManager.default.removeItem(at: folder)
            withExtendedLifetime(feeds) { exit(left.isEmpty ? 0 : 1) }
        }
        // The test library's own mark, which stands in both, holds no end of line.
        for content in [result.standardOutputContent, result.standardErrorContent] {
            #expect(!content.contains(UInt8(ascii: "\n")), "\(String(decoding: content, as: UTF8.self))")
        }
    }

    @Test func aLateReaderHasTheLastValueOfEachSource() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.25)
        bus.publishGPU(1, 0.5)
        bus.publishGPU(0, 0.75)
        let seen = try await withDeadline {
            var seen: [String: BusValue<SensorGPU>] = [:]
            for try await gpu in bus.client.values(of: SensorGPU.self) {
                seen[gpu.topic] = gpu
                if seen["sensor.gpu.0"]?.utilization == 0.75, seen.count == 2 { break }
            }
            return seen
        }
        let gpu = try #require(seen["sensor.gpu.1"])
        #expect(gpu.utilization == 0.5)
        #expect(gpu.name == "Test GPU")
        #expect(gpu.memoryTotal == 8_000_000_000)
        #expect(gpu.source == "bencher")
        #expect(abs(gpu.time.timeIntervalSinceNow) < 60)
        // What the machine does not have is absent, with the reason.
        #expect(gpu.power == nil)
        #expect(gpu.missing == [MissingField(.map(["field": .string("power"),
                                                   "why": .string("a test has none")])),
                                MissingField(.map(["field": .string("fan"),
                                                   "why": .string("last measured 31 s ago")]))])
        // What was measured too long ago is the past; what is a little older is still shown.
        #expect(gpu.fan == nil)
        #expect(gpu.temperature == 61)
        #expect(gpu.throttle == ["thermal"])
    }

    @Test func otherTopicsStayOut() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.5)
        bus.publishMemory(3)
        let first = try await withDeadline {
            for try await memory in bus.client.values(of: SensorMemory.self) { return memory.topic }
            return ""
        }
        #expect(first == "sensor.memory")
        let topics = try await withDeadline {
            var topics: Set<String> = []
            for try await message in bus.client.messages() {
                topics.insert(message.topic)
                if topics.count == 2 { break }
            }
            return topics
        }
        #expect(topics == ["sensor.gpu.0", "sensor.memory"])
    }

    @Test func aSlowReaderGetsTheNewest() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.5)
        bus.publishMemory(1)
        try await withDeadline {
            var iterator = bus.client.messages(prefix: "sensor.").makeAsyncIterator()
            _ = try await iterator.next()
            bus.publishMemory(5000)
            // A message of another source that came earlier is not pushed out.
            var last = 0
            var topics: Set<String> = []
            var reads = 0
            while last != 5000, let message = try await iterator.next() {
                topics.insert(message.topic)
                reads += 1
                if message.topic == "sensor.memory" { last = message.data.read("used") ?? 0 }
                await Task.yield()
            }
            #expect(last == 5000)
            #expect(reads <= 5001)
        }
    }

    @Test func tenThousandASecondAreTakenWithoutLossOrGrowth() async throws {
        let bus = try TestBus()
        // Memory is the whole process's: it says something only when this test runs alone.
        let isAlone = ProcessInfo.processInfo.environment["MLX_ALONE"] != nil
        let count = isAlone ? 100_000 : 20_000
        bus.publishMemory(1)
        let (read, inbox, growth) = try await withDeadline {
            var iterator = bus.client.messages(prefix: "sensor.memory").makeAsyncIterator()
            let inbox = try iterator.feed.get().inbox
            _ = try await iterator.next()
            let publisher = Task.detached { bus.publishMemory(count, perSecond: 10_000) }
            var read = 1
            var last = 0
            var before: Int64 = 0
            while last < count, let message = try await iterator.next() {
                let used: Int = message.data.read("used") ?? 0
                #expect(used > last, "values never go back")
                last = used
                read += 1
                if last <= count / 3 { before = cmlxtest_resident_bytes() }
            }
            await publisher.value
            return (read, inbox, cmlxtest_resident_bytes() - before)
        }
        let (taken, skipped) = inbox.counts
        print("bus: \(taken) messages taken of \(count + 1) at 10,000/s, \(read) read, "
            + "\(skipped) overtaken by newer ones, growth \(growth / 1024) KiB")
        #expect(taken == count + 1, "none is lost on the way")
        #expect(read + skipped == taken, "what is not read was overtaken")
        // Keeping the messages of the last two thirds would take over 20 MiB.
        if isAlone { #expect(growth < 8 << 20) }
    }

    @Test func aBrokerThatComesBackIsFoundAgain() async throws {
        let bus = try TestBus()
        try await withDeadline {
            var iterator = bus.client.values(of: SensorGPU.self).makeAsyncIterator()
            bus.publishGPU(0, 0.25)
            #expect(try await iterator.next()?.utilization == 0.25)
            bus.restartBroker()
            // Published again until the reader is connected again.
            let publisher = Task.detached {
                while !Task.isCancelled {
                    bus.publishGPU(0, 0.5)
                    try? await Task.sleep(for: .milliseconds(20))
                }
            }
            defer { publisher.cancel() }
            while let value = try await iterator.next(), value.utilization != 0.5 {}
        }
    }

    @Test func aReaderMayComeBeforeTheBroker() async throws {
        let bus = try TestBus()
        try await withDeadline {
            let reader = Task { () async throws -> Double? in
                for try await gpu in bus.client.values(of: SensorGPU.self) { return gpu.utilization }
                return nil
            }
            bus.restartBroker { bus.publishGPU(0, 0.5) }
            let first = try await reader.value
            #expect(first == 0.5)
        }
    }

    @Test func cancellationEndsTheLoopAndClosesTheSockets() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.5)
        try await withDeadline {
            // The first connection makes what the process keeps: ZeroMQ's context and its thread.
            for try await _ in bus.client.values(of: SensorGPU.self) { break }
            let before = cmlxtest_descriptors()
            for _ in 0..<20 {
                let reader = Task {
                    var count = 0
                    for try await _ in bus.client.values(of: SensorMemory.self) { count += 1 }
                    return count
                }
                await Task.yield()
                reader.cancel()
                #expect(try await reader.value == 0)
            }
            // Threads close their own sockets, a moment later.
            while cmlxtest_descriptors() > before + 4 { await Task.yield() }
        }
    }

    @Test func badDirectoriesAreAnError() async throws {
        let long = URL(fileURLWithPath: "/tmp/" + String(repeating: "x", count: 200))
        do {
            for try await _ in MetricsBus(runDirectory: long).values(of: SensorGPU.self) {}
            Issue.record("no error")
        } catch let error as BusError {
            #expect(error.code == "usage")
            #expect(error.hint.contains("MLX_RUNTIME_DIR"))
        }
    }

    @Test func patternsMatchWholeSegments() {
        let pattern = TopicPattern("runtime.<kind>.<endpoint>.models")
        #expect(pattern.prefix == "runtime.")
        #expect(pattern.matches("runtime.ollama.127_0_0_1.models"))
        #expect(!pattern.matches("runtime.ollama.models"))
        #expect(!pattern.matches("runtime.ollama.a.activity"))
        #expect(!pattern.matches("runtime.ollama.a.models.more"))
        #expect(TopicPattern("sensor.memory").prefix == "sensor.memory")
        #expect(!TopicPattern("sensor.memory").matches("sensor.memoryx"))
    }
}

@Suite(.serialized) struct CommandTests {
    @Test func reportsAndOutcomeCome() async throws {
        let bus = try TestBus()
        let (prompts, result) = try await withDeadline {
            var prompts: [Int?] = []
            var result: BenchResult?
            for try await event in bus.client.run(BenchRun(model: "m", prompts: ["a"])) {
                switch event {
                case .progress(let report): prompts.append(report.prompt)
                case .done(let outcome): result = outcome
                }
            }
            return (prompts, result)
        }
        #expect(prompts == [1, 2, 3])
        #expect(result?.model == "m")
        #expect(result?.tokensPerSecond?.median == 42.5)
        #expect(result?.tokensPerSecond?.low == nil)
    }

    @Test func errorsComeWithTheirMend() async throws {
        let bus = try TestBus()
        let error = await #expect(throws: BusError.self) {
            try await bus.client.call(BenchRun())
        }
        #expect(error?.code == "usage")
        #expect(error?.hint == "name one")
        #expect(error?.description == "bencher: no model; name one")
    }

    @Test func nobodyThereIsUnavailable() async throws {
        let nowhere = FileManager.default.temporaryDirectory.appendingPathComponent("no-bus-here")
        let error = await #expect(throws: BusError.self) {
            try await MetricsBus(runDirectory: nowhere)
                .call(CacheRefresh(), timeout: .milliseconds(200))
        }
        #expect(error?.code == "unavailable")
    }

    @Test func leavingTheLoopStopsTheService() async throws {
        let bus = try TestBus()
        try await withDeadline {
            for try await _ in bus.client.run(BenchRun(model: "endless")) { break }
            while bus.cancels == 0 { await Task.yield() }
        }
        #expect(bus.cancels == 1)
    }

    @Test func cancellingTheTaskStopsTheService() async throws {
        let bus = try TestBus()
        try await withDeadline {
            let (started, signal) = AsyncStream<Void>.makeStream()
            let task = Task {
                for try await _ in bus.client.run(BenchRun(model: "endless")) { signal.yield() }
            }
            for await _ in started { break }
            task.cancel()
            try await task.value
            while bus.cancels == 0 { await Task.yield() }
        }
    }
}

@Suite struct MenuTests {
    @Test func titleAndItemsComeFromTheSharedViewModel() async throws {
        let bus = try TestBus()
        bus.publishGPU(0, 0.67)
        bus.publishMemory(1)
        let builder = DashboardMenuBuilder()
        #expect(builder.menu(now: Date()).level == .offline)
        #expect(builder.menu(now: Date()).title == "offline")
        let messages = try await withDeadline {
            var messages: [String: BusMessage] = [:]
            for try await message in bus.client.messages(prefix: "sensor.") {
                messages[message.topic] = message
                if messages.count == 2 { break }
            }
            return Array(messages.values)
        }
        messages.forEach(builder.put)
        let shown = builder.menu(now: Date())
        #expect(shown.level == .idle)
        #expect(shown.items.first { $0.id == "gpu" }?.text == "GPU Usage: 67%")
        #expect(shown.items.map(\.action).suffix(4) == [.benchmark, .history, .preferences, .quit])
        #expect(shown.items.contains { $0.isSeparator })
        #expect(Set(shown.items.map(\.id)).count == shown.items.count)
        #expect(shown.tooltip.contains("67%"))
        #expect(builder.menu(now: Date()) == shown, "nothing changed")
        #expect(builder.menu(title: .gpu, now: Date()).title == "67%")
        let running = builder.menu(benchmark: "prompt 3 of 10", now: Date())
        #expect(running.items.first { $0.action == .cancelBenchmark }?.text
            == "Cancel Benchmark (prompt 3 of 10)")
        // An hour later nothing of this is the present any more.
        #expect(builder.menu(now: Date() + 3600).level == .offline)
    }
}
