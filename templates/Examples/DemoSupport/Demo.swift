import Foundation
import SwiftMLX

/// What both demos' command lines share: which model, and where it runs.
public struct DemoOptions: Sendable {
    /// The model's name; nil takes the server's only or smallest model.
    public var model: String?
    /// An OpenAI-compatible server; nil finds one as `MLXModel.load` does.
    public var server: URL?
    /// Most tokens of an answer.
    public var maxTokens = 1000
    /// Options of the one demo alone, by name.
    public var others: [String: String] = [:]
    /// Options without a value that were given.
    public var flags: Set<String> = []
    /// What is not an option.
    public var words: [String] = []

    /// Reads a command line. `valued` and `flags` are the options of the one demo alone.
    public init(_ arguments: [String], valued: Set<String> = [], flags known: Set<String> = []) throws {
        var rest = arguments[...]
        while let word = rest.popFirst() {
            guard word.hasPrefix("--"), word.count > 2 else {
                words.append(word)
                continue
            }
            let name = String(word.dropFirst(2))
            if known.contains(name) {
                flags.insert(name)
                continue
            }
            guard ["model", "server", "max-tokens"].contains(name) || valued.contains(name) else {
                throw MLXError(.badRequest, "unknown option \(word)", hint: "see --help")
            }
            guard let value = rest.popFirst() else {
                throw MLXError(.badRequest, "\(word) needs a value", hint: "see --help")
            }
            try set(name, value)
        }
    }

    private mutating func set(_ name: String, _ value: String) throws {
        switch name {
        case "model": model = value
        case "server":
            guard let url = URL(string: value), url.scheme != nil else {
                throw MLXError(.badRequest, "\(value) is not an address",
                               hint: "write it like http://127.0.0.1:8080/v1")
            }
            server = url
        case "max-tokens":
            guard let number = Int(value), number > 0 else {
                throw MLXError(.badRequest, "\(value) is not a number of tokens", hint: "give one above 0")
            }
            maxTokens = number
        default: others[name] = value
        }
    }

    /// Loads the model.
    public func load(note: @escaping @Sendable (String) -> Void) async throws -> MLXModel {
        let backend = server.map { OpenAIBackend(url: $0) as any ModelBackend }
        if let model, backend == nil {
            return try await MLXModel.load(model) { progress in
                let percent = progress.fraction.map { " \(Int($0 * 100)) %" } ?? ""
                note(progress.phase + percent)
            }
        }
        let groups = try await Self.groups(backend)
        guard let (found, models) = groups.first, let first = models.min(by: Self.isSmaller) else {
            throw MLXError(.unavailable, "no model server answers",
                           hint: "start Ollama or llama-server, or give --server")
        }
        return try await MLXModel.load(model ?? first.name, using: found)
    }

    private static func groups(_ backend: (any ModelBackend)?) async throws
        -> [(backend: any ModelBackend, models: [ModelInfo])]
    {
        guard let backend else { return await ModelResolver.standard.models() }
        return [(backend, try await backend.models())]
    }

    private static func isSmaller(_ a: ModelInfo, _ b: ModelInfo) -> Bool {
        (a.size ?? .max) < (b.size ?? .max)
    }
}

/// A terminal: answers go to the standard output, talk to the standard error.
public enum Terminal {
    /// Writes part of an answer at once.
    public static func write(_ text: String) {
        FileHandle.standardOutput.write(Data(text.utf8))
    }

    /// Writes a line of talk.
    public static func note(_ text: String) {
        FileHandle.standardError.write(Data((text + "\n").utf8))
    }

    /// Runs `body`; an error is printed with what to do about it. Returns the exit status.
    public static func run(_ body: () async throws -> Void) async -> Int32 {
        do {
            try await body()
            return 0
        } catch is CancellationError {
            return 130
        } catch {
            note("\(error)")
            return (error as? MLXError)?.code == .badRequest ? 2 : 1
        }
    }

    /// Cancels `task` on Ctrl-C, so that the model's server stops too, until `body` is over.
    public static func cancelling<Value: Sendable>(_ task: Task<Value, any Error>) async throws -> Value {
        signal(SIGINT, SIG_IGN)
        let source = DispatchSource.makeSignalSource(signal: SIGINT)
        source.setEventHandler { task.cancel() }
        source.resume()
        defer { source.cancel() }
        return try await task.value
    }
}
