import Foundation

/// A file of a repository, as the hub lists it: checked before its name becomes part of a path.
struct HubFile: Sendable, Hashable {
    let path: String
    let size: Int
    /// Git's hash of the file, or of the pointer that stands for a large one.
    let gitHash: String
    /// SHA-256 of a large file; nil for a small one.
    let sha256: String?
    let xetHash: String?

    /// The name of its blob in the cache: the hash of its content.
    var etag: String { sha256 ?? gitHash }

    var hashKind: ContentHash.Kind { sha256 == nil ? .gitBlob(size) : .sha256 }

    /// Reads one entry of a list; nil where it is no file.
    init?(_ entry: JSONValue, of repository: String) throws {
        guard entry["type"]?.stringValue == "file" else { return nil }
        guard let path = entry["path"]?.stringValue, Self.isSafe(path),
              let hash = entry["oid"]?.stringValue, Self.isHex(hash, ContentHash.Kind.gitBlob(0).digits)
        else { throw Self.refusal(repository, entry["path"]?.stringValue) }
        let large = entry["lfs"]
        guard let size = (large?["size"] ?? entry["size"])?.countValue else {
            throw Self.refusal(repository, path)
        }
        if let large {
            guard let digest = large["oid"]?.stringValue, Self.isHex(digest, ContentHash.Kind.sha256.digits)
            else { throw Self.refusal(repository, path) }
            sha256 = digest
        } else {
            sha256 = nil
        }
        (self.path, self.size, gitHash) = (path, size, hash)
        let xet = entry["xetHash"]?.stringValue
        xetHash = xet.flatMap { Self.isHex($0, ContentHash.Kind.sha256.digits) ? $0 : nil }
    }

    private static let maximumDepth = 16

    /// Whether a path stays in its folder on every system, and can be shown.
    static func isSafe(_ path: String) -> Bool {
        let parts = path.split(separator: "/", omittingEmptySubsequences: false)
        return path.utf8.count <= 1024 && parts.count <= maximumDepth && !path.contains("\\")
            && parts.allSatisfy { !$0.isEmpty && $0 != "." && $0 != ".." && $0.utf8.count <= 255 }
            && path.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 }
    }

    static func isHex(_ text: String, _ digits: Int) -> Bool {
        text.utf8.count == digits && text.utf8.allSatisfy { byte in
            (UInt8(ascii: "0")...UInt8(ascii: "9")).contains(byte)
                || (UInt8(ascii: "a")...UInt8(ascii: "f")).contains(byte)
        }
    }

    private static func refusal(_ repository: String, _ path: String?) -> MLXError {
        MLXError(.protocolBroken, "the hub's list of \(repository) has an entry that cannot be used: "
            + (path ?? "without a path").utf8.prefix(80).printable, hint: "download another repository")
    }
}

/// Which files of a repository are needed: patterns with `*` and `?`, which also stand for `/`, as in
/// the hub's own client.
struct HubPatterns: Sendable, Hashable {
    /// What MLX loads: weights, configuration, tokenizer, chat template. No pickles, no programs.
    static let model = ["*.safetensors", "*.json", "*.jinja", "*.model", "*.tiktoken", "*.txt", "LICENSE*"]

    /// Folders that hold the weights once more, for other programs.
    private static let exports: Set<String> = [
        "onnx", "openvino", "coreml", "tflite", "flax", "tf", "original", "gguf", "pytorch", "runs",
    ]

    let patterns: [String]

    func choose(from files: [HubFile]) -> [HubFile] {
        files.filter { file in
            patterns.contains { Self.matches(file.path[...], $0[...]) }
                && (patterns != Self.model || !Self.isExport(file.path))
        }
    }

    private static func isExport(_ path: String) -> Bool {
        path.split(separator: "/").dropLast().first.map { exports.contains($0.lowercased()) } ?? false
    }

    /// Whether the whole of `text` fits `pattern`; the time is linear in both for each `*`.
    static func matches(_ text: Substring, _ pattern: Substring) -> Bool {
        let (text, pattern) = (Array(text.unicodeScalars), Array(pattern.unicodeScalars))
        var (at, place, star, retry) = (0, 0, -1, 0)
        while at < text.count {
            if place < pattern.count, pattern[place] == "*" {
                (star, retry, place) = (place, at, place + 1)
            } else if place < pattern.count, pattern[place] == "?" || pattern[place] == text[at] {
                (at, place) = (at + 1, place + 1)
            } else if star >= 0 {
                retry += 1
                (at, place) = (retry, star + 1)
            } else {
                return false
            }
        }
        return pattern[place...].allSatisfy { $0 == "*" }
    }
}
