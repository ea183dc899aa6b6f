// The part of AppKit that this repository uses, declared only.
@_exported import Foundation

open class NSImage { public init?(data: Data) {} }

@MainActor open class NSPasteboard {
    public struct PasteboardType: Sendable { public static let string = PasteboardType() }
    public static var general: NSPasteboard { fatalError() }
    @discardableResult open func clearContents() -> Int { 0 }
    @discardableResult open func setString(_ string: String, forType type: PasteboardType) -> Bool { true }
}

@MainActor open class NSApplication {
    open func terminate(_ sender: Any?) {}
    open func activate() {}
}
@MainActor public var NSApp: NSApplication! { fatalError() }

@MainActor open class NSWorkspace {
    public static var shared: NSWorkspace { fatalError() }
    @discardableResult open func open(_ url: URL) -> Bool { true }
}
