import Foundation

/// A model that is ready to generate.
///
/// ```swift
/// import SwiftMLX
///
/// // Load model (uses the shared cache automatically)
/// let model = try await MLXModel.load("deepseek-r1:14b")
///
/// // Generate text
/// let response = try await model.generate(prompt: "Explain quantum computing", maxTokens: 500)
/// ```
///
/// A model is a value that names what to run and where; it is cheap to copy and safe to use from
/// many tasks at once.
public struct MLXModel: Sendable, Identifiable {
    /// The model's name, as its back end knows it.
    public let name: String
    /// What runs it.
    public let backend: any ModelBackend
    /// What it can do, or nil when the back end cannot tell.
    public let capabilities: ModelCapabilities?

    /// The clock of the timing.
    let now: @Sendable () -> ContinuousClock.Instant

    /// Name and back end together.
    public var id: String { "\(name) @ \(backend.name)" }

    /// Uses `name` of `backend` without asking whether it is there.
    public init(name: String, backend: any ModelBackend, capabilities: ModelCapabilities? = nil) {
        self.init(name: name, backend: backend, capabilities: capabilities,
                  now: { ContinuousClock.now })
    }

    init(name: String, backend: any ModelBackend, capabilities: ModelCapabilities?,
         now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.name = name
        self.backend = backend
        self.capabilities = capabilities
        self.now = now
    }

    /// Finds a model by name, downloads it where this computer has it nowhere, and loads it.
    ///
    /// - Parameters:
    ///   - name: `deepseek-r1:14b`, `mlx-community/Qwen3-4B-4bit`, …
    ///   - resolver: Where to look; the default is everything this computer offers.
    ///   - progress: Called while a download runs.
    public static func load(_ name: String, resolver: ModelResolver = .standard,
                            progress: (@Sendable (DownloadProgress) -> Void)? = nil) async throws
        -> MLXModel
    {
        try await resolver.load(name, progress: progress)
    }

    /// Loads a model of one back end.
    public static func load(_ name: String, using backend: any ModelBackend) async throws -> MLXModel {
        try await backend.load(name)
        return MLXModel(name: name, backend: backend,
                        capabilities: try await backend.capabilities(of: name))
    }
}
