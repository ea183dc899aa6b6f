import Foundation
import Testing
@testable import SwiftMLXCore

/// Half a download is not whole, whatever store it lies in.
@Suite struct WholeModelTests {
    private static let config = #"{"model_type": "qwen3"}"#
    private static let part = Weights.safetensors()
    private static let commit = String(repeating: "a1", count: 20)

    private static func series(_ numbers: [Int], of count: Int, _ stem: String = "model")
        -> [String: Data]
    {
        Dictionary(uniqueKeysWithValues: numbers.map { (shard($0, count, stem), part) })
    }

    private static func shard(_ number: Int, _ count: Int, _ stem: String = "model") -> String {
        func five(_ value: Int) -> String {
            String(repeating: "0", count: 5 - String(value).count) + String(value)
        }
        return "\(stem)-\(five(number))-of-\(five(count)).safetensors"
    }

    private static func index(_ files: [String]) -> [String: Data] {
        let map = files.enumerated().map { #""t\#($0)": "\#($1)""# }.joined(separator: ", ")
        return ["model.safetensors.index.json": Data(#"{"weight_map": {\#(map)}}"#.utf8)]
    }

    /// Whether the files, beside a config.json, are found as a model, in each of the two stores.
    private static func isFound(_ files: [String: Data], config: String? = config) throws -> Bool {
        let folder = try TemporaryDirectory()
        let cache = ModelCache(environment: ["HOME": folder.url.path])
        let hub = ".cache/huggingface/hub/models--o--hub"
        try folder.write(hub + "/refs/main", commit)
        for place in [".mlx-cache/models/o--shared", "\(hub)/snapshots/\(commit)"] {
            try folder.write(place + "/README.md")
            if let config { try folder.write(place + "/config.json", config) }
            for (name, data) in files { try folder.write("\(place)/\(name)", data) }
        }
        let shared = try cache.locate("o/shared"), inHub = try cache.locate("o/hub")
        #expect((shared == nil) == (inHub == nil))
        return shared != nil
    }

    @Test func wholeModelsAreFound() throws {
        #expect(try Self.isFound(["model.safetensors": Self.part]))
        #expect(try Self.isFound(["weights.safetensors": Self.part]))
        let two = [Self.shard(1, 2), Self.shard(2, 2)]
        #expect(try Self.isFound(Self.series([1, 2], of: 2).merging(Self.index(two)) { $1 }))
        #expect(try Self.isFound(Self.series([1, 2, 3], of: 3)))
        #expect(try Self.isFound(["m.gguf": Weights.gguf()], config: nil))
        #expect(try Self.isFound(["m.gguf": Weights.gguf(),
                                  "mmproj-f16.gguf": Weights.gguf(architecture: "clip")], config: nil))
    }

    @Test func aShardThatIsMissingOrCutIsMissed() throws {
        let index = Self.index([Self.shard(1, 2), Self.shard(2, 2)])
        for have in [1, 2] {
            #expect(try !Self.isFound(Self.series([have], of: 2).merging(index) { $1 }))
            #expect(try !Self.isFound(Self.series([have], of: 2)))
        }
        #expect(try !Self.isFound(index))
        var cut = Self.series([1, 2], of: 2).merging(index) { $1 }
        cut[Self.shard(2, 2)] = Self.part.dropLast(1)
        #expect(try !Self.isFound(cut))
        cut[Self.shard(2, 2)] = nil
        cut[Self.shard(2, 2) + ".incomplete"] = Self.part
        #expect(try !Self.isFound(cut))
        #expect(try !Self.isFound(["m-00001-of-00002.gguf": Weights.gguf()], config: nil))
        // An index may name files as it likes.
        let odd = ["a.safetensors": Self.part].merging(
            Self.index(["a.safetensors", "b.safetensors"])) { $1 }
        #expect(try !Self.isFound(odd))
    }

    @Test func anIndexOfAnotherBuildHidesNothing() throws {
        let other = Self.index((1...13).map { Self.shard($0, 13) })
        #expect(try Self.isFound(Self.series([1, 2], of: 2).merging(other) { $1 }))
        #expect(try Self.isFound(["model.safetensors": Self.part].merging(other) { $1 }))
        #expect(try !Self.isFound(Self.series([1], of: 2).merging(other) { $1 }))
    }

    @Test func whatOnlyLooksLikeAModelIsNone() throws {
        let html = Data("<!DOCTYPE html><html><title>Sign in</title></html>".utf8)
        let pointer = Data("version https://git-lfs.github.com/spec/v1\noid sha256:00\n".utf8)
        for data in [html, pointer, Data(), Data(count: 4096), Weights.gguf().prefix(20)] {
            #expect(try !Self.isFound(["model.safetensors": data]))
            #expect(try !Self.isFound(["m.gguf": data], config: nil))
        }
        let part = ["model.safetensors": Self.part]
        #expect(try !Self.isFound(part, config: nil))
        #expect(try !Self.isFound(part, config: "<html>"))
        #expect(try !Self.isFound(["adapter_model.safetensors": Self.part]))
        #expect(try !Self.isFound(["mmproj-f16.gguf": Weights.gguf(architecture: "clip")], config: nil))
        #expect(try !Self.isFound(["x.gguf": Weights.gguf(architecture: "clip")], config: nil))
    }

    @Test func aSnapshotWhoseBlobIsStillIncompleteIsNone() throws {
        let folder = try TemporaryDirectory()
        let hub = ".cache/huggingface/hub/models--o--m"
        try folder.write(hub + "/refs/main", Self.commit)
        try folder.write("\(hub)/snapshots/\(Self.commit)/config.json", Self.config)
        try folder.write(hub + "/blobs/beef.incomplete", Self.part)
        try FileManager.default.createSymbolicLink(
            atPath: folder.url.path + "/\(hub)/snapshots/\(Self.commit)/model.safetensors",
            withDestinationPath: "../../blobs/beef")
        let cache = ModelCache(environment: ["HOME": folder.url.path])
        #expect(try cache.locate("o/m") == nil)
        try folder.write(hub + "/blobs/beef", Self.part)
        #expect(try cache.locate("o/m")?.modelType == "qwen3")
    }

    @Test func cutAnywhereItIsNeverACrash() throws {
        for whole in [Weights.gguf(), Weights.safetensors()] {
            for length in 0..<whole.count {
                let name = whole.starts(with: Data("GGUF".utf8)) ? "m.gguf" : "model.safetensors"
                let folder = try TemporaryDirectory()
                try folder.write("config.json", Self.config)
                try folder.write(name, whole.prefix(length))
                _ = WholeModel(folder: folder.url)
            }
        }
    }
}
