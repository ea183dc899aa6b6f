import Foundation

/// Decides who runs a model: MLX in this process, or a server of this computer.
///
/// Who could run it is asked first. MLX takes what lies in a cache in its own format; a server takes
/// what it has; a GGUF of a cache is linked to the server that is there. Only what is nowhere, and
/// what something here can run, is downloaded.
public struct ModelResolver: Sendable {
    /// Where models lie on disk.
    public var cache: ModelCache
    /// Servers that are asked, all at once; of those that have a model the first here runs it.
    public var servers: [any ModelBackend]
    /// What downloads a model that is nowhere, in order of preference; empty downloads nothing. One
    /// that is a ``ModelLinker`` as well gives models of the cache to servers.
    public var downloaders: [any ModelDownloader]
    /// Asked what a repository holds before it is downloaded; nil asks nobody.
    var hub: HubClient?

    /// A resolver of your own.
    public init(cache: ModelCache = ModelCache(), servers: [any ModelBackend],
                downloaders: [any ModelDownloader] = []) {
        self.cache = cache
        self.servers = servers
        self.downloaders = downloaders
    }

    /// What this computer offers: Ollama, LM Studio and llama-server at their usual addresses, a
    /// server named by `MLX_SERVER`, and downloads by `mlx-cache`, in this process or by Ollama.
    public static var standard: ModelResolver {
        let ollama = OllamaBackend()
        var servers: [any ModelBackend] = [ollama, OpenAIBackend.lmStudio, OpenAIBackend.llamaServer]
        if let text = ProcessInfo.processInfo.environment["MLX_SERVER"], let url = URL(string: text) {
            servers.insert(OpenAIBackend(url: url), at: 0)
        }
        var downloaders: [any ModelDownloader] = [ollama]
        let environment = ProcessInfo.processInfo.environment
        if let own = cacheDownloader(environment, runsInProcess: runsInProcess) { downloaders.insert(own, at: 0) }
        var resolver = ModelResolver(servers: servers, downloaders: downloaders)
        resolver.hub = HubClient()
        return resolver
    }

    /// What downloads into a cache of this computer: `mlx-cache`; this process where that is not installed
    /// or a sandbox keeps it from working, and where MLX can run what comes.
    static func cacheDownloader(_ environment: [String: String], runsInProcess: Bool) -> (any ModelDownloader)? {
        #if !os(iOS) && !os(tvOS) && !os(visionOS) && !os(watchOS)
        if !CachePlaces(environment: environment).isContained,
           let tool = CacheToolDownloader.installed(environment: environment) { return tool }
        #endif
        return runsInProcess ? HubDownloader(environment: environment) : nil
    }

    /// Every model that the servers have, by server. A server that stays silent for two seconds has
    /// none.
    public func models() async -> [(backend: any ModelBackend, models: [ModelInfo])] {
        await survey().compactMap { offer in
            offer.models.flatMap { $0.isEmpty ? nil : (offer.server, $0) }
        }
    }

    /// What the servers have, and what lies on disk beside it, once each: models that loading by name
    /// gives to a server, or to MLX in this process.
    package func everything() async
        -> (servers: [(backend: any ModelBackend, models: [ModelInfo])], disk: [ModelInfo])
    {
        async let asked = survey()
        let names = await linker?.names() ?? [:]
        let offers = await asked
        let disk = cache.all(names: names).filter { model in
            let isRunnable = model.format == .safetensors ? Self.runsInProcess : model.store == .shared
            let name = try? ModelName(model.name)
            return isRunnable && name != nil && !CachedModel.typesWithoutText.contains(model.modelType ?? "")
                && !offers.contains { $0.name(of: name!, model) != nil }
        }
        let servers = offers.compactMap { offer in
            offer.models.flatMap { $0.isEmpty ? nil : (backend: offer.server, models: $0) }
        }
        let apps = ["ollama": "Ollama", "lmstudio": "LM Studio"]
        let taker = linker == nil ? nil : offers.lazy.compactMap { self.app(of: $0) }.first
        return (servers, disk.map { model in
            var info = ModelInfo(name: model.name, size: model.size)
            info.runner = model.format == .safetensors ? "MLX" : taker.flatMap { apps[$0] }
            return info
        })
    }

