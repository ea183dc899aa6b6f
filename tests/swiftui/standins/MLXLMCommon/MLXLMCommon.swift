// The part of mlx-swift-lm 3.31.4 that SwiftMLXCore uses; what generates is in Generate.swift.
import CoreImage
import Foundation
import MLX

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

    public init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if value.decodeNil() {
            self = .null
        } else if let flag = try? value.decode(Bool.self) {
            self = .bool(flag)
        } else if let number = try? value.decode(Int.self) {
            self = .int(number)
        } else if let number = try? value.decode(Double.self) {
            self = .double(number)
        } else if let text = try? value.decode(String.self) {
            self = .string(text)
        } else if let items = try? value.decode([JSONValue].self) {
            self = .array(items)
        } else {
            self = .object(try value.decode([String: JSONValue].self))
        }
    }

    public func encode(to encoder: any Encoder) throws {
        var value = encoder.singleValueContainer()
        switch self {
        case .null: try value.encodeNil()
        case .bool(let flag): try value.encode(flag)
        case .int(let number): try value.encode(number)
        case .double(let number): try value.encode(number)
        case .string(let text): try value.encode(text)
        case .array(let items): try value.encode(items)
        case .object(let members): try value.encode(members)
        }
    }
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
    let chat: [Chat.Message]
    let tools: [ToolSpec]?
    let additionalContext: [String: any Sendable]?
    public init(chat: [Chat.Message], tools: [ToolSpec]? = nil,
                additionalContext: [String: any Sendable]? = nil) {
        (self.chat, self.tools, self.additionalContext) = (chat, tools, additionalContext)
    }
}

public enum Chat {
    public struct Message {
        let role: String
        let content: String
        var images: [UserInput.Image] = []
        var calls: [ToolCall]?
        var id: String?
        public static func system(_ content: String, images: [UserInput.Image] = []) -> Self {
            Self(role: "system", content: content, images: images)
        }
        public static func assistant(_ content: String, images: [UserInput.Image] = [],
                                     toolCalls: [ToolCall]? = nil) -> Self {
            Self(role: "assistant", content: content, images: images, calls: toolCalls)
        }
        public static func user(_ content: String, images: [UserInput.Image] = []) -> Self {
            Self(role: "user", content: content, images: images)
        }
        public static func tool(_ content: String, id: String? = nil) -> Self {
            Self(role: "tool", content: content, id: id)
        }
    }
}

public struct LMInput {
    public struct Text {
        public let tokens: MLXArray
        public let mask: MLXArray?
    }
    public struct Medium {}
    public let text: Text
    public let image: Medium?
    public let video: Medium?
    public let audio: Medium?
    public init(tokens: MLXArray, mask: MLXArray? = nil) { self.init(tokens, nil) }
    init(_ tokens: MLXArray, _ image: Medium?) {
        (text, self.image, video, audio) = (Text(tokens: tokens, mask: nil), image, nil, nil)
    }
}

public struct GenerateParameters: Sendable {
    public var maxTokens: Int?
    public var temperature: Float = 0.6
    public var topP: Float = 1
    public var topK: Int = 0
    public var minP: Float = 0
    public var maxKVSize: Int?
    public var seed: UInt64?
    public var repetitionPenalty: Float?
    public var repetitionContextSize: Int = 20
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
    public var chunk: String? { if case .chunk(let text) = self { text } else { nil } }
    public var info: GenerateCompletionInfo? { if case .info(let info) = self { info } else { nil } }
    public var toolCall: ToolCall? { if case .toolCall(let call) = self { call } else { nil } }
}

public enum ModelFactoryError: Error {
    case unsupportedModelType(String)
    case noModelFactoryAvailable
}
