#if canImport(FoundationModels, _version: 2)
import CoreImage
import Foundation
import FoundationModels

/// A request of Apple's session in this package's words.
@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
struct AppleTurn {
    let messages: [ChatMessage]
    let options: GenerationOptions
    let schema: JSONValue?

    init(_ request: LanguageModelExecutorGenerationRequest, for model: MLXModel) throws {
        var messages: [ChatMessage] = []
        var calls: [String: ToolCall] = [:]
        for entry in request.transcript {
            for message in try Self.messages(of: entry, calls) {
                message.toolCalls.forEach { calls[$0.id] = $0 }
                messages.append(message)
            }
        }
        if messages.contains(where: { !$0.images.isEmpty }),
           !model.languageModelCapabilities.contains(.vision) {
            // The framework looks at other attachments only.
            throw LanguageModelError.unsupportedCapability(.init(
                capability: .vision, debugDescription: "\(model.name) reads no images"))
        }
        self.messages = messages
        schema = try request.schema.map(Self.json)
        options = try Self.options(request)
    }

    private static func json(_ schema: GenerationSchema) throws -> JSONValue {
        try JSONValue(parsing: JSONEncoder().encode(schema))
    }

    // MARK: options

    private static func options(_ request: LanguageModelExecutorGenerationRequest) throws -> GenerationOptions {
        let asked = request.generationOptions
        var options = GenerationOptions(maxTokens: asked.maximumResponseTokens)
        options.sampling = sampling(asked)
        // A model thinks as it likes where no level is asked for; there are no levels here.
        options.thinking = request.contextOptions.reasoningLevel == nil ? nil : true
        switch asked.toolCallingMode?.kind {
        case .disallowed?: return options
        case .required?:
            throw LanguageModelError.unsupportedCapability(.init(
                capability: .toolCalling, debugDescription: "a model of SwiftMLX cannot be made to call a tool"))
        default: break
        }
        options.tools = try request.enabledToolDefinitions.map { tool in
            ToolDefinition(name: tool.name, summary: tool.description, parameters: try json(tool.parameters))
        }
        return options
    }

    private static func sampling(_ asked: FoundationModels.GenerationOptions) -> SamplingOptions {
        var sampling = SamplingOptions(temperature: asked.temperature.map { max(0, $0) })
        guard sampling.temperature != 0 else { return sampling }
        switch asked.samplingMode?.kind {
        case .greedy?:
            sampling.temperature = 0
        case .randomTopK(let count, let seed)?:
            if count > 0 { sampling.topK = count }
            sampling.seed = seed.map(Self.seed)
        case .randomProbabilityThreshold(let threshold, let seed)?:
            if threshold > 0, threshold < 1 { sampling.topP = threshold }
            sampling.seed = seed.map(Self.seed)
        default: break
        }
        return sampling
    }

    /// Servers take a negative seed for none.
    private static func seed(_ seed: UInt64) -> Int { Int(seed & UInt64(Int.max)) }

    // MARK: the conversation

    private static func messages(of entry: Transcript.Entry, _ calls: [String: ToolCall]) throws -> [ChatMessage] {
        switch entry {
        case .instructions(let instructions):
            return [.system(text(instructions.segments))].filter { !$0.text.isEmpty }
        case .prompt(let prompt):
            return [.user(text(prompt.segments), images: try images(prompt.segments, entry))]
        case .response(let response):
            return [.assistant(text(response.segments))].filter { !$0.text.isEmpty }
        case .toolCalls(let asked):
            let calls = asked.map { call in
                let arguments = try? JSONValue(parsing: Data(call.arguments.jsonString.utf8))
                return ToolCall(id: call.id, name: call.toolName, arguments: arguments ?? .object([:]))
            }
            return calls.isEmpty ? [] : [.assistant("", toolCalls: calls)]
        case .toolOutput(let output):
            let call = calls[output.id] ?? ToolCall(id: output.id, name: output.toolName, arguments: .object([:]))
            return [.tool(text(output.segments), answering: call)]
        default:
            // Thinking is not sent back; what a later version adds is not known.
            return []
        }
    }

    private static func text(_ segments: [Transcript.Segment]) -> String {
        segments.compactMap { segment in
            switch segment {
            case .text(let part): part.content
            case .structure(let part): part.content.jsonString
            default: nil
            }
        }.joined(separator: "\n")
    }

    private static func images(_ segments: [Transcript.Segment], _ entry: Transcript.Entry) throws -> [ImageInput] {
        try segments.compactMap { segment in
            guard case .attachment(let attachment) = segment else { return nil }
            guard case .image(let image) = attachment.content,
                  let space = CGColorSpace(name: CGColorSpace.sRGB),
                  let png = CIContext().pngRepresentation(
                    of: image.ciImage.oriented(image.orientation), format: .RGBA8, colorSpace: space)
            else {
                throw LanguageModelError.unsupportedTranscriptContent(.init(
                    unsupportedContent: [entry], debugDescription: "the attachment is not an image"))
            }
            return try ImageInput(data: png)
        }
    }
}
#endif
