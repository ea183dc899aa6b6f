// The part of mlx-swift 0.31 that SwiftMLXCore uses. Arrays hold whole numbers only, and the buffers are
// counted, not kept: tests/swiftui/inprocess looks.
import Synchronization

public final class MLXArray {
    private let values: [Int]
    public init(_ values: [Int]) { self.values = values }
    public var size: Int { values.count }
    public var ndim: Int { 1 }
    public func asArray<Element>(_ type: Element.Type) -> [Element] { values.map { $0 as! Element } }
}

public enum Memory {
    private static let state = Mutex((limit: Int.max, clearings: 0))
    public static var cacheLimit: Int {
        get { state.withLock { $0.limit } }
        set { state.withLock { $0.limit = newValue } }
    }
    public static func clearCache() { state.withLock { $0.clearings += 1 } }
    public static var clearings: Int { state.withLock { $0.clearings } }
}
