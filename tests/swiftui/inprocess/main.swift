// The back ends that need Apple's systems, run against the doubles of their frameworks in standins/: the columns
// of the documentation's table, and what the weights and the prompts in memory cost. check.sh builds it with
// the package's own sources. Exit status 0: all as documented.
import Foundation
import enum FoundationModels.AppleScript
import MLX
import MLXLMCommon
@testable import SwiftMLXCore

nonisolated(unsafe) var failures = 0

func expect(_ isRight: Bool, _ words: @autoclosure () -> String, line: Int = #line) {
    guard !isRight else { return }
    failures += 1
    FileHandle.standardError.write(Data("inprocess: line \(line): \(words())\n".utf8))
}

/// Waits for what another task brings about; a minute is for a hang only.
func until(_ what: String, _ isSo: () async -> Bool) async {
    let end = ContinuousClock.now + .seconds(60)
    while await !isSo() {
        guard ContinuousClock.now < end else { return expect(false, "\(what) did not come about") }
        try? await Task.sleep(for: .milliseconds(1))
    }
}

struct MLXColumn: Column {
    let title = "MLX"
    let backend: any ModelBackend

    func say(_ answer: Scripted) {
        switch answer {
        case .text(let pieces): Script.set(pieces.map { .chunk($0) })
        case .endless: Script.set([.chunk("for ever ")])
        case .call:
            let function = MLXLMCommon.ToolCall.Function(name: "weather", arguments: ["city": .string("Lima")])
            Script.set([.toolCall(MLXLMCommon.ToolCall(function: function, id: "c7"))])
        }
    }

    func conversation() -> [String] {
        Script.seen.prompt.split(separator: "\n").map(String.init).filter { !$0.hasPrefix("assistant: ") || $0.count > 11 }
    }

    func asked() -> [String: String] {
        let seen = Script.seen, given = seen.parameters
        let result = seen.prompt.split(separator: "\n").last { $0.hasPrefix("tool ") }
        // The call before it has its id and its one argument.
        let hasCall = seen.prompt.contains("assistant weather#c71: ")
        return [
            "temperature": "\(given.temperature)", "topP": "\(given.topP)", "topK": "\(given.topK)",
            "minP": "\(given.minP)", "seed": given.seed.map { "\($0)" },
            "repeatPenalty": given.repetitionPenalty.map { "\($0)" },
            "contextLength": given.maxKVSize.map { "\($0)" },
            "thinking": seen.prompt.contains("<think>") ? "true" : nil, "images": "\(seen.images)",
            "result": hasCall && seen.tools == 1 ? result.map { String($0.dropFirst("tool ".count)) } : nil,
        ].compactMapValues(\.self)
    }

    func stopped() async { await until("the end of the work") { Script.working == 0 } }
}

struct AppleColumn: Column {
    let title = "Apple's model"
    let backend: any ModelBackend = AppleBackend()

    func say(_ answer: Scripted) {
        switch answer {
        // Apple gives all of the answer so far each time.
        case .text(let pieces): AppleScript.set(pieces.indices.map { pieces[...$0].joined() })
        case .endless: AppleScript.set(["for ever"])
        case .call: AppleScript.set([], tool: "weather")
        }
    }

    func conversation() -> [String] { [] }

    func asked() -> [String: String] {
        let asked = AppleScript.asked
        let words = asked.options.replacingOccurrences(of: ";", with: ",").components(separatedBy: ", ")
        func after(_ word: String) -> String? {
            words.first { $0.hasPrefix(word + " ") }.map { String($0.dropFirst(word.count + 1)) }
        }
        let result = asked.prompt.components(separatedBy: "Answer with these results: ")
        return [
            "temperature": after("temperature"), "topP": after("threshold"), "topK": after("top"),
            "seed": after("seed"), "schema": asked.schema, "result": result.count > 1 ? result[1] : nil,
        ].compactMapValues(\.self)
    }

    func stopped() async { await until("the end of the work") { AppleScript.reading == 0 } }
}

