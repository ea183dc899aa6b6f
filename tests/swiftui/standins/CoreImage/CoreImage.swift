// The part of CoreImage and CoreGraphics that this repository uses, declared only.
import Foundation
import ImageIO

public final class CGColorSpace: @unchecked Sendable {
    public init?(name: CFString) {}
    nonisolated(unsafe) public static let sRGB: CFString = "sRGB"
}

public enum CGImagePropertyOrientation: UInt32, Sendable {
    case up = 1
}

public struct CIFormat: Sendable {
    public static let RGBA8 = CIFormat()
}

public final class CIImage: Sendable, Equatable {
    public init?(data: Data) { if data.isEmpty { return nil } }
    public static func == (one: CIImage, other: CIImage) -> Bool { one === other }
    public func oriented(_ orientation: CGImagePropertyOrientation) -> CIImage { self }
}

public final class CIContext {
    public init() {}
    public func pngRepresentation(of image: CIImage, format: CIFormat, colorSpace: CGColorSpace) -> Data? { nil }
}
