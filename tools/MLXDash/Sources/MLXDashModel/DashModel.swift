import Foundation
import MLXBus
import Observation

/// The state behind MLXDash: the menu, live and recorded series, the cache, a running benchmark.
///
/// It knows no views, so it runs and is tested everywhere. What the menu says comes from the suite's
/// shared view-model; this only keeps it up to date, at most once a second, so that the menu bar
/// stays calm.
@MainActor @Observable public final class DashModel {
    /// What the menu bar shows.
    public private(set) var menu: DashboardMenu
    /// What the cache holds; nil while nobody has said.
    public private(set) var cache: CacheStatus?
    /// What is found, loaded and asked.
    public private(set) var facts: DashFacts
    /// The running benchmark's newest report.
    public private(set) var benchmark: BenchProgress?
    /// The newest benchmark's result.
    public private(set) var result: BenchResult?
    /// What went wrong last.
    public private(set) var error: String?
    /// What the title shows.
    public var title = DashboardMenu.Title.tokens {
        didSet { redraw() }
    }

    private let bus: MetricsBus
    private let now: @Sendable () -> Date
    private let builder = DashboardMenuBuilder()
    private var live: [DashSeries: [DashPoint]] = [:]
    private var newest: [DashSeries: [String: DashPoint]] = [:]
    private var running: Task<Void, Never>?

    /// A model of what `bus` says; `now` is the clock.
    public init(bus: MetricsBus = MetricsBus(), now: @escaping @Sendable () -> Date = { Date() }) {
        self.bus = bus
        self.now = now
        menu = builder.menu(now: now())
        facts = DashFacts(here: Self.hostName)
    }