/// A folder that passes for a model with vision.
func modelFolder() throws -> URL {
    let folder = FileManager.default.temporaryDirectory.appendingPathComponent("inprocess-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    try Data("{}".utf8).write(to: folder.appendingPathComponent("processor_config.json"))
    return folder
}

func checkTable(_ folder: URL) async throws {
    for column in [MLXColumn(backend: MLXBackend(directory: folder)), AppleColumn()] as [any Column] {
        for wrong in try await BackEndTable.check(column) { expect(false, wrong) }
    }
}

func checkWeights(_ folder: URL) async throws {
    let reads = Script.reads
    let one = MLXBackend(directory: folder), other = MLXBackend(directory: folder)
    async let first: Void = one.load("m")
    async let again: Void = one.load("m")
    async let second: Void = other.load("m")
    _ = try await (first, again, second)
    expect(Script.reads == reads + 1, "the weights were read \(Script.reads - reads) times")
    expect(Memory.cacheLimit == 256 << 20, "the limit of the buffers is \(Memory.cacheLimit)")
    expect(try await one.capabilities(of: "m")?.contains(.vision) == true, "processor_config.json is not enough")
    let clearings = Memory.clearings
    await one.unload()
    expect(Script.models == 1 && Memory.clearings == clearings, "the weights went while they were held")
    await other.unload()
    await until("the end of the weights") { Script.models == 0 }
    expect(Memory.clearings == clearings + 1, "the buffers were kept")
    try await one.load("m")
    expect(Script.models == 1, "the weights did not come back")
    await one.unload()
}

func checkPrompts(_ folder: URL) async throws {
    let model = MLXModel(name: "m", backend: MLXBackend(directory: folder))
    func ask(_ text: String, _ options: GenerationOptions = GenerationOptions()) async throws -> (saved: Int, read: Int) {
        Script.set([.chunk("yes")])
        let result = try await model.generate(prompt: text, options: options)
        expect(Script.seen.prompt == "user: \(text)\nassistant: ", "the model read \(Script.seen.prompt)")
        return (result.statistics.cachedPromptTokens ?? -1, Script.seen.prefilled)
    }
    let common = "user: Tell me of cats".count, whole = "user: Tell me of cats\nassistant: ".count
    expect(try await ask("Tell me of cats") == (0, whole), "the first prompt was not read whole")
    expect(try await ask("Tell me of cats and dogs").saved == common, "the common beginning was read again")
    expect(try await ask("Tell me of cats and dogs").read == 1, "an equal prompt needs its last token only")
    expect(try await ask("Is it late?").saved == "user: ".count, "a prompt that differs was taken for the last one")
    let penalty = GenerationOptions(sampling: SamplingOptions(repeatPenalty: 1.5))
    expect(try await ask("Tell me of cats", penalty).read >= 20, "a penalty needs the last tokens")
    expect(try await ask("Tell me of cats", GenerationOptions(contextLength: 512)).saved == 0,
           "a cache without a bound was taken for one with a bound")
    let short = GenerationOptions(contextLength: 8)
    expect(try await ask("Tell me of cats", short).saved == 0, "")
    expect(try await ask("Tell me of cats", short).saved == 0, "a full cache that wraps cannot be cut")

    DispatchSource.raisePressure()
    let clearings = Memory.clearings
    await until("room") { Memory.clearings > clearings }
    expect(try await ask("Tell me of cats").saved == 0, "what was kept stayed while memory is short")
    expect(Script.models == 1, "the weights went")

    // Two conversations side by side use no cache twice: each would read of the other.
    Script.set([.chunk("for ever ")])
    var endless = model.stream(prompt: "Tell me of cats and birds").makeAsyncIterator()
    _ = try await endless.next()
    _ = try await ask("Tell me of cats")
}

func checkThinking(_ folder: URL) async throws {
    let model = MLXModel(name: "m", backend: MLXBackend(directory: folder))
    Script.set([.chunk("hm"), .chunk("m</th"), .chunk("ink>42")])
    let result = try await model.generate(prompt: "x", options: GenerationOptions(thinking: true))
    expect(result.thinking == "hmm" && result.text == "42", "\(result.thinking), \(result.text)")
}

let folder = try modelFolder()
// The back end looks for MLX's shaders beside the program.
let shaders = Bundle.main.bundleURL.appendingPathComponent("mlx.metallib")
try Data().write(to: shaders)
try await checkTable(folder)
// The column's back end has gone, and the weights with it.
await until("the end of the weights") { Script.models == 0 }
try await checkWeights(folder)
try await checkThinking(folder)
try await checkPrompts(folder)
try FileManager.default.removeItem(at: folder)
try FileManager.default.removeItem(at: shaders)
if failures > 0 { exit(1) }
print("inprocess: \(Feature.allCases.count) features of MLX and of Apple's model are as documented")
