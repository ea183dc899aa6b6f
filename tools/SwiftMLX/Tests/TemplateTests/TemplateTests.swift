import Foundation
import SwiftMLX
import Testing
@testable import TemplateCores

/// Counts from any task.
private final class Counter: @unchecked Sendable {
    private let lock = NSLock()
    private var values: [Int] = []

    func add(_ value: Int) { lock.withLock { values.append(value) } }
    var count: Int { lock.withLock { values.count } }
    var largest: Int { lock.withLock { values.max() ?? 0 } }
}

/// The part of the Xcode templates that has no views does what it says.
@Suite struct TemplateTests {
    private struct Script: ModelBackend {
        let name = "the script"
        var answer: @Sendable (GenerationRequest) -> String

        func models() async throws -> [ModelInfo] { [] }
        func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
        func load(_ model: String) async throws {}
        func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
            AsyncThrowingStream { continuation in
                continuation.yield(.text(answer(request)))
                continuation.yield(.finished(GenerationStatistics()))
                continuation.finish()
            }
        }
    }

    private static func model(_ answer: @escaping @Sendable (GenerationRequest) -> String) -> MLXModel {
        MLXModel(name: "m", backend: Script(answer: answer))
    }

    @Test func documentsAreCutBetweenParagraphs() {
        let text = "first line\nsecond line\nthird\n"
        #expect(DocumentAnalyzer.pieces(of: text, length: 15) == ["first line\n", "second line\n", "third\n"])
        #expect(DocumentAnalyzer.pieces(of: text, length: 100) == [text])
        #expect(DocumentAnalyzer.pieces(of: "abcdefgh", length: 3) == ["abc", "def", "gh"])
        #expect(DocumentAnalyzer.pieces(of: " \n ", length: 3).isEmpty)
    }

    @Test func longDocumentsAreNotedPieceByPiece() async throws {
        let model = Self.model { request in
            guard case .jsonSchema = request.options.format else { return "note" }
            let notes = request.messages[0].text.components(separatedBy: "note").count - 1
            return #"{"summary":"\#(notes) notes","keyPoints":["k"],"questions":[]}"#
        }
        let (progress, report) = AsyncStream<Double>.makeStream()
        let analysis = try await DocumentAnalyzer(model: model, pieceLength: 17)
            .analyze("first line...\nsecond line...\nthird\n") { report.yield($0) }
        report.finish()
        #expect(analysis == Analysis(summary: "3 notes", keyPoints: ["k"], questions: []))
        #expect(await progress.reduce(into: []) { $0.append($1) } == [0, 1.0 / 3, 2.0 / 3, 1])
    }

    @Test func notesOfALongDocumentAreNotedUntilTheyFit() async throws {
        let questions = Counter()
        let model = Self.model { request in
            guard case .jsonSchema = request.options.format else {
                questions.add(request.messages[0].text.count)
                return String(repeating: "word ", count: 100) // more than it was asked for
            }
            return #"{"summary":"\#(request.messages[0].text.count)","keyPoints":[],"questions":[]}"#
        }
        let text = String(repeating: "A paragraph of a long document.\n", count: 600)
        let analysis = try await DocumentAnalyzer(model: model, pieceLength: 300).analyze(text)
        #expect(Int(analysis.summary)! < 600, "the last question has to fit as well")
        #expect(questions.largest < 400)
        #expect((67...200).contains(questions.count), "each level is at least half as long: \(questions.count)")
    }

    @Test func anEmptyDocumentIsAnError() async {
        await #expect(throws: MLXError.self) {
            try await DocumentAnalyzer(model: Self.model { _ in "" }).analyze("")
        }
    }

    @Test func imagesAreCaptionedInTurnAndErrorsGoAlong() async throws {
        let file = FileManager.default.temporaryDirectory.appendingPathComponent("\(UUID()).png")
        try Data([0x89, 0x50, 0x4E, 0x47]).write(to: file)
        defer { try? FileManager.default.removeItem(at: file) }
        let captioner = ImageCaptioner(model: Self.model { " \($0.messages[0].images.count) image\n" })
        var seen: [String] = []
        for await (url, caption) in captioner.captions([file, URL(fileURLWithPath: "/none"), file]) {
            seen.append((try? caption.get()) ?? "failed: \(url.path)")
        }
        #expect(seen == ["1 image", "failed: /none", "1 image"])
    }

    @MainActor @Test func theAssistantHasItsInstructions() async throws {
        let model = Self.model { $0.messages.map(\.role.rawValue).joined(separator: ",") }
        let chat = Assistant().chat(with: model)
        chat.draft = "hi"
        chat.send()
        await chat.settled()
        #expect(chat.turns.last?.text == "system,user")
    }
}
