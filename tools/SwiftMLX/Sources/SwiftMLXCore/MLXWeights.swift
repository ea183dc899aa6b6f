#if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
import Foundation
import MLX
import MLXLLM
import MLXLMCommon
import MLXVLM
import Tokenizers

/// The weights in this process's memory, once for each directory.
actor MLXWeights {
    static let shared = MLXWeights()

    /// A model in memory.
    struct Loaded: Sendable {
        let container: ModelContainer
        let prompts: MLXPrompts
    }

    private struct Entry {
        let reading: Task<ModelContainer, any Error>
        let prompts = MLXPrompts()
        var holders = 0
    }

    private var entries: [URL: Entry] = [:]
    private var pressure: (any DispatchSourceMemoryPressure)?

    /// Freed buffers that MLX may keep for the next answer. Without a limit it keeps them all.
    private static let bufferCache = 256 << 20

    /// The weights of `directory`. Who takes them again holds them once.
    func take(_ directory: URL, again: Bool) async throws -> Loaded {
        let key = directory.resolvingSymlinksInPath()
        var entry = try entries[key] ?? read(directory)
        if !again { entry.holders += 1 }
        entries[key] = entry
        do {
            // Callers that come while the weights are read wait for the same read.
            return Loaded(container: try await entry.reading.value, prompts: entry.prompts)
        } catch {
            entries[key] = nil
            throw Self.explain(error, directory)
        }
    }

    /// One holder less; without any the memory is given back.
    func release(_ directory: URL) {
        let key = directory.resolvingSymlinksInPath()
        entries[key]?.holders -= 1
        guard let entry = entries[key], entry.holders <= 0 else { return }
        entries[key] = nil
        entry.prompts.forget()
        Memory.clearCache()
    }

    /// Gives up what only makes the next answer begin sooner. The weights stay: an answer may need them.
    func makeRoom() {
        entries.values.forEach { $0.prompts.forget() }
        Memory.clearCache()
    }

    private func read(_ directory: URL) throws -> Entry {
        try Self.checkMetalLibrary()
        Memory.cacheLimit = Self.bufferCache
        heedPressure()
        return Entry(reading: Task {
            try await loadModelContainer(from: directory, using: TransformersLoader())
        })
    }

    /// Makes room whenever the system says that memory is short.
    private func heedPressure() {
        guard pressure == nil else { return }
        let source = DispatchSource.makeMemoryPressureSource(eventMask: [.warning, .critical],
                                                             queue: .global(qos: .utility))
        source.setEventHandler { Task { await MLXWeights.shared.makeRoom() } }
        source.activate()
        pressure = source
    }

    private static func explain(_ error: any Error, _ directory: URL) -> any Error {
        if error is CancellationError { return error }
        if case ModelFactoryError.unsupportedModelType(let type) = error {
            return MLXError(.unsupported, "MLX in this process knows no models of the type \(type), "
                + "which \(directory.path) holds", hint: "run it with a server, such as mlx_lm.server")
        }
        return MLXError(.serverFailed, "MLX cannot load \(directory.path): "
            + error.localizedDescription, hint: "check the files with `mlx-cache verify`")
    }

    /// MLX ends the process where it finds no shaders, so they are looked for before it is asked.
    private static func checkMetalLibrary() throws {
        let bundles = [Bundle.main] + Bundle.allBundles + Bundle.allFrameworks
        let folders = bundles.flatMap { [$0.bundleURL, $0.resourceURL, $0.executableURL?.deletingLastPathComponent()] }
        let names = ["mlx.metallib", "default.metallib", "Resources/mlx.metallib",
                     "mlx-swift_Cmlx.bundle/default.metallib",
                     "mlx-swift_Cmlx.bundle/Contents/Resources/default.metallib"]
        let isThere = folders.compactMap(\.self).contains { folder in
            names.contains { FileManager.default.fileExists(atPath: folder.appendingPathComponent($0).path) }
        }
        guard isThere else {
            throw MLXError(.unsupported, "this program was built without MLX's Metal library, which "
                + "running a model in it needs", hint: "build it with Xcode, with `xcodebuild`, or with "
                + "Swift 6.4 or newer; or start `mlx_lm.server`")
        }
    }
}

/// What a request's prompt ended with, told by the tokenizer that rendered it for the same task.
final class PromptEnd: Sendable {
    @TaskLocal static var current: PromptEnd?

    private let text = Locked("")

    /// The tag with which the prompt began the thinking.
    var tag: String? { ThinkingSplitter.beginning(atEndOf: text.withLock { $0 }) }

    func set(_ end: String) { text.withLock { $0 = end } }
}

private struct TransformersLoader: TokenizerLoader {
    func load(from directory: URL) async throws -> any MLXLMCommon.Tokenizer {
        TransformersTokenizer(inner: try await AutoTokenizer.from(modelFolder: directory))
    }
}

/// The two packages name the same calls a little differently.
private struct TransformersTokenizer: MLXLMCommon.Tokenizer {
    let inner: any Tokenizers.Tokenizer

    var bosToken: String? { inner.bosToken }
    var eosToken: String? { inner.eosToken }
    var unknownToken: String? { inner.unknownToken }

    func encode(text: String, addSpecialTokens: Bool) -> [Int] {
        inner.encode(text: text, addSpecialTokens: addSpecialTokens)
    }

    func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String {
        inner.decode(tokens: tokenIds, skipSpecialTokens: skipSpecialTokens)
    }

    func convertTokenToId(_ token: String) -> Int? { inner.convertTokenToId(token) }
    func convertIdToToken(_ id: Int) -> String? { inner.convertIdToToken(id) }

    func applyChatTemplate(messages: [[String: any Sendable]], tools: [[String: any Sendable]]?,
                           additionalContext: [String: any Sendable]?) throws -> [Int] {
        let tokens = try inner.applyChatTemplate(messages: messages, tools: tools,
                                                 additionalContext: additionalContext)
        // A tag may be a token of its own or several.
        PromptEnd.current?.set(inner.decode(tokens: tokens.suffix(16), skipSpecialTokens: false))
        return tokens
    }
}
#endif
