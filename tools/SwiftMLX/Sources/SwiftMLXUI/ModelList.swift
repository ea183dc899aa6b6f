import Foundation
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
    /// Whether models fit in memory, by name, as far as it is known.
    public private(set) var fits: [String: ModelFit] = [:]

    private let resolver: ModelResolver
    private let fitter: any ModelFitter
    private var refreshes = 0

    /// Lists what `resolver` finds, with what `fitter` says of its memory.
    public init(resolver: ModelResolver = .standard, fitter: any ModelFitter = PhysicalMemoryFitter()) {
        self.resolver = resolver
        self.fitter = fitter
    }

    /// Asks the servers again, then whether each model fits.
    public func refresh() async {
        await list()
        refreshes += 1
        let current = refreshes
        for model in groups.flatMap(\.models) {
            let fit = await fitter.fit(of: model)
            // A newer list asks for itself.
            guard current == refreshes, !Task.isCancelled else { return }
            fits[model.name] = fit
        }
    }

    /// What people read of a model: its name, its size, whether it fits, and who would run it.
    public func title(of model: ModelInfo) -> String {
        let size = model.size.map { ByteCountFormatter.string(fromByteCount: Int64($0), countStyle: .file) }
        let fit: String? = switch fits[model.name] {
        case .fits: "fits"
        case .fitsWithout(let others): "fits without \(others.joined(separator: ", "))"
        case .tooLarge: "too large"
        case nil: nil
        }
        let runner = model.runner.map { "loads in \($0)" }
        return [model.name, model.parameters, model.quantization, size, fit, runner].compactMap(\.self)
            .joined(separator: "  ")
    }

    private func list() async {
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
