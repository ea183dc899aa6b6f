import CMLXBus
import MLXBus

/// Writes the Swift types of all topics and commands.
struct CatalogueGenerator {
    private let catalogue: BusData
    /// Records by their fields, so that equal field lists become one type.
    private var shared: [[BusData]: String] = [:]

    init(catalogue: BusData) {
        self.catalogue = catalogue
        shared = Dictionary(topics.map { ($0.fields("fields"), Self.typeName($0.text("topic"))) }) { $1 }
        shared[Self.missing] = "MissingField"
        shared[interval] = "Interval"
    }

    /// The catalogue as the C side describes it.
    static func catalogue() -> BusData {
        let node = cmlx_catalogue()
        defer { cmlx_node_free(node) }
        return BusData(node)
    }

    /// The files to write, by name.
    func files() -> [String: String] {
        func these(_ kinds: String...) -> [String] {
            topics.filter { topic in kinds.contains { topic.text("topic").hasPrefix($0 + ".") } }
                .flatMap { topic($0) + [""] }
        }
        /// Sensors of which a machine may have several, or those it has once.
        func sensors(several: Bool) -> [String] {
            topics.filter { topic in
                let name = topic.text("topic")
                return name.hasPrefix("sensor.") && name.hasSuffix(">") == several
            }.flatMap { topic($0) + [""] }
        }
        func these(_ wanted: (String) -> Bool) -> [String] {
            commands.filter { wanted($0.text("service")) }.flatMap { command($0) + [""] }
        }
        func recorder(_ wanted: (String) -> Bool) -> [String] {
            commands.filter { $0.text("service") == "recorder" && wanted($0.text("command")) }
                .flatMap { command($0) + [""] }
        }
        let common = record("MissingField", Self.missing, "BusRecord",
                            doc: "A field that this machine cannot give, and why.")
            + [""] + record("Interval", interval, "BusRecord",
                            doc: "A measured figure with what is known of its spread.") + [""]
        return [
            "CatalogueDevices.swift": Self.file(sensors(several: true)),
            "CatalogueSensors.swift": Self.file(common + sensors(several: false)),
            "CatalogueRuntimes.swift": Self.file(these("runtime", "bench")),
            "CatalogueServices.swift": Self.file(these("cache", "history", "service", "alert", "finding")),
            "CatalogueEnergy.swift": Self.file(these("energy") + recorder { $0.hasPrefix("energy.") }),
            "CatalogueCommands.swift": Self.file(these { $0 != "recorder" && $0 != "cache" }),
            "CatalogueCacheCommands.swift": Self.file(these { $0 == "cache" }),
            "CatalogueFindings.swift": Self.file(recorder { $0.hasPrefix("alert.") || $0.hasPrefix("finding.") }),
            "CatalogueHistory.swift": Self.file(recorder { command in
                !["energy.", "alert.", "finding."].contains { command.hasPrefix($0) }
            }),
        ]
    }

    /// How many topics the catalogue has, and how many of them the files define.
    func coverage() -> (topics: Int, defined: Int) {
        let text = files().values.joined()
        return (topics.count, topics.filter { text.contains("= \"\($0.text("topic"))\"") }.count)
    }

    private static func file(_ lines: [String]) -> String {
        let head = [
            "// Made from proto/catalogue_topics.c; do not edit.",
            "// swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus writes it anew.",
            "import Foundation", "",
        ]
        return (head + lines).joined(separator: "\n").trimmingNewlines() + "\n"
    }

    // Parts of the catalogue.

    private var topics: [BusData] { catalogue.fields("topics") }
    private var commands: [BusData] { catalogue.fields("commands") }

    private static let missing: [BusData] = catalogue().fields("topics")[0].fields("fields").last!
        .fields("fields")

    private var interval: [BusData] {
        topics.flatMap { $0.fields("fields") }.first { $0.text("type") == "map"
            && $0.text("key") == "ttft" }?.fields("fields") ?? []
    }

    // Types.

    private func topic(_ topic: BusData) -> [String] {
        let pattern = topic.text("topic")
        let retained = topic.read("retained") as Bool? ?? false
        return record(Self.typeName(pattern), topic.fields("fields"), "BusTopic",
                      doc: topic.text("help") + ": `\(pattern)`.", [
            "/// The topic's name.", "public static let pattern = \"\(pattern)\"",
            "/// Whether the bus keeps the newest value.",
            "public static let isRetained = \(retained)", "",
        ])
    }

