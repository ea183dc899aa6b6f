/// Turns what a back end reports into what a caller sees: timing, stop sequences, final figures.
struct GenerationPipeline {
    private let start: ContinuousClock.Instant
    private let now: @Sendable () -> ContinuousClock.Instant
    private var previous: ContinuousClock.Instant
    private var first: ContinuousClock.Instant?
    private var pieces = 0
    private var thinking = ThinkingSplitter()
    private var stops: StopSequences

    /// `now` is the clock; tests give their own.
    init(stop: [String], now: @escaping @Sendable () -> ContinuousClock.Instant) {
        self.now = now
        start = now()
        previous = start
        stops = StopSequences(stop)
    }

    /// Whether a stop sequence was seen: nothing that comes later counts.
    var isStopped: Bool { stops.isStopped }

    mutating func take(_ event: BackendEvent) -> [GenerationEvent] {
        switch event {
        case .thinking(let text):
            return token(text, .thinking)
        case .text(let text):
            let shown = show(thinking.take(text))
            return stops.isStopped ? shown + [.finished(finish(GenerationStatistics()))] : shown
        case .toolCall(let call):
            return [.toolCall(call)]
        case .finished(let figures):
            let rest = show(thinking.flush())
            return rest + token(stops.flush(), .answer) + [.finished(finish(figures))]
        }
    }

    /// Stop sequences hold for the answer, not for the thinking before it.
    private mutating func show(_ parts: [ThinkingSplitter.Part]) -> [GenerationEvent] {
        parts.flatMap { part in
            part.isThinking ? token(part.text, .thinking) : token(stops.take(part.text), .answer)
        }
    }

    private mutating func token(_ text: String, _ kind: GeneratedToken.Kind) -> [GenerationEvent] {
        guard !text.isEmpty else { return [] }
        let time = now()
        defer { previous = time }
        first = first ?? time
        pieces += 1
        return [.token(GeneratedToken(text: text, kind: kind, elapsed: time - start,
                                      interval: time - previous))]
    }

    private func finish(_ reported: GenerationStatistics) -> GenerationStatistics {
        var figures = reported
        if !figures.isServerCount { figures.generatedTokens = pieces }
        figures.isServerTiming = figures.generationDuration != nil
        if let first, pieces > 1, !figures.isServerTiming {
            figures.generationDuration = previous - first
        }
        figures.timeToFirstToken = first.map { $0 - start }
        figures.totalDuration = now() - start
        return figures
    }
}

extension MLXModel {
    /// Generates the answer to one prompt and returns it whole.
    ///
    /// ```swift
    /// let response = try await model.generate(prompt: "Explain quantum computing", maxTokens: 500)
    /// print(response)
    /// ```
    public func generate(prompt: String, maxTokens: Int? = nil,
                         options: GenerationOptions = GenerationOptions()) async throws
        -> GenerationResult
    {
        try await generate(messages: [.user(prompt)], options: options.limited(to: maxTokens))
    }

    /// Generates the answer to a conversation and returns it whole.
    public func generate(messages: [ChatMessage],
                         options: GenerationOptions = GenerationOptions()) async throws
        -> GenerationResult
    {
        var result = GenerationResult()
        for try await event in stream(messages: messages, options: options) { result.add(event) }
        try Task.checkCancellation()
        return result
    }

    /// Generates the answer to one prompt, piece by piece.
    ///
    /// ```swift
    /// for try await event in model.stream(prompt: "Tell me a story") {
    ///     switch event {
    ///     case .token(let token): print(token.text, terminator: "")
    ///     case .toolCall: break
    ///     case .finished(let figures): print(figures.tokensPerSecond ?? 0, "tok/s")
    ///     }
    /// }
    /// ```
    ///
    /// Leaving the loop, or cancelling its task, stops the server.
    public func stream(prompt: String, maxTokens: Int? = nil,
                       options: GenerationOptions = GenerationOptions())
        -> AsyncThrowingStream<GenerationEvent, any Error>
    {
        stream(messages: [.user(prompt)], options: options.limited(to: maxTokens))
    }

    /// Generates the answer to a conversation, piece by piece.
    public func stream(messages: [ChatMessage], options: GenerationOptions = GenerationOptions())
        -> AsyncThrowingStream<GenerationEvent, any Error>
    {
        let request = GenerationRequest(model: name, messages: messages, options: options)
        return AsyncThrowingStream.running { [backend, now] continuation in
            try options.validate()
            guard let last = messages.last, last.role == .tool || !last.text.isEmpty || !last.images.isEmpty else {
                throw MLXError(.badRequest, "there is nothing to answer", hint: "give a prompt")
            }
            do {
                try await Self.run(request, backend, now, continuation)
            } catch let error as MLXError where options.format != .text && error.mayBeAboutTheForm {
                try await Self.run(request.askedInWords, backend, now, continuation)
            }
        }
    }

    /// Has the back end generate. Once something has come, a failure is final.
    private static func run(_ request: GenerationRequest, _ backend: any ModelBackend,
                            _ now: @escaping @Sendable () -> ContinuousClock.Instant,
                            _ continuation: AsyncThrowingStream<GenerationEvent, any Error>.Continuation)
        async throws
    {
        var pipeline = GenerationPipeline(stop: request.options.stop, now: now)
        var hasBegun = false
        do {
            for try await event in backend.generate(request) {
                for shown in pipeline.take(event) {
                    hasBegun = true
                    continuation.yield(shown)
                }
                // Leaving the loop drops the back end's stream, and that stops the server.
                if pipeline.isStopped { return }
            }
        } catch let error where hasBegun {
            continuation.finish(throwing: error)
        }
    }
}

extension MLXError {
    /// Whether a back end that takes no form of answers would fail like this.
    fileprivate var mayBeAboutTheForm: Bool {
        [.unsupported, .serverFailed, .badRequest].contains(code)
    }
}

extension GenerationOptions {
    func limited(to maxTokens: Int?) -> GenerationOptions {
        guard let maxTokens else { return self }
        var options = self
        options.maxTokens = maxTokens
        return options
    }
}
