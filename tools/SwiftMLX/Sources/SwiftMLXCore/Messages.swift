import Foundation

/// A function that the model may ask to be called.
public struct ToolDefinition: Sendable, Hashable {
    /// Name the model uses; letters, digits, `_` and `-`.
    public var name: String
    /// What it does, for the model to read.
    public var summary: String
    /// JSON schema of its arguments, an object.
    public var parameters: JSONValue

    /// Describes a function.
    public init(name: String, summary: String, parameters: JSONValue) {
        self.name = name
        self.summary = summary
        self.parameters = parameters
    }

    var json: JSONValue {
        [
            "type": "function",
            "function": [
                "name": .string(name), "description": .string(summary), "parameters": parameters,
            ],
        ]
    }
}

/// A call that the model asks for. Answer it with ``ChatMessage/tool(_:answering:)``.
public struct ToolCall: Sendable, Hashable, Identifiable {
    /// The server's id of the call; made up where the server gives none.
    public let id: String
    /// The function's name.
    public let name: String
    /// The arguments, an object.
    public let arguments: JSONValue

    /// Makes a call, as a back end does.
    public init(id: String, name: String, arguments: JSONValue) {
        self.id = id
        self.name = name
        self.arguments = arguments
    }

    /// The server's id, else one that is new: a conversation may have calls of many answers.
    static func id(_ given: String?) -> String {
        guard let given, !given.isEmpty else { return "call-\(UUID().uuidString)" }
        return given
    }
}

/// One message of a conversation.
public struct ChatMessage: Sendable, Hashable {
    /// Who speaks.
    public enum Role: String, Sendable, Hashable, CaseIterable {
        /// The instructions that come first.
        case system
        /// The person.
        case user
        /// The model.
        case assistant
        /// The result of a tool call.
        case tool
    }

    /// Who speaks.
    public var role: Role
    /// What is said.
    public var text: String
    /// Images that go with it, for vision models.
    public var images: [ImageInput]
    /// Calls that the model asked for in this message.
    public var toolCalls: [ToolCall]
    /// The call that this message answers, for the role `tool`.
    public var answeredCall: ToolCall?

    /// Makes a message.
    public init(role: Role, text: String, images: [ImageInput] = [], toolCalls: [ToolCall] = [],
                answeredCall: ToolCall? = nil) {
        self.role = role
        self.text = text
        self.images = images
        self.toolCalls = toolCalls
        self.answeredCall = answeredCall
    }

    /// Instructions for the model.
    public static func system(_ text: String) -> ChatMessage { ChatMessage(role: .system, text: text) }

    /// What the person says, with images for a vision model.
    public static func user(_ text: String, images: [ImageInput] = []) -> ChatMessage {
        ChatMessage(role: .user, text: text, images: images)
    }

    /// What the model said.
    public static func assistant(_ text: String, toolCalls: [ToolCall] = []) -> ChatMessage {
        ChatMessage(role: .assistant, text: text, toolCalls: toolCalls)
    }

    /// The result of `call`.
    public static func tool(_ result: String, answering call: ToolCall) -> ChatMessage {
        ChatMessage(role: .tool, text: result, answeredCall: call)
    }
}
