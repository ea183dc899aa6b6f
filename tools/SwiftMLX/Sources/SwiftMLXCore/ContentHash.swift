import Foundation
#if canImport(CryptoKit)
import CryptoKit
#endif

/// The hash by which the hub names a file's content, computed piece by piece.
struct ContentHash {
    /// Which of the two it is.
    enum Kind: Sendable, Hashable {
        /// Of a large file.
        case sha256
        /// Of a small one, as git has it: with its size in bytes.
        case gitBlob(Int)

        /// Digits of the hash.
        var digits: Int { self == .sha256 ? 64 : 40 }
    }

    #if canImport(CryptoKit)
    private var sha256 = SHA256()
    private var sha1 = Insecure.SHA1()
    #else
    private var sha256 = BlockHash(.sha256)
    private var sha1 = BlockHash(.sha1)
    #endif
    private let kind: Kind

    init(_ kind: Kind) {
        self.kind = kind
        if case .gitBlob(let size) = kind { sha1.update(data: Data("blob \(size)\0".utf8)) }
    }

    mutating func update(_ data: Data) {
        if kind == .sha256 { sha256.update(data: data) } else { sha1.update(data: data) }
    }

    /// The hash in lower case, of everything so far.
    var hex: String {
        kind == .sha256 ? Self.hex(sha256.finalize()) : Self.hex(sha1.finalize())
    }

    private static func hex(_ bytes: some Sequence<UInt8>) -> String {
        bytes.map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}
