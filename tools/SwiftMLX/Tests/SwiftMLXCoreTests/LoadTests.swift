import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct ResolverTests {
    private static func resolver(_ folder: TemporaryDirectory, _ servers: [any ModelBackend],
                                 _ downloaders: [any ModelDownloader] = []) -> ModelResolver {
        let environment = ["OLLAMA_MODELS": folder.url.appendingPathComponent("o").path]
        return ModelResolver(cache: ModelCache(environment: environment, home: folder.url),
                             servers: servers, downloaders: downloaders)
    }

    @Test func theFirstServerThatHasTheModelRunsIt() async throws {
        let folder = try TemporaryDirectory()
        let resolver = Self.resolver(folder, [
            ScriptedBackend(name: "first", known: ["x"]),
            ScriptedBackend(name: "second", known: ["y:latest"], abilities: [.text, .vision]),
        ])
        let model = try await MLXModel.load("y", resolver: resolver)
        #expect(model.backend.name == "second")
        #expect(model.name == "y:latest")
        #expect(model.capabilities == [.text, .vision])
        #expect(await resolver.models().flatMap(\.models).map(\.name) == ["x", "y:latest"])
    }

    /// Makes a model known to the server when it is downloaded.
    private struct Download: ModelDownloader, ModelBackend {
        let name = "the server"
        let have = Locked<[String]>([])

        func models() async throws -> [ModelInfo] {
            have.withLock { $0 }.map { ModelInfo(name: $0) }
        }
        func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
        func load(_ model: String) async throws {}
        func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
            AsyncThrowingStream { $0.finish() }
        }
        func download(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
            AsyncThrowingStream.running { continuation in
                continuation.yield(DownloadProgress(phase: "half", completed: 1, total: 2))
                have.withLock { $0.append(model) }
            }
        }
    }

    @Test func anAbsentModelIsDownloadedOnce() async throws {
        let folder = try TemporaryDirectory()
        let server = Download()
        let resolver = Self.resolver(folder, [server], [server])
        let reports = Locked<[Double?]>([])
        for _ in 0..<2 {
            let model = try await MLXModel.load("new", resolver: resolver) { report in
                reports.withLock { $0.append(report.fraction) }
            }
            #expect(model.name == "new")
        }
        #expect(reports.withLock { $0 } == [0.5])
    }

    @Test func whatIsNowhereSaysHowToGetIt() async throws {
        let folder = try TemporaryDirectory()
        let error = await failure {
            _ = try await MLXModel.load("new", resolver: Self.resolver(folder, []))
        }
        #expect(error?.code == .modelNotFound)
        #expect(error?.mend.contains("mlx-cache add new") == true)
    }

    @Test func weightsThatNobodyRunsSayWhatToStart() async throws {
        let folder = try TemporaryDirectory()
        try folder.write(".mlx-cache/models/o--m/config.json", "{}")
        try folder.write(".mlx-cache/models/o--m/model.safetensors", Weights.safetensors())
        try folder.write(".mlx-cache/models/o--g/x.gguf", Weights.gguf())
        let resolver = Self.resolver(folder, [])
        let safetensors = await failure { _ = try await MLXModel.load("o/m", resolver: resolver) }
        #expect(safetensors?.mend.contains("mlx_lm.server --model") == true)
        let gguf = await failure { _ = try await MLXModel.load("o/g", resolver: resolver) }
        #expect(gguf?.text.contains("/o--g/x.gguf") == true)
        #expect(gguf?.mend.contains("llama-server -m") == true)
    }
}

/// What `MLXModel.load` does with a name, before and instead of a download.
@Suite struct LoadTests {
    private static func ask(_ model: MLXModel) async throws -> String {
        try await model.generate(prompt: "What is the answer?").text
    }

    /// A server's address where somebody listens who never says a word.
    private static func silent() throws -> (server: TestServer, backend: OpenAIBackend) {
        let server = try TestServer { _ in TestServer.Reply(end: .mute) }
        return (server, OpenAIBackend(url: server.url.appendingPathComponent("v1")))
    }

