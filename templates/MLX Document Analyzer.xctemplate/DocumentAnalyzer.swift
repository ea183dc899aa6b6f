//___FILEHEADER___

import Foundation
import LocalMLX

/// What a model makes of a document.
struct Analysis: Codable, Sendable, Hashable {
    var summary: String
    var keyPoints: [String]
    var questions: [String]

    static let schema: JSONValue = [
        "type": "object",
        "properties": [
            "summary": ["type": "string"],
            "keyPoints": ["type": "array", "items": ["type": "string"]],
            "questions": ["type": "array", "items": ["type": "string"]],
        ],
        "required": ["summary", "keyPoints", "questions"],
    ]
}

/// Reads a document piece by piece, and notes of notes while they are too long for one question, then makes
/// one analysis of what it noted.
struct DocumentAnalyzer: Sendable {
    var model: MLXModel
    /// Characters that a model takes in at once: about a quarter as many tokens.
    var pieceLength = 12_000

    /// Most readings of notes of notes: each makes them at least twice as short.
    private static let mostLevels = 16

    /// Analyzes `text`. `progress` gets the ratio of pieces that are read.
    func analyze(_ text: String, progress: @Sendable (Double) async -> Void = { _ in })
        async throws -> Analysis
    {
        let pieces = Self.pieces(of: text, length: pieceLength)
        guard !pieces.isEmpty else {
            throw MLXError(.badRequest, "the document is empty", hint: "choose one with text")
        }
        var parts = pieces
        for level in 0..<Self.mostLevels where parts.count > 1 {
            var notes: [String] = []
            for (number, part) in parts.enumerated() {
                try Task.checkCancellation()
                // The first reading takes nearly all of the time.
                if level == 0 { await progress(Double(number) / Double(parts.count)) }
                notes.append(try await note(part))
            }
            parts = Self.pieces(of: notes.joined(separator: "\n\n"), length: pieceLength)
        }
        await progress(1)
        let options = GenerationOptions(maxTokens: 1500, sampling: .greedy,
                                        format: .jsonSchema(Analysis.schema))
        let prompt = """
            Analyze this document. Answer with a summary of at most five sentences, the key points, \
            and the questions it leaves open, as JSON.

            \(parts[0])
            """
        return try await model.generate(prompt: prompt, options: options).decoded()
    }

    private func note(_ piece: String) async throws -> String {
        let options = GenerationOptions(maxTokens: 400, sampling: .greedy)
        let text = try await model.generate(
            prompt: "Note the main points of this part of a document:\n\n\(piece)", options: options
        ).text
        // Some models write more than they were asked for.
        return String(text.prefix(pieceLength / 3))
    }

    /// Cuts at the end of a paragraph where there is one, so that no sentence is torn apart.
    static func pieces(of text: String, length: Int) -> [String] {
        var pieces: [String] = []
        var rest = text[...].drop(while: \.isWhitespace)
        while !rest.isEmpty {
            var end = rest.index(rest.startIndex, offsetBy: length, limitedBy: rest.endIndex)
                ?? rest.endIndex
            if end < rest.endIndex, let paragraph = rest[..<end].lastIndex(of: "\n") {
                end = rest.index(after: paragraph)
            }
            pieces.append(String(rest[..<end]))
            rest = rest[end...].drop(while: \.isWhitespace)
        }
        return pieces
    }
}
