import Foundation

/// Downloads one file of a repository into the cache: goes on where an earlier attempt ended, and gives
/// it its name only when its hash is the one that the hub lists.
struct HubTransfer: Sendable {
    let client: HubClient
    let store: HubStore
    let commit: String
    /// Waits before an attempt is repeated; tests do not.
    let pause: @Sendable (Duration) async throws -> Void

    /// Most bytes of one request: bounds what waits in memory where the disk is slower.
    private static let slice = 128 << 20
    /// Attempts in a row that brought nothing, and repeated attempts in all.
    private static let (fruitless, repeated) = (5, 100)
    /// The longest time that a server's wish to wait is heeded.
    private static let patience = 60

    /// Brings `file`; `report` gets the bytes as they come, negative where some are thrown away.
    func run(_ file: HubFile, report: @escaping @Sendable (Int) -> Void) async throws {
        let lock = try await FileLock.take(store.lock(file))
        defer { withExtendedLifetime(lock) {} }
        if store.has(file) {
            report(file.size)
        } else {
            let partial = try store.explaining(store.partial(file)) {
                try PartialFile(store.partial(file), file, store.repository, report: report)
            }
            try await fill(partial, file)
            try store.explaining(store.blob(file)) { try partial.publish(as: store.blob(file)) }
        }
        try store.link(file, commit)
    }

    private func fill(_ partial: PartialFile, _ file: HubFile) async throws {
        try await complete(partial, file)
        if partial.isRight { return }
        // What was there before may be of another program, or torn by a crash: once more from the start.
        let wasContinued = partial.isContinued
        try partial.restart()
        if wasContinued {
            try await complete(partial, file)
            if partial.isRight { return }
            try partial.restart()
        }
        throw Self.wrongContent(file, store)
    }

    private static func wrongContent(_ file: HubFile, _ store: HubStore) -> MLXError {
        let hash = file.sha256 == nil ? "hash" : "SHA-256"
        return MLXError(.downloadFailed, "\(file.path) of \(store.repository): its \(hash) is not the one that "
            + "the hub lists", hint: "try again; if it stays so, check HF_ENDPOINT and the network's proxy")
    }

    /// Gives a file that something else downloaded its place in the cache, if it is the right one.
    static func publish(_ place: URL, _ file: HubFile, _ store: HubStore) throws {
        try store.explaining(store.blob(file)) {
            let partial = try PartialFile(place, file, store.repository) { _ in }
            guard partial.offset == file.size, partial.isRight else { throw wrongContent(file, store) }
            try partial.publish(as: store.blob(file))
        }
    }

    /// Fetches until the size is right.
    private func complete(_ partial: PartialFile, _ file: HubFile) async throws {
        var (idle, again) = (0, 0)
        while partial.offset < file.size {
            let before = partial.offset
            do {
                try await fetch(partial, file)
            } catch let error as Retry {
                idle = partial.offset > before ? 0 : idle + 1
                again += 1
                guard idle < Self.fruitless, again < Self.repeated else { throw error.reason }
                try await pause(error.after ?? .seconds(1 << idle))
            }
        }
    }

    /// A failure that may pass.
    private struct Retry: Error {
        let reason: MLXError
        var after: Duration?
    }

    private func fetch(_ partial: PartialFile, _ file: HubFile) async throws {
        let first = partial.offset
        let last = min(first + Self.slice, file.size) - 1
        let range = first == 0 && last == file.size - 1 ? nil : "bytes=\(first)-\(last)"
        let address = client.address(of: file, store.repository, commit)
        let reply: (head: HTTPHead, isRedirected: Bool)
        do {
            reply = try await client.fetch(address, store.repository, range: range, by: partial)
        } catch let error as MLXError where error.code == .unavailable && !client.isOffline {
            throw Retry(reason: cutShort(partial, file, error.text))
        }
        try settle(reply.head, reply.isRedirected, partial, file)
        if partial.offset <= last, partial.offset >= first {
            throw Retry(reason: cutShort(partial, file, "the connection ended early"))
        }
    }

    private func cutShort(_ partial: PartialFile, _ file: HubFile, _ why: String) -> MLXError {
        MLXError(.downloadFailed, "\(file.path) of \(store.repository): \(partial.offset) of \(file.size) bytes "
            + "came, then \(why)", hint: "try again: the download goes on from there")
    }

    /// What a reply without a body that counts means.
    private func settle(_ head: HTTPHead, _ isRedirected: Bool, _ partial: PartialFile, _ file: HubFile) throws {
        switch head.status {
        case 200, 206:
            return
        case 416:
            // What is here is longer than what is there, or of something else.
            try partial.restart()
            throw Retry(reason: MLXError(.downloadFailed, "\(file.path) of \(store.repository): the hub does "
                + "not give the part from \(partial.offset) on", hint: "try again"))
        case 408, 425, 429, 500...599:
            let wish = head.headers["retry-after"].flatMap { Int($0) } ?? 0
            guard wish <= Self.patience else { throw client.refusal(head, store.repository) }
            throw Retry(reason: client.refusal(head, store.repository), after: wish > 0 ? .seconds(wish) : nil)
        case 403 where isRedirected:
            // Addresses of a store of files hold for a time only; the hub gives a new one.
            throw Retry(reason: MLXError(.downloadFailed, "\(file.path) of \(store.repository): the store of files "
                + "refuses access", hint: "try again later"))
        default:
            throw client.refusal(head, store.repository)
        }
    }
}

