/// A conversation with a model: it keeps the history and the system prompt.
///
/// ```swift
/// let chat = MLXChat(model: model, system: "You are terse.")
/// print(try await chat.send("Hello!"))
/// print(try await chat.send("What did I just say?"))
/// ```
///
/// An answer that failed or was cancelled leaves the history as it was before the question.
public actor MLXChat {
    /// The model that answers.
    public let model: MLXModel
    /// Options of every answer.
    public var options: GenerationOptions
    /// The messages so far, the system prompt first.
    public private(set) var history: [ChatMessage]

    private var isAnswering = false

    /// Starts a conversation, or goes on with one.
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
                await self.end([], answer: nil)
                throw error
            }
        }
    }

    private func begin(_ messages: [ChatMessage]) throws
        -> (history: [ChatMessage], options: GenerationOptions)
    {
        guard !isAnswering else {
            throw MLXError(.badRequest, "the model is still answering",
                           mend: "wait for the answer, or cancel it")
        }
        isAnswering = true
        return (history + messages, options)
    }

    private func end(_ messages: [ChatMessage], answer: GenerationResult?) {
        isAnswering = false
        guard let answer else { return }
        history += messages
        history.append(.assistant(answer.text, toolCalls: answer.toolCalls))
    }
}