    /// This machine, as its messages name it.
    static var hostName: String {
        var name = [CChar](repeating: 0, count: 256)
        gethostname(&name, name.count - 1)
        return String(decoding: name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Follows the bus until the task is cancelled.
    public func follow() async {
        await withTaskGroup(of: Void.self) { group in
            group.addTask { await self.listen() }
            group.addTask {
                while !Task.isCancelled {
                    await self.tick()
                    try? await Task.sleep(for: .seconds(1))
                }
            }
        }
    }

    /// Takes one message.
    func take(_ message: BusMessage) {
        builder.put(message)
        facts.take(message.topic, from: message.host, message.data)
        for series in DashSeries.allCases {
            guard let value = series.value(of: message) else { continue }
            newest[series, default: [:]][message.topic] =
                DashPoint(time: message.time, value: value * series.scale)
        }
        switch message.topic {
        case CacheStatus.pattern: cache = CacheStatus(message.data)
        case BenchResult.pattern: result = BenchResult(message.data)
        default: break
        }
    }

    /// Adds a point to each live series and draws the menu again.
    func tick() {
        let time = now()
        for series in DashSeries.allCases {
            // A source that has been silent for some seconds has no value at this moment.
            let fresh = (newest[series] ?? [:]).values.filter { time.timeIntervalSince($0.time) < 5 }
            guard let value = series.join(fresh.map(\.value)) else { continue }
            live[series, default: []].append(DashPoint(time: time, value: value))
            live[series]?.removeAll { time.timeIntervalSince($0.time) > DashRange.live.length }
        }
        redraw()
    }

    /// The points of `series` in `range`: live ones from here, older ones from the recorder. Empty,
    /// with the reason in ``error``, when the recorder does not answer.
    public func points(_ series: DashSeries, _ range: DashRange) async -> [DashPoint] {
        await points(range)[series] ?? []
    }

    /// All series in `range`, from one look at what the recorder has.
    public func points(_ range: DashRange) async -> [DashSeries: [DashPoint]] {
        guard range != .live else { return live }
        do {
            let names = try await bus.call(HistorySeries()).series ?? []
            var all: [DashSeries: [DashPoint]] = [:]
            for series in DashSeries.allCases {
                var sources: [[DashPoint]] = []
                for name in Set(names.compactMap(series.localName)) {
                    sources.append(try await history(name, range, scale: series.scale))
                }
                all[series] = Self.joined(sources, series)
            }
            error = nil
            return all
        } catch {
            self.error = "\(error)"
            return [:]
        }
    }

    /// The newest benchmark in words, a line for each figure: a sweep has one for each of its points and none
    /// of its own.
    public var resultLines: [String] { result.map(Self.lines) ?? [] }

    static func lines(of result: BenchResult) -> [String] {
        if let speed = result.tokensPerSecond?.median { return [Self.speed(result.model, speed)] }
        return (result.points ?? []).compactMap { point in
            (point.tokensPerSecond ?? point.clientTokensPerSecond)?.median.map { speed(point.name, $0) }
        }
    }

    private static func speed(_ name: String?, _ value: Double) -> String {
        let number = value.formatted(.number.precision(.fractionLength(1)))
        return [name, "\(number) tok/s"].compactMap(\.self).joined(separator: ": ")
    }

    /// Whether a benchmark runs.
    public var isBenchmarking: Bool { running != nil }

    /// Starts a benchmark of `model`; nil measures the model that is loaded.
    public func runBenchmark(model: String? = nil) {
        guard running == nil else { return }
        error = nil
        benchmark = BenchProgress(.map([:]))
        running = Task {
            await measure(BenchRun(model: model))
            (running, benchmark) = (nil, nil)
            redraw()
        }
        redraw()
    }

    /// Stops the running benchmark; the server stops too.
    public func cancelBenchmark() {
        running?.cancel()
    }

    /// Frees the memory of a model; why that failed is in ``error``.
    public func unload(_ model: DashFacts.ModelLine) async {
        await ask(ModelUnload(model: model.name, runtime: model.url))
    }

    /// Has a model stay in memory; why that failed is in ``error``.
    public func pin(_ model: DashFacts.ModelLine) async {
        await ask(ModelPin(model: model.name, runtime: model.url))
    }

    private func ask(_ command: some BusCommand) async {
        do {
            _ = try await bus.call(command, timeout: .seconds(90))
            error = nil
        } catch {
            self.error = "\(error)"
        }
    }

    /// Waits until no benchmark runs.
    public func settled() async {
        await running?.value
    }

    private func listen() async {
        do {
            for try await message in bus.messages() { take(message) }
        } catch {
            self.error = "\(error)"
        }
    }

    private func measure(_ command: BenchRun) async {
        do {
            for try await event in bus.run(command) {
                switch event {
                case .progress(let report): benchmark = report
                case .done(let outcome): result = outcome
                }
                redraw()
            }
        } catch let failure as BusError where failure.code == "interrupted" {
            // The person wanted it.
        } catch {
            self.error = "\(error)"
        }
    }

    private func redraw() {
        let fresh = builder.menu(title: title, benchmark: benchmark.map(Self.note), now: now())
        if fresh != menu { menu = fresh }
    }

    private func history(_ name: String, _ range: DashRange, scale: Double) async throws -> [DashPoint] {
        let end = now()
        let query = HistoryQuery(series: name, since: end - range.length, until: end, points: 500)
        // A point is [time in microseconds, minimum, maximum, mean, count].
        return (try await bus.call(query).points ?? []).compactMap { row in
            row.count < 4 ? nil
                : DashPoint(time: Date(timeIntervalSince1970: row[0] / 1e6), value: row[3] * scale)
        }
    }

    /// Several sources as one series: points of one moment are joined.
    static func joined(_ sources: [[DashPoint]], _ series: DashSeries) -> [DashPoint] {
        let moments = Dictionary(grouping: sources.joined(), by: \.time)
        return moments.compactMap { time, points in
            series.join(points.map(\.value)).map { DashPoint(time: time, value: $0) }
        }.sorted { $0.time < $1.time }
    }

    private static func note(_ report: BenchProgress) -> String {
        if let prompt = report.prompt, let prompts = report.prompts {
            return "prompt \(prompt) of \(prompts)"
        }
        return report.phase ?? "starting"
    }
}