/// The file that a download grows in, with the hash of what is in it.
private final class PartialFile: HTTPReceiver {
    private struct State {
        var hash: ContentHash
        var offset = 0
        var isContinued = false
        /// Whether what comes now is content, and up to where it may reach.
        var end: Int?
    }

    private let place: URL
    private let file: HubFile
    private let repository: String
    private let handle: FileHandle
    private let report: @Sendable (Int) -> Void
    private let state: Locked<State>

    private static let piece = 1 << 20

    /// Opens it and reads what is there already.
    init(_ place: URL, _ file: HubFile, _ repository: String, report: @escaping @Sendable (Int) -> Void) throws {
        let descriptor = open(place.path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
        guard descriptor >= 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        handle = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
        state = Locked(State(hash: ContentHash(file.hashKind)))
        (self.place, self.file, self.repository, self.report) = (place, file, repository, report)
        if try handle.seekToEnd() > UInt64(file.size) { try handle.truncate(atOffset: 0) }
        try handle.seek(toOffset: 0)
        while let data = try handle.read(upToCount: Self.piece), !data.isEmpty { count(data) }
        state.withLock { $0.isContinued = $0.offset > 0 }
    }

    var offset: Int { state.withLock { $0.offset } }
    var isContinued: Bool { state.withLock { $0.isContinued } }
    var isRight: Bool { state.withLock { $0.hash.hex } == file.etag }

    func restart() throws {
        try handle.truncate(atOffset: 0)
        let lost = state.withLock { state in
            defer { state = State(hash: ContentHash(file.hashKind)) }
            return state.offset
        }
        if lost > 0 { report(-lost) }
    }

    /// Gives it the name under which it is believed.
    func publish(as blob: URL) throws {
        try handle.synchronize()
        guard rename(place.path, blob.path) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
    }

    private func count(_ data: Data) {
        state.withLock { state in
            state.hash.update(data)
            state.offset += data.count
        }
        report(data.count)
    }

    // MARK: what comes

    func take(_ head: HTTPHead) throws {
        state.withLock { $0.end = nil }
        try checkTag(head)
        if head.status == 206 { try begin(part: head) }
        if head.status == 200 { try begin(whole: head) }
    }

    func take(_ piece: Data) throws {
        guard let room = state.withLock({ state in state.end.map { $0 - state.offset } }) else { return }
        guard piece.count <= room else { throw refusal("more bytes came than the hub lists") }
        do {
            try handle.write(contentsOf: piece)
        } catch {
            throw MLXError(.downloadFailed, "\(place.path) cannot be written: \(error.localizedDescription)",
                           hint: "check the free space of the volume")
        }
        count(piece)
    }

    /// The hub says which content it serves; a store of files behind it has tags of its own.
    private func checkTag(_ head: HTTPHead) throws {
        let own = head.headers["x-repo-commit"] == nil ? nil : head.headers["etag"]
        guard (200..<400).contains(head.status), let tag = head.headers["x-linked-etag"] ?? own else { return }
        let bare = tag.replacingOccurrences(of: "W/", with: "").trimmingCharacters(in: CharacterSet(charactersIn: "\""))
        guard bare == file.etag else { throw refusal("the hub serves other content than it lists") }
    }

    /// `Content-Range: bytes 100-199/1000`
    private func begin(part head: HTTPHead) throws {
        let words = (head.headers["content-range"] ?? "").split { " -/".contains($0) }.map(String.init)
        guard words.count == 4, words[0] == "bytes", let first = Int(words[1]), let last = Int(words[2]),
              first == offset, last >= first, last < file.size, words[3] == "*" || Int(words[3]) == file.size
        else { throw refusal("another part came than was asked for") }
        try handle.seek(toOffset: UInt64(first))
        state.withLock { $0.end = last + 1 }
    }

    private func begin(whole head: HTTPHead) throws {
        let isEncoded = !["", "identity"].contains(head.headers["content-encoding"]?.lowercased() ?? "")
        if !isEncoded, let text = head.headers["content-length"], let length = Int(text), length != file.size {
            throw refusal("the hub sends \(length) bytes and lists \(file.size)")
        }
        try restart()
        try handle.seek(toOffset: 0)
        state.withLock { $0.end = file.size }
    }

    private func refusal(_ why: String) -> MLXError {
        MLXError(.protocolBroken, "\(file.path) of \(repository): \(why)",
                 hint: "try again; if it stays so, check HF_ENDPOINT and the network's proxy")
    }
}
