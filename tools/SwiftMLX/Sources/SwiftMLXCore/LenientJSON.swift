import Foundation

/// JSON in the answer of a model that nobody held to it: in a block of code, or with words around it.
enum LenientJSON {
    /// Most places of a text that are tried.
    private static let maximumStarts = 64

    /// What may be the JSON of `text`, the likeliest first.
    static func candidates(in text: String) -> [Data] {
        let bytes = Array(text.utf8)
        var found = [Data(bytes)]
        var at = 0, starts = 0
        while at < bytes.count, starts < maximumStarts {
            if bytes[at] == UInt8(ascii: "{") || bytes[at] == UInt8(ascii: "[") { starts += 1 }
            if bytes[at] == UInt8(ascii: "{") || bytes[at] == UInt8(ascii: "["),
               let end = end(of: bytes, from: at) {
                found.append(Data(bytes[at..<end]))
                at = end
            } else {
                at += 1
            }
        }
        return found
    }

    /// Behind the bracket that closes the one at `start`; nil where none does.
    private static func end(of bytes: [UInt8], from start: Int) -> Int? {
        var depth = 0, isInString = false, at = start
        while at < bytes.count {
            switch bytes[at] {
            case UInt8(ascii: "\\") where isInString: at += 1
            case UInt8(ascii: "\""): isInString.toggle()
            case UInt8(ascii: "{"), UInt8(ascii: "["): if !isInString { depth += 1 }
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                if !isInString { depth -= 1 }
                if depth == 0 { return at + 1 }
            default: break
            }
            at += 1
        }
        return nil
    }
}

extension GenerationRequest {
    /// The same request with its form asked for in words, for a back end that takes no form.
    var askedInWords: GenerationRequest {
        var request = self
        var words = "Answer with JSON only, without any other words."
        if case .jsonSchema(let schema) = options.format {
            words += " It fits this JSON schema:\n" + String(decoding: schema.encoded, as: UTF8.self)
        }
        request.options.format = .text
        request.messages[messages.count - 1].text += "\n\n" + words
        return request
    }
}
