import Foundation

#if !canImport(CryptoKit)
/// SHA-1 and SHA-256 (FIPS 180-4) for systems whose Swift brings no cryptography along.
struct BlockHash {
    enum Function { case sha1, sha256 }

    private static let blockSize = 64
    private static let initial256: [UInt32] = [
        0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
    ]
    private static let initial1: [UInt32] = [0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0]
    private static let constants: [UInt32] = [
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    ]

    private let function: Function
    private var state: [UInt32]
    private var waiting: [UInt8] = []
    private var length: UInt64 = 0

    init(_ function: Function) {
        self.function = function
        state = function == .sha256 ? Self.initial256 : Self.initial1
    }

    mutating func update(data: Data) {
        length += UInt64(data.count)
        data.withUnsafeBytes { bytes in
            var rest = bytes[...]
            if !waiting.isEmpty {
                let missing = min(Self.blockSize - waiting.count, rest.count)
                waiting += rest.prefix(missing)
                rest = rest.dropFirst(missing)
                guard waiting.count == Self.blockSize else { return }
                let block = waiting
                waiting = []
                block.withUnsafeBytes { mix($0) }
            }
            let whole = rest.count / Self.blockSize * Self.blockSize
            mix(UnsafeRawBufferPointer(rebasing: rest.prefix(whole)))
            waiting += rest.dropFirst(whole)
        }
    }

    /// The bytes of the hash; what comes later can still be added.
    func finalize() -> [UInt8] {
        var copy = self
        let bits = length &* 8
        var end = Data([0x80])
        end.append(Data(count: (2 * Self.blockSize - 9 - waiting.count) % Self.blockSize))
        end.append(contentsOf: (0..<8).map { UInt8(truncatingIfNeeded: bits >> (56 - 8 * $0)) })
        copy.update(data: end)
        return copy.state.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (24 - 8 * $0)) } }
    }

    private mutating func mix(_ blocks: UnsafeRawBufferPointer) {
        withUnsafeTemporaryAllocation(of: UInt32.self, capacity: 80) { words in
            state.withUnsafeMutableBufferPointer { state in
                for start in stride(from: 0, to: blocks.count, by: Self.blockSize) {
                    for index in 0..<16 {
                        let word = blocks.loadUnaligned(fromByteOffset: start + 4 * index, as: UInt32.self)
                        words[index] = UInt32(bigEndian: word)
                    }
                    if function == .sha256 { Self.mix256(words, state) } else { Self.mix1(words, state) }
                }
            }
        }
    }

    private static func mix256(_ words: UnsafeMutableBufferPointer<UInt32>,
                               _ state: UnsafeMutableBufferPointer<UInt32>) {
        for index in 16..<64 {
            let (early, late) = (words[index - 15], words[index - 2])
            let small = turn(early, 7) ^ turn(early, 18) ^ early >> 3
            let large = turn(late, 17) ^ turn(late, 19) ^ late >> 10
            words[index] = words[index - 16] &+ small &+ words[index - 7] &+ large
        }
        var (a, b, c, d) = (state[0], state[1], state[2], state[3])
        var (e, f, g, h) = (state[4], state[5], state[6], state[7])
        constants.withUnsafeBufferPointer { constants in
            for index in 0..<64 {
                let choice = (e & f) ^ (~e & g)
                let first = h &+ (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) &+ choice &+ constants[index] &+ words[index]
                let second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) &+ ((a & b) ^ (a & c) ^ (b & c))
                (h, g, f, e) = (g, f, e, d &+ first)
                (d, c, b, a) = (c, b, a, first &+ second)
            }
        }
        add([a, b, c, d, e, f, g, h], state)
    }

    private static func mix1(_ words: UnsafeMutableBufferPointer<UInt32>,
                             _ state: UnsafeMutableBufferPointer<UInt32>) {
        for index in 16..<80 {
            let mixed = words[index - 3] ^ words[index - 8] ^ words[index - 14] ^ words[index - 16]
            words[index] = turn(mixed, 31)
        }
        var (a, b, c, d, e) = (state[0], state[1], state[2], state[3], state[4])
        for index in 0..<80 {
            let (choice, constant): (UInt32, UInt32) = switch index / 20 {
            case 0: ((b & c) | (~b & d), 0x5a827999)
            case 1: (b ^ c ^ d, 0x6ed9eba1)
            case 2: ((b & c) | (b & d) | (c & d), 0x8f1bbcdc)
            default: (b ^ c ^ d, 0xca62c1d6)
            }
            let next = turn(a, 27) &+ choice &+ e &+ constant &+ words[index]
            (e, d, c, b, a) = (d, c, turn(b, 2), a, next)
        }
        add([a, b, c, d, e], state)
    }

    private static func add(_ values: [UInt32], _ state: UnsafeMutableBufferPointer<UInt32>) {
        for (index, value) in values.enumerated() { state[index] &+= value }
    }

    /// `word` turned right.
    private static func turn(_ word: UInt32, _ count: UInt32) -> UInt32 { word >> count | word << (32 - count) }
}
#endif
