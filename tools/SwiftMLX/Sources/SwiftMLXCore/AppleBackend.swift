#if canImport(FoundationModels)
import Foundation
import FoundationModels

/// Apple's own model on this device, as a back end: programs written for this package run on it.
///
/// ```swift
/// let model = try await MLXModel.load("apple", using: AppleBackend())
/// print(try await model.generate(prompt: "Explain quantum computing"))
/// ```
///
/// It takes text, answers that fit a schema, and tools. Of the sampling options the temperature, and either
/// topK or topP with a seed count; what Apple's model does not offer is refused by name.
@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public struct AppleBackend: ModelBackend {
    /// Name for people.
    public var name: String { "Apple's model on this device" }

    /// The name of its one model.
    public static let modelName = "apple"

    /// A back end for the system's model.
    public init() {}

    /// The one model; an error where the system does not offer it.
    public func models() async throws -> [ModelInfo] {
        try Self.checkAvailability()
        return [ModelInfo(name: Self.modelName)]
    }

    /// Text and tools.
    ///
    /// - Parameter model: The model's name.
    public func capabilities(of model: String) async throws -> ModelCapabilities? { [.text, .tools] }

    /// Checks that the system offers its model; the system loads it.
    ///
    /// - Parameter model: The model's name.
    public func load(_ model: String) async throws {
        guard model == Self.modelName else {
            throw MLXError(.modelNotFound, "\(name) is called \"\(Self.modelName)\"", hint: "load that")
        }
        try Self.checkAvailability()
    }

    private static func checkAvailability() throws {
        guard case .unavailable(let reason) = SystemLanguageModel.default.availability else { return }
        let why = "Apple's model cannot be used on this device"
        switch reason {
        case .appleIntelligenceNotEnabled:
            throw MLXError(.unavailable, why, hint: "switch Apple Intelligence on in Settings")
        case .modelNotReady:
            throw MLXError(.unavailable, why + " yet", hint: "wait until the system has downloaded it")
        default:
            throw MLXError(.unavailable, why, hint: "load another model")
        }
    }

    /// Generates on this device.
    ///
    /// - Parameter request: What to answer.
    public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream.running { continuation in
            let captured = Locked<[ToolCall]>([])
            let conversation = try AppleConversation(request, captured)
            do {
                try await conversation.answer { continuation.yield(.text($0)) }
            } catch let error as LanguageModelSession.ToolCallError where error.underlyingError is CapturedCall {
                // The caller runs the tools, not Apple's session.
                captured.withLock { $0 }.forEach { continuation.yield(.toolCall($0)) }
            } catch let error as MLXError {
                throw error
            } catch is CancellationError {
                throw CancellationError()
            } catch {
                throw MLXError(.serverFailed, "Apple's model failed: \(error.localizedDescription)",
                               hint: "ask in other words, or with a shorter conversation")
            }
            try Task.checkCancellation()
            continuation.yield(.finished(GenerationStatistics()))
        }
    }
}

/// Ends Apple's answer where its model asks for a tool.
private struct CapturedCall: Error {}

/// A tool that only notes what it was asked for.
@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
private struct CapturingTool: FoundationModels.Tool {
    let name: String
    let description: String
    let parameters: GenerationSchema
    let captured: Locked<[ToolCall]>

    @concurrent func call(arguments: GeneratedContent) async throws -> String {
        let json = try JSONValue(parsing: Data(arguments.jsonString.utf8))
        captured.withLock { $0.append(ToolCall(id: UUID().uuidString, name: name, arguments: json)) }
        throw CapturedCall()
    }
}

/// A request of this package in the words of Apple's session.
@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
private struct AppleConversation {
    private let session: LanguageModelSession
    private let prompt: String
    private let options: FoundationModels.GenerationOptions
    private let schema: GenerationSchema?

