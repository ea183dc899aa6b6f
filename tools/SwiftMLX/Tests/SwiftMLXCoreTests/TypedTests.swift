import Foundation
import Testing
@testable import SwiftMLXCore

/// Answers and tools with types.
@Suite struct TypedTests {
    private enum Sky: String, Codable, CaseIterable, Sendable { case clear, cloudy }

    private struct Weather: Codable, Sendable, Equatable, SchemaGuided {
        let city: String
        let celsius: Double
        let sky: Sky
        let hours: [Int]
        let note: String?
        static let guides: [String: SchemaGuide] = ["celsius": .range(-90...60)]
    }

    private struct Tree: Codable { let children: [Tree] }
    private struct Dated: Codable { let day: Date }

    @Test func theSchemaIsWhatTheTypeDecodes() throws {
        let expected: JSONValue = [
            "type": "object", "additionalProperties": false,
            "required": ["celsius", "city", "hours", "sky"],
            "properties": [
                "city": ["type": "string"], "note": ["type": "string"],
                "celsius": ["type": "number", "minimum": -90.0, "maximum": 60.0],
                "sky": ["type": "string", "enum": ["clear", "cloudy"]],
                "hours": ["type": "array", "items": ["type": "integer"]],
            ],
        ]
        #expect(try JSONValue.schema(of: Weather.self) == expected)
        let map = try JSONValue.schema(of: [String: Bool].self)
        #expect(map == ["type": "object", "additionalProperties": ["type": "boolean"]])
        #expect(throws: MLXError.self) { try JSONValue.schema(of: Tree.self) }
        #expect(throws: MLXError.self) { try JSONValue.schema(of: Dated.self) }
    }

    @Test(arguments: [
        (#"{"city":"Rome","celsius":20,"sky":"clear","hours":[1,2]}"#, nil),
        (#"{"city":"Rome","celsius":200,"sky":"clear","hours":[]}"#, "\"celsius\" is greater than 60.0"),
        (#"{"city":"Rome","celsius":20,"sky":"pink","hours":[]}"#, #""sky" is none of "clear", "cloudy""#),
        (#"{"city":"Rome","celsius":20,"sky":"clear","hours":["x"]}"#, "\"hours\"[0] is not of type integer"),
        (#"{"celsius":20,"sky":"clear","hours":[]}"#, "the answer lacks \"city\""),
        ("[1]", "the answer is not of type object"),
    ])
    func whatDoesNotFitIsNamed(_ text: String, _ problem: String?) throws {
        let value = try JSONValue(parsing: Data(text.utf8))
        #expect(value.problem(with: try JSONValue.schema(of: Weather.self)) == problem)
    }

    @Test func aWrongAnswerIsAskedForAgain() async throws {
        let backend = ScriptedBackend(events: { request in
            let isSecond = request.messages.count == 3
            if isSecond { #expect(request.messages[2].text.contains("lacks \"city\"")) }
            return [.text(isSecond ? #"Here: {"city":"Rome","celsius":20,"sky":"clear","hours":[]}"#
                : #"{"celsius":20,"sky":"clear","hours":[]}"#), .finished(GenerationStatistics())]
        })
        let model = MLXModel(name: "m", backend: backend)
        let weather = try await model.generate(prompt: "Rome?", as: Weather.self)
        #expect(weather.city == "Rome" && weather.sky == .clear)
        let error = await failure {
            _ = try await model.generate(prompt: "Rome?", as: Weather.self, attempts: 1)
        }
        #expect(error?.code == .protocolBroken && error?.text.contains("lacks \"city\"") == true)
    }

    private struct Adder: MLXTool {
        struct Arguments: Codable, Sendable { let a: Int; let b: Int }
        let name = "add"
        let summary = "Adds."
        func call(_ arguments: Arguments) async throws -> [String: Int] { ["sum": arguments.a + arguments.b] }
    }

    @Test(arguments: [
        (ToolCall(id: "7", name: "add", arguments: ["a": 1, "b": 2]), #"{"sum":3}"#),
        (ToolCall(id: "7", name: "add", arguments: "{\"a\":1,\"b\":2}"), #"{"sum":3}"#),
        (ToolCall(id: "7", name: "add", arguments: ["a": 1]), "The arguments do not fit: the object lacks \"b\"."),
        (ToolCall(id: "7", name: "rm", arguments: [:]), "There is no tool \"rm\". There are: add."),
    ])
    func theLoopRunsToolsAndTellsTheModel(_ call: ToolCall, _ told: String) async throws {
        let backend = ScriptedBackend(events: { request in
            guard let last = request.messages.last, last.role == .tool else {
                return [.toolCall(call), .finished(GenerationStatistics())]
            }
            #expect(last.answeredCall == call && last.text == told)
            return [.text("done"), .finished(GenerationStatistics())]
        })
        let chat = MLXChat(model: MLXModel(name: "m", backend: backend))
        #expect(try await chat.respond(to: "1 + 2?", using: [Adder()]).text == "done")
        #expect(await chat.options.tools.isEmpty, "the tools are of this answer alone")
    }

    @Test func aModelThatAsksForEverIsStoppedAndAPersonMayRefuse() async throws {
        let call = ToolCall(id: "1", name: "add", arguments: ["a": 1, "b": 2])
        let backend = ScriptedBackend(events: { request in
            if request.messages.last?.text == "And now?" {
                return [.text("fine"), .finished(GenerationStatistics())]
            }
            if let last = request.messages.last, last.role == .tool {
                #expect(last.text == "The call was not allowed: no sums today")
            }
            return [.toolCall(call), .finished(GenerationStatistics())]
        })
        let chat = MLXChat(model: MLXModel(name: "m", backend: backend))
        let policy = ToolPolicy(maximumRounds: 3, consent: { _ in .denied("no sums today") })
        let error = await failure { try await chat.respond(to: "1 + 2?", using: [Adder()], policy: policy) }
        #expect(error?.text.contains("keeps asking for add") == true)
        // Each call is answered before anyone else speaks.
        #expect(try await chat.send("And now?").text == "fine")
        let roles = await chat.history.map(\.role)
        for (role, next) in zip(roles, roles.dropFirst()) where role == .assistant && next == .assistant {
            Issue.record("a call stayed open")
        }
    }
}
