// The part of PDFKit that SwiftMLXUI uses, declared only.
import Foundation

open class PDFDocument: NSObject {
    public init?(url: URL) {}
    open var string: String? { nil }
}
