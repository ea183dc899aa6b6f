import Foundation

public final class CIImage: @unchecked Sendable {
    public init?(data: Data) {}
}