    /// Finds who runs `name`, downloading it where it is nowhere, and has it loaded.
    func load(_ name: String, progress: (@Sendable (DownloadProgress) -> Void)?) async throws
        -> MLXModel
    {
        let parsed = try ModelName(name)
        async let asked = survey()
        let cached = try cache.locate(name)
        let offers = await asked
        try Task.checkCancellation()
        if let model = try await start(parsed, cached, offers) { return model }
        if let cached, cached.format == .safetensors { throw Self.nobodyRuns(cached) }
        if cached == nil, cache.isSandboxed, Self.isFirst() {
            progress?(DownloadProgress(phase: "this app's sandbox hides the models of other programs: "
                + "let a person choose their folder, or start a server that has them"))
        }
        do {
            try await checkThatSomethingRuns(parsed, offers)
            try await download(parsed, cached, offers, progress)
        } catch let error as MLXError {
            throw cached.map { Self.nobodyRuns($0) } ?? error
        }
        let found = try cache.locate(name)
        if let model = try await start(parsed, found, await survey()) { return model }
        throw found.map { Self.nobodyRuns($0) } ?? MLXError(
            .modelNotFound, "\(name) was downloaded, but nothing here has it",
            hint: "see `mlx-cache status`")
    }
}

extension ModelResolver {
    private static let hasSpoken = Locked(false)

    /// True once in a process: what is said once is heard.
    private static func isFirst() -> Bool {
        hasSpoken.withLock { spoken in
            defer { spoken = true }
            return !spoken
        }
    }
}

/// What one server said to the question for its models.
private struct Offer {
    let server: any ModelBackend
    /// Nil where nothing answered.
    let models: [ModelInfo]?

    /// The name under which the server has the model.
    func name(of name: ModelName, _ cached: CachedModel?) -> String? {
        let names = (models ?? []).map(\.name)
        return names.first(where: name.matches) ?? names.first(where: name.isHub)
            ?? cached.flatMap { model in
                // llama-server and mlx_lm.server may call a model by its file or folder.
                let place = model.file ?? model.location
                return names.first { $0 == place.path || $0 == place.lastPathComponent }
            }
    }
}

extension ModelResolver {
    private func survey() async -> [Offer] {
        await withTaskGroup(of: (Int, Offer).self) { group in
            for (index, server) in servers.enumerated() {
                group.addTask {
                    // A server that does not answer simply has nothing to offer.
                    let models = try? await within(probeLimit, asking: server.name) {
                        try await server.models()
                    }
                    return (index, Offer(server: server, models: models))
                }
            }
            var offers: [Int: Offer] = [:]
            for await (index, offer) in group { offers[index] = offer }
            return servers.indices.compactMap { offers[$0] }
        }
    }

    /// Has whoever can run the model without a download load it: MLX, a server that has it, a server
    /// that the cache's file can be linked to. Nil when there is nobody.
    private func start(_ name: ModelName, _ cached: CachedModel?, _ offers: [Offer]) async throws
        -> MLXModel?
    {
        var refusal: MLXError?
        if let cached, let mlx = mlxBackend(for: cached) {
            do {
                return try await MLXModel.load(name.text, using: mlx)
            } catch let error as MLXError where error.code == .unsupported {
                refusal = error // of a kind that MLX does not know: somebody else may
            }
        }
        for offer in offers {
            if let known = offer.name(of: name, cached) {
                return try await MLXModel.load(known, using: offer.server)
            }
        }
        if let model = try await link(name, cached, offers) { return model }
        if let refusal { throw refusal }
        return nil
    }

    /// Links a GGUF of the shared cache to a server, which then runs it under the name it has there.
    private func link(_ name: ModelName, _ cached: CachedModel?, _ offers: [Offer]) async throws
        -> MLXModel?
    {
        guard let cached, cached.store == .shared, cached.format == .gguf, let linker else { return nil }
        for offer in offers {
            guard let app = app(of: offer) else { continue }
            do {
                try await linker.link(cached.name, to: app)
            } catch let error as MLXError {
                // Pulling may still bring it; else the error is the one that names the file.
                if pullers(offers).isEmpty { throw error }
                continue
            }
            let models = try await within(probeLimit, asking: offer.server.name) {
                try await offer.server.models()
            }
            let known = Set((offer.models ?? []).map(\.name))
            let now = Offer(server: offer.server, models: models)
            let new = models.map(\.name).filter { !known.contains($0) }
            guard let model = now.name(of: name, cached) ?? (new.count == 1 ? new[0] : nil) else {
                continue
            }
            return try await MLXModel.load(model, using: offer.server)
        }
        return nil
    }

    /// The app of `mlx-cache` whose store the server reads; nil where it reads none that is ours.
    private func app(of offer: Offer) -> String? {
        guard let models = offer.models, let app = (offer.server as? any LinkableBackend)?.cacheApp
        else { return nil }
        return app != "ollama" || cache.holdsOllamaStore(with: models.map(\.name)) ? app : nil
    }

