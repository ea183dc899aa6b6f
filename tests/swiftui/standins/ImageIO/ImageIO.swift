// The part of ImageIO and CoreFoundation that SwiftMLXCore uses, declared only.
import Foundation

public typealias CFData = NSData
public typealias CFMutableData = NSMutableData
public typealias CFString = NSString
public typealias CFDictionary = NSDictionary
public final class CGImageSource {}
public final class CGImageDestination {}
public func CGImageSourceCreateWithData(_ data: CFData, _ options: CFDictionary?) -> CGImageSource? { nil }
public func CGImageDestinationCreateWithData(
    _ data: CFMutableData, _ type: CFString, _ count: Int, _ options: CFDictionary?
) -> CGImageDestination? { nil }
public func CGImageDestinationAddImageFromSource(
    _ target: CGImageDestination, _ source: CGImageSource, _ index: Int, _ properties: CFDictionary?
) {}
public func CGImageDestinationFinalize(_ target: CGImageDestination) -> Bool { false }
