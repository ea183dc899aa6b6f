/// A conversation with a model: it keeps the history and the system prompt.
///
/// ```swift
/// let chat = MLXChat(model: model, system: "You are terse.")
/// print(try await chat.send("Hello!"))
/// print(try await chat.send("What did I just say?"))
/// ```
///
/// An answer that failed or was cancelled leaves the history as it was before the question; results
/// of tools that ran before it are kept. A call that nobody answered is answered as not run before
/// anyone else speaks, because servers refuse a conversation with an open call.
public actor MLXChat {
    /// The model that answers.
    public let model: MLXModel
    /// Options of every answer.
    public var options: GenerationOptions
    /// The messages so far, the system prompt first.
    public private(set) var history: [ChatMessage]

    private var isAnswering = false

    /// Starts a conversation, or continues one.
    public init(model: MLXModel, system: String? = nil, history: [ChatMessage] = [],
                options: GenerationOptions = GenerationOptions()) {
        self.model = model
        self.options = options
        self.history = (system.map { [ChatMessage.system($0)] } ?? []) + history
    }

    /// Changes the options of the answers to come.
    public func setOptions(_ options: GenerationOptions) {
        self.options = options
    }

    /// Forgets everything but the system prompt.
    public func clear() {
        history = history.first?.role == .system ? [history[0]] : []
    }

    /// Sends a message and returns the whole answer.
    @discardableResult
    public func send(_ text: String, images: [ImageInput] = []) async throws -> GenerationResult {
        var result = GenerationResult()
        for try await event in stream(text, images: images) { result.add(event) }
        try Task.checkCancellation()
        return result
    }

    /// Sends a message and returns the answer piece by piece.
    public nonisolated func stream(_ text: String, images: [ImageInput] = [])
        -> AsyncThrowingStream<GenerationEvent, any Error>
    {
        stream([.user(text, images: images)])
    }

    /// Gives the results of the tool calls of the last answer and returns what the model makes of
    /// them.
    public nonisolated func answer(_ results: [(call: ToolCall, result: String)])
        -> AsyncThrowingStream<GenerationEvent, any Error>
    {
        stream(results.map { .tool($0.result, answering: $0.call) })
    }

    private nonisolated func stream(_ messages: [ChatMessage])
        -> AsyncThrowingStream<GenerationEvent, any Error>
    {
        AsyncThrowingStream.running { continuation in
            let question = try await self.begin(messages)
            do {
                var result = GenerationResult()
                let stream = self.model.stream(messages: question.history, options: question.options)
                for try await event in stream {
                    result.add(event)
                    continuation.yield(event)
                }
                try Task.checkCancellation()
                await self.end(messages, answer: result)
            } catch {
                await self.end(question.kept, answer: nil)
                throw error
            }
        }
    }

    /// What to ask, and what of it stays in the history where no answer comes: facts, such as what a
    /// tool gave.
    private func begin(_ messages: [ChatMessage]) throws
        -> (history: [ChatMessage], kept: [ChatMessage], options: GenerationOptions)
    {
        guard !isAnswering else {
            throw MLXError(.badRequest, "the model is still answering",
                           hint: "wait for the answer, or cancel it")
        }
        isAnswering = true
        let results = messages.filter { $0.role == .tool }
        let open = unanswered(results)
        history += open
        return (history + messages, results, options)
    }

    /// An answer to each call of the last message that `results` leave open.
    private func unanswered(_ results: [ChatMessage]) -> [ChatMessage] {
        let answered = history.reversed().prefix { $0.role == .tool } + results
        guard let last = history.last(where: { $0.role != .tool }), last.role == .assistant else {
            return []
        }
        var ids = answered.compactMap(\.answeredCall?.id)
        return last.toolCalls.filter { call in
            guard let index = ids.firstIndex(of: call.id) else { return true }
            ids.remove(at: index)
            return false
        }.map { .tool("This call was not run, or was stopped before it ended.", answering: $0) }
    }

    private func end(_ messages: [ChatMessage], answer: GenerationResult?) {
        isAnswering = false
        history += messages
        // Servers refuse an answer of the model that is empty.
        guard let answer, !answer.text.allSatisfy(\.isWhitespace) || !answer.toolCalls.isEmpty else {
            return
        }
        history.append(.assistant(answer.text, toolCalls: answer.toolCalls))
    }
}
