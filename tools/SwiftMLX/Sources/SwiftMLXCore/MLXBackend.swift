#if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
import CoreImage
import Foundation
import MLXLLM
import MLXLMCommon
import MLXVLM
import Tokenizers

/// Runs a model with MLX in this process, on the GPU of an Apple computer.
///
/// ```swift
/// let model = try await MLXModel.load("mlx-community/Qwen3-4B-4bit")   // takes this when it can
/// ```
///
/// The weights come from a directory that a cache of this computer holds; nothing is downloaded
/// here. Of the sampling options, temperature, topP and repeatPenalty count.
public actor MLXBackend: ModelBackend {
    /// The directory with the weights.
    public nonisolated let directory: URL

    private var container: ModelContainer?
    private var loading: Task<ModelContainer, any Error>?

    /// A back end for the model in `directory`.
    public init(directory: URL) {
        self.directory = directory
    }

    /// Name and place for people.
    public nonisolated var name: String { "MLX with \(directory.lastPathComponent)" }

    /// The one model of the directory.
    public func models() async throws -> [ModelInfo] {
        [ModelInfo(name: directory.lastPathComponent)]
    }

    /// Text and tools; vision where the directory has an image processor.
    public func capabilities(of model: String) async throws -> ModelCapabilities? {
        let processor = directory.appendingPathComponent("preprocessor_config.json")
        let reads = FileManager.default.fileExists(atPath: processor.path)
        return reads ? [.text, .tools, .vision] : [.text, .tools]
    }

    /// Reads the weights into memory, once.
    public func load(_ model: String) async throws {
        _ = try await loaded()
    }

    /// Frees the memory.
    public func unload() {
        container = nil
        loading = nil
    }

    /// Generates in this process.
    public nonisolated func generate(_ request: GenerationRequest)
        -> AsyncThrowingStream<BackendEvent, any Error>
    {
        AsyncThrowingStream.running { continuation in
            let parameters = try Self.parameters(request.options)
            let container = try await self.loaded()
            let input = try await container.prepare(input: try Self.input(request))
            for await part in try await container.generate(input: input, parameters: parameters) {
                try Task.checkCancellation()
                if let text = part.chunk { continuation.yield(.text(text)) }
                if let call = part.toolCall { continuation.yield(.toolCall(try Self.call(call))) }
                if let info = part.info { continuation.yield(.finished(Self.statistics(info))) }
            }
        }
    }

    /// Callers that come while the weights are read wait for the same read.
    private func loaded() async throws -> ModelContainer {
        if let container { return container }
        let task = loading ?? Task { [directory] in
            try await loadModelContainer(from: directory, using: TransformersLoader())
        }
        loading = task
        defer { loading = nil }
        do {
            let container = try await task.value
            self.container = container
            return container
        } catch {
            throw MLXError(.serverFailed, "MLX cannot load \(directory.path): \(error.localizedDescription)",
                           mend: "check the files with `mlx-cache verify`")
        }
    }
}

extension MLXBackend {
    private static func parameters(_ options: GenerationOptions) throws -> GenerateParameters {
        if case .jsonSchema = options.format {
            throw MLXError(.unsupported, "MLX in this process does not hold answers to a JSON schema",
                           mend: "use a server: Ollama, LM Studio or llama-server")
        }
        var parameters = GenerateParameters()
        parameters.maxTokens = options.maxTokens
        if let temperature = options.sampling.temperature { parameters.temperature = Float(temperature) }
        if let topP = options.sampling.topP { parameters.topP = Float(topP) }
        if let penalty = options.sampling.repeatPenalty { parameters.repetitionPenalty = Float(penalty) }
        return parameters
    }

    private static func input(_ request: GenerationRequest) throws -> sending UserInput {
        let tools = request.options.tools.map { $0.json.plain as? ToolSpec ?? [:] }
        let context = request.options.thinking.map { ["enable_thinking": $0 as any Sendable] }
        return UserInput(chat: try request.messages.map(message), tools: tools.isEmpty ? nil : tools,
                         additionalContext: context)
    }

    private static func message(_ message: ChatMessage) throws -> Chat.Message {
        let images = try message.images.map { image -> UserInput.Image in
            guard let decoded = CIImage(data: image.data) else {
                throw MLXError(.badRequest, "an image cannot be decoded", mend: "use PNG or JPEG")
            }
            return .ciImage(decoded)
        }
        switch message.role {
        case .system: return .system(message.text)
        case .user: return .user(message.text, images: images)
        case .assistant: return .assistant(message.text)
        case .tool: return .tool(message.text)
        }
    }

    private static func call(_ call: MLXLMCommon.ToolCall) throws -> ToolCall {
        let arguments = try JSONValue(parsing: JSONEncoder().encode(call.function.arguments))
        return ToolCall(id: UUID().uuidString, name: call.function.name, arguments: arguments)
    }

    private static func statistics(_ info: GenerateCompletionInfo) -> GenerationStatistics {
        var figures = GenerationStatistics()
        figures.promptTokens = info.promptTokenCount
        figures.promptDuration = .seconds(info.promptTime)
        figures.generatedTokens = info.generationTokenCount
        figures.isServerCount = true
        figures.generationDuration = .seconds(info.generateTime)
        if case .length = info.stopReason { figures.finishReason = .length }
        return figures
    }
}

extension JSONValue {
    /// The value as the plain types that chat templates take.
    fileprivate var plain: any Sendable {
        switch self {
        case .null: ""
        case .bool(let flag): flag
        case .int(let number): number
        case .double(let number): number
        case .string(let text): text
        case .array(let items): items.map(\.plain)
        case .object(let members): members.mapValues(\.plain)
        }
    }
}

/// Loads the tokenizer that lies beside the weights.
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
        try inner.applyChatTemplate(messages: messages, tools: tools,
                                    additionalContext: additionalContext)
    }
}
#endif
