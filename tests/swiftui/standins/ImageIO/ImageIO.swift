// The part of ImageIO and CoreFoundation that SwiftMLXCore uses, declared only.
import Foundation

public typealias CFData = NSData
public typealias CFMutableData = NSMutableData
public typealias CFString = NSString
public typealias CFDictionary = NSDictionary
public final class CGImageSource {}
public final class CGImage: Sendable {}
nonisolated(unsafe) public let kCGImageSourceCreateThumbnailFromImageAlways: CFString = "always"
nonisolated(unsafe) public let kCGImageSourceCreateThumbnailWithTransform: CFString = "transform"
nonisolated(unsafe) public let kCGImageSourceThumbnailMaxPixelSize: CFString = "size"
public func CGImageSourceCreateThumbnailAtIndex(
    _ source: CGImageSource, _ index: Int, _ options: CFDictionary?
) -> CGImage? { nil }
extension String {
    /// As Foundation bridges it on Apple's systems.
    public init(_ text: CFString) { self = text.description }
}
public final class CGImageDestination {}
public func CGImageSourceCreateWithData(_ data: CFData, _ options: CFDictionary?) -> CGImageSource? { nil }
public func CGImageDestinationCreateWithData(
    _ data: CFMutableData, _ type: CFString, _ count: Int, _ options: CFDictionary?
) -> CGImageDestination? { nil }
public func CGImageDestinationAddImageFromSource(
    _ target: CGImageDestination, _ source: CGImageSource, _ index: Int, _ properties: CFDictionary?
) {}
public func CGImageDestinationFinalize(_ target: CGImageDestination) -> Bool { false }
