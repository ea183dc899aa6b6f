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

    /// The name that its store has for it.
    public let name: String
    /// Where it was found.
    public let store: Store
    /// What its weights are.
    public let format: Format
    /// The model's directory; in Ollama's store, its manifest.
    public let location: URL
    /// The file with the weights, for a program that takes one; nil where that is ``location``.
    public let file: URL?
    /// The kind of model that its `config.json` names, such as `qwen3`; nil where nothing does.
    public let modelType: String?
    /// Bytes of its weights, where they were counted.
    public var size: Int?

    /// Types of models for other things than text, which no runner of text loads.
    static let typesWithoutText: Set<String> = [
        "albert", "bert", "clap", "clip", "deberta", "deberta-v2", "distilbert", "electra", "encodec",
        "hubert", "mimi", "modernbert", "mpnet", "nomic_bert", "parakeet", "roberta", "sam", "siglip",
        "vit", "vits", "wav2vec2", "wav2vec2-bert", "whisper", "xlm-roberta",
    ]
}

/// Finds models in the stores of this computer: the shared cache, the Hugging Face cache, Ollama's.
///
/// Only whole models count: half a download is one that `mlx-cache` resumes. It only looks;
/// downloads, sharing and clean-up are `mlx-cache`'s.
public struct ModelCache: Sendable {
    private let sharedRoot: URL
    private let huggingFaceRoot: URL
    private let ollamaRoots: [URL]
    private let isOllamaRootNamed: Bool

    /// Whether this is an app in Apple's sandbox: its home is its container, so the caches of other
    /// programs are out of its sight. A folder that the person chooses is in sight again; pass its path
    /// as `MLX_CACHE_DIR` of the environment, and keep a security-scoped bookmark of it.
    public let isSandboxed: Bool

    /// Reads the places from `environment` (`HOME`, `MLX_CACHE_DIR`, `HF_HUB_CACHE`, `HF_HOME`,
    /// `OLLAMA_MODELS`, …) and from `cache.dir` of the suite's configuration, as each owner
    /// documents them. `home` stands in for `HOME`.
    public init(environment: [String: String] = ProcessInfo.processInfo.environment,
                home: URL? = nil) {
        let places = CachePlaces(environment: environment, home: home)
        sharedRoot = places.sharedCache
        huggingFaceRoot = places.hubCache
        isSandboxed = environment["APP_SANDBOX_CONTAINER_ID"] != nil
        isOllamaRootNamed = places.directory("OLLAMA_MODELS") != nil
        ollamaRoots = places.directory("OLLAMA_MODELS").map { [$0] } ?? [
            places.home.appendingPathComponent(".ollama/models"),
            URL(fileURLWithPath: "/usr/share/ollama/.ollama/models"),
        ]
    }

    /// The model called `name`, from the first store that has it whole, or nil.
    /// Throws when `name` is not a model name.
    public func locate(_ name: String) throws -> CachedModel? {
        let parsed = try ModelName(name)
        return inShared(parsed) ?? inHuggingFace(parsed) ?? inOllama(parsed)
    }

