import Foundation
import Testing
@testable import SwiftMLXCore
@testable import SwiftMLXUI

/// Answers from a closure.
private struct Script: ModelBackend {
    let name = "the script"
    var answer: @Sendable (GenerationRequest) async throws -> [BackendEvent]

    func models() async throws -> [ModelInfo] { [ModelInfo(name: "m")] }
    func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
    func load(_ model: String) async throws {
        if model == "broken" { throw MLXError(.serverFailed, "no", hint: "do this") }
    }
    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream.running { continuation in
            for event in try await answer(request) { continuation.yield(event) }
        }
    }
}

@MainActor @Suite struct ChatModelTests {
    private static func chat(
        _ answer: @escaping @Sendable (GenerationRequest) async throws -> [BackendEvent],
        runTool: (@Sendable (ToolCall) async throws -> String)? = nil
    ) -> ChatModel {
        ChatModel(model: MLXModel(name: "m", backend: Script(answer: answer)), runTool: runTool)
    }

    @Test func showsQuestionAndAnswer() async {
        let chat = Self.chat { _ in
            [.thinking("hm"), .text("# Hi\n"), .text("there"), .finished(GenerationStatistics())]
        }
        #expect(!chat.canSend)
        chat.draft = "  "
        #expect(!chat.canSend)
        chat.draft = "Hello"
        chat.send()
        #expect(chat.isAnswering && !chat.canSend && chat.draft.isEmpty)
        #expect(chat.turns.last?.isStreaming == true)
        await chat.settled()
        #expect(chat.turns.map(\.role) == [.user, .assistant])
        #expect(chat.turns[1].text == "# Hi\nthere")
        #expect(chat.turns[1].thinking == "hm")
        #expect(chat.turns[1].markdown.blocks == [.heading(level: 1, text: "Hi"), .paragraph("there")])
        #expect(chat.turns[1].statistics?.generatedTokens == 3)
        #expect(!chat.isAnswering && chat.turns[1].isStreaming == false)
        await chat.clear()
        #expect(chat.turns.isEmpty)
    }

    @Test func saysWhatWentWrongAndGoesOn() async {
        let chat = Self.chat { request in
            guard request.messages.last?.text != "bad" else {
                throw MLXError(.unavailable, "gone", hint: "start it")
            }
            return [.text("ok")]
        }
        chat.draft = "bad"
        chat.send()
        await chat.settled()
        #expect(chat.error?.hint == "start it")
        chat.draft = "good"
        chat.send()
        await chat.settled()
        #expect(chat.error == nil)
        #expect(chat.turns.last?.text == "ok")
    }

    @Test func stoppingIsNoError() async {
        let chat = Self.chat { _ in
            try await Task.sleep(for: .seconds(60))
            return []
        }
        chat.draft = "x"
        chat.send()
        chat.stop()
        await chat.settled()
        #expect(chat.error == nil && !chat.isAnswering)
    }

    @Test func runsToolsUntilTheModelIsDone() async {
        let call = ToolCall(id: "1", name: "time", arguments: [:])
        let chat = Self.chat({ request in
            request.messages.last?.role == .tool
                ? [.text("it is \(request.messages.last!.text)")] : [.toolCall(call)]
        }, runTool: { "\($0.name) noon" })
        chat.draft = "what time"
        chat.send()
        await chat.settled()
        #expect(chat.turns.last?.text == "it is time noon")
    }

    @Test func aModelThatAsksForToolsForEverEnds() async {
        let call = ToolCall(id: "1", name: "loop", arguments: [:])
        let chat = Self.chat({ _ in [.toolCall(call)] }, runTool: { _ in "again" })
        chat.draft = "x"
        chat.send()
        await chat.settled()
        #expect(!chat.isAnswering)
    }

