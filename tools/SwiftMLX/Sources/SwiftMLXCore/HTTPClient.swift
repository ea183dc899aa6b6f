import Foundation
#if canImport(FoundationNetworking)
import FoundationNetworking
#endif

/// A value behind a lock.
///
/// The standard library's `Mutex` would do, but it needs a newer macOS than this package does.
final class Locked<Value>: @unchecked Sendable {
    private let lock = NSLock()
    private var value: Value

    init(_ value: sending Value) { self.value = value }

    func withLock<Result>(_ body: (inout Value) throws -> Result) rethrows -> Result {
        lock.lock()
        defer { lock.unlock() }
        return try body(&value)
    }
}

/// A request to a model server.
struct HTTPRequest: Sendable {
    var url: URL
    var method = "GET"
    var headers: [String: String] = [:]
    var body: Data?

    /// A request with a JSON body.
    static func post(_ url: URL, _ body: JSONValue) -> HTTPRequest {
        HTTPRequest(url: url, method: "POST", headers: ["Content-Type": "application/json"],
                    body: body.encoded)
    }
}

/// The head of a reply and its body as it arrives. Dropping it closes the connection, which is how
/// model servers learn that nobody wants the rest.
struct HTTPStream: Sendable {
    let head: HTTPHead
    let body: AsyncThrowingStream<Data, any Error>

    var status: Int { head.status }
}

/// The head of a reply; the names of its headers are in lower case.
struct HTTPHead: Sendable {
    let status: Int
    let headers: [String: String]

    init(status: Int, headers: [String: String]) { (self.status, self.headers) = (status, headers) }

    fileprivate init(_ response: HTTPURLResponse) {
        status = response.statusCode
        headers = response.allHeaderFields.reduce(into: [:]) { headers, field in
            guard let name = field.key as? String else { return }
            headers[name.lowercased()] = "\(field.value)"
        }
    }
}

/// Takes a body while it arrives, on the session's own queue, so that a slow disk slows the sender.
/// What it throws ends the transfer.
protocol HTTPReceiver: Sendable {
    func take(_ head: HTTPHead) throws
    func take(_ piece: Data) throws
}

/// HTTP with streamed bodies on Apple's systems and on Linux.
///
/// It reads through a delegate because URLSession's own asynchronous bytes do not exist on Linux.
/// Redirects are refused: a model server has no reason to send a prompt or a key elsewhere.
final class HTTPClient: Sendable {
    /// Most bytes that a reply read as a whole may have.
    static let maximumBody = 64 << 20

    private let session: URLSession
    private let delegate = TransferDelegate()

    /// `stall` is how long a server may stay silent. It covers the time a large model takes to load
    /// and to read a long prompt, so it is generous.
    init(stall: Duration = .seconds(600)) {
        let configuration = URLSessionConfiguration.ephemeral
        configuration.timeoutIntervalForRequest = stall.inSeconds
        configuration.timeoutIntervalForResource = 7 * 24 * 3600
        configuration.httpCookieStorage = nil
        configuration.urlCache = nil
        configuration.httpMaximumConnectionsPerHost = 16
        session = URLSession(configuration: configuration, delegate: delegate, delegateQueue: nil)
    }

    deinit {
        session.invalidateAndCancel()
    }

    /// Sends `request` and returns when the head of the reply is there.
    func open(_ request: HTTPRequest) async throws -> HTTPStream {
        let task = session.dataTask(with: request.urlRequest)
        let (body, continuation) = AsyncThrowingStream<Data, any Error>.makeStream()
        // Keeps the session alive while a body is read: it would cancel its tasks otherwise.
        continuation.onTermination = { [self] _ in withExtendedLifetime(self) { task.cancel() } }
        let place = request.url.origin
        return try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { head in
                delegate.add(task, Transfer(place: place, head: head, body: continuation, stream: body))
                task.resume()
            }
        } onCancel: {
            task.cancel()
        }
    }

    /// Sends `request` and has `receiver` take the reply. Returns its head at the end of the body.
    @discardableResult
    func receive(_ request: HTTPRequest, by receiver: any HTTPReceiver) async throws -> HTTPHead {
        let task = session.dataTask(with: request.urlRequest)
        let (body, continuation) = AsyncThrowingStream<Data, any Error>.makeStream()
        let reply = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { head in
                delegate.add(task, Transfer(place: request.url.origin, head: head, body: continuation,
                                            stream: body, receiver: receiver))
                task.resume()
            }
        } onCancel: {
            task.cancel()
        }
        return try await withTaskCancellationHandler {
            for try await _ in reply.body {}
            try Task.checkCancellation()
            return reply.head
        } onCancel: {
            task.cancel()
        }
    }

    /// Sends `request` and returns the status and the whole body.
    func send(_ request: HTTPRequest) async throws -> (status: Int, body: Data) {
        let reply = try await open(request)
        return (reply.status, try await Self.collect(reply.body))
    }

    /// A whole body, bounded.
    static func collect(_ body: AsyncThrowingStream<Data, any Error>) async throws -> Data {
        var all = Data()
        for try await piece in body {
            all += piece
            guard all.count <= maximumBody else {
                throw MLXError(.protocolBroken, "the reply has over \(maximumBody) bytes",
                               hint: "check that the address belongs to a model server")
            }
        }
        // A cancelled task sees the body end early, without an error.
        try Task.checkCancellation()
        return all
    }
}

