import Foundation
import SwiftMLXCore

/// A small HTTP server on a free loopback port, one thread a connection.
///
/// It answers with what a test gives it, as slowly or as wrongly as the test wants, and reports when
/// a client goes away in the middle of a reply.
final class TestServer: Sendable {
    struct Request: Sendable {
        let line: String
        let headers: [String: String]
        let body: Data

        var json: JSONValue { (try? JSONValue(parsing: body)) ?? .null }
    }

    struct Reply: Sendable {
        var status = 200
        var headers: [String: String] = [:]
        /// Sent as one HTTP chunk each, or as they are where a header says how long the body is.
        var pieces: [Data] = []
        /// What follows the last piece.
        var end = End.complete

        enum End: Sendable {
            case complete, hold, cut
            /// No reply at all, not even its head.
            case mute
        }
    }

    let url: URL
    /// One element for each client that left a reply with the end `hold`.
    let departures: AsyncStream<Void>
    /// One element for each request, when it has been read.
    let requests: AsyncStream<Request>

    private let listener: Int32
    private let departed: AsyncStream<Void>.Continuation
    private let received: AsyncStream<Request>.Continuation
    private let answer: @Sendable (Request) -> Reply

    init(_ answer: @escaping @Sendable (Request) -> Reply) throws {
        // A client that has gone is what some tests are about.
        signal(SIGPIPE, SIG_IGN)
        let (socket, port) = try Self.listen()
        listener = socket
        url = URL(string: "http://127.0.0.1:\(port)")!
        (departures, departed) = AsyncStream.makeStream()
        (requests, received) = AsyncStream.makeStream()
        self.answer = answer
        Thread.detachNewThread { [listener, answer, departed, received] in
            while case let client = accept(listener, nil, nil), client >= 0 {
                Thread.detachNewThread {
                    Connection(client, departed, received).serve(answer)
                }
            }
        }
    }

    /// Wakes the accepting thread, which then sees the socket end.
    deinit {
        shutdown(listener, Int32(SHUT_RDWR))
        close(listener)
    }

    private static func listen() throws -> (socket: Int32, port: UInt16) {
        #if os(Linux)
        let stream = Int32(SOCK_STREAM.rawValue)
        #else
        let stream = SOCK_STREAM
        #endif
        let descriptor = socket(AF_INET, stream, 0)
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let isBound = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                bind(descriptor, $0, length) == 0 && listen_(descriptor)
                    && getsockname(descriptor, $0, &length) == 0
            }
        }
        guard isBound else { throw POSIXError(.EADDRNOTAVAIL) }
        return (descriptor, UInt16(bigEndian: address.sin_port))
    }

    private static func listen_(_ descriptor: Int32) -> Bool {
        #if os(Linux)
        Glibc.listen(descriptor, 64) == 0
        #else
        Darwin.listen(descriptor, 64) == 0
        #endif
    }
}

/// One client: read a request, answer it, close.
private struct Connection {
    private let socket: Int32
    private let departed: AsyncStream<Void>.Continuation
    private let received: AsyncStream<TestServer.Request>.Continuation

    init(_ socket: Int32, _ departed: AsyncStream<Void>.Continuation,
         _ received: AsyncStream<TestServer.Request>.Continuation) {
        self.socket = socket
        self.departed = departed
        self.received = received
    }

    func serve(_ answer: (TestServer.Request) -> TestServer.Reply) {
        defer { close(socket) }
        guard let request = readRequest() else { return }
        received.yield(request)
        let reply = answer(request)
        if case .mute = reply.end {
            while !read(1).isEmpty {}
            departed.yield()
            return
        }
        let isChunked = reply.headers["Content-Length"] == nil
        var head = "HTTP/1.1 \(reply.status) Test\r\nConnection: close\r\n"
        if isChunked { head += "Transfer-Encoding: chunked\r\n" }
        for (name, value) in reply.headers { head += "\(name): \(value)\r\n" }
        guard write(Data((head + "\r\n").utf8)) else { return }
        for piece in reply.pieces where !piece.isEmpty {
            let chunk = Data("\(String(piece.count, radix: 16))\r\n".utf8) + piece + Data("\r\n".utf8)
            guard write(isChunked ? chunk : piece) else { return }
        }
        switch reply.end {
        case .complete: if isChunked { _ = write(Data("0\r\n\r\n".utf8)) }
        case .cut, .mute: break
        case .hold:
            while !read(1).isEmpty {}
            departed.yield()
        }
    }

    private func readRequest() -> TestServer.Request? {
        var bytes = Data()
        let end = Data("\r\n\r\n".utf8)
        while bytes.range(of: end) == nil {
            let more = read(4096)
            if more.isEmpty { return nil }
            bytes += more
        }
        let split = bytes.range(of: end)!
        let lines = String(decoding: bytes[..<split.lowerBound], as: UTF8.self)
            .components(separatedBy: "\r\n")
        let headers = lines.dropFirst().reduce(into: [String: String]()) { headers, line in
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2 else { return }
            headers[parts[0].lowercased()] = parts[1].trimmingCharacters(in: .whitespaces)
        }
        var body = Data(bytes[split.upperBound...])
        let length = headers["content-length"].flatMap { Int($0) } ?? 0
        while body.count < length {
            let more = read(length - body.count)
            if more.isEmpty { return nil }
            body += more
        }
        return TestServer.Request(line: lines[0], headers: headers, body: body)
    }

    private func read(_ count: Int) -> Data {
        var buffer = [UInt8](repeating: 0, count: min(count, 65536))
        let got = recv(socket, &buffer, buffer.count, 0)
        return got > 0 ? Data(buffer[..<got]) : Data()
    }

    private func write(_ data: Data) -> Bool {
        var rest = data[...]
        while !rest.isEmpty {
            let sent = rest.withUnsafeBytes { send(socket, $0.baseAddress, $0.count, 0) }
            if sent <= 0 { return false }
            rest = rest.dropFirst(sent)
        }
        return true
    }
}

#if os(Linux)
import Glibc
#else
import Darwin
#endif
