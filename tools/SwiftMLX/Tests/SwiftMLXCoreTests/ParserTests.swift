import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct ParserTests {
    static let ndjson = ["chat-stream.ndjson", "generate-stream.ndjson"]
    static let sse = ["v1-chat-stream.sse", "v1-chat-stream-usage.sse"]

    @Test(arguments: ndjson) func linesSurviveAnyCut(name: String) throws {
        let data = try Fixture.data(name)
        let whole = try String(decoding: data, as: UTF8.self).split(separator: "\n")
            .map { try JSONValue(parsing: Data($0.utf8)) }
        #expect(whole.count > 10)
        for seed in 0..<100 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            var parser = NDJSONParser()
            let pieces = data.cut(&random, pieces: Int.random(in: 0...400, using: &random))
            var values = try pieces.flatMap { try parser.take($0) }
            values += try parser.finish()
            #expect(values == whole, "seed \(seed)")
        }
    }

    @Test(arguments: sse) func eventsSurviveAnyCutAndAnyLineEnd(name: String) throws {
        let text = String(decoding: try Fixture.data(name), as: UTF8.self)
        let whole = text.components(separatedBy: "\n\n").filter { !$0.isEmpty }
            .map { String($0.dropFirst("data: ".count)) }
        #expect(whole.last == "[DONE]")
        for seed in 0..<100 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let end = ["\n", "\r\n", "\r"].randomElement(using: &random)!
            let data = Data(text.replacingOccurrences(of: "\n", with: end).utf8)
            var parser = EventStreamParser()
            let pieces = data.cut(&random, pieces: Int.random(in: 0...400, using: &random))
            // A lone CR ends the last event only when the next byte, or none, is known to follow.
            #expect(try pieces.flatMap { try parser.take($0) } == whole, "seed \(seed)")
        }
    }

    @Test func eventFormatFollowsTheStandard() throws {
        var parser = EventStreamParser()
        let text = """
            : comment
            event: note
            data: one
            data:two
            data
            id: 7

            database: no

            data:  spaced

            data: cut off
            """
        #expect(try parser.take(Data(text.utf8)) == ["one\ntwo\n", " spaced"])
    }

    @Test func garbageEndsInOneErrorOrNone() {
        for seed in 0..<500 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            let alphabet = Array("{}[]\":,\\dat \r\n0e-.ü".utf8) + [0, 0xFF, 0xC3]
            let bytes = (0..<300).map { _ in alphabet.randomElement(using: &random)! }
            var lines = NDJSONParser()
            var events = EventStreamParser()
            do {
                _ = try lines.take(bytes)
                _ = try lines.finish()
            } catch {
                #expect((error as? MLXError)?.code == .protocolBroken, "seed \(seed)")
            }
            #expect(throws: Never.self) { try events.take(bytes) }
        }
    }

    @Test func anEndlessLineIsRefused() {
        var parser = NDJSONParser(limit: 1000)
        let error = #expect(throws: MLXError.self) {
            for _ in 0...10 { _ = try parser.take([UInt8](repeating: 0x20, count: 100)) }
        }
        #expect(error?.code == .protocolBroken)
    }

    @Test func anEndlessEventIsRefused() {
        var parser = EventStreamParser(limit: 1000)
        let error = #expect(throws: MLXError.self) {
            for _ in 0...10 {
                _ = try parser.take(Array("data: ".utf8) + [UInt8](repeating: 0x61, count: 100) + [0x0A])
            }
        }
        #expect(error?.code == .protocolBroken)
    }

    @Test func stopSequencesCutAsOnWholeText() {
        for seed in 0..<1000 as Range<UInt64> {
            var random = SeededRandom(seed: seed)
            func word(_ lengths: ClosedRange<Int>) -> String {
                String((0..<Int.random(in: lengths, using: &random)).map { _ in
                    "ab\u{301}\r\n".unicodeScalars.map(Character.init).randomElement(using: &random)!
                })
            }
            let stops = (0..<Int.random(in: 0...3, using: &random)).map { _ in word(1...4) }
            let text = word(0...40)
            let expected = Self.cut(text, stops)
            var filter = StopSequences(stops)
            var shown = ""
            var rest = Array(text.unicodeScalars)[...]
            while !rest.isEmpty {
                let count = Int.random(in: 1...5, using: &random)
                var piece = ""
                piece.unicodeScalars.append(contentsOf: rest.prefix(count))
                shown += filter.take(piece)
                rest = rest.dropFirst(count)
            }
            shown += filter.flush()
            #expect(Array(shown.unicodeScalars) == expected, "seed \(seed)")
        }
    }

    /// Every place of every stop sequence in the whole text; the one that ends first counts.
    private static func cut(_ text: String, _ stops: [String]) -> [Unicode.Scalar] {
        let scalars = Array(text.unicodeScalars)
        let places = stops.map { Array($0.unicodeScalars) }.flatMap { stop in
            scalars.indices.filter { scalars[$0...].starts(with: stop) }.map { ($0 + stop.count, $0) }
        }
        return Array(scalars[..<(places.min { $0 < $1 }?.1 ?? scalars.count)])
    }

    @Test func stopSequencesHoldBackOnlyWhatTheyMust() {
        var filter = StopSequences(["<end>"])
        #expect(filter.take("Hello") == "Hello")
        #expect(filter.take(" a<") == " a")
        #expect(filter.take("b<en") == "<b")
        #expect(filter.take("d>lost") == "")
        #expect(filter.isStopped)
        #expect(filter.take("more") == "")
    }
}
