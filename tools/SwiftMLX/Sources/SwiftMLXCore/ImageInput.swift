import Foundation
#if canImport(ImageIO)
import ImageIO
#endif

/// An image for a vision model: its encoded bytes, as a file holds them.
public struct ImageInput: Sendable, Hashable {
    /// The encoded image.
    public let data: Data
    /// Its media type, told from the first bytes: `image/png`, `image/jpeg`, `image/webp`, …
    public let mediaType: String

    /// Largest image accepted, in bytes: a server decodes it in memory.
    public static let maximumSize = 64 << 20

    /// Takes the bytes of an image file. A HEIC photograph becomes a JPEG on Apple's systems. Throws
    /// when they are not an image that model servers read.
    public init(data: Data) throws {
        guard data.count <= Self.maximumSize else { throw Self.tooLarge(data.count) }
        if let format = Self.photographFormat(of: data) {
            self.data = try Self.jpeg(of: data, format)
            mediaType = "image/jpeg"
            return
        }
        guard let type = Self.mediaType(of: data) else {
            throw MLXError(.badRequest, "the data is not an image in a known format",
                           hint: "use PNG, JPEG, WebP, GIF, BMP or TIFF")
        }
        self.data = data
        mediaType = type
    }

    /// Reads an image file.
    public init(contentsOf url: URL) throws {
        let size = (try? FileManager.default.attributesOfItem(
            atPath: url.resolvingSymlinksInPath().path))?[.size] as? NSNumber
        if let size, size.intValue > Self.maximumSize { throw Self.tooLarge(size.intValue) }
        let data: Data
        do {
            data = try Data(contentsOf: url)
        } catch {
            throw MLXError(.badRequest, "cannot read the image \(url.path)",
                           hint: "check the path and its permissions")
        }
        try self.init(data: data)
    }

    /// `data:` URL, the form that OpenAI-compatible servers take.
    var dataURL: String { "data:\(mediaType);base64,\(data.base64EncodedString())" }

    private static let signatures: [(offset: Int, bytes: [UInt8], type: String)] = [
        (0, [0x89, 0x50, 0x4E, 0x47], "image/png"),
        (0, [0xFF, 0xD8, 0xFF], "image/jpeg"),
        (8, Array("WEBP".utf8), "image/webp"),
        (0, Array("GIF8".utf8), "image/gif"),
        (0, Array("BM".utf8), "image/bmp"),
        (0, [0x49, 0x49, 0x2A, 0x00], "image/tiff"),
        (0, [0x4D, 0x4D, 0x00, 0x2A], "image/tiff"),
    ]

    /// Whether a file that begins with `head` is an image, of whatever format.
    package static func isImage(_ head: Data) -> Bool {
        mediaType(of: head) != nil || photographFormat(of: head) != nil
    }

    private static func tooLarge(_ size: Int) -> MLXError {
        MLXError(.badRequest, "the image has \(size) bytes",
                 hint: "scale it down to less than \(maximumSize >> 20) MiB")
    }

    /// HEIC or AVIF, the formats of phones, which model servers do not read.
    private static func photographFormat(of data: Data) -> String? {
        guard data.dropFirst(4).starts(with: Data("ftyp".utf8)) else { return nil }
        let brand = String(decoding: data.dropFirst(8).prefix(4), as: UTF8.self)
        if ["heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1"].contains(brand) {
            return "HEIC"
        }
        return ["avif", "avis"].contains(brand) ? "AVIF" : nil
    }

    private static func jpeg(of data: Data, _ format: String) throws -> Data {
        #if canImport(ImageIO)
        let result = NSMutableData()
        guard let source = CGImageSourceCreateWithData(NSData(data: data) as CFData, nil),
              let target = CGImageDestinationCreateWithData(
                  result as CFMutableData, NSString(string: "public.jpeg") as CFString, 1, nil)
        else { throw unreadable(format) }
        CGImageDestinationAddImageFromSource(target, source, 0, nil)
        guard CGImageDestinationFinalize(target) else { throw unreadable(format) }
        return Data(referencing: result)
        #else
        throw MLXError(.badRequest, "the image is \(format), which model servers do not read",
                       hint: "save it as JPEG or PNG first")
        #endif
    }

    #if canImport(ImageIO)
    private static func unreadable(_ format: String) -> MLXError {
        MLXError(.badRequest, "the \(format) image cannot be decoded", hint: "save it as JPEG or PNG first")
    }
    #endif

    private static func mediaType(of data: Data) -> String? {
        signatures.first { data.dropFirst($0.offset).starts(with: $0.bytes) }?.type
    }
}
