import Foundation
import Testing
@testable import SwiftMLXCore
@testable import SwiftMLXUI

/// Whatever becomes of a tool, the next question is one that servers take, and the person sees it.
@MainActor @Suite struct ChatToolTests {
    private struct Model: ModelBackend {
        let name = "the script"
        let seen = Seen()

        func models() async throws -> [ModelInfo] { [] }
        func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
        func load(_ model: String) async throws {}
        func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
            AsyncThrowingStream.running { continuation in
                await seen.add(request.messages)
                let last = request.messages.last!
                if last.role == .user, last.text == "weather?" {
                    continuation.yield(.toolCall(ToolCall(id: "1", name: "weather", arguments: [:])))
                } else {
                    continuation.yield(.text("it is \(last.text)"))
                }
                continuation.yield(.finished(GenerationStatistics()))
            }
        }
    }

    private actor Seen {
        var requests: [[ChatMessage]] = []
        func add(_ messages: [ChatMessage]) { requests.append(messages) }
    }

    /// What the server gets with the question after the one with the tool. Each call is answered
    /// before anyone else speaks, and no answer is empty.
    private func next(_ chat: ChatModel, _ model: Model) async throws -> [ChatMessage] {
        chat.draft = "And now something else"
        chat.send()
        await chat.settled()
        let messages = try #require(await model.seen.requests.last)
        for (index, message) in messages.enumerated() where message.role == .assistant {
            #expect(!message.text.isEmpty || !message.toolCalls.isEmpty)
            let answers = messages[(index + 1)...].prefix { $0.role == .tool }
            #expect(answers.compactMap(\.answeredCall?.id) == message.toolCalls.map(\.id))
        }
        return messages
    }

    private func chat(_ model: Model, _ run: (@Sendable (ToolCall) async throws -> String)?) -> ChatModel {
        let chat = ChatModel(model: MLXModel(name: "m", backend: model), runTool: run)
        chat.draft = "weather?"
        chat.send()
        return chat
    }

    @Test func aToolThatWorks() async throws {
        let model = Model()
        let chat = chat(model) { _ in "sunny" }
        await chat.settled()
        #expect(chat.turns.last?.text == "it is sunny")
        #expect(chat.turns.last?.toolCalls.map(\.outcome) == [.done("sunny")])
        let roles = try await next(chat, model).map(\.role)
        #expect(roles == [.user, .assistant, .tool, .assistant, .user])
    }

    @Test func aToolThatThrowsIsToldToTheModel() async throws {
        let model = Model()
        let chat = chat(model) { _ in throw MLXError(.serverFailed, "no network") }
        await chat.settled()
        #expect(chat.turns.last?.toolCalls.map(\.outcome) == [.failed("no network")])
        let messages = try await next(chat, model)
        #expect(messages.map(\.role) == [.user, .assistant, .tool, .assistant, .user])
        #expect(messages[2].text.contains("no network"))
    }

    @Test func aToolThatIsStoppedHoldsNobodyUp() async throws {
        let model = Model()
        let (started, start) = AsyncStream<Void>.makeStream()
        let (held, release) = AsyncStream<Void>.makeStream()
        let chat = chat(model) { _ in
            start.yield()
            // Heeds no cancellation.
            await Task.detached { for await _ in held {} }.value
            return "late"
        }
        for await _ in started { break }
        chat.stop()
        await chat.settled()
        #expect(chat.error == nil)
        #expect(chat.turns.last?.toolCalls.map(\.outcome) == [.notRun])
        let messages = try await next(chat, model)
        #expect(messages.map(\.role) == [.user, .assistant, .tool, .user])
        #expect(messages[2].text.contains("not run"))
        release.finish()
    }

    @Test func aToolThatNobodyRunsIsSaid() async throws {
        let model = Model()
        let chat = chat(model, nil)
        await chat.settled()
        #expect(chat.error?.text.contains("weather") == true)
        #expect(chat.turns.last?.toolCalls.map(\.outcome) == [.notRun])
        #expect(try await next(chat, model).map(\.role) == [.user, .assistant, .tool, .user])
    }

    @Test func anEmptyAnswerLeavesNoBubble() async {
        struct Mute: ModelBackend {
            let name = "mute"
            func models() async throws -> [ModelInfo] { [] }
            func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
            func load(_ model: String) async throws {}
            func generate(_ request: GenerationRequest)
                -> AsyncThrowingStream<BackendEvent, any Error> {
                AsyncThrowingStream.running { $0.yield(.finished(GenerationStatistics())) }
            }
        }
        let chat = ChatModel(model: MLXModel(name: "m", backend: Mute()))
        chat.draft = "x"
        chat.send()
        await chat.settled()
        #expect(chat.turns.map(\.role) == [.user])
        #expect(chat.error?.text.contains("no answer") == true)
    }
}

