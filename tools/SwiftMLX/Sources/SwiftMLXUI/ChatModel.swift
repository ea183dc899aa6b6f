import Foundation
import Observation
import SwiftMLXCore

/// A tool that the model asked for, and what came of it.
public struct ChatToolCall: Sendable, Identifiable {
    /// What came of a call.
    public enum Outcome: Sendable, Hashable {
        /// It runs.
        case running
        /// It gave this.
        case done(String)
        /// It failed, and this is why.
        case failed(String)
        /// It was not run, or was stopped.
        case notRun
    }

    /// Number of the call in its message, from 0.
    public let id: Int
    /// What the model asked for.
    public let call: ToolCall
    /// What came of it.
    public internal(set) var outcome: Outcome
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
    /// Tools that the model asked for before it answered.
    public internal(set) var toolCalls: [ChatToolCall] = []
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

    /// Attaches files as ``attach(contentsOf:)`` does, and reads them away from the main actor.
    public func attach(reading urls: [URL]) async {
        for url in urls {
            do {
                attachments.append(try await ChatAttachment.reading(url))
            } catch {
                self.error = Self.explain(error)
            }
        }
    }

    /// Attaches something that is not a file.
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
            settle()
            answering = nil
        }
        do {
            var calls = try await show(chat.stream(Self.prompt(text, attached), images: attached.images))
            for _ in 0..<Self.maximumToolRounds where !calls.isEmpty {
                guard let runTool else {
                    throw MLXError(.unsupported, "the model asks for the tool \(calls[0].name), which "
                        + "this app does not run", hint: "ask without tools")
                }
                calls = try await show(chat.answer(try await results(of: calls, runTool)))
            }
            guard calls.isEmpty else {
                throw MLXError(.serverFailed, "the model keeps asking for \(calls[0].name) and "
                    + "does not answer", hint: "ask again in other words, or use another model")
            }
            if turns[turns.count - 1].text.allSatisfy(\.isWhitespace) {
                throw MLXError(.serverFailed, "the model gave no answer", hint: "ask again")
            }
        } catch {
            self.error = Self.explain(error)
        }
    }

    /// Runs the tools one after another. One that fails is an answer too: the model is told why.
    private func results(of calls: [ToolCall], _ run: @escaping @Sendable (ToolCall) async throws -> String)
        async throws -> [(call: ToolCall, result: String)]
    {
        let last = turns.count - 1
        let first = turns[last].toolCalls.count - calls.count
        var results: [(call: ToolCall, result: String)] = []
        for (index, call) in calls.enumerated() {
            try Task.checkCancellation()
            turns[last].toolCalls[first + index].outcome = .running
            do {
                let result = try await orCancelled { try await run(call) }
                turns[last].toolCalls[first + index].outcome = .done(result)
                results.append((call, result))
            } catch where !(error is CancellationError) && !Task.isCancelled {
                let why = Self.explain(error)?.description ?? error.localizedDescription
                turns[last].toolCalls[first + index].outcome = .failed(why)
                results.append((call, "The tool failed: \(why)"))
            }
        }
        return results
    }

    /// Ends what the last message still waits for, and takes it away where nothing came.
    private func settle() {
        let last = turns.count - 1
        turns[last].isStreaming = false
        for index in turns[last].toolCalls.indices where turns[last].toolCalls[index].outcome == .running {
            turns[last].toolCalls[index].outcome = .notRun
        }
        let turn = turns[last]
        if turn.text.allSatisfy(\.isWhitespace), turn.thinking.isEmpty, turn.toolCalls.isEmpty {
            turns.removeLast()
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
            case .toolCall(let call):
                calls.append(call)
                let number = turns[last].toolCalls.count
                turns[last].toolCalls.append(ChatToolCall(id: number, call: call, outcome: .notRun))
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

    /// A cancelled answer is not an error: the person wanted it.
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

/// What `body` gives, or a cancellation as soon as the task is cancelled: a tool that does not heed it
/// must not keep the person waiting.
private func orCancelled<Value: Sendable>(_ body: @escaping @Sendable () async throws -> Value)
    async throws -> Value
{
    let (values, continuation) = AsyncThrowingStream<Value, any Error>.makeStream()
    let work = Task {
        do {
            continuation.yield(try await body())
            continuation.finish()
        } catch {
            continuation.finish(throwing: error)
        }
    }
    defer { work.cancel() }
    for try await value in values { return value }
    throw CancellationError()
}
