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
        #expect(error?.hint.contains("mlx-cache add new") == true)
    }

    @Test func weightsThatNobodyRunsSayWhatToStart() async throws {
        let folder = try TemporaryDirectory()
        try folder.write(".mlx-cache/models/o--m/config.json", "{}")
        try folder.write(".mlx-cache/models/o--m/model.safetensors", Weights.safetensors())
        try folder.write(".mlx-cache/models/o--g/x.gguf", Weights.gguf())
        let resolver = Self.resolver(folder, [])
        let safetensors = await failure { _ = try await MLXModel.load("o/m", resolver: resolver) }
        #expect(safetensors?.hint.contains("mlx_lm.server --model") == true)
        let gguf = await failure { _ = try await MLXModel.load("o/g", resolver: resolver) }
        #expect(gguf?.text.contains("/o--g/x.gguf") == true)
        #expect(gguf?.hint.contains("llama-server -m") == true)
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

    private static let programs = ProcessInfo.processInfo.environment["MLX_BIN"]

    /// With the suite's own program, where it is built.
    @Test(.enabled(if: programs != nil, "MLX_BIN names no built programs"), arguments: ["qwen3:4b", "o/m"])
    func theRealProgramLinks(name: String) async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        let place = ollama.folder.url.path
        let script = "#!/bin/sh\nHOME='\(place)' OLLAMA_MODELS='\(place)/ollama' "
            + "exec '\(Self.programs!)/mlx-cache' \"$@\"\n"
        let tool = try ollama.folder.write("mlx-cache", script, mode: 0o755)
        let file = try ollama.folder.write("w.gguf", Weights.gguf())
        let add = try Process.run(tool, arguments: ["add", file.path, "--as", name])
        add.waitUntilExit()
        #expect(add.terminationStatus == 0)
        let resolver = ollama.resolver(downloaders: [CacheToolDownloader(tool: tool)])
        #expect(await resolver.everything().disk.map(\.name) == [name])
        let model = try await MLXModel.load(name, resolver: resolver)
        #expect(try await Self.ask(model) == "42")
        #expect(await resolver.everything().disk.isEmpty)
    }

    @Test func anOllamaWithAStoreOfItsOwnPulls() async throws {
        // It lists a model that the store of this user does not have: it reads another one.
        let ollama = try OllamaDouble(TemporaryDirectory())
        for try await _ in ollama.backend.pull("other:1b") {}
        try ollama.folder.write(".ollama/models/manifests/.none")
        let resolver = ollama.resolver(downloaders: [try ollama.tool(), ollama.backend],
                                       environment: ["HOME": ollama.folder.url.path])
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
        #expect(absent?.hint.contains("start Ollama") == true)

        try folder.write(".mlx-cache/models/qwen3--4b/w.gguf", Weights.gguf())
        let cached = await failure { _ = try await MLXModel.load("qwen3:4b", resolver: resolver) }
        #expect(cached?.text.contains("/qwen3--4b/w.gguf") == true)
        #expect(cached?.hint.contains("/qwen3--4b/w.gguf") == true)
        #expect(ollama.calls.isEmpty)
    }

    @Test func aRepositoryThatNobodyRunsIsNotDownloaded() async throws {
        let hub = try TestServer { request in
            let isGGUF = request.line.contains("/api/models/o/m-GGUF ")
            return .json(["siblings": [["rfilename": .string(isGGUF ? "m.Q4.gguf" : "model.safetensors")]]])
        }
        let ollama = try OllamaDouble(TemporaryDirectory())
        var resolver = ollama.resolver(downloaders: [try ollama.tool(), ollama.backend])
        resolver.hub = HubClient(environment: ["HF_ENDPOINT": hub.url.absoluteString])
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

    @Test func aSandboxThatHidesTheCachesIsSaidOnce() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        let resolver = ollama.resolver(downloaders: [ollama.backend], environment: [
            "HOME": ollama.folder.url.path, "APP_SANDBOX_CONTAINER_ID": "org.example.app",
        ])
        let phases = Locked<[String]>([])
        for name in ["a:1b", "b:1b"] {
            _ = try await MLXModel.load(name, resolver: resolver) { report in
                phases.withLock { $0.append(report.phase) }
            }
        }
        #expect(phases.withLock { $0 }.filter { $0.contains("sandbox") }.count == 1)
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

/// What a picker shows of this computer.
@Suite struct EverythingTests {
    @Test func modelsOnDiskAreListedOnceBesideTheServers() async throws {
        let ollama = try OllamaDouble(TemporaryDirectory())
        for view in ["qwen3--4b", "o--m", "o--linked"] {
            try ollama.folder.write(".mlx-cache/models/\(view)/w.gguf", Weights.gguf())
        }
        try ollama.folder.write(".mlx-cache/models/o--half/m-00001-of-00002.gguf", Weights.gguf())
        let tool = try ollama.tool(linked: "hf.co/o/linked:Q4_K_M")
        try await tool.link("o/linked", to: "ollama")
        let resolver = ollama.resolver(downloaders: [try ollama.tool()])
        let all = await resolver.everything()
        #expect(all.servers.flatMap(\.models).map(\.name) == ["hf.co/o/linked:Q4_K_M"])
        #expect(all.disk.map(\.name) == ["o/m", "qwen3:4b"])
        #expect(all.disk.map(\.runner) == ["Ollama", "Ollama"])
        #expect(all.disk.map(\.size) == [Weights.gguf().count, Weights.gguf().count])
    }

    @Test(arguments: [("qwen3--4b", "qwen3:4b"), ("o--m", "o/m"), ("o--m--Q4_K_M", "o/m:Q4_K_M"),
                      ("llama3.2--latest", "llama3.2:latest"), ("deepseek-r1--14b", "deepseek-r1:14b"),
                      ("mlx-community--Qwen3-4B-4bit", "mlx-community/Qwen3-4B-4bit")])
    func namesAreToldFromFolders(folder: String, name: String) {
        #expect(ModelName.guess(folder: folder) == name)
    }

    @Test func whereTheSuiteHasItsCache() throws {
        let folder = try TemporaryDirectory()
        let home = folder.url.path
        func places(_ more: [String: String] = [:]) -> String {
            CachePlaces(environment: ["HOME": home].merging(more) { $1 }).sharedCache.path
        }
        #expect(places() == home + "/.mlx-cache")
        #expect(CachePlaces(environment: ["HOME": home]).home.path == home)
        try folder.write("c.yaml", "# mine\nlog:\n  dir: /no\ncache:\n  # where\n  streams: 2\n"
            + "  dir: \"~/models of mine\" # here\n")
        #expect(places(["MLX_CONFIG": home + "/c.yaml"]) == home + "/models of mine")
        #expect(places(["MLX_CONFIG": home + "/c.yaml", "MLX_CACHE_DIR": "/x"]) == "/x")
        try folder.write("conf/mlx/config.yaml", "cache: {streams: 2, dir: /data/m}\n")
        #expect(places(["XDG_CONFIG_HOME": home + "/conf"]) == "/data/m")
        try folder.write("none.yaml", "cache:\n  streams: 1\nother:\n  dir: /no\n")
        #expect(places(["MLX_CONFIG": home + "/none.yaml"]) == home + "/.mlx-cache")
    }
}

/// Answers as data, from whoever holds the model to a form and whoever does not.
@Suite struct FormTests {
    private struct City: Decodable, Equatable {
        let name: String
        let people: Int
    }

    private static let schema: JSONValue = ["type": "object"]

    @Test(arguments: [
        #"{"name": "Lima", "people": 10}"#, "```json\n{\"name\": \"Lima\", \"people\": 10}\n```",
        "Sure! {here} it is: {\"name\": \"Lima\", \"people\": 10} Anything else?",
        #"[1] <think>no</think> {"people": 10, "name": "Lima", "more": "}"}"#,
    ]) func theJSONIsFound(text: String) throws {
        var result = GenerationResult()
        result.text = text
        #expect(try result.decoded(as: City.self) == City(name: "Lima", people: 10))
    }

    @Test func hostileTextIsAnErrorSoon() {
        var result = GenerationResult()
        for text in ["", "no", String(repeating: "{", count: 100_000), "{\"", "[\\"] {
            result.text = text
            #expect(throws: MLXError.self) { try result.decoded(as: City.self) }
        }
    }

    @Test(arguments: [MLXError.Code.unsupported, .serverFailed])
    func whoRefusesAFormIsAskedInWords(code: MLXError.Code) async throws {
        let backend = ScriptedBackend { request in
            guard request.options.format == .text else { throw MLXError(code, "no response_format") }
            #expect(request.messages.last?.text.contains("JSON schema") == true)
            return [.text(#"{"name":"Lima","people":10}"#), .finished(GenerationStatistics())]
        }
        let model = MLXModel(name: "m", backend: backend)
        let options = GenerationOptions(format: .jsonSchema(Self.schema))
        let city: City = try await model.generate(prompt: "?", options: options).decoded()
        #expect(city.name == "Lima")
    }
}
