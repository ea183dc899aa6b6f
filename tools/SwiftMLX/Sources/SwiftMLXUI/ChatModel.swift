import Foundation
import Observation
import SwiftMLXCore

/// Something that goes along with a message.
public struct ChatAttachment: Sendable, Hashable, Identifiable {
    /// What it holds.
    public enum Content: Sendable, Hashable {
        /// A picture, for a vision model.
        case image(ImageInput)
        /// A document's text, put before the question.
        case text(String)
    }

    /// Unique among the attachments of one conversation.
    public let id = UUID()
    /// The file's name, for people.
    public let name: String
    /// What it holds.
    public let content: Content

    /// Longest document, in bytes: more does not fit the context of most models.
    public static let maximumText = 1 << 20

    /// An attachment of your own.
    public init(name: String, content: Content) {
        self.name = name
        self.content = content
    }

    /// Reads a file: an image, or any text in UTF-8.
    public init(contentsOf url: URL) throws {
        let name = url.lastPathComponent
        let mayRead = url.startAccessingFile()
        defer { if mayRead { url.stopAccessingFile() } }
        guard let data = try? Data(contentsOf: url) else {
            throw MLXError(.badRequest, "cannot read \(name)", mend: "check its permissions")
        }
        if let image = try? ImageInput(data: data) {
            self.init(name: name, content: .image(image))
            return
        }
        guard data.count <= Self.maximumText else {
            throw MLXError(.badRequest, "\(name) is too long",
                           mend: "attach less than \(Self.maximumText >> 20) MiB of text")
        }
        guard let text = String(data: data, encoding: .utf8), !text.utf8.contains(0) else {
            throw MLXError(.badRequest, "\(name) is neither an image nor text",
                           mend: "attach a picture or a text file")
        }
        self.init(name: name, content: .text(text))
    }
}

extension URL {
    /// A sandboxed app must ask for a file that the person chose; elsewhere there is nothing to ask.
    fileprivate func startAccessingFile() -> Bool {
        #if canImport(Darwin)
        startAccessingSecurityScopedResource()
        #else
        false
        #endif
    }

    fileprivate func stopAccessingFile() {
        #if canImport(Darwin)
        stopAccessingSecurityScopedResource()
        #endif
    }
}

/// One message as the screen shows it.
public struct ChatTurn: Sendable, Identifiable {
    /// Number of the message, from 0.
    public let id: Int
    /// Who speaks.
    public let role: ChatMessage.Role
    /// What goes along with it.
    public let attachments: [ChatAttachment]
    /// The text so far.
    public internal(set) var text: String
    /// A reasoning model's thinking so far.
    public internal(set) var thinking = ""
    /// The text as blocks.
    public internal(set) var markdown: StreamingMarkdown
    /// Whether more is to come.
    public internal(set) var isStreaming = false
    /// What the answer took, once it is whole.
    public internal(set) var statistics: GenerationStatistics?
}

/// The state behind a chat window: messages, draft, attachments, and what is going on.
///
/// It knows no views, so it runs and is tested everywhere.
@MainActor @Observable public final class ChatModel {
    /// The model that answers.
    public let model: MLXModel
    /// The messages.
    public private(set) var turns: [ChatTurn] = []
    /// What the person is typing.
    public var draft = ""
    /// What will go along with the draft.
    public private(set) var attachments: [ChatAttachment] = []
    /// What went wrong last; nil after the next success.
    public private(set) var error: MLXError?
    /// How fast the model answers.
    public private(set) var performance = PerformanceHistory()

    private let chat: MLXChat
    private let runTool: (@Sendable (ToolCall) async throws -> String)?
    private var answering: Task<Void, Never>?

    /// Most rounds of tool calls in one answer: a model may ask for ever.
    private static let maximumToolRounds = 8

    /// Starts a conversation.
    ///
    /// - Parameters:
    ///   - model: The model that answers.
    ///   - system: Instructions for it.
    ///   - options: How it answers.
    ///   - runTool: Runs the tools of `options`; its result goes back to the model.
    public init(model: MLXModel, system: String? = nil,
                options: GenerationOptions = GenerationOptions(),
                runTool: (@Sendable (ToolCall) async throws -> String)? = nil) {
        self.model = model
        self.runTool = runTool
        chat = MLXChat(model: model, system: system, options: options)
    }

