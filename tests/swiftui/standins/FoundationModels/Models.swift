// The part of Apple's FoundationModels (SDK 27) that SwiftMLXCore uses, with the availability that its
// documentation states. Apple's model is a script; the rest is declared only.
import CoreImage
import Foundation
import Synchronization

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public protocol LanguageModel: Sendable {
    associatedtype Executor: LanguageModelExecutor where Self == Self.Executor.Model
    var capabilities: LanguageModelCapabilities { get }
    var executorConfiguration: Self.Executor.Configuration { get }
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public protocol LanguageModelExecutor: Sendable {
    associatedtype Configuration: Hashable, Sendable
    associatedtype Model: LanguageModel
    init(configuration: Self.Configuration) throws
    func prewarm(model: Self.Model, transcript: Transcript)
    nonisolated(nonsending) func respond(
        to request: LanguageModelExecutorGenerationRequest, model: Self.Model,
        streamingInto channel: LanguageModelExecutorGenerationChannel) async throws
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
extension LanguageModelExecutor {
    public func prewarm(model: Self.Model, transcript: Transcript) {}
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public struct LanguageModelCapabilities: Sendable {
    public struct Capability: Sendable, Hashable {
        public static let toolCalling = Capability()
        public static let guidedGeneration = Capability()
        public static let reasoning = Capability()
        public static let vision = Capability()
    }
    public init(_ capabilities: [Capability]) {}
    public func contains(_ capability: Capability) -> Bool { false }
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public struct LanguageModelExecutorGenerationRequest: Sendable {
    public var id: UUID
    public var transcript: Transcript
    public var enabledToolDefinitions: [Transcript.ToolDefinition]
    public var schema: GenerationSchema?
    public var generationOptions: GenerationOptions
    public var contextOptions: ContextOptions
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public struct LanguageModelExecutorGenerationChannel: Sendable {
    public enum Event: Sendable {
        case response(entryID: String?, action: TextAction)
        case reasoning(entryID: String?, action: TextAction)
        case toolCalls(entryID: String?, action: ToolCallsAction)
    }
    public enum TextAction: Sendable {
        case appendText(String, tokenCount: Int)
    }
    public enum ToolCallsAction: Sendable {
        case toolCall(id: String, name: String, action: ToolCallAction)
    }
    public enum ToolCallAction: Sendable {
        case appendArguments(String, tokenCount: Int)
    }
    public init() {}
    public func send(_ event: Event) async {}
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public enum LanguageModelError: Error {
    public struct UnsupportedCapability: Sendable {
        public init(capability: LanguageModelCapabilities.Capability, debugDescription: String) {}
    }
    public struct UnsupportedTranscriptContent: Sendable {
        public init(unsupportedContent: [Transcript.Entry], debugDescription: String) {}
    }
    case unsupportedCapability(UnsupportedCapability)
    case unsupportedTranscriptContent(UnsupportedTranscriptContent)
}

@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public struct ContextOptions: Sendable {
    public struct ReasoningLevel: Sendable, Hashable {}
    public var includeSchemaInPrompt: Bool?
    public var reasoningLevel: ReasoningLevel?
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public struct GenerationOptions: Sendable, Equatable {
    public struct SamplingMode: Sendable, Equatable {
        @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
        public enum Kind: Sendable, Equatable {
            case greedy
            case randomTopK(Int, seed: UInt64?)
            case randomProbabilityThreshold(Double, seed: UInt64?)
        }
        public let words: String
        public static var greedy: SamplingMode { SamplingMode(words: "greedy") }
        public static func random(top k: Int, seed: UInt64? = nil) -> SamplingMode {
            SamplingMode(words: "top \(k), seed \(seed ?? 0)")
        }
        public static func random(probabilityThreshold: Double, seed: UInt64? = nil) -> SamplingMode {
            SamplingMode(words: "threshold \(probabilityThreshold), seed \(seed ?? 0)")
        }
        @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
        public var kind: Kind { .greedy }
    }
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public struct ToolCallingMode: Sendable, Equatable {
        public enum Kind: Sendable, Equatable { case allowed, required, disallowed }
        public var kind: Kind { .allowed }
    }
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public var samplingMode: SamplingMode? { nil }
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public var toolCallingMode: ToolCallingMode? { nil }
    public let words: String
    public var temperature: Double?
    public var maximumResponseTokens: Int?
    public init(sampling: SamplingMode? = nil, temperature: Double? = nil,
                maximumResponseTokens: Int? = nil) {
        words = sampling?.words ?? ""
        (self.temperature, self.maximumResponseTokens) = (temperature, maximumResponseTokens)
    }
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public final class SystemLanguageModel: Sendable {
    public enum Availability: Sendable, Equatable {
        public enum UnavailableReason: Sendable, Equatable {
            case deviceNotEligible, appleIntelligenceNotEnabled, modelNotReady
        }
        case available
        case unavailable(UnavailableReason)
    }
    public static let `default` = SystemLanguageModel()
    public var availability: Availability { .available }
    private init() {}
}

/// What Apple's model says next, and what it was asked.
@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public enum AppleScript {
    private static let state = Mutex((pieces: [String](), tool: "", prompt: "", options: "", schema: String?.none, reading: 0))
    /// The answer so far, piece by piece; with a tool it asks for that first. The last piece repeats where it
    /// is "for ever".
    public static func set(_ pieces: [String], tool: String = "") {
        state.withLock { ($0.pieces, $0.tool) = (pieces, tool) }
    }
    public static var pieces: [String] { state.withLock { $0.pieces } }
    public static var tool: String { state.withLock { $0.tool } }
    public static var asked: (prompt: String, options: String, schema: String?) {
        state.withLock { ($0.prompt, $0.options, $0.schema) }
    }
    /// How many answers are being read.
    public static var reading: Int { state.withLock { $0.reading } }
    static func read(_ change: Int) { state.withLock { $0.reading += change } }
    static func note(_ prompt: String, _ options: String, _ schema: String?) {
        state.withLock { ($0.prompt, $0.options, $0.schema) = (prompt, options, schema) }
    }
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public final class LanguageModelSession: @unchecked Sendable {
    private let tools: [any Tool]

    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public init(model: some LanguageModel, tools: [any Tool] = [], instructions: String? = nil) {
        self.tools = tools
    }
    public init(model: SystemLanguageModel = .default, tools: [any Tool] = [], transcript: Transcript) {
        self.tools = tools
    }

    public struct ResponseStream<Content: Sendable>: AsyncSequence, Sendable {
        public struct Snapshot: Sendable { public var content: Content }
        public struct AsyncIterator: AsyncIteratorProtocol {
            /// Counts as long as anyone may ask for more.
            final class Reading: Sendable {
                init() { AppleScript.read(1) }
                deinit { AppleScript.read(-1) }
            }
            let reading = Reading()
            var tool: (any Tool)?
            var pieces: [Content]
            public mutating func next() async throws -> Snapshot? {
                if let tool { try await LanguageModelSession.ask(tool) }
                try Task.checkCancellation()
                guard let first = pieces.first else { return nil }
                if first as? String != "for ever" { pieces.removeFirst() } else { await Task.yield() }
                return Snapshot(content: first)
            }
        }
        let tool: (any Tool)?
        let pieces: [Content]
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator(tool: tool, pieces: pieces) }
    }
    public struct Response<Content: Sendable>: Sendable { public let content: Content }

    public struct ToolCallError: Error {
        public var tool: any Tool
        public var underlyingError: any Error
    }

    static func ask(_ tool: some Tool) async throws {
        do {
            let arguments = try GeneratedContent(json: #"{"city":"Lima"}"#)
            _ = try await tool.call(arguments: .init(arguments))
        } catch {
            throw ToolCallError(tool: tool, underlyingError: error)
        }
    }

    private func note(_ prompt: String, _ options: GenerationOptions, schema: GenerationSchema? = nil) {
        let limit = options.maximumResponseTokens.map { "; at most \($0)" } ?? ""
        let heat = options.temperature.map { "; temperature \($0)" } ?? ""
        AppleScript.note(prompt, options.words + heat + limit, schema.map { _ in "a schema" })
    }

    public func streamResponse(to prompt: String, options: GenerationOptions = GenerationOptions())
        -> sending ResponseStream<String> {
        note(prompt, options)
        return ResponseStream(tool: tools.first { $0.name == AppleScript.tool }, pieces: AppleScript.pieces)
    }
    @discardableResult
    public func respond(to prompt: String, schema: GenerationSchema, includeSchemaInPrompt: Bool = true,
                        options: GenerationOptions = GenerationOptions()) async throws
        -> Response<GeneratedContent> {
        note(prompt, options, schema: schema)
        return Response(content: try GeneratedContent(json: AppleScript.pieces.last ?? ""))
    }
    @discardableResult
    public func respond(to prompt: String, options: GenerationOptions = GenerationOptions()) async throws
        -> Response<String> {
        note(prompt, options)
        return Response(content: AppleScript.pieces.last ?? "")
    }
}
