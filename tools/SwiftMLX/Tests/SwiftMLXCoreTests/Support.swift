import Foundation
import Testing
@testable import SwiftMLXCore

/// Replies that a real server gave, as the repository keeps them.
enum Fixture {
    static let folder = URL(fileURLWithPath: #filePath)
        .appendingPathComponent("../../../../../tests/fixtures/ollama").standardizedFileURL

    static func data(_ name: String) throws -> Data {
        try Data(contentsOf: folder.appendingPathComponent(name))
    }

    /// The recorded request body of NAME.
    static func request(_ name: String) throws -> JSONValue {
        let text = String(decoding: try data(name + ".request"), as: UTF8.self)
        let body = text.components(separatedBy: "\n\n").dropFirst().joined()
        return try JSONValue(parsing: Data(body.utf8))
    }

    /// The recorded reply of NAME, its body in the file with this extension.
    static func reply(_ name: String, _ type: String) throws -> TestServer.Reply {
        let head = String(decoding: try data(name + ".headers"), as: UTF8.self)
        let status = Int(head.split(separator: " ")[1])!
        return TestServer.Reply(status: status, pieces: [try data("\(name).\(type)")])
    }
}

/// Random numbers that repeat: a failing test names its seed.
struct SeededRandom: RandomNumberGenerator {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 2 &+ 1 }

    mutating func next() -> UInt64 {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        var mixed = state
        mixed ^= mixed >> 33
        mixed = mixed &* 0xFF51_AFD7_ED55_8CCD
        return mixed ^ (mixed >> 29)
    }
}

extension Data {
    /// The data cut at random places; empty pieces happen.
    func cut(_ random: inout SeededRandom, pieces: Int) -> [Data] {
        let cuts = (0..<pieces).map { _ in Int.random(in: 0...count, using: &random) }.sorted()
        let bounds = [0] + cuts + [count]
        return zip(bounds, bounds.dropFirst()).map { self[$0..<$1] }
    }
}

/// Runs BODY, or fails after a time that only a hang needs.
func withDeadline<Result: Sendable>(
    _ body: @escaping @Sendable () async throws -> Result
) async throws -> Result {
    try await withThrowingTaskGroup(of: Result.self) { group in
        group.addTask { try await body() }
        group.addTask {
            try await Task.sleep(for: .seconds(120))
            throw MLXError(.unavailable, "the test hangs")
        }
        defer { group.cancelAll() }
        return try await group.next()!
    }
}

/// Runs BODY and returns the error it must throw.
func failure(_ body: () async throws -> Void) async -> MLXError? {
    do {
        try await body()
        Issue.record("no error was thrown")
        return nil
    } catch let error as MLXError {
        return error
    } catch {
        Issue.record("thrown was \(error)")
        return nil
    }
}

/// A directory that is gone after the test.
final class TemporaryDirectory: Sendable {
    let url: URL

    init() throws {
        url = FileManager.default.temporaryDirectory
            .appendingPathComponent("swiftmlx-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(at: url) }

    @discardableResult
    func write(_ path: String, _ text: String = "", mode: Int = 0o644) throws -> URL {
        try write(path, Data(text.utf8), mode: mode)
    }

    @discardableResult
    func write(_ path: String, _ data: Data, mode: Int = 0o644) throws -> URL {
        let file = url.appendingPathComponent(path)
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(),
                                                withIntermediateDirectories: true)
        try data.write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: mode], ofItemAtPath: file.path)
        return file
    }
}

/// The smallest files that count as weights.
enum Weights {
    /// A safetensors file with one tensor of `size` bytes.
    static func safetensors(_ size: Int = 64) -> Data {
        let header = Data(#"{"w":{"dtype":"U8","shape":[\#(size)],"data_offsets":[0,\#(size)]}}"#.utf8)
        return number(header.count, 8) + header + Data(count: size)
    }

    /// A GGUF of this architecture.
    static func gguf(architecture: String = "qwen3") -> Data {
        Data("GGUF".utf8) + number(3, 4) + number(1, 8) + number(1, 8)
            + text("general.architecture") + number(8, 4) + text(architecture)
            + text("w") + number(1, 4) + number(32, 8) + number(0, 4) + number(0, 8) + Data(count: 160)
    }

    private static func text(_ text: String) -> Data { number(text.utf8.count, 8) + Data(text.utf8) }

    private static func number(_ value: Int, _ bytes: Int) -> Data {
        Data((0..<bytes).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) })
    }
}

/// A back end that says what a test gives it.
struct ScriptedBackend: ModelBackend {
    var name = "the script"
    var known: [String] = ["m"]
    var abilities: ModelCapabilities? = .text
    var events: @Sendable (GenerationRequest) throws -> [BackendEvent] = { _ in [] }

    func models() async throws -> [ModelInfo] { known.map { ModelInfo(name: $0) } }
    func capabilities(of model: String) async throws -> ModelCapabilities? { abilities }
    func load(_ model: String) async throws {}

    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream.running { continuation in
            try events(request).forEach { continuation.yield($0) }
        }
    }
}
