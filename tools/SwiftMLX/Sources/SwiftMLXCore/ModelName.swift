import Foundation

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
            throw MLXError(.badRequest, "\"\(text.utf8.prefix(80).printable)\" is not a model name",
                           hint: "write it like deepseek-r1:14b or mlx-community/Qwen3-4B-4bit")
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

    /// Whether `other` is this repository of the hub, as Ollama names it: `hf.co/org/name:QUANT`.
    func isHub(_ other: String) -> Bool {
        guard parts.count == 2 else { return false }
        let other = other.lowercased()
        return Self.hubHosts.contains { host in
            let own = host + "/" + text.lowercased()
            return other == own || tag == nil && other.hasPrefix(own + ":")
        }
    }

    /// The repository of the hub that it can mean.
    var hubRepository: String? {
        let isPage = parts.count == 3 && Self.hubHosts.contains(parts[0].lowercased())
        return parts.count == 2 && tag == nil || isPage ? parts.suffix(2).joined(separator: "/") : nil
    }

    /// The name by which Ollama pulls it from the hub, where it can be a repository's.
    var hubName: String? { parts.count == 2 ? "hf.co/" + text : nil }

    private static let hubHosts = ["hf.co", "huggingface.co"]

    /// Whether only Ollama's library can mean it, which holds nothing but GGUF: no organisation.
    var isOfOllamasLibrary: Bool { parts.count == 1 }

    /// Folders in the shared cache and the names that go with them: it puts `--` for every `/` and
    /// `:`, and names models of Ollama's library with their tag.
    var sharedFolders: [(folder: String, name: String)] {
        let parts = hubRepository == nil ? parts : Array(parts.suffix(2))
        let path = parts.joined(separator: "/")
        let plain = parts.joined(separator: "--")
        if let tag { return [(plain + "--" + tag, path + ":" + tag)] }
        return [(plain, path), (plain + "--latest", path + ":latest")]
    }

    /// The name that a folder of the shared cache probably stands for: what ends like a tag of Ollama
    /// or a quantisation is one.
    static func guess(folder: String) -> String {
        let parts = folder.components(separatedBy: "--")
        guard parts.count > 1, let last = parts.last?.lowercased() else { return folder }
        let isSize = last.first?.isNumber == true && last.contains { "bmk".contains($0) }
        let isQuant = last.first == "q" && last.dropFirst().first?.isNumber == true
        let isTag = last == "latest" || isSize && parts.count == 2 || isQuant
        return parts.dropLast().joined(separator: "/") + (isTag ? ":" : "/") + parts[parts.count - 1]
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
