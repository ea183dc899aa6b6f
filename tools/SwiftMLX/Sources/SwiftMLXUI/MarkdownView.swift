#if canImport(SwiftUI)
import SwiftUI

/// Shows Markdown, also while it arrives.
public struct MarkdownView: View {
    private let blocks: [MarkdownBlock]

    /// Shows a text that arrives.
    public init(_ markdown: StreamingMarkdown) {
        blocks = markdown.blocks
    }

    /// Shows a whole text.
    public init(_ text: String) {
        self.init(StreamingMarkdown(text))
    }

    /// The blocks, one below the other.
    public var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            // Blocks only ever grow at the end, so their place identifies them.
            ForEach(Array(blocks.enumerated()), id: \.offset) { _, block in
                view(of: block)
            }
        }
        .textSelection(.enabled)
    }

    @ViewBuilder private func view(of block: MarkdownBlock) -> some View {
        switch block {
        case .paragraph(let text):
            Text(Self.inline(text))
        case .heading(let level, let text):
            Text(Self.inline(text))
                .font(level == 1 ? .title2 : level == 2 ? .title3 : .headline)
                .accessibilityAddTraits(.isHeader)
        case .code(let language, let text, _):
            CodeView(language: language, text: text)
        case .list(let items):
            VStack(alignment: .leading, spacing: 4) {
                ForEach(Array(items.enumerated()), id: \.offset) { _, item in
                    HStack(alignment: .firstTextBaseline, spacing: 6) {
                        Text(item.marker).foregroundStyle(.secondary)
                        Text(Self.inline(item.text))
                    }
                    .padding(.leading, CGFloat(item.depth) * 16)
                    .accessibilityElement(children: .combine)
                }
            }
        case .quote(let text):
            HStack(spacing: 8) {
                Rectangle().fill(.tertiary).frame(width: 3).accessibilityHidden(true)
                Text(Self.inline(text)).foregroundStyle(.secondary)
            }
        case .rule:
            Divider()
        }
    }

    /// Bold, italics, code and links; text that is not Markdown yet is shown as it is.
    private static func inline(_ text: String) -> AttributedString {
        let options = AttributedString.MarkdownParsingOptions(
            interpretedSyntax: .inlineOnlyPreservingWhitespace)
        return (try? AttributedString(markdown: text, options: options)) ?? AttributedString(text)
    }
}

/// Code with its language and a button that copies it.
private struct CodeView: View {
    let language: String
    let text: String

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                Text(language).font(.caption).foregroundStyle(.secondary)
                Spacer()
                Button("Copy", systemImage: "doc.on.doc") { Pasteboard.copy(text) }
                    .labelStyle(.iconOnly)
                    .buttonStyle(.borderless)
                    .accessibilityLabel("Copy code")
            }
            ScrollView(.horizontal) {
                Text(text).font(.system(.body, design: .monospaced))
            }
        }
        .padding(10)
        .background(.quaternary, in: RoundedRectangle(cornerRadius: 8))
        .accessibilityElement(children: .contain)
        .accessibilityLabel(language.isEmpty ? "Code" : "Code in \(language)")
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct MarkdownPreview: PreviewProvider {
    static var previews: some View {
        MarkdownView("# Title\nSome **bold** text.\n\n- one\n- two\n\n```swift\nlet a = 1\n```")
            .padding()
    }
}
#endif
