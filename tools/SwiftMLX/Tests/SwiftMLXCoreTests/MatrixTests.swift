import Foundation
import Testing
@testable import SwiftMLXCore

/// The columns of servers; those that need Apple's systems are tried by tests/swiftui/inprocess.
@Suite struct MatrixTests {
    @Test func ollamaIsAsTheTableSays() async throws {
        let column = try ServerColumn.ollama()
        #expect(try await withDeadline { try await BackEndTable.check(column) } == [])
    }

    @Test func openAIIsAsTheTableSays() async throws {
        let column = try ServerColumn.openAI()
        #expect(try await withDeadline { try await BackEndTable.check(column) } == [])
    }

    @Test func theTableHasAllBackEnds() throws {
        let table = try BackEndTable.read()
        #expect(table.keys.sorted() == ["Apple's model", "MLX", "Ollama", "OpenAI's API"])
        for (title, column) in table { #expect(column.count == Feature.allCases.count, "\(title)") }
    }
}

/// A back end before a server that says what it is told to say.
private final class ServerColumn: Column {
    let title: String
    let backend: any ModelBackend
    private let server: TestServer
    private let state: Locked<(answer: Scripted, body: JSONValue)>
    private let options: @Sendable (JSONValue) -> [String: String]

    private init(_ title: String, reply: @escaping @Sendable (Scripted) -> TestServer.Reply,
                 backend: (URL) -> any ModelBackend,
                 options: @escaping @Sendable (JSONValue) -> [String: String]) throws {
        let state = Locked<(answer: Scripted, body: JSONValue)>((.text([]), .null))
        self.state = state
        (self.title, self.options) = (title, options)
        server = try TestServer { request in
            reply(state.withLock {
                $0.body = request.json
                return $0.answer
            })
        }
        self.backend = backend(server.url)
    }

    func say(_ answer: Scripted) { state.withLock { $0.answer = answer } }
    func conversation() -> [String] {
        (body["messages"]?.arrayValue ?? []).map { String(decoding: $0.encoded, as: UTF8.self) }
    }
    func stopped() async { _ = await server.departures.first { _ in true } }

    func asked() -> [String: String] {
        var asked = options(body)
        let result = body["messages"]?.arrayValue?.last { $0["role"] == "tool" }
        if let result, let id = result["tool_call_id"]?.stringValue {
            asked["result"] = "\(id): \(result["content"]?.stringValue ?? "")"
        }
        return asked
    }

    private var body: JSONValue { state.withLock { $0.body } }

    static func ollama() throws -> ServerColumn {
        try ServerColumn("Ollama", reply: { answer in
            func line(_ value: JSONValue) -> Data { value.encoded + Data("\n".utf8) }
            let end = line(["message": ["content": ""], "done": true, "prompt_eval_count": 9, "eval_count": 2])
            switch answer {
            case .text(let pieces):
                return TestServer.Reply(pieces: pieces.map { line(["message": ["content": .string($0)]]) } + [end])
            case .call:
                let call: JSONValue = ["id": "c7", "function": ["name": "weather", "arguments": ["city": "Lima"]]]
                return TestServer.Reply(pieces: [line(["message": ["tool_calls": [call]]]), end])
            case .endless: return TestServer.Reply(pieces: [line(["message": ["content": "on "]])], end: .hold)
            }
        }, backend: { OllamaBackend(url: $0) }, options: { body in
            let images = body["messages"]?.arrayValue?.compactMap { $0["images"]?.arrayValue?.count }.first
            var asked = names(body["options"], ["temperature": "temperature", "topP": "top_p", "topK": "top_k",
                                                "minP": "min_p", "repeatPenalty": "repeat_penalty", "seed": "seed",
                                                "contextLength": "num_ctx"])
            asked["thinking"] = words(body["think"])
            asked["schema"] = words(body["format"])
            asked["images"] = images.map(String.init)
            return asked
        })
    }

    static func openAI() throws -> ServerColumn {
        try ServerColumn("OpenAI's API", reply: { answer in
            func event(_ delta: JSONValue, _ reason: JSONValue = .null) -> Data {
                let chunk: JSONValue = ["choices": [["delta": delta, "finish_reason": reason]]]
                return Data("data: ".utf8) + chunk.encoded + Data("\n\n".utf8)
            }
            let usage = #"{"choices":[],"usage":{"prompt_tokens":9,"completion_tokens":2,"#
                + #""prompt_tokens_details":{"cached_tokens":5}}}"#
            let end = [event([:], "stop"), Data("data: \(usage)\n\ndata: [DONE]\n\n".utf8)]
            switch answer {
            case .text(let pieces):
                return TestServer.Reply(pieces: pieces.map { event(["content": .string($0)]) } + end)
            case .call:
                let call: JSONValue = ["index": 0, "id": "c7", "type": "function",
                                       "function": ["name": "weather", "arguments": #"{"city":"Lima"}"#]]
                return TestServer.Reply(pieces: [event(["tool_calls": [call]])] + end)
            case .endless: return TestServer.Reply(pieces: [event(["content": "on "])], end: .hold)
            }
        }, backend: { OpenAIBackend(url: $0.appendingPathComponent("v1")) }, options: { body in
            let parts = body["messages"]?.arrayValue?.compactMap { $0["content"]?.arrayValue }.first ?? []
            let images = parts.filter { $0["type"] == "image_url" }.count
            var asked = names(body, ["temperature": "temperature", "topP": "top_p", "topK": "top_k",
                                     "minP": "min_p", "repeatPenalty": "repeat_penalty", "seed": "seed"])
            asked["thinking"] = words(body["chat_template_kwargs"]?["enable_thinking"])
            asked["schema"] = words(body["response_format"]?["json_schema"]?["schema"])
            asked["images"] = images > 0 ? String(images) : nil
            return asked
        })
    }

    private static func names(_ body: JSONValue?, _ names: [String: String]) -> [String: String] {
        names.compactMapValues { words(body?[$0]) }
    }

    private static func words(_ value: JSONValue?) -> String? {
        value.map { String(decoding: $0.encoded, as: UTF8.self) }
    }
}