    private func command(_ command: BusData) -> [String] {
        let arguments = command.fields("args")
        let name = Self.typeName(command.text("command"))
        let progress: [BusData]? = command.read("progress") as [BusData]?
        let outcome = command.fields("result")
        var body = [
            "/// What comes while it runs.",
            "public typealias Progress = \(progress.flatMap { shared[$0] } ?? "NoProgress")",
        ]
        if let known = shared[outcome] {
            body += ["/// What comes at its end.", "public typealias Outcome = \(known)"]
        } else {
            body += record("Outcome", outcome, "BusRecord", doc: "What comes at its end.")
        }
        body += [
            "", "/// The service that runs it.",
            "public static let service = \"\(command.text("service"))\"",
            "/// Its name on the bus.", "public static let name = \"\(command.text("command"))\"",
        ]
        body += (arguments.isEmpty ? [] : [""]) + properties(arguments)
        body += ["", "/// The command; what is not given is left to the service."]
        let parameters = arguments.map { "\(Self.memberName($0)): \(type($0))? = nil" }
        body += Self.wrapped("public init(", parameters, ") {")
        body += arguments.map { "    self.\(Self.memberName($0)) = \(Self.memberName($0))" } + ["}", ""]
        if arguments.isEmpty { body.replaceSubrange(body.count - 3..<body.count, with: ["public init() {}", ""]) }
        body += ["/// The arguments by their names on the bus.",
                 "public var arguments: [String: (any BusWritable)?] {"]
        let pairs = arguments.map { "\"\($0.text("key"))\": \(Self.memberName($0))" }
        body += arguments.isEmpty ? ["    [:]"]
            : Self.wrapped("[", pairs, "]").map { "    " + $0 }
        body += ["}"]
        return ["/// \(command.text("help")): `\(command.text("command"))`.",
                "public struct \(name): BusCommand {"] + Self.indented(body) + ["}"]
    }

    private func record(_ name: String, _ fields: [BusData], _ conformance: String, doc: String,
                        _ head: [String] = []) -> [String] {
        var body = head + properties(fields) + [""]
        body += ["/// Reads the fields that are there.", "public init(_ data: BusData) {"]
        body += fields.map { "    \(Self.memberName($0)) = data.read(\"\($0.text("key"))\")" } + ["}"]
        for field in fields where !field.fields("fields").isEmpty && shared[field.fields("fields")] == nil {
            body += [""] + record(Self.itemName(field), field.fields("fields"), "BusRecord",
                                  doc: Self.sentence(field.text("help")))
        }
        return ["/// \(doc)", "public struct \(name): \(conformance) {"] + Self.indented(body) + ["}"]
    }

    private func properties(_ fields: [BusData]) -> [String] {
        fields.flatMap { field in
            let unit = field.text("unit")
            let plain = unit.isEmpty || unit.hasPrefix("microseconds")
            let suffix = plain ? "" : unit == "ratio" ? ", as a ratio from 0 to 1" : ", in \(unit)"
            return ["/// " + Self.sentence(field.text("help") + suffix),
                    "public var \(Self.memberName(field)): \(type(field))?"]
        }
    }

    private func type(_ field: BusData) -> String {
        let fields = field.fields("fields")
        let record = fields.isEmpty ? nil : shared[fields] ?? Self.itemName(field)
        switch field.text("type") {
        case "bool": return "Bool"
        case "int": return field.text("unit").hasPrefix("microseconds") ? "Date" : "Int"
        case "real": return "Double"
        case "string": return "String"
        case "map": return record ?? "BusData"
        // The catalogue does not say what plain lists hold: words, but for a series' points and rows.
        default:
            let plain = ["points", "rows"].contains(field.text("key")) ? "[Double]" : "String"
            return "[\(record ?? plain)]"
        }
    }

    // Names.

    private static let capitals = ["gpu": "GPU", "cpu": "CPU"]
    private static let singular = ["processes": "Process", "models": "Model", "prompts": "Prompt",
                                   "messages": "Message", "services": "Service"]

    static func typeName(_ pattern: String) -> String {
        pattern.split(separator: ".").filter { $0.first != "<" }.map { word(String($0)) }.joined()
    }

    private static func word(_ text: String) -> String {
        capitals[text] ?? text.prefix(1).uppercased() + text.dropFirst()
    }

    private static func memberName(_ field: BusData) -> String {
        let parts = field.text("key").split(separator: "_").map(String.init)
        let name = parts[0] + parts.dropFirst().map(word).joined()
        return name == "t" ? "time" : name
    }

    private static func itemName(_ field: BusData) -> String {
        let key = field.text("key")
        return singular[key] ?? key.split(separator: "_").map { word(String($0)) }.joined()
    }

    // Text.

    private static func sentence(_ text: String) -> String {
        let text = text.prefix(1).uppercased() + text.dropFirst()
        return text.hasSuffix(".") ? text : text + "."
    }

    private static func indented(_ lines: [String]) -> [String] {
        lines.map { $0.isEmpty ? "" : "    " + $0 }
    }

    private static func wrapped(_ head: String, _ parts: [String], _ tail: String) -> [String] {
        let line = head + parts.joined(separator: ", ") + tail
        return line.count <= 88 ? [line]
            : [head] + parts.enumerated().map { index, part in
                "    \(part)" + (index < parts.count - 1 ? "," : "")
            } + [tail]
    }
}

extension BusData {
    fileprivate func text(_ key: String) -> String { read(key) ?? "" }
    fileprivate func fields(_ key: String) -> [BusData] { read(key) ?? [] }
}

extension String {
    fileprivate func trimmingNewlines() -> String {
        var text = self[...]
        while text.last == "\n" { text = text.dropLast() }
        return String(text)
    }
}
