// Transcripts and tools of Apple's FoundationModels.
import CoreImage
import Foundation

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public struct GenerationSchema: Sendable, Codable, CustomDebugStringConvertible {
    public var debugDescription: String { "" }
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public protocol ConvertibleFromGeneratedContent: SendableMetatype {
    init(_ content: GeneratedContent) throws
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public protocol PromptRepresentable {}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
extension String: PromptRepresentable {}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public struct GeneratedContent: Sendable, Equatable, ConvertibleFromGeneratedContent {
    public let jsonString: String
    public init(_ content: GeneratedContent) throws { jsonString = content.jsonString }
    public init(json: String) throws { jsonString = json }
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public protocol Tool<Arguments, Output>: Sendable {
    associatedtype Arguments: ConvertibleFromGeneratedContent
    associatedtype Output: PromptRepresentable
    var name: String { get }
    var description: String { get }
    var parameters: GenerationSchema { get }
    var includesSchemaInInstructions: Bool { get }
    @concurrent func call(arguments: Self.Arguments) async throws -> Self.Output
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
extension Tool {
    public var includesSchemaInInstructions: Bool { true }
}

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
public struct Transcript: Sendable, Equatable, RandomAccessCollection {
    private let entries: [Entry]
    public init(entries: some Sequence<Entry> = []) { self.entries = Array(entries) }
    public var startIndex: Int { 0 }
    public var endIndex: Int { entries.count }
    public subscript(index: Int) -> Entry { entries[index] }

    public enum Entry: Sendable, Equatable {
        case instructions(Instructions)
        case prompt(Prompt)
        case toolCalls(ToolCalls)
        case toolOutput(ToolOutput)
        case response(Response)
        @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
        case reasoning(Response)
    }
    public enum Segment: Sendable, Equatable {
        case text(TextSegment)
        case structure(StructuredSegment)
        @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
        case attachment(AttachmentSegment)
    }
    public struct TextSegment: Sendable, Equatable {
        public var content: String
        public init(id: String = "", content: String) { self.content = content }
    }
    public struct StructuredSegment: Sendable, Equatable {
        public var content: GeneratedContent
    }
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public struct AttachmentSegment: Sendable, Equatable {
        public enum Content: Sendable, Equatable { case image(ImageAttachment) }
        public var label: String?
        public var content: Content
    }
    @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
    public struct ImageAttachment: Sendable, Equatable {
        public var ciImage: CIImage { fatalError() }
        public var orientation: CGImagePropertyOrientation { fatalError() }
    }
    public struct Instructions: Sendable, Equatable {
        public var segments: [Segment]
        public init(id: String = "", segments: [Segment], toolDefinitions: [ToolDefinition]) {
            self.segments = segments
        }
    }
    public struct ToolDefinition: Sendable, Equatable {
        public var name: String
        public var description: String
        @available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
        public var parameters: GenerationSchema { get { fatalError() } set {} }
    }
    public struct Prompt: Sendable, Equatable {
        public var segments: [Segment]
        public init(id: String = "", segments: [Segment]) { self.segments = segments }
    }
    public struct Response: Sendable, Equatable {
        public var segments: [Segment]
        public init(id: String = "", assetIDs: [String], segments: [Segment]) { self.segments = segments }
    }
    public struct ToolCalls: Sendable, Equatable, RandomAccessCollection {
        public init(id: String = "", _ calls: some Sequence<ToolCall>) {}
        public var startIndex: Int { 0 }
        public var endIndex: Int { 0 }
        public subscript(index: Int) -> ToolCall { fatalError() }
    }
    public struct ToolCall: Sendable, Equatable {
        public var id: String
        public var toolName: String
        public var arguments: GeneratedContent
        public init(id: String, toolName: String, arguments: GeneratedContent) {
            (self.id, self.toolName, self.arguments) = (id, toolName, arguments)
        }
    }
    public struct ToolOutput: Sendable, Equatable {
        public var id: String
        public var toolName: String
        public var segments: [Segment]
        public init(id: String, toolName: String, segments: [Segment]) {
            (self.id, self.toolName, self.segments) = (id, toolName, segments)
        }
    }
}