    /// The whole models of the shared cache and of the Hugging Face cache. `names` has the names that
    /// go with the folders of the shared cache; without one it is told from the folder's.
    func all(names: [String: String] = [:]) -> [CachedModel] {
        func folders(_ root: URL) -> [String] {
            ((try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []).sorted()
        }
        let models = sharedRoot.appendingPathComponent("models")
        let shared = folders(models).compactMap { folder in
            model(names[folder] ?? ModelName.guess(folder: folder), .shared,
                  models.appendingPathComponent(folder))
        }
        let hub = folders(huggingFaceRoot).filter { $0.hasPrefix("models--") }
            .map { String($0.dropFirst("models--".count)).replacingOccurrences(of: "--", with: "/") }
            .compactMap { name in (try? ModelName(name)).flatMap(inHuggingFace) }
        let known = Set(shared.map { $0.name.lowercased() })
        return shared + hub.filter { !known.contains($0.name.lowercased()) }
    }

    private func inShared(_ name: ModelName) -> CachedModel? {
        let models = sharedRoot.appendingPathComponent("models")
        let folders = (try? FileManager.default.contentsOfDirectory(atPath: models.path)) ?? []
        if let (folder, known) = name.sharedFolders.first(where: { folders.contains($0.folder) }) {
            return model(known, .shared, models.appendingPathComponent(folder))
        }
        // A name without an organisation counts when only one organisation has it.
        let others = name.sharedFolders.flatMap { ending, known in
            folders.filter { $0.hasSuffix("--" + ending) }.map { folder in
                (folder, folder.dropLast(ending.count + 2) + "/" + known)
            }
        }
        guard others.count == 1, let (folder, known) = others.first else { return nil }
        return model(known, .shared, models.appendingPathComponent(folder))
    }

    private func inHuggingFace(_ name: ModelName) -> CachedModel? {
        let repository = huggingFaceRoot.appendingPathComponent(name.hubFolder)
        let reference = repository.appendingPathComponent("refs/main")
        guard let commit = try? String(contentsOf: reference, encoding: .utf8),
              commit.count == 40, commit.allSatisfy(\.isHexDigit)
        else { return nil }
        return model(name.text, .huggingFace,
                     repository.appendingPathComponent("snapshots/\(commit)"))
    }

    private func inOllama(_ name: ModelName) -> CachedModel? {
        for root in ollamaRoots {
            let manifest = root.appendingPathComponent("manifests/" + name.ollamaPath)
            guard let weights = Self.ollamaWeights(manifest, root) else { continue }
            return CachedModel(name: name.text, store: .ollama, format: .gguf, location: manifest,
                               file: weights, modelType: nil)
        }
        return nil
    }

    /// Whether a folder of models that this program may write is the one that an Ollama with the
    /// models `names` reads. A server that runs as another user mostly has its own.
    func holdsOllamaStore(with names: [String]) -> Bool {
        if isOllamaRootNamed { return true } // whoever sets it means the server's
        guard let root = ollamaRoots.first else { return false }
        let manifests = root.appendingPathComponent("manifests")
        let files = FileManager.default
        guard files.isWritableFile(atPath: root.path) else { return false }
        if names.isEmpty {
            let hosts = (try? files.contentsOfDirectory(atPath: manifests.path)) ?? []
            return hosts.allSatisfy { $0.hasPrefix(".") }
        }
        return names.allSatisfy { name in
            guard let path = (try? ModelName(name))?.ollamaPath else { return true }
            return files.fileExists(atPath: manifests.appendingPathComponent(path).path)
        }
    }

    /// The weights that `manifest` names, when all its blobs are there in full.
    private static func ollamaWeights(_ manifest: URL, _ root: URL) -> URL? {
        guard let data = try? Data(contentsOf: manifest), let json = try? JSONValue(parsing: data)
        else { return nil }
        var weights: URL?
        for layer in json["layers"]?.arrayValue ?? [] {
            guard let digest = layer["digest"]?.stringValue, digest.hasPrefix("sha256:"),
                  case let hex = digest.dropFirst(7), hex.count == 64, hex.allSatisfy(\.isHexDigit)
            else { return nil }
            let blob = root.appendingPathComponent("blobs/sha256-\(hex)").resolvingSymlinksInPath()
            let size = (try? FileManager.default.attributesOfItem(atPath: blob.path))?[.size]
            guard let size = (size as? NSNumber)?.intValue,
                  size == layer["size"]?.intValue ?? size
            else { return nil }
            if layer["mediaType"]?.stringValue == "application/vnd.ollama.image.model" { weights = blob }
        }
        return weights
    }

    private func model(_ name: String, _ store: CachedModel.Store, _ folder: URL) -> CachedModel? {
        WholeModel(folder: folder).map { whole in
            CachedModel(name: name, store: store, format: whole.format, location: folder,
                        file: whole.file, modelType: whole.type, size: whole.size)
        }
    }
}
