import Foundation

/// What a model can do.
public struct ModelCapabilities: OptionSet, Sendable, Hashable {
    /// The set as bits.
    public let rawValue: Int
    /// Makes a set from bits.
    public init(rawValue: Int) { self.rawValue = rawValue }

    /// Generates text.
    public static let text = ModelCapabilities(rawValue: 1)
    /// Reads images.
    public static let vision = ModelCapabilities(rawValue: 2)
    /// Asks for tools.
    public static let tools = ModelCapabilities(rawValue: 4)
    /// Thinks before it answers.
    public static let thinking = ModelCapabilities(rawValue: 8)
}

/// A model that a back end has.
public struct ModelInfo: Sendable, Hashable, Identifiable {
    /// Name to load it by.
    public let name: String
    /// Size of its weights in bytes, where known.
    public var size: Int?
    /// Number of parameters as people say it, such as "14B", where known.
    public var parameters: String?
    /// Quantisation, such as "Q4_K_M", where known.
    public var quantization: String?
    /// Who would run a model that lies on disk: "MLX", "Ollama"; nil where it is a server's already.
    public var runner: String?

    /// The name is unique within a back end.
    public var id: String { name }

    /// Describes a model.
    public init(name: String, size: Int? = nil, parameters: String? = nil,
                quantization: String? = nil) {
        self.name = name
        self.size = size
        self.parameters = parameters
        self.quantization = quantization
    }
}

/// One generation, as a back end gets it.
public struct GenerationRequest: Sendable, Hashable {
    /// The model's name.
    public var model: String
    /// The conversation so far; the last message is what to answer.
    public var messages: [ChatMessage]
    /// What shapes the answer.
    public var options: GenerationOptions

    /// Makes a request.
    public init(model: String, messages: [ChatMessage],
                options: GenerationOptions = GenerationOptions()) {
        self.model = model
        self.messages = messages
        self.options = options
    }
}

/// What a back end reports while it generates; ``MLXModel`` adds the timing.
public enum BackendEvent: Sendable, Hashable {
    /// Part of the answer.
    case text(String)
    /// Part of the thinking before it.
    case thinking(String)
    /// A whole tool call.
    case toolCall(ToolCall)
    /// The end: what the server itself measured.
    case finished(GenerationStatistics)
}

/// Something that runs models: a server, or MLX in this process.
///
/// A back end is one file and one line in ``ModelResolver``. To add one, conform to this protocol
/// and pass it to ``MLXModel/load(_:using:)``.
public protocol ModelBackend: Sendable {
    /// Name and place for people: "Ollama at http://127.0.0.1:11434".
    var name: String { get }

    /// The models it has. Throws ``MLXError/Code/unavailable`` when nothing answers.
    func models() async throws -> [ModelInfo]

    /// What `model` can do, or nil when the back end cannot tell.
    func capabilities(of model: String) async throws -> ModelCapabilities?

    /// Brings `model` into memory. Throws ``MLXError/Code/modelNotFound`` when it has no such model.
    func load(_ model: String) async throws

    /// Generates. The stream ends after one `finished`, or throws. Cancelling the task that reads
    /// it, or dropping the stream, stops the work at its source.
    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error>
}

/// A back end of this package's own, and the app of `mlx-cache` whose store its server reads.
protocol LinkableBackend: ModelBackend {
    /// The app, or nil where the server reads no store of this computer.
    var cacheApp: String? { get }
}

extension URL {
    /// Whether the address is this computer's own.
    var isLocal: Bool { ["127.0.0.1", "localhost", "::1", "[::1]"].contains(host ?? "") }
}
