import Foundation

/// Asks the hub: which commit a revision is, which files it has, and for a part of a file.
///
/// It takes `HF_ENDPOINT`, the token and `HF_HUB_OFFLINE` from where the hub's own client does. The
/// token goes to the endpoint only, never to where that redirects.
struct HubClient: Sendable {
    let endpoint: URL
    let isOffline: Bool
    private let token: String?
    private let client: HTTPClient

    private static let maximumPages = 1000
    private static let maximumFiles = 100_000
    private static let maximumRedirects = 10
    private static let maximumToken = 4096
    /// How long the hub may stay silent while it sends.
    private static let stall = Duration.seconds(60)

    init(environment: [String: String] = ProcessInfo.processInfo.environment, home: URL? = nil,
         stall: Duration = Self.stall) {
        let places = CachePlaces(environment: environment, home: home)
        let named = environment["HF_ENDPOINT"].flatMap { URL(string: $0) }
        endpoint = named.flatMap { Self.isWeb($0) ? $0 : nil } ?? URL(string: "https://huggingface.co")!
        isOffline = ["HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE"].contains { name in
            ["1", "on", "yes", "true"].contains(environment[name]?.lowercased() ?? "")
        }
        token = Self.token(environment, places)
        client = HTTPClient(stall: stall)
    }

    private static func isWeb(_ url: URL) -> Bool {
        ["http", "https"].contains(url.scheme?.lowercased() ?? "") && !(url.host ?? "").isEmpty
    }

    /// A header's value must be one line: a token with anything else in it is none.
    private static func token(_ environment: [String: String], _ places: CachePlaces) -> String? {
        let named = ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"].lazy.compactMap { environment[$0] }
        let text = named.first { !$0.isEmpty } ?? places.hubToken.flatMap { file in
            guard let data = try? FileHandle(forReadingFrom: file).read(upToCount: maximumToken) else { return nil }
            return String(decoding: data, as: UTF8.self)
        }
        let word = (text ?? "").trimmingCharacters(in: .whitespacesAndNewlines)
        let allowed = CharacterSet(charactersIn: "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-.~+/=")
        return word.isEmpty || !word.unicodeScalars.allSatisfy(allowed.contains) ? nil : word
    }

    // MARK: questions

    /// Names of the files of `repository`, or nil where the hub cannot be asked or does not know it:
    /// then the download itself will tell.
    func files(of repository: String) async -> [String]? {
        guard !isOffline else { return nil }
        let reply = try? await within(probeLimit, asking: endpoint.origin) {
            try await ask(endpoint.appendingPathComponent("api/models/" + repository), repository)
        }
        return reply?.json["siblings"]?.arrayValue?.compactMap { $0["rfilename"]?.stringValue }
    }

    /// The commit that `revision` is.
    func commit(of repository: String, _ revision: String) async throws -> String {
        let page = endpoint.appendingPathComponent("api/models/\(repository)/revision/\(revision)")
        let reply = try await ask(page, repository)
        guard let commit = reply.json["sha"]?.stringValue, HubFile.isHex(commit, 40) else {
            throw MLXError(.protocolBroken, "the hub returned no commit for \(repository)",
                           hint: "check HF_ENDPOINT")
        }
        return commit
    }

    /// All files of a commit.
    func tree(of repository: String, _ commit: String) async throws -> [HubFile] {
        var page = endpoint.appendingPathComponent("api/models/\(repository)/tree/\(commit)")
        page = URL(string: page.absoluteString + "?recursive=true") ?? page
        var files: [HubFile] = []
        for _ in 0..<Self.maximumPages {
            let reply = try await ask(page, repository)
            guard let entries = reply.json.arrayValue else {
                throw MLXError(.protocolBroken, "the hub's list of \(repository) is not a list",
                               hint: "check HF_ENDPOINT")
            }
            files += try entries.compactMap { try HubFile($0, of: repository) }
            guard files.count <= Self.maximumFiles else { break }
            guard let next = Self.nextPage(reply.head) else { return files }
            guard next.origin == endpoint.origin else {
                throw MLXError(.protocolBroken, "the hub's list of \(repository) goes on at \(next.origin)",
                               hint: "check HF_ENDPOINT")
            }
            page = next
        }
        throw MLXError(.unsupported, "\(repository) has over \(Self.maximumFiles) files",
                       hint: "download another repository")
    }

    /// `<address>; rel="next"` of the header `Link`.
    private static func nextPage(_ head: HTTPHead) -> URL? {
        let links = (head.headers["link"] ?? "").components(separatedBy: ",")
        guard let next = links.first(where: { $0.contains("rel=\"next\"") }),
              let start = next.firstIndex(of: "<"), let end = next.firstIndex(of: ">"), start < end
        else { return nil }
        return URL(string: String(next[next.index(after: start)..<end]))
    }

    /// The address of a file.
    func address(of file: HubFile, _ repository: String, _ commit: String) -> URL {
        endpoint.appendingPathComponent("\(repository)/resolve/\(commit)/\(file.path)")
    }

