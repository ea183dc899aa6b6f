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
        try folder.write(path + "/model.safetensors", Weights.safetensors())
    }

    /// A model of Ollama's store, with or without its blob.
    private static func ollama(_ folder: TemporaryDirectory, _ path: String, blob: Data? = Weights.gguf())
        throws
    {
        let digest = String(repeating: "5e", count: 32)
        try folder.write("ollama/manifests/registry.ollama.ai/" + path, """
            {"layers": [{"mediaType": "application/vnd.ollama.image.model",
                         "digest": "sha256:\(digest)", "size": \(Weights.gguf().count)}]}
            """)
        let place = "ollama/blobs/sha256-" + digest
        if let blob {
            try folder.write(place, blob)
        } else {
            try? FileManager.default.removeItem(at: folder.url.appendingPathComponent(place))
        }
    }

    @Test func looksInOurStoreThenHuggingFaceThenOllama() throws {
        let folder = try TemporaryDirectory()
        let cache = Self.cache(folder)
        let name = "org/Model-4bit"
        #expect(try cache.locate(name) == nil)

        try Self.ollama(folder, "org/Model-4bit/latest")
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
        try Self.ollama(folder, "library/deepseek-r1/14b")
        #expect(try cache.locate("deepseek-r1:14b")?.format == .gguf)
        #expect(try cache.locate("deepseek-r1") == nil)
        try folder.write(".mlx-cache/models/deepseek-r1--14b/weights.gguf", Weights.gguf())
        #expect(try cache.locate("deepseek-r1:14b")?.store == .shared)
        #expect(try cache.locate("deepseek-r1") == nil)
        try folder.write(".mlx-cache/models/llama3.2--latest/weights.gguf", Weights.gguf())
        #expect(try cache.locate("llama3.2")?.store == .shared)
        // A name without its organisation counts while only one organisation has it.
        try folder.write(".mlx-cache/models/org--Model-4bit/weights.gguf", Weights.gguf())
        #expect(try cache.locate("Model-4bit")?.store == .shared)
        try folder.write(".mlx-cache/models/other--Model-4bit/weights.gguf", Weights.gguf())
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

    @Test func aManifestNeedsItsBlobInFull() throws {
        let folder = try TemporaryDirectory()
        for blob in [nil, Data(), Weights.gguf().dropLast(1)] {
            try Self.ollama(folder, "library/m/latest", blob: blob)
            #expect(try Self.cache(folder).locate("m") == nil)
        }
        try Self.ollama(folder, "library/m/latest")
        let found = try #require(try Self.cache(folder).locate("m"))
        #expect(found.file?.lastPathComponent.hasPrefix("sha256-5e5e") == true)
    }

    @Test func theModelIsCalledAsItsStoreCallsIt() throws {
        let folder = try TemporaryDirectory()
        try folder.write(".mlx-cache/models/org--Model/w.gguf", Weights.gguf())
        try folder.write(".mlx-cache/models/llama3.2--latest/w.gguf", Weights.gguf())
        try folder.write(".mlx-cache/models/org--Other--Q4_K_M/w.gguf", Weights.gguf())
        let cache = Self.cache(folder)
        #expect(try cache.locate("Model")?.name == "org/Model")
        #expect(try cache.locate("llama3.2")?.name == "llama3.2:latest")
        #expect(try cache.locate("hf.co/org/Other:Q4_K_M")?.name == "org/Other:Q4_K_M")
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
