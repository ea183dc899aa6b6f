import Foundation
internal import CMLXBus

/// A message's data with fixed fields, as the catalogue of the suite defines it.
public protocol BusRecord: BusReadable, Sendable, Hashable {
    /// Reads the fields that are there; unknown ones are ignored.
    init(_ data: BusData)
}

/// The data of a topic.
public protocol BusTopic: BusRecord {
    /// The topic's name; a segment in angle brackets stands for any word.
    static var pattern: String { get }
    /// Whether the bus keeps the newest value for those who come later.
    static var isRetained: Bool { get }
}

/// What went wrong on the bus, and what to do about it.
public struct BusError: Error, Sendable, Hashable, CustomStringConvertible, LocalizedError {
    /// The suite's word for the kind of failure: "unavailable", "not_found", "interrupted", …
    public let code: String
    /// What failed and where.
    public let text: String
    /// What to do; may be empty.
    public let hint: String

    /// Both in one line.
    public var description: String { hint.isEmpty ? text : "\(text); \(hint)" }
    /// What failed.
    public var errorDescription: String? { text }
    /// What to do.
    public var recoverySuggestion: String? { hint.isEmpty ? nil : hint }

    init(_ error: cmlx_error_t) {
        code = String(cString: cmlx_error_name(error.code))
        text = Self.string(error.text)
        hint = Self.string(error.hint)
    }

    private static func string<Bytes>(_ bytes: Bytes) -> String {
        withUnsafeBytes(of: bytes) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
    }
}

/// One message of the bus. Its data is read only when it is asked for.
public final class BusMessage: @unchecked Sendable {
    // Never written after init, so that any thread may read it.
    let pointer: OpaquePointer

    init(owning pointer: OpaquePointer) {
        self.pointer = pointer
    }

    deinit {
        cmlx_message_free(pointer)
    }

    /// The whole topic, such as `sensor.gpu.0`.
    public var topic: String { String(cString: cmlx_message_topic(pointer)) }
    /// The machine it comes from.
    public var host: String { String(cString: cmlx_message_host(pointer)) }
    /// The service that published it.
    public var source: String { String(cString: cmlx_message_source(pointer)) }
    /// Its number within one run of the source, from 1.
    public var sequence: Int { Int(cmlx_message_sequence(pointer)) }
    /// When it was published.
    public var time: Date {
        Date(timeIntervalSince1970: Double(cmlx_message_time(pointer)) / 1e6)
    }
    /// The data.
    public var data: BusData { BusData(cmlx_message_data(pointer)) }
}

/// A typed value with where and when it comes from. Its fields are at hand directly:
/// `value.utilization`.
@dynamicMemberLookup
public struct BusValue<Topic: BusTopic>: Sendable, Hashable {
    /// The whole topic, such as `sensor.gpu.0`.
    public let topic: String
    /// The machine it comes from.
    public let host: String
    /// The service that published it.
    public let source: String
    /// Its number within one run of the source.
    public let sequence: Int
    /// When it was published.
    public let time: Date
    /// The fields.
    public let data: Topic

    /// A field of the data.
    public subscript<Field>(dynamicMember path: KeyPath<Topic, Field>) -> Field {
        data[keyPath: path]
    }

    init(_ message: BusMessage) {
        topic = message.topic
        host = message.host
        source = message.source
        sequence = message.sequence
        time = message.time
        data = Topic(message.data)
    }
}
