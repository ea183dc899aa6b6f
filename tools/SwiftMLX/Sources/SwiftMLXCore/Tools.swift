import Foundation

/// A function that the model may call, with arguments of a type.
///
/// ```swift
/// struct Weather: MLXTool {
///     struct Arguments: Codable, Sendable { let city: String }
///     let name = "weather"
///     let summary = "Tells the weather of a city."
///     func call(_ arguments: Arguments) async throws -> String { "18 °C in \(arguments.city)" }
/// }
///
/// let answer = try await chat.respond(to: "Do I need a coat in Paris?", using: [Weather()])
/// ```
public protocol MLXTool: Sendable {
    /// What the function takes; its schema is made from how it decodes.
    associatedtype Arguments: Decodable & Sendable
    /// What it gives; a text goes to the model as it is, anything else as JSON.
    associatedtype Output: Encodable & Sendable

    /// Name the model uses; letters, digits, `_` and `-`.
    var name: String { get }
    /// What it does, for the model to read.
    var summary: String { get }
    /// Does it. What it throws is told to the model.
    func call(_ arguments: Arguments) async throws -> Output
}

extension MLXTool {
    /// The function as it is described to a model.
    public func definition() throws -> ToolDefinition {
        ToolDefinition(name: name, summary: summary, parameters: try JSONValue.schema(of: Arguments.self))
    }

    fileprivate func result(of call: ToolCall, within limit: Duration) async throws -> String {
        // Some models give the arguments as a text that holds the JSON.
        let given = call.arguments.stringValue.flatMap { try? JSONValue(parsing: Data($0.utf8)) }
            ?? call.arguments
        if let problem = given.problem(with: try definition().parameters) {
            return "The arguments do not fit: \(problem.replacingOccurrences(of: "the answer", with: "the object"))."
        }
        let arguments = try JSONDecoder().decode(Arguments.self, from: given.encoded)
        let output = try await SwiftMLXCore.within(limit, asking: "the tool \(name)") {
            try await self.call(arguments)
        }
        if let text = output as? String { return text }
        return String(decoding: try JSONEncoder().encode(output), as: UTF8.self)
    }
}

/// What limits the calls of tools in one answer, and who is asked.
public struct ToolPolicy: Sendable {
    /// What the person says to a call.
    public enum Consent: Sendable, Hashable {
        /// It may run.
        case allowed
        /// It may not, and this is why; the model is told.
        case denied(String)
    }

    /// What happens to a call.
    public enum Event: Sendable, Hashable {
        /// It begins.
        case started(ToolCall)
        /// It gave this, or this is why it did not run.
        case ended(ToolCall, String)
    }

    /// Rounds of calls in one answer.
    public var maximumRounds: Int
    /// Calls in one answer, all rounds together.
    public var maximumCalls: Int
    /// What one call may take.
    public var timeLimit: Duration
    /// Asked before each call.
    public var consent: @Sendable (ToolCall) async -> Consent
    /// Told of each call.
    public var observe: @Sendable (Event) -> Void

    /// Limits; a call is allowed unless `consent` says otherwise.
    public init(maximumRounds: Int = 8, maximumCalls: Int = 32, timeLimit: Duration = .seconds(60),
                consent: @escaping @Sendable (ToolCall) async -> Consent = { _ in .allowed },
                observe: @escaping @Sendable (Event) -> Void = { _ in }) {
        self.maximumRounds = maximumRounds
        self.maximumCalls = maximumCalls
        self.timeLimit = timeLimit
        self.consent = consent
        self.observe = observe
    }
}

/// Tools with the policy by which they are run.
public struct ToolBox: Sendable {
    /// The tools.
    public let tools: [any MLXTool]
    /// Limits and consent.
    public let policy: ToolPolicy

    /// Tools to be run by `policy`.
    public init(_ tools: [any MLXTool], policy: ToolPolicy = ToolPolicy()) {
        self.tools = tools
        self.policy = policy
    }

    /// The tools as they are described to a model. Throws where two have one name.
    public func definitions() throws -> [ToolDefinition] {
        let names = tools.map(\.name)
        if let twice = names.first(where: { name in names.filter { $0 == name }.count > 1 }) {
            throw MLXError(.badRequest, "two tools are called \(twice)", hint: "rename one")
        }
        return try tools.map { try $0.definition() }
    }

    /// Runs one call and returns what the model is told. What keeps it from running, a failure or a
    /// refusal, is an answer too; only the end of the task is thrown.
    public func run(_ call: ToolCall) async throws -> String {
        let result = try await outcome(of: call)
        policy.observe(.ended(call, result))
        return result
    }

    private func outcome(of call: ToolCall) async throws -> String {
        try Task.checkCancellation()
        guard let tool = tools.first(where: { $0.name == call.name }) else {
            return "There is no tool \"\(call.name.utf8.prefix(80).printable)\". There are: "
                + tools.map(\.name).joined(separator: ", ") + "."
        }
        if case .denied(let why) = await policy.consent(call) { return "The call was not allowed: \(why)" }
        try Task.checkCancellation()
        policy.observe(.started(call))
        do {
            return try await tool.result(of: call, within: policy.timeLimit)
        } catch {
            try Task.checkCancellation()
            return "The tool failed: \((error as? MLXError)?.text ?? error.localizedDescription)"
        }
    }
}

extension MLXChat {
    /// Sends a message, runs the tools that the model asks for, and returns its answer.
    ///
    /// A model that asks beyond the limits of `policy` is an error; the history then holds what was
    /// done, and the next question can be asked.
    @discardableResult
    public func respond(to text: String, images: [ImageInput] = [], using tools: [any MLXTool],
                        policy: ToolPolicy = ToolPolicy()) async throws -> GenerationResult {
        let box = ToolBox(tools, policy: policy)
        let before = options
        var with = options
        with.tools += try box.definitions()
        setOptions(with)
        defer { setOptions(before) }
        var result = try await whole(stream(text, images: images))
        var rounds = 0, calls = 0
        while !result.toolCalls.isEmpty {
            rounds += 1
            calls += result.toolCalls.count
            guard rounds <= policy.maximumRounds, calls <= policy.maximumCalls else {
                throw MLXError(.serverFailed, "the model keeps asking for \(result.toolCalls[0].name) and "
                    + "does not answer", hint: "ask in other words, or raise the limits of the policy")
            }
            var results: [(call: ToolCall, result: String)] = []
            for call in result.toolCalls { results.append((call, try await box.run(call))) }
            result = try await whole(answer(results))
        }
        return result
    }

    private func whole(_ events: AsyncThrowingStream<GenerationEvent, any Error>) async throws
        -> GenerationResult
    {
        var result = GenerationResult()
        for try await event in events { result.add(event) }
        try Task.checkCancellation()
        return result
    }
}
