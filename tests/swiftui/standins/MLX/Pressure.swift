// What Dispatch has on Apple's systems and other systems' lacks.
import Dispatch
import Synchronization

public protocol DispatchSourceMemoryPressure: DispatchSourceProtocol {}

extension DispatchSource: DispatchSourceMemoryPressure {
    public struct MemoryPressureEvent: OptionSet, Sendable {
        public let rawValue: Int
        public init(rawValue: Int) { self.rawValue = rawValue }
        public static let warning = MemoryPressureEvent(rawValue: 1)
        public static let critical = MemoryPressureEvent(rawValue: 2)
    }

    private static let raising = Mutex<(@Sendable () -> Void)?>(nil)

    public static func makeMemoryPressureSource(eventMask: MemoryPressureEvent, queue: DispatchQueue?)
        -> any DispatchSourceMemoryPressure {
        nonisolated(unsafe) let source = makeUserDataAddSource(queue: queue) as! DispatchSource
        raising.withLock { $0 = { (source as any DispatchSourceUserDataAdd).add(data: 1) } }
        return source
    }

    /// As if memory were short.
    public static func raisePressure() { raising.withLock { $0 }?() }
}
