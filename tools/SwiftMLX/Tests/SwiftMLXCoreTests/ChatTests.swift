import Testing
@testable import SwiftMLXCore

@Suite struct ChatTests {
    /// Answers with the number and the texts of the messages it gets.
    private static let echo = ScriptedBackend(events: { request in
        [.text(request.messages.map { "\($0.role.rawValue):\($0.text)" }.joined(separator: "|"))]
    })

    @Test func keepsHistoryAndSystemPrompt() async throws {
        let chat = MLXChat(model: MLXModel(name: "m", backend: Self.echo), system: "be brief")
        #expect(try await chat.send("one").text == "system:be brief|user:one")
        #expect(try await chat.send("two").text
            == "system:be brief|user:one|assistant:system:be brief|user:one|user:two")
        #expect(await chat.history.map(\.role) == [.system, .user, .assistant, .user, .assistant])
        await chat.clear()
        #expect(try await chat.send("three").text == "system:be brief|user:three")
    }

    @Test func goesOnWithAGivenHistory() async throws {
        let chat = MLXChat(model: MLXModel(name: "m", backend: Self.echo),
                           history: [.user("a"), .assistant("b")])
        #expect(try await chat.send("c").text == "user:a|assistant:b|user:c")
        await chat.clear()
        #expect(await chat.history.isEmpty)
    }

    @Test func aFailedAnswerLeavesTheHistoryAsItWas() async throws {
        let failing = ScriptedBackend(events: { request in
            guard request.messages.last?.text != "fail" else { throw MLXError(.serverFailed, "no") }
            return [.text("ok")]
        })
        let chat = MLXChat(model: MLXModel(name: "m", backend: failing))
        try await chat.send("one")
        let before = await chat.history
        #expect(await failure { try await chat.send("fail") }?.code == .serverFailed)
        #expect(await chat.history == before)
        try await chat.send("two")
        #expect(await chat.history.count == 4)
    }

    @Test func aCancelledAnswerLeavesTheHistoryAsItWas() async throws {
        let server = try TestServer { _ in TestServer.Reply(pieces: [], end: .hold) }
        let chat = MLXChat(model: MLXModel(name: "m", backend: OllamaBackend(url: server.url)))
        try await withDeadline {
            let task = Task { try await chat.send("one") }
            #expect(await server.requests.first { _ in true } != nil)
            // One answer at a time.
            #expect(await failure { try await chat.send("two") }?.code == .badRequest)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
            #expect(await chat.history.isEmpty)
        }
    }

    @Test func toolResultsGoBackToTheModel() async throws {
        let call = ToolCall(id: "1", name: "weather", arguments: ["city": "Bern"])
        let backend = ScriptedBackend(events: { request in
            switch request.messages.last {
            case let last? where last.role == .tool: [.text("\(last.answeredCall!.name) is \(last.text)")]
            default: [.toolCall(call)]
            }
        })
        let chat = MLXChat(model: MLXModel(name: "m", backend: backend))
        let asked = try await chat.send("How is it in Bern?")
        #expect(asked.toolCalls == [call])
        var answer = GenerationResult()
        for try await event in chat.answer([(call, "sunny")]) { answer.add(event) }
        #expect(answer.text == "weather is sunny")
        #expect(await chat.history.map(\.role) == [.user, .assistant, .tool, .assistant])
        #expect(await chat.history[1].toolCalls == [call])
    }

    @Test func optionsChangeInTheMiddle() async throws {
        let backend = ScriptedBackend(events: { [.text("\($0.options.maxTokens ?? 0)")] })
        let chat = MLXChat(model: MLXModel(name: "m", backend: backend))
        #expect(try await chat.send("x").text == "0")
        await chat.setOptions(GenerationOptions(maxTokens: 5))
        #expect(try await chat.send("x").text == "5")
    }
}
