// The part of Apple's FoundationModels (SDK 27) that SwiftMLXCore uses, declared only, with the availability
// that its documentation states.
import CoreImage
import Foundation

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
        public static var greedy: SamplingMode { SamplingMode() }
        public static func random(top k: Int, seed: UInt64? = nil) -> SamplingMode { SamplingMode() }
        public static func random(probabilityThreshold: Double, seed: UInt64? = nil) -> SamplingMode {
            SamplingMode()
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
    public var temperature: Double?
    public var maximumResponseTokens: Int?
    public init(sampling: SamplingMode? = nil, temperature: Double? = nil,
                maximumResponseTokens: Int? = nil) {}
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

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public final class LanguageModelSession: @unchecked Sendable {
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public convenience init(model: some LanguageModel, tools: [any Tool] = [], instructions: String? = nil) {
        self.init()
    }
    public convenience init(model: SystemLanguageModel = .default, tools: [any Tool] = [],
                            transcript: Transcript) { self.init() }
    private init() {}

    public struct ResponseStream<Content: Sendable>: AsyncSequence, Sendable {
        public struct Snapshot: Sendable { public var content: Content }
        public struct AsyncIterator: AsyncIteratorProtocol {
            public mutating func next() async throws -> Snapshot? { nil }
        }
        public func makeAsyncIterator() -> AsyncIterator { AsyncIterator() }
    }
    public struct Response<Content: Sendable>: Sendable { public let content: Content }

    public struct ToolCallError: Error {
        public var tool: any Tool
        public var underlyingError: any Error
    }

    public func streamResponse(to prompt: String, options: GenerationOptions = GenerationOptions())
        -> sending ResponseStream<String> { fatalError() }
    @discardableResult
    public func respond(to prompt: String, schema: GenerationSchema, includeSchemaInPrompt: Bool = true,
                        options: GenerationOptions = GenerationOptions()) async throws
        -> Response<GeneratedContent> { fatalError() }
    @discardableResult
    public func respond(to prompt: String, options: GenerationOptions = GenerationOptions()) async throws
        -> Response<String> { fatalError() }
}