    private static func seconds(_ body: () async throws -> Void) async throws -> Double {
        let start = ContinuousClock.now
        try await body()
        return (ContinuousClock.now - start).inSeconds
    }

    @Test func aModelThatIsNowhereIsTakenInOnceAndLinked() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        let resolver = ollama.resolver(downloaders: [try ollama.tool(), ollama.backend])
        for _ in 0..<2 {
            let model = try await MLXModel.load("deepseek-r1:14b", resolver: resolver)
            #expect(model.name == "deepseek-r1:14b")
            #expect(try await Self.ask(model) == "42")
        }
        #expect(ollama.calls == ["add --json deepseek-r1:14b",
                                 "link --json ollama deepseek-r1:14b"])
        #expect(ollama.pulls.isEmpty)
    }

    @Test(arguments: [("qwen3:4b", "qwen3--4b", nil, "qwen3:4b"),
                      ("llama3.2", "llama3.2--latest", nil, "llama3.2:latest"),
                      ("o/m", "o--m", nil, "o/m:latest"),
                      ("o/m", "o--m", "hf.co/o/m:Q4_K_M", "hf.co/o/m:Q4_K_M"),
                      ("o/m", "o--m", "another:1b", "another:1b")])
    func aGGUFOfTheCacheIsLinked(name: String, view: String, linked: String?, there: String)
        async throws
    {
        let ollama = try OllamaDouble(TemporaryDirectory())
        try ollama.folder.write(".mlx-cache/models/\(view)/w.gguf", Weights.gguf())
        let resolver = ollama.resolver(downloaders: [try ollama.tool(linked: linked), ollama.backend])
        let model = try await MLXModel.load(name, resolver: resolver)
        #expect(model.name == there)
        #expect(try await Self.ask(model) == "42")
        #expect(ollama.calls.count == 1)
        #expect(ollama.pulls.isEmpty)
    }

    @Test func anOllamaWithAStoreOfItsOwnPulls() async throws {
        // It lists a model that the store of this user does not have: it reads another one.
        let ollama = try OllamaDouble(TemporaryDirectory())
        for try await _ in ollama.backend.pull("other:1b") {}
        let resolver = ollama.resolver(downloaders: [try ollama.tool(), ollama.backend])
        #expect(try await MLXModel.load("new:1b", resolver: resolver).name == "new:1b")
        #expect(ollama.calls.isEmpty)
        #expect(ollama.pulls == ["other:1b", "new:1b"])
    }

    @Test func withoutAServerNothingIsDownloaded() async throws {
        let folder = try TemporaryDirectory()
        let ollama = try OllamaDouble(folder)
        let tool = try ollama.tool()
        let nobody = OllamaBackend(url: URL(string: "http://127.0.0.1:1")!)
        let resolver = ModelResolver(cache: ModelCache(environment: ollama.environment),
                                     servers: [nobody], downloaders: [tool, nobody])
        let absent = await failure { _ = try await MLXModel.load("new:1b", resolver: resolver) }
        #expect(absent?.code == .unavailable)
        #expect(absent?.mend.contains("start Ollama") == true)

        try folder.write(".mlx-cache/models/qwen3--4b/w.gguf", Weights.gguf())
        let cached = await failure { _ = try await MLXModel.load("qwen3:4b", resolver: resolver) }
        #expect(cached?.text.contains("/qwen3--4b/w.gguf") == true)
        #expect(cached?.mend.contains("/qwen3--4b/w.gguf") == true)
        #expect(ollama.calls.isEmpty)
    }

    @Test func aRepositoryThatNobodyRunsIsNotDownloaded() async throws {
        let hub = try TestServer { request in
            let isGGUF = request.line.contains("/api/models/o/m-GGUF ")
            return .json(["siblings": [["rfilename": .string(isGGUF ? "m.Q4.gguf" : "model.safetensors")]]])
        }
        let ollama = try OllamaDouble(TemporaryDirectory())
        var resolver = ollama.resolver(downloaders: [try ollama.tool(), ollama.backend])
        resolver.hub = HubQuestion(environment: ["HF_ENDPOINT": hub.url.absoluteString])
        let asked = resolver
        let error = await failure { _ = try await MLXModel.load("o/m", resolver: asked) }
        #expect(error?.code == .unsupported)
        #expect(ollama.calls.isEmpty && ollama.pulls.isEmpty)
        #expect(try await MLXModel.load("o/m-GGUF", resolver: asked).name == "o/m-GGUF:latest")
    }

    @Test func halfADownloadIsGoneOnWith() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        try ollama.folder.write(".mlx-cache/models/o--m/config.json", "{}")
        try ollama.folder.write(".mlx-cache/models/o--m/model-00001-of-00002.safetensors",
                                Weights.safetensors())
        let resolver = ollama.resolver(downloaders: [ollama.backend])
        #expect(try await MLXModel.load("o/m", resolver: resolver).name == "o/m")
        #expect(ollama.pulls == ["o/m"])
    }

    @Test func aModelOfAnotherKindSaysWhichKind() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        let place = ".mlx-cache/models/openai--whisper-tiny"
        try ollama.folder.write(place + "/config.json", #"{"model_type": "whisper"}"#)
        try ollama.folder.write(place + "/model.safetensors", Weights.safetensors())
        let resolver = ollama.resolver(downloaders: [ollama.backend])
        let error = await failure {
            _ = try await MLXModel.load("openai/whisper-tiny", resolver: resolver)
        }
        #expect(error?.code == .unsupported)
        #expect(error?.text.contains("whisper,") == true)
        #expect(ollama.pulls.isEmpty)
    }

    @Test func silentListenersHoldNobodyUp() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        for try await _ in ollama.backend.pull("m:1b") {}
        let silent = try (0..<3).map { _ in try Self.silent() }
        let resolver = ollama.resolver(silent.map(\.backend), downloaders: [ollama.backend])
        let took = try await Self.seconds {
            let model = try await MLXModel.load("m:1b", resolver: resolver)
            #expect(model.name == "m:1b")
        }
        #expect(took < 10) // three limits of two seconds side by side
        let listed = try await Self.seconds {
            let names = await resolver.models().map(\.backend.name)
            #expect(names == [ollama.backend.name])
        }
        #expect(listed < 10)
        // A silent server does not get to download either.
        let mute = OllamaBackend(url: silent[0].server.url)
        let alone = ModelResolver(cache: ModelCache(environment: ollama.environment),
                                  servers: [mute], downloaders: [mute])
        let error = await failure { _ = try await MLXModel.load("x:1b", resolver: alone) }
        #expect(error?.code == .unavailable)
    }

    @Test func aBackEndThatHeedsNoCancellationHoldsNobodyUp() async throws {
        struct Deaf: ModelBackend {
            let name = "the deaf one"
            let held = AsyncStream<Void>.makeStream()
            func models() async throws -> [ModelInfo] {
                await Task.detached { for await _ in held.stream {} }.value
                return []
            }
            func capabilities(of model: String) async throws -> ModelCapabilities? { nil }
            func load(_ model: String) async throws {}
            func generate(_ request: GenerationRequest)
                -> AsyncThrowingStream<BackendEvent, any Error> { AsyncThrowingStream { $0.finish() } }
        }
        let deaf = Deaf()
        let resolver = ModelResolver(servers: [deaf, ScriptedBackend(known: ["m"])])
        #expect(await resolver.models().count == 1)
        deaf.held.continuation.finish()
    }

    @Test(.timeLimit(.minutes(2))) func aServerThatThinksForLongIsWaitedFor() async throws {
        // Longer than any limit of a question about models.
        let server = try TestServer { request in
            if request.line.contains("/chat") { Thread.sleep(forTimeInterval: 12) }
            return request.line.contains("/models") ? .json(["data": [["id": "m"]]])
                : TestServer.Reply(pieces: [Data("""
                    data: {"choices":[{"delta":{"content":"42"},"finish_reason":"stop"}]}

                    data: [DONE]


                    """.utf8)])
        }
        let backend = OpenAIBackend(url: server.url.appendingPathComponent("v1"))
        let model = try await MLXModel.load("m", using: backend)
        #expect(try await Self.ask(model) == "42")
    }
}
