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
    private var reader: CheckedContinuation<Void, Never>?
    private var isClosed = false
    private var taken = 0
    private var skipped = 0

    init(pattern: TopicPattern?) {
        self.pattern = pattern
    }

    func put(_ message: BusMessage) {
        let topic = message.topic
        if let pattern, !pattern.matches(topic) { return }
        let reader = locked { () -> CheckedContinuation<Void, Never>? in
            guard !isClosed else { return nil }
            taken += 1
            if newest.updateValue(message, forKey: topic) != nil {
                skipped += 1
            } else {
                order.append(topic)
            }
            if order.count > Self.maximumTopics {
                newest[order.removeFirst()] = nil
                skipped += 1
            }
            defer { self.reader = nil }
            return self.reader
        }
        reader?.resume()
    }

    /// Waits for the next message; nil once closed. One reader at a time.
    func take() async -> BusMessage? {
        while true {
            let (message, isOver) = locked {
                (order.isEmpty ? nil : newest.removeValue(forKey: order.removeFirst()), isClosed)
            }
            if message != nil || isOver { return message }
            await withCheckedContinuation { continuation in
                let mayWait = locked {
                    let mayWait = order.isEmpty && !isClosed
                    if mayWait { reader = continuation }
                    return mayWait
                }
                if !mayWait { continuation.resume() }
            }
        }
    }

    func close() {
        let reader = locked {
            isClosed = true
            (newest, order) = ([:], [])
            defer { self.reader = nil }
            return self.reader
        }
        reader?.resume()
    }

    private func locked<Result>(_ body: () -> Result) -> Result {
        lock.lock()
        defer { lock.unlock() }
        return body()
    }

    /// Messages taken from the bus so far, and how many of them gave way to newer ones.
    var counts: (taken: Int, skipped: Int) {
        locked { (taken, skipped) }
    }
}
