import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct OllamaBackendTests {
    /// A server that answers each path with a recorded reply.
    private static func server(_ replies: [String: TestServer.Reply]) throws -> TestServer {
        try TestServer { request in
            let path = request.line.split(separator: " ")[1]
            return replies[String(path)] ?? TestServer.Reply(status: 500)
        }
    }

    private static func answering(_ path: String, _ text: String, status: Int = 200,
                                  end: TestServer.Reply.End = .complete) throws -> TestServer {
        try server([path: TestServer.Reply(status: status, pieces: [Data(text.utf8)], end: end)])
    }

    @Test func streamsTheRecordedChat() async throws {
        let recorded = try Fixture.data("chat-stream.ndjson")
        let expected = String(decoding: recorded, as: UTF8.self).split(separator: "\n")
            .compactMap { try? JSONValue(parsing: Data($0.utf8))["message"]?["content"]?.stringValue }
        let server = try Self.server(["/api/chat": Fixture.reply("chat-stream", "ndjson")])
        let model = MLXModel(name: "tiny-random", backend: OllamaBackend(url: server.url))

        var tokens: [GeneratedToken] = []
        var figures: GenerationStatistics?
        for try await event in model.stream(prompt: "hello there", maxTokens: 24) {
            switch event {
            case .token(let token): tokens.append(token)
            case .toolCall: Issue.record("no tool was offered")
            case .finished(let statistics): figures = statistics
            }
        }
        #expect(tokens.map(\.text) == expected.filter { !$0.isEmpty })
        #expect(zip(tokens, tokens.dropFirst()).allSatisfy { $0.elapsed + $1.interval == $1.elapsed })
        let end = try #require(figures)
        #expect(end.finishReason == .length)
        #expect(end.promptTokens == 53)
        #expect(end.generatedTokens == 24)
        #expect(end.isServerCount)
        #expect(abs(end.generationDuration!.inSeconds - 0.021374) < 1e-9)
        #expect(abs(end.loadDuration!.inSeconds - 0.001282705) < 1e-9)
        #expect(abs(end.tokensPerSecond! - 24 / 0.021374) < 0.001)
        #expect(end.timeToFirstToken == tokens.first?.elapsed)
        #expect(end.totalDuration >= tokens.last!.elapsed)
    }

    @Test func asksAsTheRecordedClientDid() async throws {
        let server = try Self.server(["/api/chat": Fixture.reply("chat-nonstream", "json")])
        let model = MLXModel(name: "tiny-random", backend: OllamaBackend(url: server.url))
        let result = try await model.generate(prompt: "hello there", maxTokens: 24)
        // The recorded reply is one line without an end: a server that does not stream works too.
        #expect(result.text == " nos cuca cowa cepi c cedu baho dede biro buda biti bire hul bil daco"
            + " nus beko bemo hu wfe cuwo[ caru")
        #expect(result.statistics.generatedTokens == 24)
        let request = try #require(await server.requests.first { _ in true })
        #expect(request.line == "POST /api/chat HTTP/1.1")
        #expect(request.json == (try Fixture.request("chat-stream")).adding("stream", true))
    }

    @Test func sendsEveryOption() async throws {
        let server = try Self.server(["/api/chat": Fixture.reply("chat-stream", "ndjson")])
        let model = MLXModel(name: "m", backend: OllamaBackend(url: server.url, keepAlive: .seconds(90)))
        let schema: JSONValue = ["type": "object", "properties": ["n": ["type": "integer"]]]
        let tool = ToolDefinition(name: "f", summary: "does f", parameters: schema)
        let call = ToolCall(id: "1", name: "f", arguments: ["n": 3])
        let image = try ImageInput(data: Data([0x89, 0x50, 0x4E, 0x47, 1, 2]))
        let options = GenerationOptions(
            maxTokens: 9,
            sampling: SamplingOptions(temperature: 0.5, topP: 0.9, topK: 40, minP: 0.05,
                                      repeatPenalty: 1.1, seed: 7),
            stop: ["END"], tools: [tool], format: .jsonSchema(schema), contextLength: 4096,
            thinking: false)
        _ = try await model.generate(messages: [
            .system("s"), .user("u", images: [image]), .assistant("a", toolCalls: [call]),
            .tool("r", answering: call),
        ], options: options)
        let request = try #require(await server.requests.first { _ in true })
        let expected: JSONValue = [
            "model": "m", "stream": true, "keep_alive": 90, "think": false, "format": schema,
            "tools": [["type": "function",
                       "function": ["name": "f", "description": "does f", "parameters": schema]]],
            "options": [
                "num_predict": 9, "num_ctx": 4096, "temperature": 0.5, "top_p": 0.9, "top_k": 40,
                "min_p": 0.05, "repeat_penalty": 1.1, "seed": 7, "stop": ["END"],
            ],
            "messages": [
                ["role": "system", "content": "s"],
                ["role": "user", "content": "u", "images": ["iVBORwEC"]],
                ["role": "assistant", "content": "a",
                 "tool_calls": [["id": "1", "function": ["name": "f", "arguments": ["n": 3]]]]],
                ["role": "tool", "content": "r", "tool_name": "f", "tool_call_id": "1"],
            ],
        ]
        #expect(request.json == expected)
    }

    @Test func readsThinkingAndToolCalls() async throws {
        let server = try Self.answering("/api/chat", """
            {"message":{"role":"assistant","thinking":"hm"},"done":false}
            {"message":{"role":"assistant","content":"let me see"},"done":false}
            {"message":{"tool_calls":[{"function":{"name":"f","arguments":{"n":3}}},{"function":{"name":"g","arguments":{}}}]},"done":false}
            {"message":{"content":""},"done":true,"done_reason":"stop"}

            """)
        let result = try await MLXModel(name: "m", backend: OllamaBackend(url: server.url))
            .generate(prompt: "x")
        #expect(result.thinking == "hm")
        #expect(result.text == "let me see")
        #expect(result.toolCalls.map(\.name) == ["f", "g"])
        #expect(result.toolCalls.map(\.arguments) == [["n": 3], [:]])
        // Without ids of the server's each call gets one of its own, in the next answer too.
        let next = try await MLXModel(name: "m", backend: OllamaBackend(url: server.url)).generate(prompt: "x")
        #expect(Set((result.toolCalls + next.toolCalls).map(\.id)).count == 4)
        #expect(result.statistics.finishReason == .toolCalls)
        // This server gave no figures: what is not known is not there, and pieces are counted.
        #expect(result.statistics.promptTokens == nil)
        #expect(result.statistics.generatedTokens == 2)
        #expect(!result.statistics.isServerCount)
    }

    @Test func listsModelsAndWhatTheyCan() async throws {
        let server = try Self.server([
            "/api/tags": Fixture.reply("tags", "json"), "/api/show": Fixture.reply("show", "json"),
        ])
        let ollama = OllamaBackend(url: server.url)
        let models = try await ollama.models()
        #expect(models.map(\.name) == ["small-random:61m", "tiny-random:latest"])
        #expect(models[0].size == 122_799_639)
        #expect(models[0].parameters == "61.29M")
        #expect(models[0].quantization == "F16")
        #expect(try await ollama.capabilities(of: "tiny-random") == .text)
    }

    @Test func anOlderServerDoesNotTellWhatModelsCan() async throws {
        let server = try Self.answering("/api/show", #"{"details":{}}"#)
        #expect(try await OllamaBackend(url: server.url).capabilities(of: "m") == nil)
    }

    @Test func loadsAndUnloads() async throws {
        for (name, expected) in [("load-only", "load-only"), ("unload", "unload")] {
            let server = try Self.server(["/api/generate": Fixture.reply(name, "json")])
            let ollama = OllamaBackend(url: server.url)
            if name == "unload" {
                try await ollama.unload("tiny-random")
            } else {
                try await ollama.load("tiny-random")
            }
            let request = try #require(await server.requests.first { _ in true })
            #expect(request.json == (try Fixture.request(expected)).adding("stream", false))
        }
    }

    @Test func pullsWithProgress() async throws {
        let server = try Self.answering("/api/pull", """
            {"status":"pulling manifest"}
            {"status":"pulling abc","digest":"sha256:abc","total":200,"completed":50}
            {"status":"success"}

            """)
        var reports: [DownloadProgress] = []
        for try await report in OllamaBackend(url: server.url).download("m") { reports.append(report) }
        #expect(reports.map(\.phase) == ["pulling manifest", "pulling abc", "success"])
        #expect(reports.map(\.fraction) == [nil, 0.25, nil])
    }

    @Test func recordedErrorsSayWhatToDo() async throws {
        let missing = try Self.server([
            "/api/chat": Fixture.reply("err-unknown-model-generate", "json"),
        ])
        let notFound = await failure {
            _ = try await MLXModel(name: "nosuch", backend: OllamaBackend(url: missing.url))
                .generate(prompt: "x")
        }
        #expect(notFound?.code == .modelNotFound)
        #expect(notFound?.hint.contains("mlx-cache add nosuch") == true)

        let bad = try Self.server(["/api/chat": Fixture.reply("err-bad-json", "json")])
        let failed = await failure {
            _ = try await MLXModel(name: "m", backend: OllamaBackend(url: bad.url))
                .generate(prompt: "x")
        }
        #expect(failed?.code == .serverFailed)
        #expect(failed?.text.contains("unexpected EOF") == true)
        #expect(failed?.hint.isEmpty == false)
    }

    @Test(arguments: [
        (#"{"error":"model m does not support tools"}"#, MLXError.Code.unsupported),
        (#"{"error":"model requires more system memory (9 GiB) than is available"}"#, .serverFailed),
        ("<html>", .protocolBroken),
        (#"{"message":{"content":"half"},"done":false}"#, .serverFailed),
        ("", .serverFailed),
    ]) func aBrokenStreamIsAnError(line: String, code: MLXError.Code) async throws {
        let server = try Self.answering("/api/chat", line + "\n")
        let error = await failure {
            _ = try await MLXModel(name: "m", backend: OllamaBackend(url: server.url))
                .generate(prompt: "x")
        }
        #expect(error?.code == code)
        #expect(error?.hint.isEmpty == false)
    }

    @Test func aCutConnectionIsAnError() async throws {
        let server = try Self.answering("/api/chat", #"{"message":{"content":"half"}}"# + "\n",
                                        end: .cut)
        let error = await failure {
            _ = try await MLXModel(name: "m", backend: OllamaBackend(url: server.url))
                .generate(prompt: "x")
        }
        #expect(error?.code == .unavailable || error?.code == .serverFailed)
    }

    @Test func nobodyListening() async throws {
        // A server that is gone leaves a port where nothing listens.
        let url = try TestServer { _ in TestServer.Reply() }.url
        let error = await failure { _ = try await OllamaBackend(url: url).models() }
        #expect(error?.code == .unavailable)
        #expect(error?.text.contains("no model server answers at http://127.0.0.1:") == true)
        #expect(error?.hint.isEmpty == false)
    }

    @Test(arguments: [
        (nil, "http://127.0.0.1:11434"), ("", "http://127.0.0.1:11434"),
        ("box", "http://box:11434"), ("box:99", "http://box:99"),
        ("0.0.0.0", "http://127.0.0.1:11434"), ("0.0.0.0:81", "http://127.0.0.1:81"),
        (":82", "http://127.0.0.1:82"), ("https://box", "https://box"),
        ("http://box/path", "http://box/path"), ("ftp://box", "http://127.0.0.1:11434"),
        ("a b", "http://127.0.0.1:11434"),
    ]) func readsOllamaHost(text: String?, url: String) {
        #expect(OllamaBackend.url(fromHost: text).absoluteString == url)
    }
}