    init(_ request: GenerationRequest, _ captured: Locked<[ToolCall]>) throws {
        guard request.messages.allSatisfy(\.images.isEmpty) else {
            throw MLXError(.unsupported, "Apple's model reads no images through this package",
                           hint: "load a vision model")
        }
        options = try Self.options(request.options)
        switch request.options.format {
        case .text: schema = nil
        case .json:
            throw MLXError(.unsupported, "Apple's model takes a schema, not JSON in general",
                           hint: "use the format .jsonSchema")
        case .jsonSchema(let json): schema = try Self.schema(json)
        }
        let tools = try request.options.tools.map { tool in
            CapturingTool(name: tool.name, description: tool.summary,
                          parameters: try Self.schema(tool.parameters), captured: captured)
        }
        var earlier = request.messages
        var results: [ChatMessage] = []
        while let last = earlier.last, last.role == .tool { results.insert(earlier.removeLast(), at: 0) }
        prompt = results.isEmpty ? earlier.popLast()?.text ?? "" : "Answer with these results: "
            + results.map { "\($0.answeredCall?.name ?? "tool"): \($0.text)" }.joined(separator: "\n")
        session = LanguageModelSession(
            tools: tools, transcript: Transcript(entries: try (earlier + results).compactMap(Self.entry)))
    }

    func answer(_ show: (String) -> Void) async throws {
        if let schema {
            show(try await session.respond(to: prompt, schema: schema, options: options).content.jsonString)
            return
        }
        // Each piece is all of the answer so far.
        var shown = ""
        for try await piece in session.streamResponse(to: prompt, options: options) {
            let text = piece.content
            show(text.hasPrefix(shown) ? String(text.dropFirst(shown.count)) : text)
            shown = text
        }
    }

    private static func schema(_ json: JSONValue) throws -> GenerationSchema {
        do {
            return try JSONDecoder().decode(GenerationSchema.self, from: json.encoded)
        } catch {
            throw MLXError(.unsupported, "Apple's model does not take this schema", hint: "make it simpler")
        }
    }

    private static func options(_ options: GenerationOptions) throws -> FoundationModels.GenerationOptions {
        let sampling = options.sampling
        let refused: [(Bool, String)] = [
            (sampling.minP != nil, "minP"), (sampling.repeatPenalty != nil, "repeatPenalty"),
            (options.contextLength != nil, "contextLength"), (sampling.topK != nil && sampling.topP != nil, "topK with topP"),
            (options.thinking == true, "thinking"),
        ]
        if let (_, name) = refused.first(where: \.0) {
            throw MLXError(.unsupported, "Apple's model has no \(name)", hint: "leave it out")
        }
        let seed = sampling.seed.map { UInt64(bitPattern: Int64($0)) }
        let mode: FoundationModels.GenerationOptions.SamplingMode? = if sampling.temperature == 0 {
            .greedy
        } else if let topK = sampling.topK {
            .random(top: topK, seed: seed)
        } else {
            sampling.topP.map { .random(probabilityThreshold: $0, seed: seed) }
                ?? seed.map { .random(probabilityThreshold: 1, seed: $0) }
        }
        return FoundationModels.GenerationOptions(sampling: mode, temperature: sampling.temperature,
                                                  maximumResponseTokens: options.maxTokens)
    }

    private static func entry(_ message: ChatMessage) throws -> Transcript.Entry? {
        let text = [Transcript.Segment.text(.init(content: message.text))]
        switch message.role {
        case .system: return .instructions(.init(segments: text, toolDefinitions: []))
        case .user: return .prompt(.init(segments: text))
        case .assistant:
            guard !message.toolCalls.isEmpty else { return .response(.init(assetIDs: [], segments: text)) }
            return .toolCalls(.init(try message.toolCalls.map { call in
                Transcript.ToolCall(id: call.id, toolName: call.name, arguments: try GeneratedContent(
                    json: String(decoding: call.arguments.encoded, as: UTF8.self)))
            }))
        case .tool:
            guard let call = message.answeredCall else { return nil }
            return .toolOutput(.init(id: call.id, toolName: call.name, segments: text))
        }
    }
}
#endif
