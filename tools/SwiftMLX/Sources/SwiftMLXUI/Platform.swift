#if canImport(SwiftUI)
import Foundation
import ImageIO
import SwiftMLXCore
import SwiftUI
#if canImport(AppKit)
import AppKit
#elseif canImport(UIKit)
import UIKit
#endif

/// The few calls that differ between the Mac and the iPhone.
enum Pasteboard {
    @MainActor static func copy(_ text: String) {
        #if canImport(AppKit)
        NSPasteboard.general.clearContents()
        NSPasteboard.general.setString(text, forType: .string)
        #elseif canImport(UIKit)
        UIPasteboard.general.string = text
        #endif
    }
}

extension Image {
    /// Most pixels of a thumbnail's longer side.
    private static let thumbnailSize = 192

    /// A small copy of the picture, made without decoding all of it; nil where the system cannot.
    static func thumbnail(of input: ImageInput) async -> Image? {
        let size = thumbnailSize
        let picture = await Task.detached { () -> CGImage? in
            guard let source = CGImageSourceCreateWithData(NSData(data: input.data) as CFData, nil) else {
                return nil
            }
            let options: [String: Any] = [
                kCGImageSourceCreateThumbnailFromImageAlways as String: true,
                kCGImageSourceCreateThumbnailWithTransform as String: true,
                kCGImageSourceThumbnailMaxPixelSize as String: size,
            ]
            return CGImageSourceCreateThumbnailAtIndex(source, 0, NSDictionary(dictionary: options))
        }.value
        return picture.map { Image(decorative: $0, scale: 1) }
    }
}
#endif
