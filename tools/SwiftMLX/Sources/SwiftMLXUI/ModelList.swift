import Observation
import SwiftMLXCore

/// The state behind a model picker: what there is, and what is being loaded.
@MainActor @Observable public final class ModelList {
    /// The models of one back end, or those on disk that no back end has yet.
    public struct Group: Sendable, Identifiable {
        /// The back end's name.
        public let id: String
        /// Its models.
        public let models: [ModelInfo]
        /// Nil for models on disk: loading one finds who runs it.
        let backend: (any ModelBackend)?
    }

    /// The models by back end.
    public private(set) var groups: [Group] = []
    /// Whether the list is being made.
    public private(set) var isRefreshing = false
    /// The model that is being loaded.
    public private(set) var loading: String?
    /// How far its download is.
    public private(set) var progress: DownloadProgress?
    /// What went wrong last.
    public private(set) var error: MLXError?

    private let resolver: ModelResolver

    /// Lists what `resolver` finds.
    public init(resolver: ModelResolver = .standard) {
        self.resolver = resolver
    }

    /// Asks the servers again.
    public func refresh() async {
        isRefreshing = true
        defer { isRefreshing = false }
        let found = await resolver.everything()
        groups = found.servers.map {
            Group(id: $0.backend.name, models: $0.models, backend: $0.backend)
        }
        if !found.disk.isEmpty {
            groups.append(Group(id: "On this computer", models: found.disk, backend: nil))
        }
        error = groups.isEmpty
            ? MLXError(.unavailable, "no model server answers",
                       hint: "start Ollama, LM Studio or llama-server")
            : nil
    }

    /// Loads a model of the list.
    public func load(_ model: ModelInfo, of group: Group) async -> MLXModel? {
        guard let backend = group.backend else { return await load(named: model.name) }
        return await load(model.name) { try await MLXModel.load(model.name, using: backend) }
    }

    /// Loads a model by name, wherever it is, and downloads it where it is nowhere.
    public func load(named name: String) async -> MLXModel? {
        await load(name) { [resolver] in
            try await MLXModel.load(name, resolver: resolver) { progress in
                Task { @MainActor in self.progress = progress }
            }
        }
    }

    private func load(_ name: String, _ body: @Sendable () async throws -> MLXModel) async -> MLXModel? {
        (loading, progress, error) = (name, nil, nil)
        defer { (loading, progress) = (nil, nil) }
        do {
            return try await body()
        } catch {
            if !(error is CancellationError) {
                self.error = error as? MLXError
                    ?? MLXError(.serverFailed, error.localizedDescription)
            }
            return nil
        }
    }
}
