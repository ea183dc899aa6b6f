/// One block of Markdown. Inline marks (bold, links, code) stay in the text, for `AttributedString`.
public enum MarkdownBlock: Sendable, Hashable {
    /// Running text.
    case paragraph(String)
    /// A heading of level 1 to 6.
    case heading(level: Int, text: String)
    /// Code between fences; `isOpen` while its closing fence has not come.
    case code(language: String, text: String, isOpen: Bool)
    /// A list, ordered or not.
    case list([MarkdownItem])
    /// Quoted text.
    case quote(String)
    /// A line across.
    case rule
}

/// One item of a list.
public struct MarkdownItem: Sendable, Hashable {
    /// Depth, from 0.
    public let depth: Int
    /// Its number with a point, or a bullet.
    public let marker: String
    /// Its text.
    public var text: String
}

/// Reads Markdown while it arrives.
///
/// Each piece costs what it holds, not what came before, and the blocks are at every moment those
/// that the text so far would give as a whole: a fence without its end is an open code block.
public struct StreamingMarkdown: Sendable {
    private var state = LineState()
    private var partial = ""

    /// Reads `text`; more may be added.
    public init(_ text: String = "") {
        append(text)
    }

    /// Adds the next piece.
    public mutating func append(_ piece: String) {
        // By scalar: a piece may end between the two halves of a CRLF, which is one character.
        for scalar in piece.unicodeScalars {
            if scalar == "\n" {
                state.take(partial)
                partial = ""
            } else if scalar != "\r" {
                partial.unicodeScalars.append(scalar)
            }
        }
    }

    /// The blocks so far.
    public var blocks: [MarkdownBlock] {
        var copy = state
        if !partial.isEmpty { copy.take(partial) }
        copy.close(atEnd: true)
        return copy.blocks
    }
}

/// What the lines so far have made: finished blocks and the one that may go on.
private struct LineState: Sendable {
    private enum Open: Sendable {
        case paragraph([String])
        case code(fence: Substring, language: String, lines: [String])
        case list([MarkdownItem])
        case quote([String])
    }

    private(set) var blocks: [MarkdownBlock] = []
    private var open: Open?

    mutating func take(_ line: String) {
        if case .code(let fence, let language, let lines) = open {
            takeCode(line, fence, language, lines)
            return
        }
        let trimmed = line.drop { $0 == " " || $0 == "\t" }
        if trimmed.isEmpty {
            close()
        } else if let fence = Self.fence(trimmed) {
            close()
            let language = trimmed.dropFirst(fence.count).filter { $0 != "`" && $0 != " " }
            open = .code(fence: fence, language: String(language), lines: [])
        } else if let heading = Self.heading(trimmed) {
            close()
            blocks.append(heading)
        } else if Self.isRule(trimmed) {
            close()
            blocks.append(.rule)
        } else if let item = Self.item(trimmed, indent: line.count - trimmed.count) {
            takeItem(item)
        } else if trimmed.first == ">" {
            takeQuote(String(trimmed.dropFirst().drop { $0 == " " }))
        } else {
            takeText(String(trimmed))
        }
    }

    /// Finishes the open block. At the end of the text an open fence is said to be open.
    mutating func close(atEnd: Bool = false) {
        switch open {
        case .paragraph(let lines): blocks.append(.paragraph(lines.joined(separator: "\n")))
        case .quote(let lines): blocks.append(.quote(lines.joined(separator: "\n")))
        case .list(let items): blocks.append(.list(items))
        case .code(_, let language, let lines):
            let text = lines.joined(separator: "\n")
            blocks.append(.code(language: language, text: text, isOpen: atEnd))
        case nil: break
        }
        open = nil
    }

    private mutating func takeCode(_ line: String, _ fence: Substring, _ language: String,
                                   _ lines: [String]) {
        let trimmed = line.drop { $0 == " " }
        let isEnd = trimmed.count >= fence.count && trimmed.allSatisfy { $0 == fence.first }
        open = .code(fence: fence, language: language, lines: isEnd ? lines : lines + [line])
        if isEnd { close() }
    }

    private mutating func takeItem(_ item: MarkdownItem) {
        if case .list(let items) = open {
            open = .list(items + [item])
        } else {
            close()
            open = .list([item])
        }
    }

    private mutating func takeQuote(_ text: String) {
        if case .quote(let lines) = open {
            open = .quote(lines + [text])
        } else {
            close()
            open = .quote([text])
        }
    }

    /// Text continues what is open; a list's last item and a quote take it as well.
    private mutating func takeText(_ text: String) {
        switch open {
        case .paragraph(let lines): open = .paragraph(lines + [text])
        case .quote(let lines): open = .quote(lines + [text])
        case .list(var items):
            items[items.count - 1].text += "\n" + text
            open = .list(items)
        default: open = .paragraph([text])
        }
    }

    private static func fence(_ line: Substring) -> Substring? {
        guard let mark = line.first, mark == "`" || mark == "~" else { return nil }
        let fence = line.prefix { $0 == mark }
        return fence.count >= 3 ? fence : nil
    }

    private static func heading(_ line: Substring) -> MarkdownBlock? {
        let level = line.prefix { $0 == "#" }.count
        let text = line.dropFirst(level)
        guard (1...6).contains(level), text.first == " " else { return nil }
        return .heading(level: level, text: String(text.drop { $0 == " " }))
    }

    private static func isRule(_ line: Substring) -> Bool {
        let marks = line.filter { $0 != " " }
        guard let mark = marks.first, "-*_".contains(mark) else { return false }
        return marks.count >= 3 && marks.allSatisfy { $0 == mark }
    }

    private static func item(_ line: Substring, indent: Int) -> MarkdownItem? {
        let digits = line.prefix { $0.isASCII && $0.isNumber }
        let rest = line.dropFirst(digits.count)
        guard let mark = rest.first, rest.dropFirst().first == " ", digits.count <= 9,
              digits.isEmpty ? "-*+".contains(mark) : ".)".contains(mark)
        else { return nil }
        let text = String(rest.dropFirst(2).drop { $0 == " " })
        return MarkdownItem(depth: min(indent / 2, 8),
                            marker: digits.isEmpty ? "•" : "\(digits).", text: text)
    }
}
