import Foundation

/// A piece of text as it arrives: mostly one token, sometimes a few.
public struct GeneratedToken: Sendable, Hashable {
    /// Whether the piece belongs to the answer or to the thinking before it.
    public enum Kind: String, Sendable, Hashable {
        /// Part of the answer.
        case answer
        /// Part of a reasoning model's thinking.
        case thinking
    }

    /// The text.
    public let text: String
    /// Answer or thinking.
    public let kind: Kind
    /// Time since the request was sent.
    public let elapsed: Duration
    /// Time since the piece before; for the first, since the request was sent.
    public let interval: Duration

    /// Makes a token, as a stream does.
    public init(text: String, kind: Kind, elapsed: Duration, interval: Duration) {
        self.text = text
        self.kind = kind
        self.elapsed = elapsed
        self.interval = interval
    }
}

/// Why a generation ended.
public enum FinishReason: Sendable, Hashable {
    /// The model was done, or reached a stop sequence.
    case stop
    /// The limit of tokens was reached.
    case length
    /// The model asks for tools.
    case toolCalls
    /// Anything else, in the server's words.
    case other(String)

    init(serverWord: String?) {
        switch serverWord {
        case nil, "stop", "eos": self = .stop
        case "length", "max_tokens": self = .length
        case "tool_calls", "function_call": self = .toolCalls
        case .some(let word): self = .other(word)
        }
    }
}

/// What a generation took. Figures that the server did not report are nil, never 0.
public struct GenerationStatistics: Sendable, Hashable {
    /// Why it ended.
    public var finishReason: FinishReason = .stop
    /// Tokens of the prompt, as the server counts them.
    public var promptTokens: Int?
    /// Those of them that were computed for an earlier question, as the server says.
    public var cachedPromptTokens: Int?
    /// Time the server spent on the prompt.
    public var promptDuration: Duration?
    /// Tokens generated: the server's count, else the number of pieces received.
    public var generatedTokens: Int = 0
    /// Whether ``generatedTokens`` is the server's own count.
    public var isServerCount = false
    /// Time spent generating: the server's figure, else from the first piece to the last.
    public var generationDuration: Duration?
    /// Whether ``generationDuration`` is the server's own figure.
    public var isServerTiming = false
    /// Time the server spent loading the model.
    public var loadDuration: Duration?
    /// From the request to the first piece.
    public var timeToFirstToken: Duration?
    /// From the request to the end, by this computer's clock.
    public var totalDuration: Duration = .zero

    /// An empty set of figures, for a back end to fill.
    public init() {}

    /// Generated tokens per second, or nil where it cannot be told.
    public var tokensPerSecond: Double? {
        // From the first to the last of n tokens, as seen from here, n-1 were generated.
        let tokens = isServerTiming ? generatedTokens : generatedTokens - 1
        return Self.rate(tokens, generationDuration)
    }

    /// Prompt tokens per second, or nil where it cannot be told. What was computed before took no time.
    public var promptTokensPerSecond: Double? {
        promptTokens.flatMap { Self.rate($0 - (cachedPromptTokens ?? 0), promptDuration) }
    }

    private static func rate(_ count: Int, _ duration: Duration?) -> Double? {
        guard let duration, duration > .zero, count > 0 else { return nil }
        return Double(count) / duration.inSeconds
    }
}

extension Duration {
    /// The duration in seconds.
    public var inSeconds: Double {
        Double(components.seconds) + Double(components.attoseconds) * 1e-18
    }
}

/// What a stream delivers, in this order: tokens and tool calls as they come, then `finished` once.
public enum GenerationEvent: Sendable, Hashable {
    /// A piece of text.
    case token(GeneratedToken)
    /// The model asks for a tool.
    case toolCall(ToolCall)
    /// The end, with the figures.
    case finished(GenerationStatistics)
}

/// A whole answer.
///
/// It prints as its text, so that `print(try await model.generate(prompt: "Hello"))` does what it
/// seems to.
public struct GenerationResult: Sendable, Hashable, CustomStringConvertible {
    /// The answer.
    public var text: String = ""
    /// A reasoning model's thinking; empty where there is none.
    public var thinking: String = ""
    /// Tools that the model asks for.
    public var toolCalls: [ToolCall] = []
    /// What it took.
    public var statistics = GenerationStatistics()

    /// An empty result.
    public init() {}

    /// The answer.
    public var description: String { text }

    /// The answer decoded from JSON, for the formats `json` and `jsonSchema`. Where nobody held the
    /// model to them, the JSON may stand in a block of code or have words around it.
    public func decoded<Value: Decodable>(as type: Value.Type = Value.self) throws -> Value {
        for candidate in LenientJSON.candidates(in: text) {
            if let value = try? JSONDecoder().decode(type, from: candidate) { return value }
        }
        throw MLXError(.protocolBroken, "the answer is not a valid \(type): \(text.utf8.prefix(80).printable)",
                       hint: "ask for the format .jsonSchema, and raise maxTokens if it was cut off")
    }

    mutating func add(_ event: GenerationEvent) {
        switch event {
        case .token(let token) where token.kind == .thinking: thinking += token.text
        case .token(let token): text += token.text
        case .toolCall(let call): toolCalls.append(call)
        case .finished(let figures): statistics = figures
        }
    }
}
