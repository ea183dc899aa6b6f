import Foundation
internal import CMLXBus

/// One connection that delivers messages. It ends when it is no longer referenced.
final class Feed: Sendable {
    let inbox: Inbox
    private let handle: Handle

    init(runDirectory: URL?, prefix: String, pattern: TopicPattern?) throws(BusError) {
        let inbox = Inbox(pattern: pattern)
        // The C thread owns one reference until it says that it is done.
        let owned = Unmanaged.passRetained(inbox)
        var error = cmlx_error_t()
        let opened = cmlx_feed_open(
            try resolvedRunDirectory(runDirectory), prefix,
            { context, message in
                guard let context, let message else { return }
                Unmanaged<Inbox>.fromOpaque(context).takeUnretainedValue()
                    .put(BusMessage(owning: message))
            },
            { context in
                guard let context else { return }
                Unmanaged<Inbox>.fromOpaque(context).release()
            },
            owned.toOpaque(), &error)
        guard let opened else {
            owned.release()
            throw BusError(error)
        }
        self.inbox = inbox
        handle = Handle { cmlx_feed_close(opened) }
    }

    deinit {
        close()
    }

    /// The next message, or nil once the reading task is cancelled.
    func next() async -> BusMessage? {
        await withTaskCancellationHandler {
            await inbox.take()
        } onCancel: {
            close()
        }
    }

    private func close() {
        handle.close()
        inbox.close()
    }
}

/// Closes something once.
final class Handle: @unchecked Sendable {
    private let lock = NSLock()
    private var action: (() -> Void)?

    init(_ action: @escaping () -> Void) {
        self.action = action
    }

    func close() {
        lock.lock()
        let action = self.action
        self.action = nil
        lock.unlock()
        action?()
    }
}

/// Messages that nobody has taken yet: the newest of each topic, in the order of their topics' first
/// coming. That bounds what a slow reader can pile up without hiding one source behind another.
final class Inbox: @unchecked Sendable {
    /// Topics that wait at once; beyond it the oldest gives way.
    static let maximumTopics = 1024

    private let pattern: TopicPattern?
    private let lock = NSLock()
    private var newest: [String: BusMessage] = [:]
    private var order: [String] = []
    private var reader: CheckedContinuation<BusMessage?, Never>?
    private var isClosed = false
    private var taken = 0
    private var skipped = 0

    init(pattern: TopicPattern?) {
        self.pattern = pattern
    }

    func put(_ message: BusMessage) {
        let topic = message.topic
        if let pattern, !pattern.matches(topic) { return }
        lock.lock()
        guard !isClosed else { return lock.unlock() }
        taken += 1
        if let reader {
            self.reader = nil
            lock.unlock()
            return reader.resume(returning: message)
        }
        if newest.updateValue(message, forKey: topic) != nil {
            skipped += 1
        } else {
            order.append(topic)
            if order.count > Self.maximumTopics {
                newest[order.removeFirst()] = nil
                skipped += 1
            }
        }
        lock.unlock()
    }

    /// Messages taken from the bus so far, and how many of them gave way to newer ones.
    var counts: (taken: Int, skipped: Int) {
        lock.lock()
        defer { lock.unlock() }
        return (taken, skipped)
    }

    /// Waits for the next message. One reader at a time.
    func take() async -> BusMessage? {
        await withCheckedContinuation { continuation in
            lock.lock()
            if let topic = order.first {
                order.removeFirst()
                let message = newest.removeValue(forKey: topic)
                lock.unlock()
                continuation.resume(returning: message)
            } else if isClosed {
                lock.unlock()
                continuation.resume(returning: nil)
            } else {
                reader = continuation
                lock.unlock()
            }
        }
    }

    func close() {
        lock.lock()
        isClosed = true
        let reader = self.reader
        self.reader = nil
        (newest, order) = ([:], [])
        lock.unlock()
        reader?.resume(returning: nil)
    }
}
