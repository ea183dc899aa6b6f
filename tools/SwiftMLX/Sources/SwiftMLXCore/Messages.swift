import Foundation

/// An image for a vision model: its encoded bytes, as a file holds them.
public struct ImageInput: Sendable, Hashable {
    /// The encoded image.
    public let data: Data
    /// Its media type, told from the first bytes: `image/png`, `image/jpeg`, `image/webp`, …
    public let mediaType: String

    /// Largest image accepted, in bytes: a server decodes it in memory.
    public static let maximumSize = 64 << 20

    /// Takes the bytes of an image file. Throws when they are no image that model servers read.
    public init(data: Data) throws {
        guard data.count <= Self.maximumSize else {
            throw MLXError(.badRequest, "the image has \(data.count) bytes",
                           mend: "scale it down to less than \(Self.maximumSize >> 20) MiB")
        }
        guard let type = Self.mediaType(of: data) else {
            throw MLXError(.badRequest, "the data is no image in a known format",
                           mend: "use PNG, JPEG, WebP, GIF, BMP or TIFF")
        }
        self.data = data
        mediaType = type
    }

    /// Reads an image file.
    public init(contentsOf url: URL) throws {
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw MLXError(.badRequest, "cannot read the image \(url.path)",
                           mend: "check the path and its permissions")
        }
        try self.init(data: data)
    }

    /// `data:` URL, the form that OpenAI-compatible servers take.
    var dataURL: String { "data:\(mediaType);base64,\(data.base64EncodedString())" }

    private static let signatures: [(offset: Int, bytes: [UInt8], type: String)] = [
        (0, [0x89, 0x50, 0x4E, 0x47], "image/png"),
        (0, [0xFF, 0xD8, 0xFF], "image/jpeg"),
        (8, Array("WEBP".utf8), "image/webp"),
        (0, Array("GIF8".utf8), "image/gif"),
        (0, Array("BM".utf8), "image/bmp"),
        (0, [0x49, 0x49, 0x2A, 0x00], "image/tiff"),
        (0, [0x4D, 0x4D, 0x00, 0x2A], "image/tiff"),
    ]

    private static func mediaType(of data: Data) -> String? {
        signatures.first { data.dropFirst($0.offset).starts(with: $0.bytes) }?.type
    }
}

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
