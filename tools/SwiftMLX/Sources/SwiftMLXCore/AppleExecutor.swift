// The module is there since version 26 of the systems, what is used here since 27.
#if canImport(FoundationModels, _version: 2)
import Foundation
import FoundationModels

/// A model of this package in a session of Apple's Foundation Models.
///
/// ```swift
/// import FoundationModels
/// import SwiftMLX
///
/// let mlx = try await MLXModel.load("mlx-community/Qwen3-4B-4bit")
/// let session = LanguageModelSession(model: mlx)
/// print(try await session.respond(to: "Explain quantum computing").content)
/// ```
///
/// The session keeps the conversation and runs the tools. What a model cannot do is refused before it is
/// asked; where a back end does not tell what its models can do, the model decides. Token counts are not
/// reported to the session.
@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
extension MLXModel: FoundationModels.LanguageModel {
    /// What answers for the model.
    public typealias Executor = MLXExecutor

    /// What the session may ask for. Answers that fit a schema are possible with every model: they are
    /// checked, and asked for again where they do not fit.
    @_implements(LanguageModel, capabilities)
    public var languageModelCapabilities: LanguageModelCapabilities {
        let all: ModelCapabilities = [.tools, .vision, .thinking]
        let able = capabilities ?? all
        let names: [(ModelCapabilities, LanguageModelCapabilities.Capability)] = [
            (.tools, .toolCalling), (.vision, .vision), (.thinking, .reasoning),
        ]
        return LanguageModelCapabilities(
            [.guidedGeneration] + names.compactMap { able.contains($0.0) ? $0.1 : nil })
    }

    /// Equal for equal models, so that sessions share what the framework keeps for them.
    public var executorConfiguration: MLXExecutor.Configuration { MLXExecutor.Configuration(model: id) }
}

/// Has a model of this package answer the requests of a session. The session makes it.
@available(iOS 27.0, macOS 27.0, visionOS 27.0, *)
public struct MLXExecutor: LanguageModelExecutor {
    /// Which model it is for.
    public struct Configuration: Hashable, Sendable {
        /// Name and back end of the model.
        public let model: String
    }

    /// Makes one; the weights belong to the model's back end.
    ///
    /// - Parameter configuration: Which model it is for.
    public init(configuration: Configuration) throws {}

    /// Begins to load the model.
    ///
    /// - Parameters:
    ///   - model: The model.
    ///   - transcript: Not needed.
    public func prewarm(model: MLXModel, transcript: Transcript) {
        // A failure shows when the model is asked.
        Task { try? await model.backend.load(model.name) }
    }

    /// Answers, piece by piece; leaving it stops the work at its source.
    ///
    /// - Parameters:
    ///   - request: The conversation, the tools and the options.
    ///   - model: The model.
    ///   - channel: Where the answer goes.
    public nonisolated(nonsending) func respond(
        to request: LanguageModelExecutorGenerationRequest, model: MLXModel,
        streamingInto channel: LanguageModelExecutorGenerationChannel
    ) async throws {
        let turn = try AppleTurn(request, for: model)
        if let schema = turn.schema {
            let answer = try await model.generate(messages: turn.messages, fitting: schema, options: turn.options)
            let text = String(decoding: answer.encoded, as: UTF8.self)
            await channel.send(.response(entryID: UUID().uuidString, action: .appendText(text, tokenCount: 1)))
            return
        }
        let (answer, thinking, calls) = (UUID().uuidString, UUID().uuidString, UUID().uuidString)
        let showsThinking = model.languageModelCapabilities.contains(.reasoning)
        for try await event in model.stream(messages: turn.messages, options: turn.options) {
            switch event {
            case .token(let token) where token.kind == .answer:
                await channel.send(.response(entryID: answer, action: .appendText(token.text, tokenCount: 1)))
            case .token(let token):
                guard showsThinking else { continue }
                await channel.send(.reasoning(entryID: thinking, action: .appendText(token.text, tokenCount: 1)))
            case .toolCall(let call):
                let arguments = String(decoding: call.arguments.encoded, as: UTF8.self)
                await channel.send(.toolCalls(entryID: calls, action: .toolCall(
                    id: call.id, name: call.name, action: .appendArguments(arguments, tokenCount: 1))))
            case .finished:
                // The library of an early version 27 lacks the call for token counts that its interface
                // has; a program with it would not start.
                break
            }
        }
        try Task.checkCancellation()
    }
}
#endif