/// One request under way.
private struct Transfer {
    let place: String
    var head: CheckedContinuation<HTTPStream, any Error>?
    let body: AsyncThrowingStream<Data, any Error>.Continuation
    /// Handed over with the head; not kept afterwards, so that dropping it ends the transfer.
    var stream: AsyncThrowingStream<Data, any Error>?
    /// Takes the body instead of the stream.
    var receiver: (any HTTPReceiver)?
    /// What the receiver threw: the transfer ends with it.
    var refusal: (any Error)?
}

/// Passes URLSession's calls on to the transfer they belong to.
private final class TransferDelegate: NSObject, URLSessionDataDelegate, Sendable {
    private let transfers = Locked<[Int: Transfer]>([:])

    func add(_ task: URLSessionTask, _ transfer: Transfer) {
        let id = task.taskIdentifier
        transfers.withLock { $0[id] = transfer }
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask,
                    didReceive response: URLResponse,
                    completionHandler: @escaping @Sendable (URLSession.ResponseDisposition) -> Void) {
        let receiver = receiver(of: dataTask)
        let isTaken = offer(dataTask) {
            if let response = response as? HTTPURLResponse { try receiver?.take(HTTPHead(response)) }
        }
        if isTaken { deliverHead(dataTask, response) }
        completionHandler(isTaken ? .allow : .cancel)
    }

    func urlSession(_ session: URLSession, dataTask: URLSessionDataTask, didReceive data: Data) {
        guard let receiver = receiver(of: dataTask) else {
            let body = transfers.withLock { $0[dataTask.taskIdentifier]?.body }
            body?.yield(data)
            return
        }
        if !offer(dataTask, { try receiver.take(data) }) { dataTask.cancel() }
    }

    private func receiver(of task: URLSessionTask) -> (any HTTPReceiver)? {
        transfers.withLock { $0[task.taskIdentifier]?.receiver }
    }

    /// Has the receiver take something, unless it refused something before. False once it refuses.
    private func offer(_ task: URLSessionTask, _ body: () throws -> Void) -> Bool {
        guard transfers.withLock({ $0[task.taskIdentifier]?.refusal }) == nil else { return false }
        do {
            try body()
            return true
        } catch {
            transfers.withLock { $0[task.taskIdentifier]?.refusal = error }
            return false
        }
    }

    func urlSession(_ session: URLSession, task: URLSessionTask,
                    willPerformHTTPRedirection response: HTTPURLResponse,
                    newRequest request: URLRequest,
                    completionHandler: @escaping @Sendable (URLRequest?) -> Void) {
        completionHandler(nil)
    }

    func urlSession(_ session: URLSession, task: URLSessionTask,
                    didCompleteWithError error: (any Error)?) {
        let isRefused = transfers.withLock { $0[task.taskIdentifier]?.refusal } != nil
        if !isRefused { deliverHead(task, task.response) }
        guard let transfer = transfers.withLock({ $0.removeValue(forKey: task.taskIdentifier) })
        else { return }
        let failure = transfer.refusal ?? error.map { Self.explain($0, place: transfer.place) }
        transfer.head?.resume(throwing: failure ?? Self.noReply(transfer.place))
        transfer.body.finish(throwing: failure)
    }

    /// Answers `open` once; later calls, and calls without a response, do nothing.
    private func deliverHead(_ task: URLSessionTask, _ response: URLResponse?) {
        guard let response = response as? HTTPURLResponse else { return }
        let (head, stream) = transfers.withLock { transfers in
            defer {
                transfers[task.taskIdentifier]?.head = nil
                transfers[task.taskIdentifier]?.stream = nil
            }
            let transfer = transfers[task.taskIdentifier]
            return (transfer?.head, transfer?.stream)
        }
        guard let head, let stream else { return }
        head.resume(returning: HTTPStream(head: HTTPHead(response), body: stream))
    }

    private static func noReply(_ place: String) -> MLXError {
        MLXError(.unavailable, "no reply came from \(place)", hint: "check that the server runs")
    }

    private static func explain(_ error: any Error, place: String) -> any Error {
        guard let error = error as? URLError else {
            return MLXError(.unavailable, "\(place): \(error.localizedDescription)")
        }
        switch error.code {
        case .cancelled:
            return CancellationError()
        case .cannotConnectToHost, .cannotFindHost, .dnsLookupFailed:
            return MLXError(.unavailable, "no model server answers at \(place)",
                            hint: "start it, or correct the address")
        case .timedOut:
            return MLXError(.unavailable, "\(place) stopped answering",
                            hint: "see whether the server is overloaded or out of memory")
        default:
            return MLXError(.unavailable, "the connection to \(place) broke (\(error.code.rawValue))",
                            hint: "see the server's log, then try again")
        }
    }
}

extension HTTPRequest {
    var urlRequest: URLRequest {
        var request = URLRequest(url: url)
        request.httpMethod = method
        request.httpBody = body
        for (name, value) in headers {
            request.setValue(value, forHTTPHeaderField: name)
        }
        return request
    }
}

extension URL {
    /// Scheme, host and port: what an error message may show. No path, no key, no user.
    var origin: String {
        let port = port.map { ":\($0)" } ?? ""
        return "\(scheme ?? "http")://\(host ?? "?")\(port)"
    }
}
