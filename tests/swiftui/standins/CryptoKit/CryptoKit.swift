// The part of CryptoKit that SwiftMLXCore uses, declared only.
import Foundation

public struct SHA256Digest: Sequence, Sendable {
    public func makeIterator() -> Array<UInt8>.Iterator { [].makeIterator() }
}

public struct SHA256: Sendable {
    public init() {}
    public mutating func update<D: DataProtocol>(data: D) {}
    public func finalize() -> SHA256Digest { SHA256Digest() }
}

public enum Insecure {
    public struct SHA1Digest: Sequence, Sendable {
        public func makeIterator() -> Array<UInt8>.Iterator { [].makeIterator() }
    }

    public struct SHA1: Sendable {
        public init() {}
        public mutating func update<D: DataProtocol>(data: D) {}
        public func finalize() -> SHA1Digest { SHA1Digest() }
    }
}
