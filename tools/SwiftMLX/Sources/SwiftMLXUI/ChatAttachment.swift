import Foundation
import SwiftMLXCore
#if canImport(PDFKit)
import PDFKit
#endif

/// Something that goes along with a message.
public struct ChatAttachment: Sendable, Hashable, Identifiable {
    /// What it holds.
    public enum Content: Sendable, Hashable {
        /// A picture, for a vision model.
        case image(ImageInput)
        /// A document's text, put before the question.
        case text(String)
    }

    /// Unique among the attachments of one conversation.
    public let id = UUID()
    /// The file's name, for people.
    public let name: String
    /// What it holds.
    public let content: Content

    /// Longest document, in bytes: more does not fit the context of most models.
    public static let maximumText = 1 << 20

    /// An attachment of your own.
    public init(name: String, content: Content) {
        self.name = name
        self.content = content
    }

    /// Reads a file: an image, a PDF's text, or any text in UTF-8. It looks at a file's size and its
    /// first bytes before it reads all of it.
    public init(contentsOf url: URL) throws {
        let name = url.lastPathComponent
        let mayRead = url.startAccessingFile()
        defer { if mayRead { url.stopAccessingFile() } }
        let (head, size) = try Self.look(url)
        if ImageInput.isImage(head) {
            self.init(name: name, content: .image(try ImageInput(contentsOf: url)))
            return
        }
        if head.starts(with: Data("%PDF-".utf8)) {
            self.init(name: name, content: .text(try Self.text(ofPDF: url, size)))
            return
        }
        guard size <= Self.maximumText else { throw Self.tooLong(name) }
        guard let data = try? Data(contentsOf: url), let text = String(data: data, encoding: .utf8),
              !text.utf8.contains(0)
        else {
            throw MLXError(.badRequest, "\(name) is neither an image nor text",
                           hint: "attach a picture or a text file")
        }
        self.init(name: name, content: .text(text))
    }

    /// Reads a file as ``init(contentsOf:)`` does, away from the actor that asks.
    public static func reading(_ url: URL) async throws -> ChatAttachment {
        try await Task.detached { try ChatAttachment(contentsOf: url) }.value
    }

    /// The first bytes of a file, and its size.
    private static func look(_ url: URL) throws -> (head: Data, size: Int) {
        guard let handle = try? FileHandle(forReadingFrom: url),
              let head = try? handle.read(upToCount: 64) ?? Data(), let size = try? handle.seekToEnd()
        else {
            throw MLXError(.badRequest, "cannot read \(url.lastPathComponent)",
                           hint: "check its permissions")
        }
        try? handle.close()
        return (head, Int(clamping: size))
    }

    private static func tooLong(_ name: String) -> MLXError {
        MLXError(.badRequest, "\(name) is too long",
                 hint: "attach less than \(maximumText >> 20) MiB of text")
    }

    private static func text(ofPDF url: URL, _ size: Int) throws -> String {
        let name = url.lastPathComponent
        guard size <= ImageInput.maximumSize else { throw tooLong(name) }
        #if canImport(PDFKit)
        let text = PDFDocument(url: url)?.string ?? ""
        guard !text.allSatisfy(\.isWhitespace) else {
            throw MLXError(.badRequest, "the PDF \(name) contains no text",
                           hint: "attach a picture of its pages to a vision model")
        }
        guard text.utf8.count <= maximumText else { throw tooLong(name) }
        return text
        #else
        throw MLXError(.badRequest, "\(name) is a PDF, whose text cannot be read on this system",
                       hint: "save it as text first, with `pdftotext`")
        #endif
    }
}

extension URL {
    /// A sandboxed app must ask for a file that the person chose; elsewhere there is nothing to ask.
    fileprivate func startAccessingFile() -> Bool {
        #if canImport(Darwin)
        startAccessingSecurityScopedResource()
        #else
        false
        #endif
    }

    fileprivate func stopAccessingFile() {
        #if canImport(Darwin)
        stopAccessingSecurityScopedResource()
        #endif
    }
}
