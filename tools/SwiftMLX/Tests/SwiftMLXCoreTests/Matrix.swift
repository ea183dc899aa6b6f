import Foundation
@testable import SwiftMLXCore

/// What a back end can do, as the documentation's table of back ends has it: a row each.
enum Feature: String, CaseIterable, Sendable {
    case streaming = "Streaming"
    case cancelling = "Stopping the work"
    case tools = "Tools"
    case thinking = "Thinking told apart"
    case thinkingSwitch = "`thinking`"
    case schema = "JSON schema"
    case images = "Images"
    case temperature = "`temperature`"
    case topP = "`topP`"
    case topK = "`topK`"
    case minP = "`minP`"
    case repeatPenalty = "`repeatPenalty`"
    case seed = "`seed`"
    case contextLength = "`contextLength`"
    case counts = "Token counts"
    case promptCache = "Cached prompt tokens"
}

/// What a test finds in a cell.
enum Finding: String, Sendable {
    case yes
    /// It throws ``MLXError/Code/unsupported`` and names what it cannot do.
    case refused
    /// The model is asked for it in words, and its answer is checked.
    case inWords = "in words"
    /// It works, and nothing is said of it.
    case untold = "not told"
}

/// What a double answers next.
enum Scripted: Sendable {
    case text([String])
    /// A call of `weather` for Lima, with the id `c7` where the back end gives ids.
    case call
    case endless
}

/// A back end before a double, as the tests of the table drive it.
protocol Column: Sendable {
    /// The column's head.
    var title: String { get }
    var backend: any ModelBackend { get }
    func say(_ answer: Scripted)
    /// What the last question held: an option by its name, `schema`, `images`, `result` of a tool.
    func asked() -> [String: String]
    /// The messages of the last question, the first one first.
    func conversation() -> [String]
    /// Returns once the double works no more for an answer that was left.
    func stopped() async
}

/// Why a cell is wrong.
struct WrongCell: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

extension Column {
    private var model: MLXModel { MLXModel(name: "m", backend: backend) }

    /// Tries FEATURE and says what it found; throws where that is no right behaviour at all.
    func find(_ feature: Feature) async throws -> Finding {
        switch feature {
        case .streaming: try await findStreaming()
        case .cancelling: try await findCancelling()
        case .tools: try await findTools()
        case .thinking: try await findThinking()
        case .schema: try await findSchema()
        case .images: try await findImages()
        case .counts: try await findCounts()
        case .promptCache: try await findPromptCache()
        default: try await findOption(feature)
        }
    }

    private func findStreaming() async throws -> Finding {
        say(.text(["one ", "two ", "three"]))
        var pieces: [String] = []
        for try await case .token(let token) in model.stream(prompt: "count") { pieces.append(token.text) }
        try expect(pieces == ["one ", "two ", "three"], "the pieces are \(pieces)")
        return .yes
    }

    private func findCancelling() async throws -> Finding {
        say(.endless)
        for try await event in model.stream(prompt: "count for ever") {
            if case .token = event { break }
        }
        await stopped()
        return .yes
    }

    private func findTools() async throws -> Finding {
        say(.call)
        let tool = ToolDefinition(name: "weather", summary: "the weather of a city", parameters: [
            "type": "object", "properties": ["city": ["type": "string"]],
        ])
        let options = GenerationOptions(tools: [tool])
        let question = ChatMessage.user("What is the weather in Lima?")
        let result = try await model.generate(messages: [question], options: options)
        guard result.toolCalls.count == 1, let call = result.toolCalls.first else {
            throw WrongCell("the calls are \(result.toolCalls)")
        }
        try expect(call.name == "weather" && call.arguments == ["city": "Lima"] && !call.id.isEmpty, "\(call)")
        say(.text(["It is sunny."]))
        let answer = try await model.generate(messages: [
            question, .assistant("", toolCalls: [call]), .tool("sunny", answering: call),
        ], options: options)
        try expect(answer.text == "It is sunny.", answer.text)
        let told = asked()["result"] ?? ""
        try expect(told == "\(call.id): sunny" || told == "weather: sunny", "the result came as \(told)")
        return .yes
    }

    private func findThinking() async throws -> Finding {
        say(.text(["<thi", "nk>hm", "</think>", "42"]))
        let result = try await model.generate(prompt: "x")
        try expect(result.thinking == "hm" && result.text == "42", "\(result.thinking), \(result.text)")
        return .yes
    }

