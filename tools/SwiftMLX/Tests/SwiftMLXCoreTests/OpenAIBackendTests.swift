import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct OpenAIBackendTests {
    private static func backend(_ server: TestServer, key: String? = nil) -> OpenAIBackend {
        OpenAIBackend(url: server.url.appendingPathComponent("v1"), apiKey: key)
    }

    private static func events(_ chunks: [String], done: Bool = true) -> TestServer.Reply {
        let all = chunks + (done ? ["[DONE]"] : [])
        return TestServer.Reply(pieces: all.map { Data("data: \($0)\n\n".utf8) })
    }

    @Test func streamsTheRecordedAnswer() async throws {
        let server = try TestServer { _ in
            (try? Fixture.reply("v1-chat-stream-usage", "sse")) ?? TestServer.Reply(status: 500)
        }
        let model = MLXModel(name: "tiny-random", backend: Self.backend(server))
        let result = try await model.generate(prompt: "hello there", maxTokens: 12)
        #expect(result.text.hasPrefix(" dami baci cumi wor buco baho dede"))
        #expect(result.statistics.isServerCount)
        #expect(result.statistics.generatedTokens == 12)
        #expect(result.statistics.finishReason == .length)
        let request = try #require(await server.requests.first { _ in true })
        #expect(request.line == "POST /v1/chat/completions HTTP/1.1")
        #expect(request.json == (try Fixture.request("v1-chat-stream-usage")))
        #expect(request.headers["authorization"] == nil)
    }

    @Test func countsPiecesWhereTheServerDoesNot() async throws {
        let server = try TestServer { _ in
            (try? Fixture.reply("v1-chat-stream", "sse")) ?? TestServer.Reply(status: 500)
        }
        let result = try await MLXModel(name: "m", backend: Self.backend(server))
            .generate(prompt: "x")
        #expect(!result.statistics.isServerCount)
        #expect(result.statistics.generatedTokens == 12)
        #expect(result.statistics.promptTokens == nil)
    }

    @Test func listsModels() async throws {
        let server = try TestServer { _ in
            (try? Fixture.reply("v1-models", "json")) ?? TestServer.Reply(status: 500)
        }
        let backend = Self.backend(server)
        #expect(try await backend.models().map(\.name) == ["small-random:61m", "tiny-random:latest"])
        try await backend.load("tiny-random:latest")
        let error = await failure { try await backend.load("nosuch") }
        #expect(error?.code == .modelNotFound)
        #expect(error?.hint.contains("tiny-random:latest") == true)
    }

    @Test func putsToolCallsTogether() async throws {
        let server = try TestServer { _ in Self.events([
            #"{"choices":[{"delta":{"reasoning_content":"hm"}}]}"#,
            #"{"choices":[{"delta":{"tool_calls":[{"index":0,"id":"a","function":{"name":"f","arguments":""}}]}}]}"#,
            #"{"choices":[{"delta":{"tool_calls":[{"index":1,"id":"b","function":{"name":"g","arguments":"{}"}}]}}]}"#,
            #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"{\"n\":"}}]}}]}"#,
            #"{"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"arguments":"3}"}}]}}]}"#,
            #"{"choices":[{"delta":{},"finish_reason":"tool_calls"}]}"#,
        ]) }
        let result = try await MLXModel(name: "m", backend: Self.backend(server))
            .generate(prompt: "x")
        #expect(result.thinking == "hm")
        #expect(result.toolCalls == [
            ToolCall(id: "a", name: "f", arguments: ["n": 3]),
            ToolCall(id: "b", name: "g", arguments: [:]),
        ])
        #expect(result.statistics.finishReason == .toolCalls)
    }

    @Test func readsLlamaServersOwnClock() async throws {
        let server = try TestServer { _ in Self.events([
            #"{"choices":[{"delta":{"content":"hi"}}]}"#,
            #"{"choices":[{"delta":{},"finish_reason":"stop"}],"timings":{"cache_n":30,"prompt_n":10,"prompt_ms":12.5,"predicted_n":40,"predicted_ms":1000.0},"usage":{"prompt_tokens":40,"completion_tokens":40}}"#,
        ]) }
        let figures = try await MLXModel(name: "m", backend: Self.backend(server))
            .generate(prompt: "x").statistics
        #expect(figures.tokensPerSecond == 40)
        #expect(figures.promptDuration == .milliseconds(12.5))
        // Thirty tokens were there already: the server took its time for ten.
        #expect(figures.cachedPromptTokens == 30)
        #expect(figures.promptTokensPerSecond == 800)
    }

    @Test func sendsEveryOption() async throws {
        let server = try TestServer { _ in Self.events([]) }
        let schema: JSONValue = ["type": "object"]
        let call = ToolCall(id: "c1", name: "f", arguments: ["n": 3])
        let image = try ImageInput(data: Data([0xFF, 0xD8, 0xFF, 0]))
        let options = GenerationOptions(
            maxTokens: 9, sampling: SamplingOptions(temperature: 0, repeatPenalty: 1.1, seed: 7),
            stop: ["END"], tools: [ToolDefinition(name: "f", summary: "does f", parameters: schema)],
            format: .jsonSchema(schema), thinking: false)
        _ = try await MLXModel(name: "m", backend: Self.backend(server, key: "secret")).generate(
            messages: [.user("u", images: [image]), .assistant("", toolCalls: [call]),
                       .tool("r", answering: call)],
            options: options)
        let request = try #require(await server.requests.first { _ in true })
        let expected: JSONValue = [
            "model": "m", "stream": true, "stream_options": ["include_usage": true],
            "max_tokens": 9, "temperature": 0, "repeat_penalty": 1.1, "repetition_penalty": 1.1,
            "seed": 7, "stop": ["END"], "chat_template_kwargs": ["enable_thinking": false],
            "response_format": ["type": "json_schema",
                                "json_schema": ["name": "answer", "schema": schema, "strict": true]],
            "tools": [["type": "function",
                       "function": ["name": "f", "description": "does f", "parameters": schema]]],
            "messages": [
                ["role": "user", "content": [
                    ["type": "image_url", "image_url": ["url": "data:image/jpeg;base64,/9j/AA=="]],
                    ["type": "text", "text": "u"],
                ]],
                ["role": "assistant", "content": "",
                 "tool_calls": [["id": "c1", "type": "function",
                                 "function": ["name": "f", "arguments": #"{"n":3}"#]]]],
                ["role": "tool", "content": "r", "tool_call_id": "c1"],
            ],
        ]
        #expect(request.json == expected)
        #expect(request.headers["authorization"] == "Bearer secret")
    }

    @Test func aKeyNeverTravelsInTheClear() async throws {
        let backend = OpenAIBackend(url: URL(string: "http://example.invalid/v1")!, apiKey: "secret")
        let error = await failure { _ = try await backend.models() }
        #expect(error?.code == .badRequest)
        #expect(error?.hint.contains("https") == true)
    }

    @Test func anEndWithoutDoneIsAnEndWhenAReasonWasGiven() async throws {
        let whole = try TestServer { _ in Self.events([
            #"{"choices":[{"delta":{"content":"hi"},"finish_reason":"stop"}]}"#,
        ], done: false) }
        let result = try await MLXModel(name: "m", backend: Self.backend(whole)).generate(prompt: "x")
        #expect(result.text == "hi")

        let half = try TestServer { _ in Self.events([
            #"{"choices":[{"delta":{"content":"hi"}}]}"#,
        ], done: false) }
        let error = await failure {
            _ = try await MLXModel(name: "m", backend: Self.backend(half)).generate(prompt: "x")
        }
        #expect(error?.code == .serverFailed)
    }

    @Test(arguments: [
        (401, #"{"error":{"message":"bad key"}}"#, MLXError.Code.badRequest),
        (404, #"{"error":{"message":"no model"}}"#, .modelNotFound),
        (500, "", .serverFailed), (400, #"{"error":"plain"}"#, .serverFailed),
        (302, "", .serverFailed), (200, "data: {\"error\":{\"message\":\"late\"}}\n\n", .serverFailed),
        (200, "data: nonsense\n\n", .protocolBroken),
    ]) func errorsSayWhatToDo(status: Int, body: String, code: MLXError.Code) async throws {
        let server = try TestServer { _ in
            TestServer.Reply(status: status, headers: ["Location": "http://127.0.0.1:9/"],
                             pieces: [Data(body.utf8)])
        }
        let error = await failure {
            _ = try await MLXModel(name: "m", backend: Self.backend(server)).generate(prompt: "x")
        }
        #expect(error?.code == code)
        #expect(error?.hint.isEmpty == false)
    }

    @Test func chunksOfRandomNonsenseNeverCrash() {
        for seed in 0..<300 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var answer = OpenAIAnswer()
            for _ in 0..<20 {
                _ = answer.take(Self.nonsense(&random, depth: 0))
            }
            let end = answer.finish()
            guard case .finished? = end.last else {
                Issue.record("no end, seed \(seed)")
                return
            }
        }
    }

    private static func nonsense(_ random: inout SeededRandom, depth: Int) -> JSONValue {
        let keys = ["choices", "delta", "content", "tool_calls", "function", "name", "arguments",
                    "index", "usage", "completion_tokens", "timings", "predicted_ms"]
        switch Int.random(in: 0...(depth > 5 ? 3 : 6), using: &random) {
        case 0: return .null
        case 1: return .int(Int.random(in: Int.min...Int.max, using: &random))
        case 2: return .string("x")
        case 3: return .double(1e300)
        case 4: return .array([nonsense(&random, depth: depth + 1)])
        default:
            return .object(Dictionary(keys.shuffled(using: &random).prefix(4).map {
                ($0, nonsense(&random, depth: depth + 1))
            }) { $1 })
        }
    }
}
