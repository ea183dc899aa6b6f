import Testing
@testable import SwiftMLXUI

@Suite struct MarkdownTests {
    private static let sample = """
        # Title

        Some *text* over
        two lines.
        ## Section
        - one
        - two
          - nested
        1. first
        2) second
        continued

        > quoted
        goes on

        ***

        ```swift
        let a = 1

        # no heading
        ```
        Text right after.
        ~~~
        still open
        """

    @Test func readsEveryKindOfBlock() {
        #expect(StreamingMarkdown(Self.sample).blocks == [
            .heading(level: 1, text: "Title"),
            .paragraph("Some *text* over\ntwo lines."),
            .heading(level: 2, text: "Section"),
            .list([
                MarkdownItem(depth: 0, marker: "•", text: "one"),
                MarkdownItem(depth: 0, marker: "•", text: "two"),
                MarkdownItem(depth: 1, marker: "•", text: "nested"),
                MarkdownItem(depth: 0, marker: "1.", text: "first"),
                MarkdownItem(depth: 0, marker: "2.", text: "second\ncontinued"),
            ]),
            .quote("quoted\ngoes on"),
            .rule,
            .code(language: "swift", text: "let a = 1\n\n# no heading", isOpen: false),
            .paragraph("Text right after."),
            .code(language: "", text: "still open", isOpen: true),
        ])
    }

    @Test(arguments: ["-no item", "#no heading", "1.no item", "--", "`code`", "1234567890. no item"])
    func ordinaryTextStaysText(line: String) {
        #expect(StreamingMarkdown(line).blocks == [.paragraph(line)])
    }

    @Test func anyCutGivesTheSameBlocksAtEveryMoment() {
        let text = Self.sample.replacing("\n\n", with: "\r\n\r\n")
        let scalars = Array(text.unicodeScalars)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<200 {
            var markdown = StreamingMarkdown()
            var end = 0
            while end < scalars.count {
                let next = min(scalars.count, end + Int.random(in: 1...30, using: &generator))
                var piece = ""
                piece.unicodeScalars.append(contentsOf: scalars[end..<next])
                markdown.append(piece)
                end = next
                var whole = ""
                whole.unicodeScalars.append(contentsOf: scalars[..<end])
                #expect(markdown.blocks == StreamingMarkdown(whole).blocks, "up to \(end)")
            }
        }
    }
}
