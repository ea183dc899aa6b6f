import Foundation

/// Decides who runs a model: MLX in this process, or a server of this computer.
///
/// The order is the shared cache, the Hugging Face cache, Ollama's store, then the servers that
/// answer; what none of them has is downloaded.
public struct ModelResolver: Sendable {
    /// Where models lie on disk.
    public var cache: ModelCache
    /// Servers that are asked, in this order.
    public var servers: [any ModelBackend]
    /// What downloads a model that is nowhere, in order of preference; empty downloads nothing.
    public var downloaders: [any ModelDownloader]

    /// A resolver of your own.
    public init(cache: ModelCache = ModelCache(), servers: [any ModelBackend],
                downloaders: [any ModelDownloader] = []) {
        self.cache = cache
        self.servers = servers
        self.downloaders = downloaders
    }

    /// What this computer offers: Ollama, LM Studio and llama-server at their usual addresses, a
    /// server named by `MLX_SERVER`, and downloads by `mlx-cache` or else by Ollama.
    public static var standard: ModelResolver {
        let ollama = OllamaBackend()
        var servers: [any ModelBackend] = [ollama, OpenAIBackend.lmStudio, OpenAIBackend.llamaServer]
        if let text = ProcessInfo.processInfo.environment["MLX_SERVER"], let url = URL(string: text) {
            servers.insert(OpenAIBackend(url: url), at: 0)
        }
        var downloaders: [any ModelDownloader] = [ollama]
        #if !os(iOS) && !os(tvOS) && !os(visionOS) && !os(watchOS)
        if let tool = CacheToolDownloader.installed() { downloaders.insert(tool, at: 0) }
        #endif
        return ModelResolver(servers: servers, downloaders: downloaders)
    }

    /// Every model that the servers have, by server.
    public func models() async -> [(backend: any ModelBackend, models: [ModelInfo])] {
        var all: [(any ModelBackend, [ModelInfo])] = []
        for server in servers {
            if let models = try? await server.models(), !models.isEmpty { all.append((server, models)) }
        }
        return all
    }

    /// Finds who runs `name`, downloading it where it is nowhere.
    func resolve(_ name: String, progress: (@Sendable (DownloadProgress) -> Void)?) async throws
        -> (backend: any ModelBackend, model: String)
    {
        let parsed = try ModelName(name)
        if let found = try await find(parsed) { return found }
        if let model = try cache.locate(name) { throw Self.nobodyRuns(model) }
        try await download(parsed, progress)
        if let found = try await find(parsed) { return found }
        guard let model = try cache.locate(name) else {
            throw MLXError(.modelNotFound, "\(name) was downloaded, but nothing here has it",
                           mend: "see `mlx-cache status`")
        }
        throw Self.nobodyRuns(model)
    }

    private func find(_ name: ModelName) async throws -> (any ModelBackend, String)? {
        if let model = try cache.locate(name.text), let mlx = mlxBackend(for: model) {
            return (mlx, name.text)
        }
        for server in servers {
            // A server that does not answer simply has nothing to offer.
            let models = (try? await server.models()) ?? []
            try Task.checkCancellation()
            if let model = models.first(where: { name.matches($0.name) }) {
                return (server, model.name)
            }
        }
        return nil
    }

    private func download(_ name: ModelName,
                          _ progress: (@Sendable (DownloadProgress) -> Void)?) async throws {
        var failure: (any Error)?
        for downloader in downloaders {
            do {
                for try await report in downloader.download(name.text) { progress?(report) }
                try Task.checkCancellation()
                return
            } catch let error as MLXError {
                failure = failure ?? error
            }
        }
        throw failure ?? MLXError(.modelNotFound, "no store or server of this computer has \(name.text)",
                                  mend: "get it with `mlx-cache add \(name.text)`")
    }

    private func mlxBackend(for model: CachedModel) -> (any ModelBackend)? {
        #if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
        return model.format == .safetensors ? MLXBackend(directory: model.location) : nil
        #else
        return nil
        #endif
    }

    private static func nobodyRuns(_ model: CachedModel) -> MLXError {
        let mend = switch model.format {
        case .gguf: "start Ollama and run `mlx-cache link ollama`, or start llama-server with the file"
        case .safetensors: "start `mlx_lm.server --model \(model.location.path)`"
        }
        return MLXError(.unavailable, "\(model.name) lies at \(model.location.path), "
            + "but nothing here runs it", mend: mend)
    }
}
