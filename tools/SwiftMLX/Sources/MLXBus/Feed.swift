import Foundation

/// What one loop reads. It ends when it is no longer referenced.
final class Feed: Sendable {
    let inbox: Inbox
    private let handle: Handle

    /// With `states`, whether the bus is served comes as well.
    init(_ bus: MetricsBus, prefix: String, pattern: TopicPattern?, states: Bool) throws(BusError) {
        let inbox = Inbox(pattern: pattern)
        let hub = try BusHub.join(try resolvedRunDirectory(bus.directory), prefix: prefix, inbox)
        let watch = states ? Task.detached { for await state in bus.states() { inbox.put(state) } } : nil
        self.inbox = inbox
        handle = Handle {
            watch?.cancel()
            hub.leave(inbox)
        }
    }

    deinit {
        close()
    }

    /// What comes next, or nil once the reading task is cancelled.
    func next() async -> Inbox.Item? {
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

    /// What a loop reads.
    enum Item: Sendable {
        case message(BusMessage)
        case state(BusState)
    }

    private let pattern: TopicPattern?
    private let lock = NSLock()
    private var newest: [String: BusMessage] = [:]
    private var order: [String] = []
    private var state: BusState?
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
            let source = message.host + "/" + topic
            if newest.updateValue(message, forKey: source) != nil {
                skipped += 1
            } else {
                order.append(source)
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

    /// Only the newest state counts.
    func put(_ state: BusState) {
        let reader = locked { () -> CheckedContinuation<Void, Never>? in
            guard !isClosed else { return nil }
            self.state = state
            defer { self.reader = nil }
            return self.reader
        }
        reader?.resume()
    }

    /// Waits for what comes next, a state before messages; nil once closed. One reader at a time.
    func take() async -> Item? {
        while true {
            let (item, isOver) = locked { (nextItem(), isClosed) }
            if item != nil || isOver { return item }
            await withCheckedContinuation { continuation in
                let mayWait = locked {
                    let mayWait = order.isEmpty && state == nil && !isClosed
                    if mayWait { reader = continuation }
                    return mayWait
                }
                if !mayWait { continuation.resume() }
            }
        }
    }

    private func nextItem() -> Item? {
        if let state {
            self.state = nil
            return .state(state)
        }
        guard !order.isEmpty else { return nil }
        return newest.removeValue(forKey: order.removeFirst()).map(Item.message)
    }

    func close() {
        let reader = locked {
            isClosed = true
            (newest, order, state) = ([:], [], nil)
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
