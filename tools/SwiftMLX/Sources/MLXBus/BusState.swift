import Foundation
#if canImport(Glibc)
import Glibc
#endif

/// Whether the suite's bus is there.
public enum BusState: Sendable, Hashable {
    /// Nobody serves it: the suite is not started, or was stopped. Loops over values wait.
    case waiting
    /// It is served: no value yet means that no source has one.
    case served
}

extension MetricsBus {
    /// Whether somebody serves the bus now.
    ///
    /// A loop over values waits for a bus that is gone and continues when it comes back; this tells
    /// the two silences apart:
    ///
    /// ```swift
    /// for await state in MetricsBus().states() {
    ///     banner = state == .waiting ? "The suite does not run" : nil
    /// }
    /// ```
    public var state: BusState {
        guard let path = try? resolvedRunDirectory(directory) else { return .waiting }
        return Self.isServed(path + "/subscribe.sock") ? .served : .waiting
    }

    /// The state now, then each change, noticed within `interval`.
    public func states(every interval: Duration = .seconds(1)) -> AsyncStream<BusState> {
        let (states, continuation) = AsyncStream<BusState>.makeStream(bufferingPolicy: .bufferingNewest(1))
        let watch = Task.detached {
            var last: BusState?
            while !Task.isCancelled {
                let now = state
                if now != last { continuation.yield(now) }
                last = now
                try? await Task.sleep(for: interval)
            }
            continuation.finish()
        }
        continuation.onTermination = { _ in watch.cancel() }
        return states
    }

    /// Whether somebody accepts connections on a Unix socket.
    private static func isServed(_ path: String) -> Bool {
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        let bytes = Array(path.utf8)
        guard bytes.count < MemoryLayout.size(ofValue: address.sun_path) else { return false }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        #if canImport(Glibc)
        let descriptor = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard descriptor >= 0 else { return false }
        defer { close(descriptor) }
        return withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size)) == 0
            }
        }
    }
}
