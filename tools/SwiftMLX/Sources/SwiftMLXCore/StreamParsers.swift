import Foundation

/// Cuts bytes that arrive in pieces of any size into lines.
///
/// A line ends with LF, CRLF or CR, as server-sent events allow. Lines are bounded, because a
/// server is not trusted with this process's memory.
struct LineSplitter {
    /// Longest line or event, in bytes.
    static let usualLimit = 16 << 20

    private let limit: Int
    private var partial: [UInt8] = []
    private var endedWithCR = false

    init(limit: Int = usualLimit) {
        self.limit = limit
    }

    /// Takes the next bytes and returns the lines they complete, without their ends.
    mutating func take(_ bytes: some Sequence<UInt8>) throws -> [[UInt8]] {
        var lines: [[UInt8]] = []
        for byte in bytes {
            defer { endedWithCR = byte == Self.cr }
            if byte == Self.lf, endedWithCR { continue }
            if byte == Self.lf || byte == Self.cr {
                lines.append(partial)
                partial = []
            } else {
                partial.append(byte)
                try checkLength()
            }
        }
        return lines
    }

    /// The last line, if the stream ended without a line end.
    mutating func finish() -> [UInt8]? {
        defer { partial = [] }
        return partial.isEmpty ? nil : partial
    }

    private func checkLength() throws {
        guard partial.count <= limit else {
            throw MLXError(.protocolBroken, "the server sent a line of over \(limit) bytes",
                           hint: "check that the address belongs to a model server")
        }
    }

    private static let lf = UInt8(ascii: "\n")
    private static let cr = UInt8(ascii: "\r")
}

/// Reads newline-delimited JSON, one value a line, from pieces of any size.
struct NDJSONParser {
    private var splitter: LineSplitter

    init(limit: Int = LineSplitter.usualLimit) {
        splitter = LineSplitter(limit: limit)
    }

    mutating func take(_ bytes: some Sequence<UInt8>) throws -> [JSONValue] {
        try splitter.take(bytes).filter { !$0.isEmpty }.map { try JSONValue(parsing: Data($0)) }
    }

    mutating func finish() throws -> [JSONValue] {
        try splitter.finish().map { [try JSONValue(parsing: Data($0))] } ?? []
    }
}

/// Reads server-sent events from pieces of any size and returns the data of each.
///
/// The format is that of the HTML standard, "Server-sent events": `data` lines of one event are
/// joined by a newline, an empty line ends the event, comments and other fields are skipped, and an
/// event that the stream cuts off is dropped.
struct EventStreamParser {
    private let limit: Int
    private var splitter: LineSplitter
    private var data: [UInt8] = []
    private var hasData = false

    init(limit: Int = LineSplitter.usualLimit) {
        self.limit = limit
        splitter = LineSplitter(limit: limit)
    }

    mutating func take(_ bytes: some Sequence<UInt8>) throws -> [String] {
        var events: [String] = []
        for line in try splitter.take(bytes) {
            if line.isEmpty {
                if hasData { events.append(String(decoding: data, as: UTF8.self)) }
                (data, hasData) = ([], false)
            } else if let value = Self.dataField(line) {
                if hasData { data.append(UInt8(ascii: "\n")) }
                data += value
                hasData = true
                try checkLength()
            }
        }
        return events
    }

    private func checkLength() throws {
        guard data.count <= limit else {
            throw MLXError(.protocolBroken, "the server sent an event of \(data.count) bytes",
                           hint: "check that the address belongs to a model server")
        }
    }

    private static func dataField(_ line: [UInt8]) -> ArraySlice<UInt8>? {
        let name = Array("data".utf8)
        guard line.starts(with: name) else { return nil }
        let rest = line[name.count...]
        guard let colon = rest.first else { return [] }
        guard colon == UInt8(ascii: ":") else { return nil }
        let value = rest.dropFirst()
        return value.first == UInt8(ascii: " ") ? value.dropFirst() : value
    }
}