    @Test func attachesImagesAndDocuments() async throws {
        let folder = FileManager.default.temporaryDirectory
            .appendingPathComponent("swiftmlxui-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files: [(String, Data)] = [
            ("a.png", Data([0x89, 0x50, 0x4E, 0x47])), ("b.txt", Data("the text".utf8)),
            ("c.bin", Data([0xFF, 0x00, 0xFE])), ("d.txt", Data(count: ChatAttachment.maximumText + 1)),
        ]
        for (name, data) in files { try data.write(to: folder.appendingPathComponent(name)) }

        let chat = Self.chat { request in
            let last = request.messages.last!
            return [.text("\(last.images.count) images; \(last.text)")]
        }
        chat.attach(contentsOf: [folder.appendingPathComponent("a.png"),
                                 folder.appendingPathComponent("b.txt")])
        #expect(chat.error == nil)
        #expect(chat.canSend)
        for name in ["c.bin", "d.txt", "none"] {
            chat.attach(contentsOf: [folder.appendingPathComponent(name)])
            #expect(chat.error?.code == .badRequest, "\(name)")
        }
        #expect(chat.attachments.map(\.name) == ["a.png", "b.txt"])
        chat.draft = "sum up"
        chat.send()
        await chat.settled()
        #expect(chat.turns.last?.text
            == "1 images; Document \"b.txt\":\nthe text\n\nsum up")
        chat.attach(ChatAttachment(name: "n", content: .text("t")))
        chat.remove(chat.attachments[0])
        #expect(chat.attachments.isEmpty)
    }

    @Test func ratesComeFromTheTokensIntervals() {
        var history = PerformanceHistory()
        func token(_ elapsed: Int, _ interval: Int) -> GeneratedToken {
            GeneratedToken(text: "x", kind: .answer, elapsed: .milliseconds(elapsed),
                           interval: .milliseconds(interval))
        }
        history.add(token(900, 900))
        #expect(history.timeToFirstToken == .milliseconds(900))
        for number in 1...10 { history.add(token(900 + number * 100, 100)) }
        #expect(history.samples.map(\.rate) == [10, 10])
        #expect(history.tokensPerSecond == 10)
        for _ in 0..<200 { history.add(token(5000, 500)) }
        #expect(history.samples.count == PerformanceHistory.maximumSamples)
        #expect(history.samples.last?.id == 201)
    }
}

@MainActor @Suite struct ModelListTests {
    private static func list(_ backends: [any ModelBackend]) -> ModelList {
        ModelList(resolver: ModelResolver(
            cache: ModelCache(environment: ["OLLAMA_MODELS": "/nonexistent"],
                              home: URL(fileURLWithPath: "/nonexistent")),
            servers: backends))
    }

    @Test func listsAndLoads() async {
        let list = Self.list([Script { _ in [] }])
        await list.refresh()
        #expect(list.groups.map(\.id) == ["the script"])
        #expect(list.error == nil)
        let model = await list.load(list.groups[0].models[0], of: list.groups[0])
        #expect(model?.name == "m")
        #expect(await list.load(named: "m")?.name == "m")
        #expect(await list.load(ModelInfo(name: "broken"), of: list.groups[0]) == nil)
        #expect(list.error?.hint == "do this")
        #expect(await list.load(named: "absent") == nil)
        #expect(list.error?.code == .modelNotFound)
        #expect(list.loading == nil)
    }

    @Test func saysWhatFits() async {
        struct Known: ModelFitter {
            func fit(of model: ModelInfo) async -> ModelFit? { model.name == "m" ? .fitsWithout(["n"]) : nil }
        }
        let list = ModelList(resolver: ModelResolver(servers: [Script { _ in [] }]), fitter: Known())
        await list.refresh()
        #expect(list.title(of: ModelInfo(name: "m")) == "m  fits without n")
        var model = ModelInfo(name: "x", size: 5_000_000, quantization: "Q4_K_M")
        model.runner = "Ollama"
        #expect(list.title(of: model).hasPrefix("x  Q4_K_M  5"))
        #expect(list.title(of: model).hasSuffix("MB  loads in Ollama"))
        let memory = PhysicalMemoryFitter(memory: 4_000_000)
        #expect(await memory.fit(of: model) == .tooLarge)
        #expect(await PhysicalMemoryFitter(memory: 6_000_000).fit(of: model) == nil, "there is more than weights")
        #expect(await memory.fit(of: ModelInfo(name: "m")) == nil)
    }

    @Test func nobodyThere() async {
        let list = Self.list([])
        await list.refresh()
        #expect(list.groups.isEmpty && list.error?.code == .unavailable)
    }
}