    private func findSchema() async throws -> Finding {
        say(.text([#"{"n":"#, "3}"]))
        let schema: JSONValue = ["type": "object", "properties": ["n": ["type": "integer"]], "required": ["n"]]
        let answer = try await model.generate(messages: [.user("a number")], fitting: schema)
        try expect(answer == ["n": 3], "\(answer)")
        if asked()["schema"] != nil { return .yes }
        try expect(conversation().joined().contains("JSON"), "the schema was dropped: \(conversation())")
        return .inWords
    }

    private func findImages() async throws -> Finding {
        say(.text(["a cat"]))
        let image = try ImageInput(data: Data([0x89, 0x50, 0x4E, 0x47]))
        return try await refusable("images") {
            let text = try await model.describe(image: image).text
            try expect(text == "a cat" && asked()["images"] == "1", "it saw \(asked()["images"] ?? "none")")
        }
    }

    private func findOption(_ feature: Feature) async throws -> Finding {
        say(.text(["well"]))
        let key = feature.rawValue.trimmingCharacters(in: ["`"])
        var options = GenerationOptions()
        let value: String
        switch feature {
        case .thinkingSwitch: (options.thinking, value) = (true, "true")
        case .temperature: (options.sampling.temperature, value) = (0.5, "0.5")
        case .topP: (options.sampling.topP, value) = (0.25, "0.25")
        case .topK: (options.sampling.topK, value) = (40, "40")
        case .minP: (options.sampling.minP, value) = (0.125, "0.125")
        case .repeatPenalty: (options.sampling.repeatPenalty, value) = (1.5, "1.5")
        case .seed: (options.sampling.seed, value) = (7, "7")
        default: (options.contextLength, value) = (4096, "4096")
        }
        return try await refusable(key) { [options] in
            _ = try await model.generate(prompt: "x", options: options)
            try expect(asked()[key] == value, "\(key) \(value) came as \(asked()[key] ?? "nothing")")
        }
    }

    private func findCounts() async throws -> Finding {
        say(.text(["one ", "two"]))
        let figures = try await model.generate(prompt: "count").statistics
        guard figures.isServerCount else { return .untold }
        try expect(figures.promptTokens ?? 0 > 0 && figures.generatedTokens == 2, "\(figures)")
        return .yes
    }

    private func findPromptCache() async throws -> Finding {
        let chat = MLXChat(model: model, system: "You are terse.")
        say(.text(["First."]))
        try await chat.send("one")
        let first = conversation()
        say(.text(["Second."]))
        let second = try await chat.send("two")
        // What a server keeps is of use only where the next question begins as the last one did.
        try expect(conversation().starts(with: first), "\(first) became \(conversation())")
        guard let cached = second.statistics.cachedPromptTokens else { return .untold }
        try expect(cached > 0 && cached < second.statistics.promptTokens ?? 0, "\(second.statistics)")
        return .yes
    }

    private func refusable(_ what: String, _ body: () async throws -> Void) async throws -> Finding {
        do {
            try await body()
            return .yes
        } catch let error as MLXError where error.code == .unsupported {
            try expect(error.text.contains(what) && !error.hint.isEmpty, "\(error) does not name \(what)")
            return .refused
        }
    }

    private func expect(_ isRight: Bool, _ words: @autoclosure () -> String) throws {
        if !isRight { throw WrongCell("\(title): \(words())") }
    }
}

/// The table in the documentation.
enum BackEndTable {
    static let file = URL(fileURLWithPath: #filePath)
        .appendingPathComponent("../../../Sources/SwiftMLXCore/SwiftMLXCore.docc/BackEnds.md").standardizedFileURL

    /// What the documentation says, by column and row.
    static func read() throws -> [String: [String: String]] {
        let rows = try String(contentsOf: file, encoding: .utf8).split(separator: "\n")
            .filter { $0.hasPrefix("|") }
            .map { $0.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) } }
        guard let head = rows.first else { throw WrongCell("there is no table in \(file.path)") }
        var table: [String: [String: String]] = [:]
        for row in rows.dropFirst(2) {
            for (title, cell) in zip(head, row).dropFirst() { table[title, default: [:]][row[0]] = cell }
        }
        return table
    }

    /// Tries all cells of a column; each one that is not as the table has it is said.
    static func check(_ column: any Column) async throws -> [String] {
        let told = try read()[column.title] ?? [:]
        var wrong = Set(told.keys).subtracting(Feature.allCases.map(\.rawValue)).map { "\($0): no test" }
        for feature in Feature.allCases {
            let found: String
            do {
                found = try await column.find(feature).rawValue
            } catch {
                found = "\(error)"
            }
            let cell = told[feature.rawValue] ?? "missing"
            if cell != found { wrong.append("\(column.title), \(feature.rawValue): the table says \(cell), found \(found)") }
        }
        return wrong
    }
}