    private var linker: (any ModelLinker)? {
        downloaders.lazy.compactMap { $0 as? any ModelLinker }.first
    }

    /// Servers that answer and download for themselves.
    private func pullers(_ offers: [Offer]) -> [any ModelDownloader] {
        let answering = Set(offers.filter { $0.models != nil }.map(\.server.name))
        return downloaders.filter { downloader in
            (downloader as? any ModelBackend).map { answering.contains($0.name) } ?? false
        }
    }

    // MARK: downloading

    /// Throws where nothing on this computer could run what a download would bring.
    private func checkThatSomethingRuns(_ name: ModelName, _ offers: [Offer]) async throws {
        guard !downloaders.isEmpty else {
            throw MLXError(.modelNotFound, "no store or server of this computer has \(name.text)",
                           hint: "get it with `mlx-cache add \(name.text)`")
        }
        if Self.runsInProcess, !name.isOfOllamasLibrary { return }
        guard offers.contains(where: { takesModels($0, offers) }) else {
            throw MLXError(.unavailable, "\(name.text) is not on this computer, and no server that "
                + "could run it answers", hint: "start Ollama, then try again")
        }
        guard let hub, let repository = name.hubRepository,
              let files = await hub.files(of: repository), !files.isEmpty,
              !files.contains(where: { $0.lowercased().hasSuffix(".gguf") })
        else { return }
        throw MLXError(.unsupported, "\(name.text) contains no GGUF, and nothing here runs anything else",
                       hint: "load a repository with a GGUF of it; their names mostly end in -GGUF")
    }

    /// Whether a server can be given a model that it does not have. Those of an app's own can.
    private func takesModels(_ offer: Offer, _ offers: [Offer]) -> Bool {
        guard offer.models != nil else { return false }
        guard offer.server is any LinkableBackend else { return true }
        return linker != nil && app(of: offer) != nil
            || pullers(offers).contains { ($0 as? any ModelBackend)?.name == offer.server.name }
    }

    private func download(_ name: ModelName, _ cached: CachedModel?, _ offers: [Offer],
                          _ progress: (@Sendable (DownloadProgress) -> Void)?) async throws {
        let pullers = pullers(offers)
        let isLinkable = Self.runsInProcess || offers.contains { app(of: $0) != nil }
        var failure: MLXError?
        for downloader in downloaders {
            let isPuller = pullers.contains { same($0, downloader) }
            // A silent server, a cache that no server reads, and what is in the cache already are
            // of no use.
            if downloader is any ModelBackend, !isPuller { continue }
            if downloader is any ModelLinker, !isLinkable || cached?.store == .shared { continue }
            do {
                for try await report in downloader.download(name.text) { progress?(report) }
                try Task.checkCancellation()
                return
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                failure = failure ?? error as? MLXError
                    ?? MLXError(.downloadFailed, "\(name.text): \(error.localizedDescription)")
            }
        }
        throw failure ?? MLXError(.unavailable, "nothing here can download \(name.text)",
                                  hint: "start Ollama, then try again")
    }

    private func same(_ one: any ModelDownloader, _ other: any ModelDownloader) -> Bool {
        guard let one = one as? any ModelBackend, let other = other as? any ModelBackend else {
            return false
        }
        return one.name == other.name
    }

    // MARK: in this process

    #if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
    private static let runsInProcess = true

    private func mlxBackend(for model: CachedModel) -> (any ModelBackend)? {
        model.format == .safetensors ? MLXBackend(directory: model.location) : nil
    }
    #else
    private static let runsInProcess = false

    private func mlxBackend(for model: CachedModel) -> (any ModelBackend)? { nil }
    #endif

    private static func nobodyRuns(_ model: CachedModel) -> MLXError {
        if let type = model.modelType, CachedModel.typesWithoutText.contains(type) {
            return MLXError(.unsupported, "\(model.name) is a model of the type \(type), which "
                + "generates no text", hint: "load a language model")
        }
        let place = (model.file ?? model.location).path
        let hint = switch (model.format, model.store) {
        case (.gguf, .ollama): "start Ollama, then try again"
        case (.gguf, _): "run `llama-server -m \(place)`, then try again"
        case (.safetensors, _): "run `mlx_lm.server --model \(place)`, then try again"
        }
        let type = model.modelType.map { " (\($0))" } ?? ""
        return MLXError(.unavailable, "\(model.name)\(type) lies at \(place), but nothing here runs it",
                        hint: hint)
    }
}