@MainActor @Suite struct AttachmentTests {
    private func folder() throws -> URL {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("swiftmlxui-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        return folder
    }

    /// A file of this size that holds no blocks: it costs no disk.
    private func sparse(_ url: URL, _ head: Data, _ size: UInt64) throws {
        try head.write(to: url)
        let handle = try FileHandle(forWritingTo: url)
        try handle.truncate(atOffset: size)
        try handle.close()
    }

    @Test func hugeFilesAreRefusedUnread() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let chat = ChatModel(model: MLXModel(name: "m", backend: PreviewScript()))
        let heads = ["a.bin": Data(), "b.png": Data([0x89, 0x50, 0x4E, 0x47]), "c.pdf": Data("%PDF-1.7".utf8),
                     "d.heic": Data([0, 0, 0, 24]) + Data("ftypheic".utf8)]
        for (name, head) in heads {
            let file = folder.appendingPathComponent(name)
            try sparse(file, head, 800 << 20)
            let start = ContinuousClock.now
            chat.attach(contentsOf: [file])
            // Reading it would take longer, and more memory than the test has.
            #expect(ContinuousClock.now - start < .seconds(0.3), "\(name)")
            #expect(chat.error?.code == .badRequest, "\(name)")
        }
        #expect(chat.attachments.isEmpty)
    }

    @Test func largePicturesAreTakenOffTheMainActor() async throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appendingPathComponent("a.png")
        try sparse(file, Data([0x89, 0x50, 0x4E, 0x47]), 40 << 20)
        let chat = ChatModel(model: MLXModel(name: "m", backend: PreviewScript()))
        await chat.attach(reading: [file])
        #expect(chat.attachments.map(\.name) == ["a.png"])
    }

    #if os(Linux)
    @Test func formatsOfPhonesAndPDFsSayWhatToDo() throws {
        let folder = try folder()
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = [("a.heic", "ftypheic", "HEIC"), ("b.HEIC", "ftypmif1", "HEIC"), ("c.avif", "ftypavif", "AVIF")]
        for (name, brand, said) in files {
            let file = folder.appendingPathComponent(name)
            try (Data([0, 0, 0, 24]) + Data(brand.utf8) + Data(count: 64)).write(to: file)
            let error = #expect(throws: MLXError.self) { try ChatAttachment(contentsOf: file) }
            #expect(error?.text.contains(said) == true)
            #expect(error?.hint.contains("JPEG") == true)
        }
        let pdf = folder.appendingPathComponent("d.pdf")
        try Data("%PDF-1.7\n".utf8).write(to: pdf)
        let error = #expect(throws: MLXError.self) { try ChatAttachment(contentsOf: pdf) }
        #expect(error?.text.contains("PDF") == true && error?.hint.contains("pdftotext") == true)
    }
    #endif

    private struct PreviewScript: ModelBackend {
        let name = "none"
        func models() async throws -> [ModelInfo] { [] }
        func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
        func load(_ model: String) async throws {}
        func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
            AsyncThrowingStream { $0.finish() }
        }
    }
}
