import Foundation
import MLXBus

/// What the menu lists below its readings: findings, loaded models, the last requests, each with its machine.
public struct DashFacts: Sendable {
    /// Why a machine is slow, and what helps.
    public struct FindingLine: Sendable, Identifiable {
        /// Machine and topic.
        public let id: String
        /// One line, with the machine where it is another one.
        public let text: String
        /// What helps.
        public let remedy: String?
    }

    /// A loaded model.
    public struct ModelLine: Sendable, Identifiable {
        /// Machine, server and model.
        public let id: String
        /// Name as the server gives it.
        public let name: String
        /// Name, memory, and the machine where it is another one.
        public let text: String
        /// Where its server was asked, for commands.
        public let url: String?
        /// Whether it can be freed, and kept, from here.
        public let canUnload: Bool, canPin: Bool
    }

    /// A request that has ended.
    public struct RequestLine: Sendable, Identifiable {
        /// Counts from the first.
        public let id: Int
        /// Who asked which model, and how fast it was.
        public let text: String
    }

    /// What holds now.
    public private(set) var findings: [FindingLine] = []
    /// The newest first.
    public private(set) var requests: [RequestLine] = []
    /// By machine and name.
    public var models: [ModelLine] { servers.values.joined().sorted { $0.id < $1.id } }

    /// Most lines of a kind: a menu is no table.
    public static let most = 8

    private let here: String
    private var servers: [String: [ModelLine]] = [:]
    private var count = 0

    /// Facts as the machine `here` sees them.
    public init(here: String) {
        self.here = here
    }

    /// Takes what `host` says under `topic`.
    mutating func take(_ topic: String, from host: String, _ data: BusData) {
        let kind = topic.split(separator: ".").last
        if topic.hasPrefix("finding.") {
            takeFinding("\(host)/\(topic)", host, Finding(data))
        } else if topic.hasPrefix("runtime."), kind == "models" {
            servers["\(host)/\(topic)"] = lines("\(host)/\(topic)", host, RuntimeModels(data))
        } else if topic.hasPrefix("runtime."), kind == "request" {
            takeRequest(host, RuntimeRequest(data))
        }
    }

    private mutating func takeFinding(_ id: String, _ host: String, _ finding: Finding) {
        findings.removeAll { $0.id == id }
        guard finding.state == "firing", let summary = finding.summary else { return }
        findings = ([FindingLine(id: id, text: at(host) + summary, remedy: finding.remedy)] + findings)
            .prefix(Self.most).map(\.self)
    }

    private func lines(_ id: String, _ host: String, _ server: RuntimeModels) -> [ModelLine] {
        // A command reaches this machine's servers only.
        let can = host == here ? server.can ?? [] : []
        return (server.models ?? []).prefix(Self.most).compactMap { model in
            guard let name = model.name else { return nil }
            let size = model.size.map { ByteCountFormatter.string(fromByteCount: Int64($0), countStyle: .memory) }
            return ModelLine(id: "\(id)/\(name)", name: name,
                             text: at(host) + [name, size].compactMap(\.self).joined(separator: "  "),
                             url: server.url, canUnload: can.contains("unload"), canPin: can.contains("pin"))
        }
    }

    private mutating func takeRequest(_ host: String, _ request: RuntimeRequest) {
        let speed = request.tokensPerSecond.map {
            $0.formatted(.number.precision(.fractionLength(1))) + " tok/s"
        }
        let failure = request.outcome.flatMap { $0 == "ok" ? nil : $0 }
        let words = [request.client, request.model, failure ?? speed].compactMap(\.self)
        guard !words.isEmpty else { return }
        count += 1
        requests = ([RequestLine(id: count, text: at(host) + words.joined(separator: "  "))] + requests)
            .prefix(Self.most).map(\.self)
    }

    private func at(_ host: String) -> String { host == here ? "" : "\(host): " }
}
