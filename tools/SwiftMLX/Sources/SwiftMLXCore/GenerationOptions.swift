/// How the next token is chosen. What is nil is left to the server's or the model's own default.
public struct SamplingOptions: Sendable, Hashable {
    /// 0 always takes the likeliest token; higher is more varied.
    public var temperature: Double?
    /// Keeps the likeliest tokens whose probabilities sum to this ratio.
    public var topP: Double?
    /// Keeps this many of the likeliest tokens.
    public var topK: Int?
    /// Drops tokens less likely than this ratio of the likeliest one.
    public var minP: Double?
    /// Above 1, makes tokens that were used already less likely.
    public var repeatPenalty: Double?
    /// Equal seeds give equal text, where the server keeps to it.
    public var seed: Int?

    /// Sampling options; those not named stay at the server's default.
    public init(temperature: Double? = nil, topP: Double? = nil, topK: Int? = nil,
                minP: Double? = nil, repeatPenalty: Double? = nil, seed: Int? = nil) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.minP = minP
        self.repeatPenalty = repeatPenalty
        self.seed = seed
    }

    /// The likeliest token each time.
    public static let greedy = SamplingOptions(temperature: 0, seed: 0)
}

/// The form of the answer.
public enum ResponseFormat: Sendable, Hashable {
    /// Plain text.
    case text
    /// Any JSON value.
    case json
    /// JSON that fits this schema.
    case jsonSchema(JSONValue)
}

/// Everything that shapes one generation.
public struct GenerationOptions: Sendable, Hashable {
    /// Most tokens to generate; nil is the server's own limit.
    public var maxTokens: Int?
    /// How tokens are chosen.
    public var sampling: SamplingOptions
    /// Generation ends before any of these texts; they are not part of the answer.
    public var stop: [String]
    /// Functions that the model may ask for.
    public var tools: [ToolDefinition]
    /// The form of the answer.
    public var format: ResponseFormat
    /// Size of the context in tokens, where the server lets the client choose; others refuse it.
    public var contextLength: Int?
    /// Whether a reasoning model thinks first; nil leaves it to the model.
    public var thinking: Bool?

    /// Generation options; those not named stay at their defaults.
    public init(maxTokens: Int? = nil, sampling: SamplingOptions = SamplingOptions(),
                stop: [String] = [], tools: [ToolDefinition] = [], format: ResponseFormat = .text,
                contextLength: Int? = nil, thinking: Bool? = nil) {
        self.maxTokens = maxTokens
        self.sampling = sampling
        self.stop = stop
        self.tools = tools
        self.format = format
        self.contextLength = contextLength
        self.thinking = thinking
    }

    func validate() throws {
        if let maxTokens, maxTokens < 1 {
            throw MLXError(.badRequest, "maxTokens is \(maxTokens)", hint: "ask for at least one")
        }
        if stop.contains(where: \.isEmpty) {
            throw MLXError(.badRequest, "a stop sequence is empty", hint: "leave it out")
        }
    }
}
