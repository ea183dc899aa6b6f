/// Tells thinking from the answer where a server leaves the model's own tags in the text.
///
/// Thinking comes first or not at all: a tag that an answer mentions later is part of the answer. It
/// holds back only what may still become a tag.
struct ThinkingSplitter {
    /// A piece of text and where it belongs.
    struct Part: Equatable {
        let text: String
        let isThinking: Bool
    }

    private enum State {
        /// Nothing but white space has come.
        case start
        /// Inside the thinking, which ends with this tag.
        case thinking(end: String)
        /// Behind the thinking, before the answer's first letter.
        case between
        case answer
    }

    private static let tags = [
        (begin: "<think>", end: "</think>"),
        (begin: "<thinking>", end: "</thinking>"),
        (begin: "[THINK]", end: "[/THINK]"),
        (begin: "<|START_THINKING|>", end: "<|END_THINKING|>"),
    ]

    /// The tag that a prompt ends with: some chat templates begin the thinking themselves, and the
    /// model's text then starts inside it.
    static func beginning(atEndOf prompt: String) -> String? {
        let end = prompt.reversed().drop(while: \.isWhitespace)
        return tags.map(\.begin).first { end.starts(with: $0.reversed()) }
    }

    private var state = State.start
    private var held = ""

    /// Takes the next piece and returns what it is certain about.
    mutating func take(_ piece: String) -> [Part] {
        if case .answer = state { return Self.parts(piece, false) }
        held += piece
        var parts: [Part] = []
        while step(&parts) {}
        return parts
    }

    /// What is left when the stream ends.
    mutating func flush() -> [Part] {
        defer { held = "" }
        if case .thinking = state { return Self.parts(held, true) }
        return Self.parts(held, false)
    }

    /// One step through what is held; false when more must come first.
    private mutating func step(_ parts: inout [Part]) -> Bool {
        switch state {
        case .start: return begin()
        case .thinking(let end): return think(until: end, &parts)
        case .between:
            held = String(held.drop(while: \.isWhitespace))
            if held.isEmpty { return false }
            state = .answer
            return true
        case .answer:
            parts += Self.parts(held, false)
            held = ""
            return false
        }
    }

    private mutating func begin() -> Bool {
        let text = held.drop(while: \.isWhitespace)
        for tag in Self.tags where text.hasPrefix(tag.begin) {
            held = String(text.dropFirst(tag.begin.count).drop(while: \.isWhitespace))
            state = .thinking(end: tag.end)
            return true
        }
        if Self.tags.contains(where: { $0.begin.hasPrefix(text) }) { return false }
        state = .answer
        return true
    }

    private mutating func think(until end: String, _ parts: inout [Part]) -> Bool {
        let scalars = Array(held.unicodeScalars), tag = Array(end.unicodeScalars)
        let starts = scalars.indices.filter { scalars[$0...].starts(with: tag) }
        if let start = starts.first {
            parts += Self.parts(Self.text(scalars[..<start]), true)
            held = Self.text(scalars[(start + tag.count)...])
            state = .between
            return true
        }
        let keep = (0...min(tag.count - 1, scalars.count)).reversed().first { count in
            tag.starts(with: scalars.suffix(count))
        } ?? 0
        parts += Self.parts(Self.text(scalars.dropLast(keep)), true)
        held = Self.text(scalars.suffix(keep))
        return false
    }

    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }

    private static func parts(_ text: String, _ isThinking: Bool) -> [Part] {
        text.isEmpty ? [] : [Part(text: text, isThinking: isThinking)]
    }
}
