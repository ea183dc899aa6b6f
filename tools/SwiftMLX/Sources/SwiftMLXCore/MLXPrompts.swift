#if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
import Foundation
import MLX
import MLXLMCommon

/// What is computed already of the prompts that a model answered last, so that the next question of a
/// conversation costs only what is new in it.
///
/// It keeps the prompts, not the answers: templates leave the thinking of earlier answers out.
final class MLXPrompts: Sendable {
    /// A prompt's tokens and what the model computed of them. One answer at a time uses it.
    struct Kept: @unchecked Sendable {
        let tokens: [Int]
        let cache: [any KVCache]
        /// The `contextLength` that the cache was made for.
        let bound: Int?
    }

    /// Conversations that go on side by side, such as a chat and what names it.
    private static let most = 2

    private let kept = Locked<[Kept]>([])

    /// The kept prompt that saves most of `tokens`, now the caller's own, and how many of them it saves.
    func take(for tokens: [Int], bound: Int?, leaving rest: Int) -> (kept: Kept, saved: Int)? {
        kept.withLock { all in
            let saved = all.map { $0.bound == bound ? Self.common($0.tokens, tokens, leaving: rest) : 0 }
            guard let best = saved.indices.max(by: { saved[$0] < saved[$1] }), saved[best] > 0 else { return nil }
            return (all.remove(at: best), saved[best])
        }
    }

    /// Keeps a prompt; the one that was kept longest makes room.
    func keep(_ prompt: Kept) {
        kept.withLock { $0 = ($0 + [prompt]).suffix(Self.most) }
    }

    /// Gives the memory up.
    func forget() { kept.withLock { $0 = [] } }

    private static func common(_ one: [Int], _ other: [Int], leaving rest: Int) -> Int {
        let same = zip(one, other).prefix { $0 == $1 }.count
        return max(0, min(same, other.count - rest))
    }
}

/// One answer: the prompt, as far as it is new, and the tokens that follow it.
struct MLXAnswer: Sendable {
    /// What the model generates.
    let events: AsyncStream<Generation>
    /// Tokens of the prompt that were computed before.
    let savedTokens: Int

    private let work: Task<Void, Never>
    private let prompt: MLXPrompts.Kept?
    private let prompts: MLXPrompts

    /// Has the model read the prompt. With tools their schemas give the arguments of a call their types.
    static func begin(_ input: consuming sending LMInput, _ parameters: GenerateParameters, tools: [ToolSpec]?,
                      _ model: MLXWeights.Loaded) async throws -> MLXAnswer {
        let prompts = model.prompts
        return try await model.container.perform(nonSendable: input) { context, input in
            let tokens = countable(input)
            // A penalty for repetitions looks at the end of what is read.
            let rest = parameters.repetitionPenalty == nil ? 1 : parameters.repetitionContextSize
            let found = tokens.flatMap { prompts.take(for: $0, bound: parameters.maxKVSize, leaving: rest) }
            let saved = found.flatMap { trim($0.kept.cache, to: $0.saved) ? $0.saved : nil } ?? 0
            let cache = saved > 0 ? found!.kept.cache : context.model.newCache(parameters: parameters)
            let new = saved > 0 ? LMInput(tokens: MLXArray(Array(tokens!.dropFirst(saved)))) : input
            let (events, work) = generateTask(
                promptTokenCount: input.text.tokens.size, modelConfiguration: context.configuration,
                tokenizer: context.tokenizer,
                iterator: try TokenIterator(input: new, model: context.model, cache: cache, parameters: parameters),
                tools: tools)
            return MLXAnswer(events: events, savedTokens: saved, work: work, prompt: tokens.map {
                MLXPrompts.Kept(tokens: $0, cache: cache, bound: parameters.maxKVSize)
            }, prompts: prompts)
        }
    }

    /// Waits until the model is done, or has heeded the cancellation, and keeps what it computed of the
    /// prompt. Before that the cache is still being written.
    func end() async {
        work.cancel()
        await work.value
        guard let prompt, Self.trim(prompt.cache, to: prompt.tokens.count) else { return }
        prompts.keep(prompt)
    }

    /// The tokens of a prompt that is nothing else: the caches of pictures hold more than positions.
    private static func countable(_ input: LMInput) -> [Int]? {
        guard input.image == nil, input.video == nil, input.audio == nil, input.text.mask == nil,
              input.text.tokens.ndim == 1
        else { return nil }
        return input.text.tokens.asArray(Int.self)
    }

    /// Takes all but the first `count` tokens away; false where a cache cannot do that.
    private static func trim(_ cache: [any KVCache], to count: Int) -> Bool {
        guard let offset = cache.first?.offset, offset >= count else { return false }
        if offset > count { trimPromptCache(cache, numTokens: offset - count) }
        return cache.allSatisfy { $0.offset == count }
    }
}
#endif
