import Foundation
import Testing
@testable import SwiftMLXCore

/// Against a real server, where one is named: `OLLAMA_HOST`, or `MLX_SERVER` for an OpenAI-compatible
/// one such as llama-server. `MLX_TEST_MODEL` chooses the model; the default is the smallest.
@Suite(.serialized) struct LiveTests {
    static let environment = ProcessInfo.processInfo.environment
    static let backends: [any ModelBackend] = {
        var all: [any ModelBackend] = []
        if environment["OLLAMA_HOST"] != nil { all.append(OllamaBackend()) }
        if let text = environment["MLX_SERVER"], let url = URL(string: text) {
            all.append(OpenAIBackend(url: url))
        }
        return all
    }()

    private static func model(_ backend: any ModelBackend) async throws -> MLXModel {
        let models = try await backend.models()
        let smallest = models.min { ($0.size ?? .max) < ($1.size ?? .max) }
        let name = environment["MLX_TEST_MODEL"] ?? smallest?.name
        return try await MLXModel.load(try #require(name), using: backend)
    }

    @Test(.enabled(if: !backends.isEmpty, "no live server is named"), arguments: backends.indices)
    func generatesStreamsAndStops(index: Int) async throws {
        let model = try await Self.model(Self.backends[index])
        let options = GenerationOptions(maxTokens: 24, sampling: .greedy)
        let whole = try await model.generate(prompt: "Count to five.", options: options)
        #expect(!whole.text.isEmpty)
        #expect((1...24).contains(whole.statistics.generatedTokens))
        #expect(try #require(whole.statistics.tokensPerSecond) > 0)

        var seen = 0
        let long = GenerationOptions(maxTokens: 2000, sampling: .greedy)
        for try await event in model.stream(prompt: "Tell a long story.", options: long) {
            if case .token = event { seen += 1 }
            if seen == 5 { break }
        }
        #expect(seen == 5)

        let stop = try #require(whole.text.dropFirst().first { $0.isLetter })
        let cut = try await model.generate(
            prompt: "Count to five.",
            options: GenerationOptions(maxTokens: 24, sampling: .greedy, stop: [String(stop)]))
        #expect(!cut.text.contains(stop))
    }

    @Test(.enabled(if: !backends.isEmpty, "no live server is named"), arguments: backends.indices)
    func chats(index: Int) async throws {
        let chat = MLXChat(model: try await Self.model(Self.backends[index]), system: "Be brief.",
                           options: GenerationOptions(maxTokens: 16, sampling: .greedy))
        try await chat.send("My name is Ada.")
        try await chat.send("What is my name?")
        #expect(await chat.history.count == 5)
    }
}
