import Foundation
@testable import SwiftMLXCore

/// The hub and, at another address, the store of files that it redirects to, with faults on demand.
final class HubDouble: Sendable {
    /// What is wrong with a reply to a request for bytes of a large file.
    enum Fault: Sendable {
        /// So many bytes, then the connection ends.
        case cut(Int)
        /// The whole file although a part was asked for.
        case whole
        case status(Int, [String: String])
        /// `Content-Range` that begins elsewhere, or another total.
        case otherPart, otherTotal
        /// Other content of the same length.
        case wrong
        /// More bytes than the hub lists.
        case longer
        /// So many bytes, then silence until the client leaves.
        case hold(Int)
    }

    struct Entry: Sendable {
        let path: String
        let data: Data
        let gitHash: String
        let sha256: String
        var isLarge: Bool { path.hasSuffix(".safetensors") || path.hasSuffix(".gguf") }

        init(path: String, data: Data) {
            (self.path, self.data) = (path, data)
            gitHash = Self.hash(.gitBlob(data.count), data)
            sha256 = Self.hash(.sha256, data)
        }

        private static func hash(_ kind: ContentHash.Kind, _ data: Data) -> String {
            var hash = ContentHash(kind)
            hash.update(data)
            return hash.hex
        }
    }

    static let commit = String(repeating: "c0ffee12", count: 5)

    let hub: TestServer
    let files: TestServer
    /// Faults of the next replies to requests for large files, in order.
    let faults: Locked<[Fault]>
    /// What is said in place of any answer of the hub.
    let refusal: Locked<TestServer.Reply?>
    /// Each request: host, path, `Range`, whether a token came along.
    let log: Locked<[String]>

    /// Serves `entries` as `acme/tiny`.
    init(_ entries: [Entry], list: JSONValue? = nil) throws {
        let (faults, refusal, log) = (Locked<[Fault]>([]), Locked<TestServer.Reply?>(nil), Locked<[String]>([]))
        (self.faults, self.refusal, self.log) = (faults, refusal, log)
        let store = try TestServer { request in
            Self.note(request, "files", log)
            let path = String(request.path.dropFirst())
            guard let entry = entries.first(where: { $0.path == path }) else { return .init(status: 404) }
            let fault = faults.withLock { $0.isEmpty ? nil : $0.removeFirst() }
            return Self.bytes(entry.data, request, fault)
        }
        // Another host than the hub's: a token must not reach it.
        let address = "http://localhost:\(store.url.port!)"
        files = store
        hub = try TestServer { request in
            Self.note(request, "hub", log)
            if let reply = refusal.withLock({ $0 }) { return reply }
            return Self.answer(request, entries, list ?? Self.list(entries), address)
        }
    }

    var environment: [String: String] { ["HF_ENDPOINT": hub.url.absoluteString, "HF_TOKEN": "hf_secret"] }

    /// Ranges that large files were asked for; "-" for the whole.
    var ranges: [String] {
        log.withLock { $0 }.filter { $0.hasPrefix("files") }.map { $0.components(separatedBy: " ")[2] }
    }

    private static func note(_ request: TestServer.Request, _ host: String, _ log: Locked<[String]>) {
        let line = [host, request.path, request.headers["range"] ?? "-",
                    request.headers["authorization"] == nil ? "open" : "token"].joined(separator: " ")
        log.withLock { $0.append(line) }
    }

    static func list(_ entries: [Entry]) -> JSONValue {
        .array(entries.map { entry in
            var facts: [String: JSONValue] = [
                "type": "file", "path": .string(entry.path), "size": .int(entry.data.count),
                "oid": .string(entry.gitHash),
            ]
            if entry.isLarge { facts["lfs"] = ["oid": .string(entry.sha256), "size": .int(entry.data.count)] }
            return .object(facts)
        })
    }

    private static func answer(_ request: TestServer.Request, _ entries: [Entry], _ list: JSONValue,
                               _ store: String) -> TestServer.Reply {
        let path = request.path
        if path.hasPrefix("/api/models/acme/tiny/revision/") {
            return .init(pieces: [(["sha": .string(commit)] as JSONValue).encoded])
        }
        if path.hasPrefix("/api/models/acme/tiny/tree/") { return page(list, request) }
        let prefix = "/acme/tiny/resolve/\(commit)/"
        guard path.hasPrefix(prefix), case let name = String(path.dropFirst(prefix.count)),
              let entry = entries.first(where: { $0.path == name })
        else { return .init(status: 404, headers: ["X-Error-Code": "RepoNotFound"]) }
        if entry.isLarge {
            return .init(status: 302, headers: [
                "Location": "\(store)/\(name)?Signature=x", "X-Repo-Commit": commit,
                "X-Linked-Etag": "\"\(entry.sha256)\"",
            ])
        }
        return .init(headers: ["ETag": "\"\(entry.gitHash)\"", "X-Repo-Commit": commit,
                               "Content-Length": String(entry.data.count)], pieces: [entry.data])
    }

    /// Two files a page.
    private static func page(_ list: JSONValue, _ request: TestServer.Request) -> TestServer.Reply {
        guard let all = list.arrayValue else { return .init(pieces: [list.encoded]) }
        let start = Int(request.line.components(separatedBy: "cursor=").last?.prefix { $0.isNumber } ?? "") ?? 0
        var reply = TestServer.Reply(pieces: [JSONValue.array(Array(all.dropFirst(start).prefix(2))).encoded])
        if start + 2 < all.count {
            let next = "http://\(request.headers["host"] ?? "")\(request.path)?recursive=true&cursor=\(start + 2)"
            reply.headers["Link"] = "<\(next)>; rel=\"next\""
        }
        return reply
    }

    private static func bytes(_ data: Data, _ request: TestServer.Request, _ fault: Fault?) -> TestServer.Reply {
        var (data, first, status) = (data, 0, 200)
        var headers: [String: String] = [:]
        let total = data.count
        if case .status(let status, let headers)? = fault { return .init(status: status, headers: headers) }
        if case .wrong? = fault { data[data.endIndex - 1] ^= 1 }
        var isPart = false
        if let range = request.headers["range"]?.dropFirst("bytes=".count).split(separator: "-") {
            if case .whole? = fault {} else { isPart = true }
            first = isPart ? Int(range[0])! : 0
            if first >= total { return .init(status: 416, headers: ["Content-Range": "bytes */\(total)"]) }
            if isPart { data = data[first...min(Int(range[1])!, total - 1)] }
        }
        if isPart {
            status = 206
            var (start, all) = (first, total)
            if case .otherPart? = fault { start += 1 }
            if case .otherTotal? = fault { all += 1 }
            headers["Content-Range"] = "bytes \(start)-\(first + data.count - 1)/\(all)"
        }
        if case .longer? = fault { data += Data("more".utf8) }
        headers["Content-Length"] = String(data.count)
        switch fault {
        case .cut(let count)?: return .init(status: status, headers: headers, pieces: [data.prefix(count)], end: .cut)
        case .hold(let count)?: return .init(status: status, headers: headers, pieces: [data.prefix(count)], end: .hold)
        default: return .init(status: status, headers: headers, pieces: [data])
        }
    }
}

extension TestServer.Request {
    /// The path without its query.
    var path: String {
        let target = line.split(separator: " ").dropFirst().first.map(String.init) ?? "/"
        return target.components(separatedBy: "?")[0].removingPercentEncoding ?? target
    }
}
