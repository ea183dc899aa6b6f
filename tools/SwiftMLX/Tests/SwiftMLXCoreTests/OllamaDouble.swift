import Foundation
@testable import SwiftMLXCore

/// Ollama's API over a store in a folder: it has what has a manifest there, pulls, and answers.
final class OllamaDouble: Sendable {
    let folder: TemporaryDirectory
    let server: TestServer
    private let state: Locked<(pulls: [String], loads: [String])>

    init(_ folder: TemporaryDirectory) throws {
        self.folder = folder
        let state = Locked<(pulls: [String], loads: [String])>(([], []))
        let store = folder.url.appendingPathComponent("ollama")
        try FileManager.default.createDirectory(at: store.appendingPathComponent("manifests"),
                                                withIntermediateDirectories: true)
        self.state = state
        server = try TestServer { request in
            let model = request.json["model"]?.stringValue ?? ""
            let names = Self.models(store) + state.withLock { $0.pulls }
            let has = names.contains { $0 == model || $0 == model + ":latest" }
            switch request.line.split(separator: " ")[1] {
            case "/api/tags":
                return .json(["models": .array(names.map { ["name": .string($0)] })])
            case "/api/pull":
                state.withLock { $0.pulls.append(model) }
                return .json(["status": "success"])
            case _ where !has:
                return TestServer.Reply(status: 404, pieces: [Data(#"{"error":"not found"}"#.utf8)])
            case "/api/show": return .json(["capabilities": ["completion"]])
            case "/api/generate":
                state.withLock { $0.loads.append(model) }
                return .json(["done": true])
            default:
                return .json(["message": ["content": "42"], "done": true])
            }
        }
    }

    /// Models that were pulled.
    var pulls: [String] { state.withLock { $0.pulls } }
    /// Models that were loaded.
    var loads: [String] { state.withLock { $0.loads } }

    var backend: OllamaBackend { OllamaBackend(url: server.url) }

    /// What says where things lie, for this package and for programs.
    var environment: [String: String] {
        ["HOME": folder.url.path, "OLLAMA_MODELS": folder.url.appendingPathComponent("ollama").path]
    }

    func resolver(_ servers: [any ModelBackend] = [], downloaders: [any ModelDownloader] = [],
                  environment: [String: String]? = nil) -> ModelResolver {
        ModelResolver(cache: ModelCache(environment: environment ?? self.environment),
                      servers: servers + [backend], downloaders: downloaders)
    }

    /// `mlx-cache` as far as these tests go: `add` takes a GGUF in, `link` writes a manifest under
    /// `linked`, else under the model's own name. What it was asked lies in `calls`.
    func tool(linked: String? = nil) throws -> CacheToolDownloader {
        try folder.write("add.gguf", Weights.gguf())
        let script = """
            #!/bin/sh
            home='\(folder.url.path)'
            echo "$*" >>"$home/calls"
            case $1 in
            add) view=$home/.mlx-cache/models/$(echo "$3" | sed 's,[/:],--,g')
                mkdir -p "$view"; cp "$home/add.gguf" "$view/" ;;
            link) name=\(linked ?? "$4") path=${name%%:*} tag=latest
                case $name in *:*) tag=${name##*:} ;; esac
                case $path in
                hf.co/*) ;;
                */*) path=registry.ollama.ai/$path ;;
                *) path=registry.ollama.ai/library/$path ;;
                esac
                mkdir -p "$home/ollama/manifests/$path"
                : >"$home/ollama/manifests/$path/$tag" ;;
            esac
            echo '{}'
            """
        return CacheToolDownloader(tool: try folder.write("mlx-cache", script, mode: 0o755))
    }

    /// What `mlx-cache` was asked to do.
    var calls: [String] {
        let text = try? String(contentsOf: folder.url.appendingPathComponent("calls"), encoding: .utf8)
        return (text ?? "").split(separator: "\n").map(String.init)
    }

    private static func models(_ store: URL) -> [String] {
        let root = store.appendingPathComponent("manifests").resolvingSymlinksInPath()
        let walker = FileManager.default.enumerator(atPath: root.path)
        return (walker?.compactMap { $0 as? String } ?? []).compactMap { path in
            let parts = path.split(separator: "/").map(String.init)
            guard parts.count == 4 else { return nil }
            let place = [parts[0] == "registry.ollama.ai" ? nil : parts[0],
                         parts[1] == "library" ? nil : parts[1], parts[2]]
            return place.compactMap(\.self).joined(separator: "/") + ":" + parts[3]
        }.sorted()
    }
}

extension TestServer.Reply {
    static func json(_ value: JSONValue) -> TestServer.Reply {
        TestServer.Reply(pieces: [value.encoded + Data("\n".utf8)])
    }
}
