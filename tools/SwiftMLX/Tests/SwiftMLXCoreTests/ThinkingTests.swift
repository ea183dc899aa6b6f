import Foundation
import Testing
@testable import SwiftMLXCore

/// Thinking and answer are told apart, whoever leaves the tags in.
@Suite struct ThinkingTests {
    struct Case: Decodable, Sendable, CustomTestStringConvertible {
        let `case`: String
        let pieces: [String]
        let thinking: String
        let text: String

        var testDescription: String { self.case }
    }

    static let cases: [Case] = {
        let file = Fixture.folder.deletingLastPathComponent().appendingPathComponent("swift/think.json")
        return try! JSONDecoder().decode([Case].self, from: Data(contentsOf: file))
    }()

    private static func trimmed(_ text: String) -> String {
        text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// Servers of both kinds and a back end of one's own, all of which give the pieces as text.
    private static func backends(_ pieces: [String]) throws -> (TestServer, [any ModelBackend]) {
        let server = try TestServer { request in
            if request.line.contains("/api/") {
                let lines = pieces.map { ["message": ["content": .string($0)], "done": false] as JSONValue }
                    + [["done": true]]
                return TestServer.Reply(pieces: lines.map { $0.encoded + Data("\n".utf8) })
            }
            let events = pieces.map { piece -> JSONValue in
                ["choices": [["delta": ["content": .string(piece)]]]]
            }
            let data = events.map { Data("data: ".utf8) + $0.encoded + Data("\n\n".utf8) }
            return TestServer.Reply(pieces: data + [Data("data: [DONE]\n\n".utf8)])
        }
        let own = ScriptedBackend { _ in
            pieces.map(BackendEvent.text) + [.finished(GenerationStatistics())]
        }
        return (server, [OllamaBackend(url: server.url),
                         OpenAIBackend(url: server.url.appendingPathComponent("v1")), own])
    }

    @Test(arguments: cases) func tagsAreTakenOut(row: Case) async throws {
        let (server, backends) = try Self.backends(row.pieces)
        for backend in backends {
            let result = try await MLXModel(name: "m", backend: backend).generate(prompt: "?")
            #expect(Self.trimmed(result.thinking) == row.thinking)
            #expect(Self.trimmed(result.text) == row.text)
        }
        withExtendedLifetime(server) {}
    }

    @Test func howTheTextIsCutChangesNothing() {
        let texts = ["<think>a < b </th </think>\n\nc <think>d</think>", " \n<thinking>x</thinking>y",
                     "[THINK]ü[/THINK]é", "<thi", "<think>never ends </thin", "< think>", "</think>x"]
        for (text, seed) in texts.flatMap({ text in (0..<40).map { (text, UInt64($0)) } }) {
            var random = SeededRandom(seed: seed)
            var whole = ThinkingSplitter(), cut = ThinkingSplitter()
            let all = whole.take(text) + whole.flush()
            let scalars = Array(text.unicodeScalars)
            var pieces: [ThinkingSplitter.Part] = [], at = 0
            while at < scalars.count {
                let next = min(scalars.count, at + Int.random(in: 1...4, using: &random))
                pieces += cut.take(String(String.UnicodeScalarView(scalars[at..<next])))
                at = next
            }
            pieces += cut.flush()
            for isThinking in [true, false] {
                let one = all.filter { $0.isThinking == isThinking }.map(\.text).joined()
                let other = pieces.filter { $0.isThinking == isThinking }.map(\.text).joined()
                #expect(Self.trimmed(one) == Self.trimmed(other), "seed \(seed) of \(text)")
            }
        }
    }

    @Test func thinkingIsNotSentBack() async throws {
        let asked = Locked<[[ChatMessage]]>([])
        let backend = ScriptedBackend { request in
            asked.withLock { $0.append(request.messages) }
            return [.text("<think>hmm</think>"), .text("42"), .finished(GenerationStatistics())]
        }
        let chat = MLXChat(model: MLXModel(name: "m", backend: backend))
        try await chat.send("one")
        try await chat.send("two")
        #expect(asked.withLock { $0 }.last?.map(\.text) == ["one", "42", "two"])
    }

    @Test func aPromptThatBeginsTheThinkingIsTold() {
        #expect(ThinkingSplitter.beginning(atEndOf: "<|im_start|>assistant\n<think>\n") == "<think>")
        #expect(ThinkingSplitter.beginning(atEndOf: "<think>\n\n</think>\n\n") == nil)
        #expect(ThinkingSplitter.beginning(atEndOf: "") == nil)
        var splitter = ThinkingSplitter()
        let parts = splitter.take("<think>") + splitter.take("hmm</think>42")
        #expect(parts == [.init(text: "hmm", isThinking: true), .init(text: "42", isThinking: false)])
    }
}
