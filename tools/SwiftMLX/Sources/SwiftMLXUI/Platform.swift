#if canImport(SwiftUI)
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
    /// The picture, or nil where the system cannot decode it.
    init?(_ input: ImageInput) {
        #if canImport(AppKit)
        guard let picture = NSImage(data: input.data) else { return nil }
        self.init(nsImage: picture)
        #elseif canImport(UIKit)
        guard let picture = UIImage(data: input.data) else { return nil }
        self.init(uiImage: picture)
        #endif
    }
}
#endif