    private func ask(_ page: URL, _ repository: String) async throws -> (json: JSONValue, head: HTTPHead) {
        guard !isOffline else { throw Self.offline(repository) }
        var (url, hops) = (page, 0)
        while true {
            let stream = try await client.open(request(url))
            if let next = try Self.redirection(stream.head, from: url) {
                hops += 1
                guard hops <= Self.maximumRedirects else { throw Self.loop(url) }
                url = next
                continue
            }
            let body = try await HTTPClient.collect(stream.body)
            guard stream.status == 200 else { throw refusal(stream.head, repository) }
            return (try JSONValue(parsing: body), stream.head)
        }
    }

    // MARK: files

    /// Has `receiver` take what `url` leads to, or the part of it that `range` names. It sees the heads of
    /// all replies on the way. Returns the last head, and whether another address gave it.
    func fetch(_ url: URL, _ repository: String, range: String?, by receiver: any HTTPReceiver)
        async throws -> (head: HTTPHead, isRedirected: Bool)
    {
        guard !isOffline else { throw Self.offline(repository) }
        var next = url
        for _ in 0...Self.maximumRedirects {
            var request = request(next)
            request.headers["Range"] = range
            let head = try await client.receive(request, by: receiver)
            guard let place = try Self.redirection(head, from: next) else { return (head, next != url) }
            next = place
        }
        throw Self.loop(next)
    }

    /// A request to where `url` leads in the end, for a transfer that another process makes.
    func resolve(_ url: URL, _ repository: String) async throws -> HTTPRequest {
        guard !isOffline else { throw Self.offline(repository) }
        var url = url
        for _ in 0...Self.maximumRedirects {
            let stream = try await client.open(request(url))
            guard let next = try Self.redirection(stream.head, from: url) else {
                guard stream.status < 300 else { throw refusal(stream.head, repository) }
                return request(url)
            }
            url = next
        }
        throw Self.loop(url)
    }

    private func request(_ url: URL) -> HTTPRequest {
        // What is hashed is what was sent: no compression in between.
        var request = HTTPRequest(url: url, headers: ["Accept-Encoding": "identity", "User-Agent": "SwiftMLX"])
        if let token, url.origin == endpoint.origin, url.scheme == "https" || url.isLocal {
            request.headers["Authorization"] = "Bearer " + token
        }
        return request
    }

    /// Where a reply leads, or nil where it leads nowhere.
    private static func redirection(_ head: HTTPHead, from url: URL) throws -> URL? {
        guard [301, 302, 303, 307, 308].contains(head.status) else { return nil }
        guard let place = head.headers["location"], let next = URL(string: place, relativeTo: url)?.absoluteURL,
              isWeb(next)
        else {
            throw MLXError(.protocolBroken, "\(url.origin) redirects to nowhere", hint: "check HF_ENDPOINT")
        }
        guard url.scheme != "https" || next.scheme == "https" else {
            throw MLXError(.protocolBroken, "\(url.origin) redirects to an address without encryption, "
                + next.origin, hint: "check HF_ENDPOINT")
        }
        return next
    }

    private static func loop(_ url: URL) -> MLXError {
        MLXError(.protocolBroken, "\(url.origin) redirects without end", hint: "check HF_ENDPOINT")
    }

    static func offline(_ repository: String) -> MLXError {
        MLXError(.unavailable, "\(repository) is not in the cache, and HF_HUB_OFFLINE is set",
                 hint: "unset HF_HUB_OFFLINE to download it")
    }

    /// What a reply that is no success means.
    func refusal(_ head: HTTPHead, _ repository: String) -> MLXError {
        let reason = head.headers["x-error-code"] ?? ""
        let page = "\(endpoint.origin)/\(repository)"
        switch (head.status, reason) {
        case (_, "GatedRepo"):
            return MLXError(.downloadFailed, "\(repository) is shared with people who accepted its terms",
                            hint: "visit \(page), accept them, and set HF_TOKEN")
        case (401, "RepoNotFound"), (404, "RepoNotFound"):
            return MLXError(.modelNotFound, "the hub has no repository \(repository)",
                            hint: "check the name" + (token == nil ? "; a private one needs HF_TOKEN" : ""))
        case (401, _), (403, _):
            return MLXError(.downloadFailed, "the hub refuses access to \(repository) (\(head.status))",
                            hint: token == nil ? "visit \(page), and set HF_TOKEN" : "visit \(page), and renew HF_TOKEN")
        case (404, _):
            return MLXError(.modelNotFound, "the hub has no \(repository), or not this revision or file of it",
                            hint: "look at \(page)")
        case (429, _):
            return MLXError(.unavailable, "the hub asks to wait: too many requests",
                            hint: "try again in a few minutes; HF_TOKEN raises the limit")
        default:
            return MLXError(.unavailable, "the hub answered \(head.status) for \(repository)",
                            hint: "try again later")
        }
    }
}
