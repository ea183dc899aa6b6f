// The part of mlx-swift-lm 3.31.4 that SwiftMLXCore uses, declared only.
import CoreImage
import Foundation

public protocol Tokenizer: Sendable {
    func encode(text: String, addSpecialTokens: Bool) -> [Int]
    func decode(tokenIds: [Int], skipSpecialTokens: Bool) -> String
    func convertTokenToId(_ token: String) -> Int?
    func convertIdToToken(_ id: Int) -> String?
    var bosToken: String? { get }
    var eosToken: String? { get }
    var unknownToken: String? { get }
    func applyChatTemplate(
        messages: [[String: any Sendable]], tools: [[String: any Sendable]]?,
        additionalContext: [String: any Sendable]?
    ) throws -> [Int]
}

public protocol TokenizerLoader: Sendable {
    func load(from directory: URL) async throws -> any Tokenizer
}

public typealias ToolSpec = [String: any Sendable]

public enum JSONValue: Codable, Hashable, Sendable {
    case null
    case bool(Bool)
    case int(Int)
    case double(Double)
    case string(String)
    case array([JSONValue])
    case object([String: JSONValue])
}

public struct ToolCall: Hashable, Codable, Sendable {
    public struct Function: Hashable, Codable, Sendable {
        public let name: String
        public let arguments: [String: JSONValue]
        public init(name: String, arguments: [String: JSONValue]) {
            (self.name, self.arguments) = (name, arguments)
        }
    }
    public let function: Function
    public let id: String?
    public init(function: Function, id: String? = nil) { (self.function, self.id) = (function, id) }
}

public struct UserInput {
    public enum Image {
        case ciImage(CIImage)
        case url(URL)
    }
    public init(chat: [Chat.Message], tools: [ToolSpec]? = nil,
                additionalContext: [String: any Sendable]? = nil) {}
}

public enum Chat {
    public struct Message {
        public static func system(_ content: String, images: [UserInput.Image] = []) -> Self { Self() }
        public static func assistant(_ content: String, images: [UserInput.Image] = [],
                                     toolCalls: [ToolCall]? = nil) -> Self { Self() }
        public static func user(_ content: String, images: [UserInput.Image] = []) -> Self { Self() }
        public static func tool(_ content: String, id: String? = nil) -> Self { Self() }
    }
}

public struct LMInput {}

public struct GenerateParameters: Sendable {
    public var maxTokens: Int?
    public var temperature: Float = 0.6
    public var topP: Float = 1
    public var topK: Int = 0
    public var minP: Float = 0
    public var maxKVSize: Int?
    public var seed: UInt64?
    public var repetitionPenalty: Float?
    public init() {}
}

public enum GenerateStopReason: Sendable {
    case stop, length, cancelled
}

public struct GenerateCompletionInfo: Sendable {
    public let promptTokenCount: Int
    public let generationTokenCount: Int
    public let promptTime: TimeInterval
    public let generateTime: TimeInterval
    public let stopReason: GenerateStopReason
}

public enum Generation: Sendable {
    case chunk(String)
    case info(GenerateCompletionInfo)
    case toolCall(ToolCall)
    public var chunk: String? { nil }
    public var info: GenerateCompletionInfo? { nil }
    public var toolCall: ToolCall? { nil }
}

public enum ModelFactoryError: Error {
    case unsupportedModelType(String)
    case noModelFactoryAvailable
}

public final class ModelContainer: Sendable {
    public func prepare(input: consuming sending UserInput) async throws -> sending LMInput { LMInput() }
    public func generate(input: consuming sending LMInput, parameters: GenerateParameters)
        async throws -> AsyncStream<Generation> { fatalError() }
}

public func loadModelContainer(from directory: URL, using tokenizerLoader: any TokenizerLoader)
    async throws -> sending ModelContainer { fatalError() }
