import Foundation

/// A lock that other programs see: `flock` on a file, as the hub's own client has it. The file stays.
final class FileLock: Sendable {
    private let descriptor: Int32

    private init(_ descriptor: Int32) { self.descriptor = descriptor }

    deinit { close(descriptor) }

    /// Takes the lock at `file`, waiting as long as another program holds it. `waiting` is called once
    /// where there is something to wait for.
    static func take(_ file: URL, waiting: @Sendable () -> Void = {}) async throws -> FileLock {
        try FileManager.default.createDirectory(at: file.deletingLastPathComponent(),
                                                withIntermediateDirectories: true)
        let descriptor = open(file.path, O_RDWR | O_CREAT | O_CLOEXEC, 0o664)
        guard descriptor >= 0 else {
            throw MLXError(.downloadFailed, "\(file.path) cannot be opened: "
                + String(cString: strerror(errno)), hint: "check the owner of the cache's folders")
        }
        let lock = FileLock(descriptor)
        var isFirst = true
        while flock(descriptor, LOCK_EX | LOCK_NB) != 0 {
            // Some network file systems have no locks. The name of what is written is no secret, and
            // its content is verified before it counts.
            guard errno == EWOULDBLOCK || errno == EINTR else { return lock }
            if isFirst { waiting() }
            isFirst = false
            try await Task.sleep(for: .milliseconds(100))
        }
        return lock
    }
}
