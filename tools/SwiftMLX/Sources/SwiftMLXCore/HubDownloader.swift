import Foundation

/// Downloads models from the Hugging Face hub in this process, into the cache that the hub's own client,
/// `mlx-cache` and this package share.
///
/// ``ModelResolver`` takes it where `mlx-cache` is not installed or the sandbox keeps it from running.
///
/// ```swift
/// let hub = HubDownloader()
/// let folder = try await hub.snapshot(of: "mlx-community/Qwen3-4B-4bit") { progress in
///     print(progress.phase, progress.fraction ?? 0)
/// }
/// ```
///
/// A download that was stopped, by a crash too, goes on where it ended. Nothing can see a file before its
/// hash is the one that the hub lists, and the model's name means the new files only when all are there.
/// It heeds `HF_TOKEN` (and the token that `hf auth login` keeps), `HF_ENDPOINT`, `HF_HUB_CACHE`, `HF_HOME`
/// and `HF_HUB_OFFLINE`. Cancelling the task, or dropping the stream, stops it and keeps what is there.
public struct HubDownloader: ModelDownloader {
    /// The folder of the cache: its repositories lie in it.
    public let store: URL

    let client: HubClient
    var pause: @Sendable (Duration) async throws -> Void = { try await Task.sleep(for: $0) }

    private static let streams = 4

