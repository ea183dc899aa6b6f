// The part of UIKit that this repository uses, declared only.
@_exported import Foundation
import SwiftUI

public final class UIImage: @unchecked Sendable { public init?(data: Data) {} }

@MainActor public final class UIPasteboard {
    public static var general: UIPasteboard { fatalError() }
    public var string: String?
    init() {}
}

extension Image {
    public init(uiImage: UIImage) { fatalError() }
}
