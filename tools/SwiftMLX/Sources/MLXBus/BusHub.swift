import Foundation
internal import CMLXBus

/// The one connection of this process to one bus: a thread and its sockets, whatever number of
/// loops read from it. It opens with the first loop and closes with the last.
final class BusHub: @unchecked Sendable {
    /// A value that the bus keeps, for loops that come later.
    private struct Kept {
        let message: BusMessage
        let arrived: ContinuousClock.Instant
    }

    private struct Reader {
        let inbox: Inbox
        let prefix: String
    }

    /// Values kept at once; beyond it later loops wait for the next value of a topic.
    private static let maximumKept = 4096
    /// How long a source may be late before its last value is the past.
    private static let patience = 30

    private static let table = NSLock()
    nonisolated(unsafe) private static var open: [String: BusHub] = [:]

    private let path: String
    private let lock = NSLock()
    private var readers: [Reader] = []
    private var prefixes: [String] = []
    private var kept: [String: Kept] = [:]
    private var feed: OpaquePointer?

    private init(_ path: String) {
        self.path = path
    }

    /// Delivers to `inbox` what comes under `prefix`, the last value of each topic first.
    static func join(_ path: String, prefix: String, _ inbox: Inbox) throws(BusError) -> BusHub {
        table.lock()
        defer { table.unlock() }
        let hub = open[path] ?? BusHub(path)
        try hub.add(Reader(inbox: inbox, prefix: prefix))
        open[path] = hub
        return hub
    }

    /// Delivers nothing more to `inbox`.
    func leave(_ inbox: Inbox) {
        Self.table.lock()
        lock.lock()
        readers.removeAll { $0.inbox === inbox }
        let last = readers.isEmpty ? feed : nil
        if last != nil {
            feed = nil
            Self.open[path] = nil
        }
        lock.unlock()
        Self.table.unlock()
        if let last { cmlx_feed_close(last) }
    }

    private func add(_ reader: Reader) throws(BusError) {
        lock.lock()
        defer { lock.unlock() }
        if let feed {
            let isCovered = prefixes.contains { reader.prefix.hasPrefix($0) }
            if !isCovered { cmlx_feed_add(feed, reader.prefix) }
        } else {
            feed = try connect(reader.prefix)
        }
        prefixes.append(reader.prefix)
        for value in kept.values where value.message.topic.hasPrefix(reader.prefix) {
            if Self.isFresh(value) { reader.inbox.put(value.message) }
        }
        readers.append(reader)
    }

    private func connect(_ prefix: String) throws(BusError) -> OpaquePointer {
        // The C thread owns one reference until it says that it is done.
        let owned = Unmanaged.passRetained(self)
        var error = cmlx_error_t()
        let opened = cmlx_feed_open(
            path, prefix,
            { context, message in
                guard let context, let message else { return }
                Unmanaged<BusHub>.fromOpaque(context).takeUnretainedValue()
                    .put(BusMessage(owning: message))
            },
            { context in
                guard let context else { return }
                Unmanaged<BusHub>.fromOpaque(context).release()
            },
            owned.toOpaque(), &error)
        guard let opened else {
            owned.release()
            throw BusError(error)
        }
        return opened
    }

    private func put(_ message: BusMessage) {
        let topic = message.topic
        lock.lock()
        defer { lock.unlock() }
        keep(message, topic)
        for reader in readers where topic.hasPrefix(reader.prefix) { reader.inbox.put(message) }
    }

    private func keep(_ message: BusMessage, _ topic: String) {
        let key = message.host + "/" + topic
        guard kept[key] != nil || kept.count < Self.maximumKept, cmlx_topic_period(topic) >= 0
        else { return }
        kept[key] = Kept(message: message, arrived: .now)
    }

    /// The bus itself forgets the values of a source that has fallen silent.
    private static func isFresh(_ value: Kept) -> Bool {
        let period = Int(cmlx_topic_period(value.message.topic))
        return ContinuousClock.now - value.arrived < .seconds(2 * max(0, period) + patience)
    }
}
