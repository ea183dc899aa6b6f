import Foundation

/// A model found on this computer's disk.
public struct CachedModel: Sendable, Hashable {
    /// The stores that are searched, in this order.
    public enum Store: String, Sendable, Hashable, CaseIterable {
        /// The shared cache of mlx-cache.
        case shared
        /// The Hugging Face hub's cache.
        case huggingFace
        /// Ollama's store.
        case ollama
    }

    /// What the weights are, which decides who can run them.
    public enum Format: String, Sendable, Hashable {
        /// A directory that MLX loads.
        case safetensors
        /// A GGUF file, for llama.cpp and Ollama.
        case gguf
    }

    /// The name it was asked for by.
    public let name: String
    /// Where it was found.
    public let store: Store
    /// What its weights are.
    public let format: Format
    /// The model's directory; in Ollama's store, its manifest.
    public let location: URL
}

/// Finds models in the stores of this computer: the shared cache, the Hugging Face cache, Ollama's.
///
/// It only looks. Downloads, sharing and clean-up are `mlx-cache`'s.
public struct ModelCache: Sendable {
    private let sharedRoot: URL
    private let huggingFaceRoot: URL
    private let ollamaRoots: [URL]

    /// Reads the places from `environment` (`MLX_CACHE_DIR`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `OLLAMA_MODELS`, …) as each owner documents them.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment,
                home: URL = URL(fileURLWithPath: NSHomeDirectory())) {
        func directory(_ name: String) -> URL? {
            guard let path = environment[name], !path.isEmpty else { return nil }
            return URL(fileURLWithPath: (path as NSString).expandingTildeInPath)
        }
        sharedRoot = directory("MLX_CACHE_DIR") ?? home.appendingPathComponent(".mlx-cache")
        huggingFaceRoot = directory("HF_HUB_CACHE") ?? directory("HUGGINGFACE_HUB_CACHE")
            ?? directory("HF_HOME")?.appendingPathComponent("hub")
            ?? directory("XDG_CACHE_HOME")?.appendingPathComponent("huggingface/hub")
            ?? home.appendingPathComponent(".cache/huggingface/hub")
        ollamaRoots = directory("OLLAMA_MODELS").map { [$0] } ?? [
            home.appendingPathComponent(".ollama/models"),
            URL(fileURLWithPath: "/usr/share/ollama/.ollama/models"),
        ]
    }

    /// The model called `name`, from the first store that has it whole, or nil.
    /// Throws when `name` is no model name.
    public func locate(_ name: String) throws -> CachedModel? {
        let parsed = try ModelName(name)
        return inShared(parsed) ?? inHuggingFace(parsed) ?? inOllama(parsed)
    }

    private func inShared(_ name: ModelName) -> CachedModel? {
        let models = sharedRoot.appendingPathComponent("models")
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: models.path)) ?? []
        let exact = name.sharedFolders.first(where: folders.contains)
        // A name without an organisation counts when only one organisation has it.
        let endings = name.sharedFolders.map { "--" + $0 }
        let others = folders.filter { folder in endings.contains(where: folder.hasSuffix) }
        guard let folder = exact ?? others.only else { return nil }
        return model(name, .shared, models.appendingPathComponent(folder))
    }

    private func inHuggingFace(_ name: ModelName) -> CachedModel? {
        let repository = huggingFaceRoot.appendingPathComponent(name.hubFolder)
        let reference = repository.appendingPathComponent("refs/main")
        guard let commit = try? String(contentsOf: reference, encoding: .utf8),
              commit.count == 40, commit.allSatisfy(\.isHexDigit)
        else { return nil }
        return model(name, .huggingFace, repository.appendingPathComponent("snapshots/\(commit)"))
    }

    private func inOllama(_ name: ModelName) -> CachedModel? {
        let manifest = "manifests/" + name.ollamaPath
        return ollamaRoots.map { $0.appendingPathComponent(manifest) }
            .first { FileManager.default.isReadableFile(atPath: $0.path) }
            .map { CachedModel(name: name.text, store: .ollama, format: .gguf, location: $0) }
    }

    private func model(_ name: ModelName, _ store: CachedModel.Store, _ folder: URL) -> CachedModel? {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        let format: CachedModel.Format
        if files.contains("config.json"), files.contains(where: { $0.hasSuffix(".safetensors") }) {
            format = .safetensors
        } else if files.contains(where: { $0.hasSuffix(".gguf") }) {
            format = .gguf
        } else {
            return nil
        }
        return CachedModel(name: name.text, store: store, format: format, location: folder)
    }
}

/// A model's name, checked before it becomes part of a path or of a command line.
///
/// `name[:tag]` as Ollama has it, or `organisation/name` as Hugging Face has it, either behind a host.
package struct ModelName {
    let text: String
    private let parts: [String]
    private let tag: String?

    package init(_ text: String) throws {
        var parts = text.split(separator: "/", omittingEmptySubsequences: false).map(String.init)
        let tagged = (parts.last ?? "").split(separator: ":", omittingEmptySubsequences: false)
        let tag = tagged.count == 2 ? String(tagged[1]) : nil
        parts[parts.count - 1] = tagged.first.map(String.init) ?? ""
        let isSound = tagged.count <= 2 && (1...4).contains(parts.count) && text.utf8.count <= 400
            && (parts + [tag ?? "x"]).allSatisfy(Self.isComponent)
        guard isSound else {
            throw MLXError(.badRequest, "\"\(text.utf8.prefix(80).printable)\" is no model name",
                           mend: "write it like deepseek-r1:14b or mlx-community/Qwen3-4B-4bit")
        }
        self.text = text
        self.parts = parts
        self.tag = tag
    }

    /// Whether two names mean one model: a missing tag is `latest`.
    package func matches(_ other: String) -> Bool {
        func full(_ name: String) -> String { name.contains(":") ? name : name + ":latest" }
        return text == other || full(text).lowercased() == full(other).lowercased()
    }

    /// Folders in the shared cache: it puts `--` for every `/` and `:`, and names models of Ollama's
    /// library with their tag.
    var sharedFolders: [String] {
        let plain = parts.joined(separator: "--")
        return tag.map { [plain + "--" + $0] } ?? [plain, plain + "--latest"]
    }

    /// Folder in the Hugging Face cache, which knows no tags.
    var hubFolder: String { "models--" + parts.joined(separator: "--") + (tag.map { ":" + $0 } ?? "") }

    /// Path below Ollama's manifests.
    var ollamaPath: String {
        let defaults = ["registry.ollama.ai", "library"]
        let full = defaults.prefix(max(0, 3 - parts.count)) + parts
        return full.joined(separator: "/") + "/" + (tag ?? "latest")
    }

    private static func isComponent(_ part: String) -> Bool {
        guard let first = part.unicodeScalars.first, first != ".", first != "-" else { return false }
        return part.utf8.count <= 128 && part.unicodeScalars.allSatisfy {
            $0.isASCII && ($0.properties.isAlphabetic || $0.properties.numericType != nil
                || "._-".unicodeScalars.contains($0))
        }
    }
}

extension Array {
    /// The element, when there is exactly one.
    fileprivate var only: Element? { count == 1 ? first : nil }
}
