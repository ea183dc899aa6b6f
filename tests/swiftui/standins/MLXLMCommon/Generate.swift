// Loading and generating: a model that says what its script has for the prompt that its caches hold. So a
// cache that was cut wrongly, or is used twice at once, changes the answer.
import Foundation
import MLX
import Synchronization

/// What the double does and what it saw.
public enum Script {
    public struct Seen: Sendable {
        public var prompt = ""
        public var parameters = GenerateParameters()
        public var tools = 0
        public var images = 0
        public var prefilled = 0
        public var generated = 0
    }
    private static let state = Mutex((answer: [Generation](), seen: Seen(), reads: 0, models: 0, working: 0))

    /// What the next answers are; the chunk "for ever " repeats.
    public static func set(_ answer: [Generation]) { state.withLock { $0.answer = answer } }
    public static var answer: [Generation] { state.withLock { $0.answer } }
    public static var seen: Seen { state.withLock { $0.seen } }
    /// How often weights were read, and how many models are in memory.
    public static var reads: Int { state.withLock { $0.reads } }
    public static var models: Int { state.withLock { $0.models } }
    /// How many answers are being generated.
    public static var working: Int { state.withLock { $0.working } }
    static func work(_ change: Int) { state.withLock { $0.working += change } }
    static func note(_ body: (inout Seen) -> Void) { state.withLock { body(&$0.seen) } }
    static func read() { state.withLock { $0.reads += 1; $0.models += 1 } }
    static func gone() { state.withLock { $0.models -= 1 } }
}

public protocol KVCache: AnyObject {
    var offset: Int { get }
    var isTrimmable: Bool { get }
    @discardableResult func trim(_ count: Int) -> Int
}

/// One layer's cache: the tokens themselves. With a bound it can be cut only until it is full.
final class Layer: KVCache {
    let bound: Int?
    var tokens: [Int] = []
    var isUsed = false
    var offset: Int { tokens.count }
    var isTrimmable: Bool { bound.map { offset < $0 } ?? true }
    init(bound: Int?) { self.bound = bound }
    func trim(_ count: Int) -> Int {
        tokens.removeLast(min(count, offset))
        return count
    }
}

@discardableResult public func trimPromptCache(_ cache: [any KVCache], numTokens: Int) -> Int {
    guard cache.allSatisfy(\.isTrimmable) else { return 0 }
    cache.forEach { $0.trim(numTokens) }
    return numTokens
}

public protocol LanguageModel: AnyObject {
    func newCache(parameters: GenerateParameters?) -> [any KVCache]
}

final class Model: LanguageModel {
    init() { Script.read() }
    deinit { Script.gone() }
    func newCache(parameters: GenerateParameters?) -> [any KVCache] {
        (0..<2).map { _ in Layer(bound: parameters?.maxKVSize) }
    }
}

public struct ModelConfiguration: Sendable {}

public struct ModelContext {
    public var configuration: ModelConfiguration
    public var model: any LanguageModel
    public var tokenizer: any Tokenizer
}

public struct TokenIterator {
    let layers: [Layer]
    public init(input: LMInput, model: any LanguageModel, cache: [any KVCache]? = nil,
                parameters: GenerateParameters) throws {
        layers = (cache ?? model.newCache(parameters: parameters)).map { $0 as! Layer }
        let new = input.text.tokens.asArray(Int.self)
        precondition(!new.isEmpty, "a model cannot read nothing")
        precondition(layers.allSatisfy { !$0.isUsed }, "two answers use one cache")
        layers.forEach { ($0.tokens, $0.isUsed) = ($0.tokens + new, true) }
        let images = input.image == nil ? 0 : 1
        Script.note { ($0.parameters, $0.prefilled, $0.images) = (parameters, new.count, images) }
    }
}

public func generateTask(
    promptTokenCount: Int, modelConfiguration: ModelConfiguration, tokenizer: any Tokenizer,
    iterator: consuming TokenIterator, tools: [[String: any Sendable]]? = nil
) -> (AsyncStream<Generation>, Task<Void, Never>) {
    let prompt = tokenizer.decode(tokenIds: iterator.layers[0].tokens, skipSpecialTokens: false)
    Script.note { ($0.prompt, $0.tools, $0.generated) = (prompt, tools?.count ?? 0, 0) }
    let (stream, continuation) = AsyncStream<Generation>.makeStream()
    nonisolated(unsafe) let layers = iterator.layers
    Script.work(1)
    let task = Task {
        var parts = Script.answer
        var stop = GenerateStopReason.stop
        while !parts.isEmpty {
            if Task.isCancelled { stop = .cancelled; break }
            layers.forEach { $0.tokens.append(0x2588) }
            Script.note { $0.generated += 1 }
            continuation.yield(parts[0])
            if parts[0].chunk == "for ever " { await Task.yield() } else { parts.removeFirst() }
        }
        continuation.yield(.info(GenerateCompletionInfo(
            promptTokenCount: promptTokenCount, generationTokenCount: Script.seen.generated,
            promptTime: 0.5, generateTime: 2, stopReason: stop)))
        layers.forEach { $0.isUsed = false }
        continuation.finish()
        Script.work(-1)
    }
    continuation.onTermination = { _ in task.cancel() }
    return (stream, task)
}

public final class ModelContainer: Sendable {
    private let context: Unchecked

    init(_ context: ModelContext) { self.context = Unchecked(value: context) }

    public func prepare(input: consuming sending UserInput) async throws -> sending LMInput {
        let messages = input.chat.map { message -> [String: any Sendable] in
            var plain: [String: any Sendable] = ["role": message.role, "content": message.content]
            let calls = message.calls?.map { "\($0.function.name)#\($0.id ?? "")\($0.function.arguments.count)" }
            plain["call"] = calls?.joined(separator: ",") ?? message.id
            return plain
        }
        let images = input.chat.flatMap(\.images).count
        let tokens = try context.value.tokenizer.applyChatTemplate(
            messages: messages, tools: input.tools, additionalContext: input.additionalContext)
        return LMInput(MLXArray(tokens), images > 0 ? LMInput.Medium() : nil)
    }

    public func perform<V, R: Sendable>(
        nonSendable values: consuming V, _ action: @Sendable (ModelContext, V) async throws -> R
    ) async rethrows -> sending R { try await action(context.value, values) }
}

private struct Unchecked: @unchecked Sendable { let value: ModelContext }

public func loadModelContainer(from directory: URL, using tokenizerLoader: any TokenizerLoader)
    async throws -> sending ModelContainer {
    ModelContainer(ModelContext(configuration: ModelConfiguration(), model: Model(),
                                tokenizer: try await tokenizerLoader.load(from: directory)))
}
