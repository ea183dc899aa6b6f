import Foundation

/// Asks the hub what a repository holds, so that nothing is downloaded that nobody here can run.
struct HubQuestion: Sendable {
    private let endpoint: URL
    private let token: String?
    private let client = HTTPClient()

    /// The hub that its own tools use: `HF_ENDPOINT`, with the key of `HF_TOKEN`.
    init(environment: [String: String] = ProcessInfo.processInfo.environment) {
        let named = environment["HF_ENDPOINT"].flatMap { URL(string: $0) }
        endpoint = named.flatMap { $0.host == nil ? nil : $0 } ?? URL(string: "https://huggingface.co")!
        token = environment["HF_TOKEN"].flatMap { $0.isEmpty ? nil : $0 }
    }

    /// Names of the files of `repository`, or nil where the hub cannot be asked or does not know it:
    /// then the download itself will tell.
    func files(of repository: String) async -> [String]? {
        var request = HTTPRequest(url: endpoint.appendingPathComponent("api/models/" + repository))
        if let token, endpoint.scheme == "https" || endpoint.isLocal {
            request.headers["Authorization"] = "Bearer " + token
        }
        let question = request
        let reply = try? await within(probeLimit, asking: endpoint.origin) {
            try await client.send(question)
        }
        guard let reply, reply.status == 200, let json = try? JSONValue(parsing: reply.body)
        else { return nil }
        return json["siblings"]?.arrayValue?.compactMap { $0["rfilename"]?.stringValue }
    }
}
