import Foundation
import Testing
@testable import SwiftMLXCore

/// What a caller of ``MLXModel`` can rely on, whatever runs the model.
@Suite struct StreamingTests {
    private static let chunk = Data(#"{"message":{"content":"word "},"done":false}"#.utf8) + Data("\n".utf8)

    /// A server that sends three words and then holds the line.
    private static func endless() throws -> TestServer {
        try TestServer { _ in TestServer.Reply(pieces: [chunk, chunk, chunk], end: .hold) }
    }

    private static func model(_ server: TestServer) -> MLXModel {
        MLXModel(name: "m", backend: OllamaBackend(url: server.url))
    }

    @Test func tokensArriveBeforeTheEnd() async throws {
        let server = try Self.endless()
        try await withDeadline {
            var seen = 0
            for try await event in Self.model(server).stream(prompt: "x") {
                if case .token = event { seen += 1 }
                if seen == 3 { break }
            }
            #expect(seen == 3)
        }
    }

    @Test func leavingTheLoopStopsTheServer() async throws {
        let server = try Self.endless()
        try await withDeadline {
            for try await _ in Self.model(server).stream(prompt: "x") { break }
            #expect(await server.departures.first { _ in true } != nil)
        }
    }

    @Test func cancellingTheTaskStopsTheServer() async throws {
        let server = try Self.endless()
        try await withDeadline {
            let task = Task { try await Self.model(server).generate(prompt: "x") }
            #expect(await server.requests.first { _ in true } != nil)
            task.cancel()
            #expect(await server.departures.first { _ in true } != nil)
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test func cancellingBeforeTheServerAnswersEndsAtOnce() async throws {
        // Accepts nothing: the listening socket's queue takes the connection, nobody answers it.
        let server = try TestServer { _ in TestServer.Reply(pieces: [], end: .hold) }
        try await withDeadline {
            let task = Task { try await Self.model(server).generate(prompt: "x") }
            #expect(await server.requests.first { _ in true } != nil)
            task.cancel()
            await #expect(throws: CancellationError.self) { try await task.value }
        }
    }

    @Test func aStopSequenceStopsAServerThatDoesNotKnowIt() async throws {
        let server = try Self.endless()
        try await withDeadline {
            let options = GenerationOptions(stop: ["d wo"])
            let result = try await Self.model(server).generate(prompt: "x", options: options)
            #expect(result.text == "wor")
            #expect(result.statistics.finishReason == .stop)
            #expect(await server.departures.first { _ in true } != nil)
        }
    }

    @Test func timingIsByTheGivenClock() {
        let start = ContinuousClock.now
        let times = Locked([0, 100, 150, 250, 300, 300].map { start + .milliseconds($0) })
        var pipeline = GenerationPipeline(stop: []) { times.withLock { $0.removeFirst() } }
        var events: [GenerationEvent] = []
        for text in ["a", "b", "c"] { events += pipeline.take(.text(text)) }
        events += pipeline.take(.finished(GenerationStatistics()))
        var expected = GenerationStatistics()
        expected.generatedTokens = 3
        expected.generationDuration = .milliseconds(150)
        expected.timeToFirstToken = .milliseconds(100)
        expected.totalDuration = .milliseconds(300)
        func token(_ text: String, _ elapsed: Int, _ interval: Int) -> GenerationEvent {
            .token(GeneratedToken(text: text, kind: .answer, elapsed: .milliseconds(elapsed),
                                  interval: .milliseconds(interval)))
        }
        #expect(events == [token("a", 100, 100), token("b", 150, 50), token("c", 250, 100),
                           .finished(expected)])
        #expect(abs(expected.tokensPerSecond! - 2 / 0.15) < 1e-9)
        #expect(expected.promptTokensPerSecond == nil)
    }

    @Test(arguments: [
        (GenerationOptions(maxTokens: 0), "x"), (GenerationOptions(stop: [""]), "x"),
        (GenerationOptions(), ""),
    ]) func badRequestsAreRefusedHere(options: GenerationOptions, prompt: String) async {
        let model = MLXModel(name: "m", backend: ScriptedBackend())
        let error = await failure { _ = try await model.generate(prompt: prompt, options: options) }
        #expect(error?.code == .badRequest)
        #expect(error?.hint.isEmpty == false)
    }

    @Test func jsonAnswersDecode() async throws {
        struct Answer: Decodable, Equatable { let n: Int }
        let backend = ScriptedBackend(events: { _ in [.text(#"{"n":"#), .text("3}")] })
        let result = try await MLXModel(name: "m", backend: backend)
            .generate(prompt: "x", options: GenerationOptions(format: .json))
        #expect(try result.decoded(as: Answer.self) == Answer(n: 3))
        #expect("\(result)" == #"{"n":3}"#)
        var broken = result
        broken.text = "{"
        #expect(throws: MLXError.self) { try broken.decoded(as: Answer.self) }
    }

    @Test func visionNeedsAVisionModel() async throws {
        let image = try ImageInput(data: Data([0x89, 0x50, 0x4E, 0x47]))
        let blind = MLXModel(name: "m", backend: ScriptedBackend(), capabilities: .text)
        let error = await failure { _ = try await blind.describe(image: image) }
        #expect(error?.code == .unsupported)

        let echo = ScriptedBackend(events: { request in
            [.text("\(request.messages[0].images.count): \(request.messages[0].text)")]
        })
        for capabilities in [ModelCapabilities?.none, [.text, .vision]] {
            let model = MLXModel(name: "m", backend: echo, capabilities: capabilities)
            #expect(try await model.describe(image: image, prompt: "what").text == "1: what")
        }
    }

    @Test func imagesAreCheckedBeforeTheyAreSent() async throws {
        let folder = try TemporaryDirectory()
        let text = try folder.write("note.png", "no image")
        #expect(throws: MLXError.self) { try ImageInput(contentsOf: text) }
        #expect(throws: MLXError.self) { try ImageInput(contentsOf: folder.url) }
        #expect(throws: MLXError.self) { try ImageInput(data: Data()) }
        let types = ["GIF89a": "image/gif", "RIFF....WEBP": "image/webp", "BM..": "image/bmp"]
        for (bytes, type) in types {
            #expect(try ImageInput(data: Data(bytes.utf8)).mediaType == type)
        }
    }
}
