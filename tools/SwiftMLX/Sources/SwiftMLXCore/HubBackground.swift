// Only Apple's phones, tablets and headsets have sessions that go on without the app.
#if os(iOS) || os(visionOS)
import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// Downloads a model while the app is not running.
///
/// ```swift
/// // One for the life of the app; the system starts it again for what came in the meantime.
/// let background = HubBackgroundDownload(identifier: "org.example.app.models")
/// try await background.start("mlx-community/Qwen3-4B-4bit")
///
/// // In the app's delegate:
/// func application(_ application: UIApplication, handleEventsForBackgroundURLSession identifier: String,
///                  completionHandler: @escaping () -> Void) {
///     background.handleEvents(completionHandler)
/// }
/// ```
///
/// Files come into the same cache as with ``HubDownloader``, each only when its hash is right. What failed
/// or lost its place is asked for again with the next ``start(_:)``.
public final class HubBackgroundDownload: NSObject, @unchecked Sendable {
    /// What the session tells of a transfer that ended, kept with the transfer by the system.
    private struct Ticket: Codable {
        let repository: String
        let commit: String
        let path: String
    }

    private let downloader: HubDownloader
    private let identifier: String
    private let whenDone = Locked<(@Sendable () -> Void)?>(nil)
    private let failures = Locked<[String: MLXError]>([:])
    private lazy var session = URLSession(configuration: configuration, delegate: self, delegateQueue: nil)

    /// Goes on with what an earlier run of the app began.
    ///
    /// - Parameters:
    ///   - identifier: A name of the app's own, the same in each run.
    ///   - downloader: Where files come from and go to.
    public init(identifier: String, downloader: HubDownloader = HubDownloader()) {
        (self.identifier, self.downloader) = (identifier, downloader)
        super.init()
        _ = session
    }

    private var configuration: URLSessionConfiguration {
        let configuration = URLSessionConfiguration.background(withIdentifier: identifier)
        configuration.sessionSendsLaunchEvents = true
        configuration.isDiscretionary = false
        configuration.httpMaximumConnectionsPerHost = 4
        return configuration
    }

    /// Asks the hub what is needed and has the system bring what is missing.
    ///
    /// - Parameter repository: `organisation/name`.
    /// - Returns: How far the model is; all of it is there where ``DownloadProgress/fraction`` is 1.
    @discardableResult
    public func start(_ repository: String) async throws -> DownloadProgress {
        let plan = try await downloader.plan(repository, "main", nil) { _ in }
        let running = Set(await session.allTasks.compactMap { Self.ticket($0)?.path })
        var there = 0
        for file in plan.files {
            if plan.store.has(file) {
                try plan.store.link(file, plan.commit)
                there += file.size
            } else if !running.contains(file.path) {
                try await request(file, plan)
            }
        }
        try Self.finish(plan.store, plan.commit, plan.files)
        return DownloadProgress(phase: "downloading in the background", completed: there,
                                total: plan.files.reduce(0) { $0 + $1.size })
    }

    /// Why files of the last transfers were not taken, by their paths.
    public var problems: [String: MLXError] { failures.withLock { $0 } }

    /// To be called when the system starts the app for this session.
    ///
    /// - Parameter completion: What the system wants called when all is done.
    public func handleEvents(_ completion: @escaping @Sendable () -> Void) {
        whenDone.withLock { $0 = completion }
    }

    /// Stops all transfers.
    public func cancel() async {
        await session.allTasks.forEach { $0.cancel() }
    }

    /// The system follows redirections by itself, and a token must not go along: it gets the last address.
    private func request(_ file: HubFile, _ plan: HubDownloader.Plan) async throws {
        let address = downloader.client.address(of: file, plan.store.repository, plan.commit)
        let request = try await downloader.client.resolve(address, plan.store.repository)
        let task = session.downloadTask(with: request.urlRequest)
        let ticket = Ticket(repository: plan.store.repository, commit: plan.commit, path: file.path)
        task.taskDescription = String(decoding: try JSONEncoder().encode(ticket), as: UTF8.self)
        task.countOfBytesClientExpectsToReceive = Int64(file.size)
        task.resume()
    }

    private static func ticket(_ task: URLSessionTask) -> Ticket? {
        task.taskDescription.flatMap { try? JSONDecoder().decode(Ticket.self, from: Data($0.utf8)) }
    }

    /// Has the model's name mean the files, once all are there.
    private static func finish(_ store: HubStore, _ commit: String, _ files: [HubFile]) throws {
        if store.isWhole(files, commit) { try store.point("main", to: commit) }
    }

    /// Takes a file in, if it is what the hub lists.
    private func take(_ place: URL, _ ticket: Ticket, _ response: URLResponse?) throws {
        let store = HubStore(root: downloader.store, repository: ticket.repository)
        guard let all = store.files(of: ticket.commit), let file = all.first(where: { $0.path == ticket.path })
        else { return } // the cache was cleaned in the meantime
        if let response = response as? HTTPURLResponse, response.statusCode != 200 {
            throw MLXError(.downloadFailed, "\(file.path) of \(ticket.repository): status \(response.statusCode)",
                           hint: "start the download again")
        }
        try store.prepare()
        try HubTransfer.publish(place, file, store)
        try store.link(file, ticket.commit)
        try Self.finish(store, ticket.commit, HubPatterns(patterns: HubPatterns.model).choose(from: all))
    }
}

extension HubBackgroundDownload: URLSessionDownloadDelegate {
    /// Takes a file in before the system removes it.
    ///
    /// - Parameters:
    ///   - session: The session.
    ///   - downloadTask: The transfer.
    ///   - location: Where the file lies for now.
    public func urlSession(_ session: URLSession, downloadTask: URLSessionDownloadTask,
                           didFinishDownloadingTo location: URL) {
        guard let ticket = Self.ticket(downloadTask) else { return }
        do {
            try take(location, ticket, downloadTask.response)
            failures.withLock { $0[ticket.path] = nil }
        } catch {
            note(error, ticket.path)
        }
    }

    /// Notes what failed.
    ///
    /// - Parameters:
    ///   - session: The session.
    ///   - task: The transfer.
    ///   - error: Why it failed; nil where it did not.
    public func urlSession(_ session: URLSession, task: URLSessionTask, didCompleteWithError error: (any Error)?) {
        if let error, let ticket = Self.ticket(task) { note(error, ticket.path) }
    }

    /// Tells the system that all is done.
    ///
    /// - Parameter session: The session.
    public func urlSessionDidFinishEvents(forBackgroundURLSession session: URLSession) {
        let completion = whenDone.withLock { done in
            defer { done = nil }
            return done
        }
        // The system wants it on the main thread.
        if let completion { DispatchQueue.main.async(execute: completion) }
    }

    private func note(_ error: any Error, _ path: String) {
        let failure = error as? MLXError
            ?? MLXError(.downloadFailed, "\(path): \(error.localizedDescription)", hint: "start the download again")
        failures.withLock { $0[path] = failure }
    }
}
#endif