    /// Whether the model is at work.
    public var isAnswering: Bool { answering != nil }

    /// Whether there is something to send and nobody is at work.
    public var canSend: Bool {
        let isEmpty = draft.allSatisfy(\.isWhitespace) && attachments.isEmpty
        return !isEmpty && !isAnswering
    }

    /// Attaches files. What cannot be read is said in ``error``.
    public func attach(contentsOf urls: [URL]) {
        for url in urls {
            do {
                attachments.append(try ChatAttachment(contentsOf: url))
            } catch {
                self.error = Self.explain(error)
            }
        }
    }

    /// Attaches something that is no file.
    public func attach(_ attachment: ChatAttachment) {
        attachments.append(attachment)
    }

    /// Takes an attachment back.
    public func remove(_ attachment: ChatAttachment) {
        attachments.removeAll { $0.id == attachment.id }
    }

    /// Sends the draft with its attachments.
    public func send() {
        guard canSend else { return }
        let (text, attached) = (draft, attachments)
        (draft, attachments, error) = ("", [], nil)
        turns.append(turn(.user, text, attached))
        turns.append(turn(.assistant, "", []))
        turns[turns.count - 1].isStreaming = true
        answering = Task { await answer(text, attached) }
    }

    /// Stops the answer; what has come stays on the screen.
    public func stop() {
        answering?.cancel()
    }

    /// Forgets the conversation.
    public func clear() async {
        answering?.cancel()
        await answering?.value
        await chat.clear()
        (turns, error) = ([], nil)
    }

    /// Waits until nobody is at work.
    public func settled() async {
        await answering?.value
    }

    private func answer(_ text: String, _ attached: [ChatAttachment]) async {
        defer {
            turns[turns.count - 1].isStreaming = false
            answering = nil
        }
        do {
            var calls = try await show(chat.stream(Self.prompt(text, attached), images: attached.images))
            for _ in 0..<Self.maximumToolRounds where !calls.isEmpty {
                guard let runTool else { break }
                var results: [(call: ToolCall, result: String)] = []
                for call in calls { results.append((call, try await runTool(call))) }
                calls = try await show(chat.answer(results))
            }
        } catch {
            self.error = Self.explain(error)
        }
    }

    private func show(_ events: AsyncThrowingStream<GenerationEvent, any Error>) async throws
        -> [ToolCall]
    {
        var calls: [ToolCall] = []
        let last = turns.count - 1
        for try await event in events {
            switch event {
            case .token(let token):
                performance.add(token)
                if token.kind == .thinking {
                    turns[last].thinking += token.text
                } else {
                    turns[last].text += token.text
                    turns[last].markdown.append(token.text)
                }
            case .toolCall(let call): calls.append(call)
            case .finished(let figures):
                turns[last].statistics = figures
                performance.finish(figures)
            }
        }
        try Task.checkCancellation()
        return calls
    }

    private func turn(_ role: ChatMessage.Role, _ text: String, _ attached: [ChatAttachment]) -> ChatTurn {
        ChatTurn(id: turns.count, role: role, attachments: attached, text: text,
                 markdown: StreamingMarkdown(text))
    }

    private static func prompt(_ text: String, _ attached: [ChatAttachment]) -> String {
        let documents = attached.compactMap { attachment -> String? in
            guard case .text(let content) = attachment.content else { return nil }
            return "Document \"\(attachment.name)\":\n\(content)\n"
        }
        return (documents + [text]).joined(separator: "\n")
    }

    /// A cancelled answer is no error: the person wanted it.
    private static func explain(_ error: any Error) -> MLXError? {
        if error is CancellationError { return nil }
        return error as? MLXError ?? MLXError(.serverFailed, error.localizedDescription)
    }
}

extension [ChatAttachment] {
    fileprivate var images: [ImageInput] {
        compactMap { if case .image(let image) = $0.content { image } else { nil } }
    }
}