    /// A downloader into the cache that the hub's own client uses.
    ///
    /// - Parameters:
    ///   - environment: Where the settings are read from.
    ///   - store: Another folder for the cache, such as one in an app group's container. Pass its path as
    ///     `HF_HUB_CACHE` to ``ModelCache`` to have it found.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment, store: URL? = nil) {
        self.init(environment: environment, store: store, home: nil)
    }

    init(environment: [String: String], store: URL?, home: URL?) {
        self.store = store ?? CachePlaces(environment: environment, home: home).hubCache
        client = HubClient(environment: environment, home: home)
    }

    /// Downloads what MLX needs of a repository, `organisation/name`.
    ///
    /// - Parameter model: The repository; a name of Ollama's library is an error.
    public func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        AsyncThrowingStream.running { continuation in
            guard let repository = try ModelName(model).hubRepository else {
                throw MLXError(.modelNotFound, "\(model) is not a repository of the Hugging Face hub",
                               hint: "write it like mlx-community/Qwen3-4B-4bit")
            }
            _ = try await snapshot(of: repository) { continuation.yield($0) }
        }
    }

    /// Downloads a repository's files and returns the folder that holds them.
    ///
    /// - Parameters:
    ///   - repository: `organisation/name`.
    ///   - revision: A branch, a tag or a commit.
    ///   - patterns: The files that are needed, with `*` and `?` as the hub's own client has them; nil takes
    ///     what MLX needs and refuses a repository without safetensors.
    ///   - progress: Called at most ten times a second.
    /// - Returns: The folder of the snapshot.
    public func snapshot(of repository: String, revision: String = "main", matching patterns: [String]? = nil,
                         progress: (@Sendable (DownloadProgress) -> Void)? = nil) async throws -> URL {
        let plan = try await plan(repository, revision, patterns) { phase in
            progress?(DownloadProgress(phase: phase))
        }
        if plan.files.isEmpty { return plan.folder }
        let meter = HubMeter(total: plan.files.reduce(0) { $0 + $1.size }, report: progress)
        let transfer = HubTransfer(client: client, store: plan.store, commit: plan.commit, pause: pause)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for (index, file) in plan.files.enumerated() {
                if index >= Self.streams { try await group.next() }
                group.addTask { try await transfer.run(file) { meter.add($0, of: file) } }
            }
            try await group.waitForAll()
        }
        try Task.checkCancellation()
        try plan.store.point(revision, to: plan.commit)
        meter.finish()
        return plan.folder
    }

    /// What is to be done for a snapshot; nothing where it is there and the hub must not be asked.
    struct Plan: Sendable {
        let store: HubStore
        let commit: String
        let files: [HubFile]

        var folder: URL { store.snapshot(commit) }
    }

    func plan(_ repository: String, _ revision: String, _ patterns: [String]?,
              report: (String) -> Void) async throws -> Plan {
        guard try ModelName(repository).hubRepository == repository else {
            throw MLXError(.badRequest, "\(repository) is not a repository of the hub",
                           hint: "write it like mlx-community/Qwen3-4B-4bit")
        }
        guard HubFile.isSafe(revision), revision.utf8.count <= 255 else {
            throw MLXError(.badRequest, "the revision cannot be used", hint: "give a branch, a tag or a commit")
        }
        let store = HubStore(root: self.store, repository: repository)
        let chosen = HubPatterns(patterns: patterns ?? HubPatterns.model)
        if client.isOffline { return try offline(store, revision, chosen) }
        report("asking the hub")
        let commit = HubFile.isHex(revision, 40) ? revision : try await client.commit(of: repository, revision)
        let all: [HubFile]
        if let known = store.files(of: commit) {
            all = known
        } else {
            all = try await client.tree(of: repository, commit)
        }
        let files = chosen.choose(from: all)
        try Self.check(files, all, repository, isModel: patterns == nil)
        try store.prepare()
        try store.write(all, of: commit)
        try Self.checkSpace(store, files)
        return Plan(store: store, commit: commit, files: files.sorted { ($0.size, $0.path) < ($1.size, $1.path) })
    }

    private func offline(_ store: HubStore, _ revision: String, _ chosen: HubPatterns) throws -> Plan {
        guard let commit = store.commit(of: revision) else { throw HubClient.offline(store.repository) }
        let isWhole = store.files(of: commit).map { store.isWhole(chosen.choose(from: $0), commit) }
            ?? (WholeModel(folder: store.snapshot(commit)) != nil)
        guard isWhole else { throw HubClient.offline(store.repository) }
        return Plan(store: store, commit: commit, files: [])
    }

    private static func check(_ files: [HubFile], _ all: [HubFile], _ repository: String, isModel: Bool) throws {
        if isModel, !files.contains(where: { $0.path.hasSuffix(".safetensors") }) {
            let kinds = Set(all.compactMap { $0.path.split(separator: "/").last?.split(separator: ".").dropFirst().last })
            throw MLXError(.unsupported, "\(repository) has no safetensors, which MLX loads; it has "
                + kinds.map { "." + $0.utf8.prefix(16).printable }.sorted().prefix(8).joined(separator: ", "),
                hint: kinds.contains("gguf") ? "start Ollama, or run `mlx-cache add \(repository)`"
                    : "load a repository of mlx-community")
        }
        guard !files.isEmpty else {
            throw MLXError(.modelNotFound, "no file of \(repository) fits the patterns", hint: "look at its page")
        }
    }

    private static func checkSpace(_ store: HubStore, _ files: [HubFile]) throws {
        let missing = files.filter { !store.has($0) }
        let needed = missing.reduce(0) { $0 + max(0, $1.size - store.partialSize($1)) }
        guard let free = store.freeBytes, needed > free else { return }
        throw MLXError(.downloadFailed, "\(store.repository) needs \(needed.gigabytes) more, and \(store.root.path) has "
            + "\(free.gigabytes) left", hint: "make room, or set HF_HUB_CACHE to another volume")
    }
}

extension Int {
    /// Bytes for people, as the suite writes them.
    var gigabytes: String {
        self < 1_000_000_000 ? "\(self / 1_000_000) MB" : "\(Double(self / 100_000_000) / 10) GB"
    }
}

/// How far all files together are, told now and then.
private final class HubMeter: Sendable {
    private struct State {
        var completed = 0
        var last: ContinuousClock.Instant?
    }

    private let state = Locked(State())
    private let total: Int
    private let report: (@Sendable (DownloadProgress) -> Void)?

    private static let interval = Duration.milliseconds(100)

    init(total: Int, report: (@Sendable (DownloadProgress) -> Void)?) {
        (self.total, self.report) = (total, report)
    }

    func add(_ bytes: Int, of file: HubFile) {
        let now = ContinuousClock.now
        let completed = state.withLock { state -> Int? in
            state.completed += bytes
            if let last = state.last, now - last < Self.interval { return nil }
            state.last = now
            return state.completed
        }
        if let completed { tell("downloading \(file.path)", completed) }
    }

    func finish() { tell("downloaded", total) }

    private func tell(_ phase: String, _ completed: Int) {
        report?(DownloadProgress(phase: phase, completed: completed, total: total))
    }
}
