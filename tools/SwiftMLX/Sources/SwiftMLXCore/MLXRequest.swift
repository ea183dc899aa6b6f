#if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
import CoreImage
import Foundation
import MLXLMCommon

/// Requests and answers in the words of mlx-swift-lm.
enum MLXRequest {
    static func parameters(_ options: GenerationOptions) throws -> GenerateParameters {
        if options.format != .text {
            throw MLXError(.unsupported, "MLX in this process does not hold answers to a form",
                           hint: "use a server: Ollama, LM Studio or llama-server")
        }
        var parameters = GenerateParameters()
        parameters.maxTokens = options.maxTokens
        parameters.maxKVSize = options.contextLength
        let sampling = options.sampling
        if let temperature = sampling.temperature { parameters.temperature = Float(temperature) }
        if let topP = sampling.topP { parameters.topP = Float(topP) }
        if let topK = sampling.topK { parameters.topK = topK }
        if let minP = sampling.minP { parameters.minP = Float(minP) }
        if let penalty = sampling.repeatPenalty { parameters.repetitionPenalty = Float(penalty) }
        parameters.seed = sampling.seed.map { UInt64(bitPattern: Int64($0)) }
        return parameters
    }

    static func input(_ request: GenerationRequest) throws -> sending UserInput {
        let context = request.options.thinking.map { ["enable_thinking": $0 as any Sendable] }
        return UserInput(chat: try request.messages.map(message), tools: tools(request),
                         additionalContext: context)
    }

    /// The tools as templates and the readers of calls take them.
    static func tools(_ request: GenerationRequest) -> [ToolSpec]? {
        let tools = request.options.tools.map { $0.json.plain as? ToolSpec ?? [:] }
        return tools.isEmpty ? nil : tools
    }

    private static func message(_ message: ChatMessage) throws -> Chat.Message {
        let images = try message.images.map { image -> UserInput.Image in
            guard let decoded = CIImage(data: image.data) else {
                throw MLXError(.badRequest, "an image cannot be decoded", hint: "use PNG or JPEG")
            }
            return .ciImage(decoded)
        }
        switch message.role {
        case .system: return .system(message.text)
        case .user: return .user(message.text, images: images)
        case .assistant:
            let calls = try message.toolCalls.map(call)
            return .assistant(message.text, toolCalls: calls.isEmpty ? nil : calls)
        case .tool: return .tool(message.text, id: message.answeredCall?.id)
        }
    }

    private static func call(_ call: ToolCall) throws -> MLXLMCommon.ToolCall {
        let arguments = try JSONDecoder().decode([String: MLXLMCommon.JSONValue].self,
                                                 from: call.arguments.encoded)
        return MLXLMCommon.ToolCall(function: .init(name: call.name, arguments: arguments), id: call.id)
    }

    /// What a part of the answer says, of whose prompt `savedTokens` were computed before.
    static func event(_ part: Generation, savedTokens: Int) throws -> BackendEvent? {
        if let text = part.chunk { return .text(text) }
        if let call = part.toolCall { return .toolCall(try self.call(call)) }
        return part.info.map { .finished(statistics($0, savedTokens: savedTokens)) }
    }

    private static func call(_ call: MLXLMCommon.ToolCall) throws -> ToolCall {
        let arguments = try JSONValue(parsing: JSONEncoder().encode(call.function.arguments))
        return ToolCall(id: ToolCall.id(call.id), name: call.function.name,
                        arguments: arguments)
    }

    private static func statistics(_ info: GenerateCompletionInfo, savedTokens: Int) -> GenerationStatistics {
        var figures = GenerationStatistics()
        figures.promptTokens = info.promptTokenCount
        figures.cachedPromptTokens = savedTokens
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
#endif
