import Foundation

/// Folders as the suite's own programs find them, so that this package and `mlx-cache` mean the same.
struct CachePlaces {
    let environment: [String: String]
    let home: URL

    /// `home` is what a person's folders are looked for in; nil takes `HOME`, as every program of
    /// the suite does, and the account's folder only where that is not set.
    init(environment: [String: String], home: URL? = nil) {
        self.environment = environment
        let named = environment["HOME"].flatMap { $0.hasPrefix("/") ? $0 : nil }
        self.home = home ?? URL(fileURLWithPath: named ?? NSHomeDirectory())
    }

    /// The folder that the variable `name` holds.
    func directory(_ name: String) -> URL? {
        guard let path = environment[name], !path.isEmpty else { return nil }
        return expanded(path)
    }

    /// `MLX_CACHE_DIR`, else `cache.dir` of the configuration, else `~/.mlx-cache`.
    var sharedCache: URL {
        directory("MLX_CACHE_DIR") ?? configured ?? home.appendingPathComponent(".mlx-cache")
    }

    /// The Hugging Face cache: where its own client has it, and in an app's container where Apple's
    /// sandbox lets no program see another's.
    var hubCache: URL {
        directory("HF_HUB_CACHE") ?? directory("HUGGINGFACE_HUB_CACHE") ?? hubHome.appendingPathComponent("hub")
    }

    /// The file in which the hub's own client keeps the token.
    var hubToken: URL? { directory("HF_TOKEN_PATH") ?? hubHome.appendingPathComponent("token") }

    private var hubHome: URL {
        if let named = directory("HF_HOME") { return named }
        if let caches = directory("XDG_CACHE_HOME") { return caches.appendingPathComponent("huggingface") }
        return home.appendingPathComponent(isContained ? "Library/Caches/huggingface" : ".cache/huggingface")
    }

    /// Whether the home is an app's own container.
    var isContained: Bool {
        #if os(iOS) || os(tvOS) || os(visionOS) || os(watchOS)
        true
        #else
        environment["APP_SANDBOX_CONTAINER_ID"] != nil
        #endif
    }

    private var configured: URL? {
        guard let text = try? String(contentsOf: configuration, encoding: .utf8) else { return nil }
        return Self.cacheDirectory(inConfiguration: text).map(expanded)
    }

    private var configuration: URL {
        #if os(macOS)
        let usual = "Library/Application Support/mlx/config.yaml"
        #else
        let usual = ".config/mlx/config.yaml"
        #endif
        return directory("MLX_CONFIG")
            ?? directory("XDG_CONFIG_HOME")?.appendingPathComponent("mlx/config.yaml")
            ?? home.appendingPathComponent(usual)
    }

    private func expanded(_ path: String) -> URL {
        if path == "~" { return home }
        return path.hasPrefix("~/") ? home.appendingPathComponent(String(path.dropFirst(2)))
            : URL(fileURLWithPath: path)
    }

    /// `cache.dir` in the text of a configuration file: the two ways in which YAML writes a mapping
    /// in a mapping. `mlx-cache` reads the file with a YAML library and refuses what is not YAML.
    static func cacheDirectory(inConfiguration text: String) -> String? {
        var isInside = false
        for line in text.split(whereSeparator: \.isNewline) {
            let bare = line.drop(while: \.isWhitespace)
            if bare.isEmpty || bare.hasPrefix("#") { continue }
            if let rest = value(of: "cache", line) {
                isInside = true
                let members = rest.trimmingCharacters(in: CharacterSet(charactersIn: "{}"))
                for member in members.split(separator: ",") {
                    let member = member.drop(while: \.isWhitespace)
                    if let found = value(of: "dir", member) { return scalar(found) }
                }
            } else if !line.first!.isWhitespace {
                isInside = false
            } else if isInside, let found = value(of: "dir", bare) {
                return scalar(found)
            }
        }
        return nil
    }

    /// What stands behind `key:` at the beginning of `line`; the key may be quoted.
    private static func value(of key: String, _ line: Substring) -> String? {
        for form in [key, "\"\(key)\"", "'\(key)'"] where line.hasPrefix(form) {
            let rest = line.dropFirst(form.count).drop(while: \.isWhitespace)
            guard rest.first == ":" else { continue }
            return rest.dropFirst().trimmingCharacters(in: .whitespaces)
        }
        return nil
    }

    /// A scalar without its quotes and the comment behind it; nil where there is none.
    private static func scalar(_ text: String) -> String? {
        if let quote = text.first, quote == "\"" || quote == "'" {
            let inner = text.dropFirst().prefix { $0 != quote }
            return inner.isEmpty ? nil : String(inner)
        }
        let bare = text.hasPrefix("#") ? "" : text[..<(text.range(of: " #")?.lowerBound ?? text.endIndex)]
        let plain = bare.trimmingCharacters(in: .whitespaces)
        return ["", "~", "null"].contains(plain) ? nil : plain
    }
}
