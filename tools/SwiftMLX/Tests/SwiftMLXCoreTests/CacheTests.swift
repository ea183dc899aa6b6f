import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct CacheTests {
    private static let commit = String(repeating: "a1", count: 20)

    private static func cache(_ folder: TemporaryDirectory, _ environment: [String: String] = [:])
        -> ModelCache
    {
        // An empty folder of Ollama's keeps the machine's own store out of the test.
        let own = ["OLLAMA_MODELS": folder.url.appendingPathComponent("ollama").path]
        return ModelCache(environment: own.merging(environment) { $1 }, home: folder.url)
    }

    private static func weights(_ folder: TemporaryDirectory, _ path: String) throws {
        try folder.write(path + "/config.json", "{}")
        try folder.write(path + "/model.safetensors")
    }

    @Test func looksInOurStoreThenHuggingFaceThenOllama() throws {
        let folder = try TemporaryDirectory()
        let cache = Self.cache(folder)
        let name = "org/Model-4bit"
        #expect(try cache.locate(name) == nil)

        try folder.write("ollama/manifests/registry.ollama.ai/org/Model-4bit/latest", "{}")
        #expect(try cache.locate(name)?.store == .ollama)

        let repository = ".cache/huggingface/hub/models--org--Model-4bit"
        try folder.write(repository + "/refs/main", Self.commit)
        #expect(try cache.locate(name)?.store == .ollama)
        try Self.weights(folder, repository + "/snapshots/" + Self.commit)
        #expect(try cache.locate(name)?.store == .huggingFace)

        try Self.weights(folder, ".mlx-cache/models/org--Model-4bit")
        let found = try #require(try cache.locate(name))
        #expect(found.store == .shared)
        #expect(found.format == .safetensors)
        #expect(found.location.lastPathComponent == "org--Model-4bit")
    }

    @Test func findsOllamaNamesWithTheirTag() throws {
        let folder = try TemporaryDirectory()
        let cache = Self.cache(folder)
        try folder.write("ollama/manifests/registry.ollama.ai/library/deepseek-r1/14b", "{}")
        #expect(try cache.locate("deepseek-r1:14b")?.format == .gguf)
        #expect(try cache.locate("deepseek-r1") == nil)
        try folder.write(".mlx-cache/models/deepseek-r1--14b/weights.gguf")
        #expect(try cache.locate("deepseek-r1:14b")?.store == .shared)
        #expect(try cache.locate("deepseek-r1") == nil)
        try folder.write(".mlx-cache/models/llama3.2--latest/weights.gguf")
        #expect(try cache.locate("llama3.2")?.store == .shared)
        // A name without its organisation counts while only one organisation has it.
        try folder.write(".mlx-cache/models/org--Model-4bit/weights.gguf")
        #expect(try cache.locate("Model-4bit")?.store == .shared)
        try folder.write(".mlx-cache/models/other--Model-4bit/weights.gguf")
        #expect(try cache.locate("Model-4bit") == nil)
    }

    @Test func environmentMovesTheStores() throws {
        let folder = try TemporaryDirectory()
        let cache = Self.cache(folder, [
            "MLX_CACHE_DIR": folder.url.appendingPathComponent("ours").path,
            "HF_HOME": folder.url.appendingPathComponent("hf").path,
        ])
        try Self.weights(folder, "hf/hub/models--o--m/snapshots/" + Self.commit)
        try folder.write("hf/hub/models--o--m/refs/main", Self.commit)
        #expect(try cache.locate("o/m")?.store == .huggingFace)
        try Self.weights(folder, "ours/models/o--m")
        #expect(try cache.locate("o/m")?.store == .shared)
    }

    @Test func halfAModelIsNoModel() throws {
        let folder = try TemporaryDirectory()
        try folder.write(".mlx-cache/models/o--m/config.json", "{}")
        #expect(try Self.cache(folder).locate("o/m") == nil)
        try folder.write(".cache/huggingface/hub/models--o--m/refs/main", "../../../etc")
        #expect(try Self.cache(folder).locate("o/m") == nil)
    }

    @Test(arguments: [
        "", "/", "a/", "/a", "a//b", "../x", "a/../b", "a/..", ".", ":", "a:", ":b", "a:b:c",
        "-rf", "a/-b", "a b", "a\nb", "a\0b", "ä", "a/b/c/d/e", "a;b", "$(x)", "..%2f",
        String(repeating: "a", count: 500),
    ]) func hostileNamesAreRefused(name: String) throws {
        let folder = try TemporaryDirectory()
        let error = #expect(throws: MLXError.self) { try Self.cache(folder).locate(name) }
        #expect(error?.code == .badRequest)
    }

    @Test(arguments: ["a", "a:b", "a/b", "a/b:c", "hf.co/a/b:Q4_K_M", "A.b_c-d/e.f:1.5b"])
    func ordinaryNamesAreTaken(name: String) throws {
        #expect(throws: Never.self) { try ModelName(name) }
    }
}

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
        try folder.write(".mlx-cache/models/o--m/model.safetensors")
        try folder.write(".mlx-cache/models/o--g/x.gguf")
        let resolver = Self.resolver(folder, [])
        let safetensors = await failure { _ = try await MLXModel.load("o/m", resolver: resolver) }
        #expect(safetensors?.mend.contains("mlx_lm.server --model") == true)
        let gguf = await failure { _ = try await MLXModel.load("o/g", resolver: resolver) }
        #expect(gguf?.mend.contains("mlx-cache link ollama") == true)
    }
}

@Suite struct CacheToolTests {
    private static func tool(_ folder: TemporaryDirectory, _ script: String) throws
        -> CacheToolDownloader
    {
        try folder.write("mlx-cache", "#!/bin/sh\n" + script, mode: 0o755)
        return try #require(CacheToolDownloader.installed(environment: ["PATH": folder.url.path]))
    }

    @Test func runsTheTool() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            echo "$@" > \(folder.url.path)/arguments
            echo '{"results":[]}'
            """)
        var reports: [DownloadProgress] = []
        for try await report in tool.download("o/m") { reports.append(report) }
        #expect(reports == [DownloadProgress(phase: "downloading")])
        #expect(try String(contentsOf: folder.url.appendingPathComponent("arguments"),
                           encoding: .utf8) == "add --json o/m\n")
    }

    @Test func passesTheToolsOwnWordsOn() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            echo 'config.json  23 B  verified  (downloaded)' >&2
            echo 'mlx-cache: no space left' >&2
            exit 1
            """)
        let error = await failure { for try await _ in tool.download("o/m") {} }
        #expect(error?.code == .downloadFailed)
        #expect(error?.text.contains("no space left") == true)
        #expect(error?.text.contains("verified") == false)
    }

    @Test func neverRunsAHostileName() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, "touch \(folder.url.path)/ran")
        #expect(await failure { for try await _ in tool.download("--help") {} }?.code == .badRequest)
        #expect(!FileManager.default.fileExists(atPath: folder.url.path + "/ran"))
    }

    @Test func cancellingInterruptsTheTool() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            trap 'echo interrupted > \(folder.url.path)/end; exit 130' INT
            touch \(folder.url.path)/begin
            while :; do sleep 0.05; done
            """)
        try await withDeadline {
            let task = Task { for try await _ in tool.download("o/m") {} }
            let begin = folder.url.path + "/begin"
            while !FileManager.default.fileExists(atPath: begin) { await Task.yield() }
            task.cancel()
            let end = folder.url.path + "/end"
            while !FileManager.default.fileExists(atPath: end) { await Task.yield() }
        }
    }
}
