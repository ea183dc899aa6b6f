import Foundation
internal import CMLXBus

/// The data of a message: a tree of values, as msgpack and JSON know them.
public enum BusData: Sendable, Hashable {
    /// Nothing.
    case null
    /// A truth value.
    case bool(Bool)
    /// A whole number.
    case int(Int)
    /// Any other number.
    case real(Double)
    /// A string.
    case string(String)
    /// A list.
    case list([BusData])
    /// A map.
    case map([String: BusData])

    /// The value under `key`, read as `Value`; nil when it is absent or of another type. What a
    /// machine does not have is absent, never 0.
    public func read<Value: BusReadable>(_ key: String) -> Value? {
        guard case .map(let members) = self, let member = members[key] else { return nil }
        return Value(member)
    }
}

/// A type that a value of a message can be read as.
public protocol BusReadable {
    /// Reads `data`, or gives nil when it is something else.
    init?(_ data: BusData)
}

/// A value that becomes part of a command's arguments.
public protocol BusWritable {
    /// The value as the bus carries it.
    var busData: BusData { get }
}

extension BusData: BusReadable {
    /// Takes any value as it is.
    public init?(_ data: BusData) { self = data }
}

extension Bool: BusReadable, BusWritable {
    /// Reads a truth value.
    public init?(_ data: BusData) {
        guard case .bool(let flag) = data else { return nil }
        self = flag
    }

    /// The truth value.
    public var busData: BusData { .bool(self) }
}

extension Int: BusReadable, BusWritable {
    /// Reads a whole number.
    public init?(_ data: BusData) {
        switch data {
        case .int(let number): self = number
        case .real(let number): self.init(exactly: number)
        default: return nil
        }
    }

    /// The number.
    public var busData: BusData { .int(self) }
}

extension Double: BusReadable, BusWritable {
    /// Reads any number.
    public init?(_ data: BusData) {
        switch data {
        case .int(let number): self = Double(number)
        case .real(let number): self = number
        default: return nil
        }
    }

    /// The number.
    public var busData: BusData { .real(self) }
}

extension String: BusReadable, BusWritable {
    /// Reads a string.
    public init?(_ data: BusData) {
        guard case .string(let text) = data else { return nil }
        self = text
    }

    /// The string.
    public var busData: BusData { .string(self) }
}

extension Date: BusReadable, BusWritable {
    /// Reads microseconds since 1970.
    public init?(_ data: BusData) {
        guard case .int(let time) = data else { return nil }
        self.init(timeIntervalSince1970: Double(time) / 1e6)
    }

    /// Microseconds since 1970.
    public var busData: BusData { .int(Int(timeIntervalSince1970 * 1e6)) }
}

extension Array: BusReadable where Element: BusReadable {
    /// Reads a list; elements of another type are left out.
    public init?(_ data: BusData) {
        guard case .list(let items) = data else { return nil }
        self = items.compactMap(Element.init)
    }
}

extension Array: BusWritable where Element: BusWritable {
    /// The list.
    public var busData: BusData { .list(map(\.busData)) }
}

extension BusData {
    /// Copies a tree out of C.
    package init(_ node: OpaquePointer?) {
        switch cmlx_node_type(node) {
        case CMLX_BOOL:
            var flag = false
            _ = cmlx_node_bool(node, &flag)
            self = .bool(flag)
        case CMLX_INT:
            var number: Int64 = 0
            _ = cmlx_node_int(node, &number)
            self = .int(Int(number))
        case CMLX_REAL:
            var number = 0.0
            _ = cmlx_node_real(node, &number)
            self = .real(number)
        case CMLX_STR:
            self = .string(Self.text(node))
        case CMLX_LIST:
            self = .list((0..<cmlx_node_count(node)).map { BusData(cmlx_node_at(node, $0)) })
        case CMLX_MAP:
            let pairs = (0..<cmlx_node_count(node)).map { index in
                (String(cString: cmlx_node_key(node, index)), BusData(cmlx_node_at(node, index)))
            }
            self = .map(Dictionary(pairs) { $1 })
        default:
            self = .null
        }
    }

    private static func text(_ node: OpaquePointer?) -> String {
        var length = 0
        guard let bytes = cmlx_node_str(node, &length) else { return "" }
        return bytes.withMemoryRebound(to: UInt8.self, capacity: length) {
            String(decoding: UnsafeBufferPointer(start: $0, count: length), as: UTF8.self)
        }
    }

    /// Copies the tree into C; whoever gets it must free it.
    func makeNode() -> OpaquePointer? {
        switch self {
        case .null: return cmlx_node_new_null()
        case .bool(let flag): return cmlx_node_new_bool(flag)
        case .int(let number): return cmlx_node_new_int(Int64(number))
        case .real(let number): return cmlx_node_new_real(number)
        case .string(let text): return cmlx_node_new_str(text, text.utf8.count)
        case .list(let items):
            let list = cmlx_node_new_list()
            for item in items { cmlx_node_put(list, nil, item.makeNode()) }
            return list
        case .map(let members):
            let map = cmlx_node_new_map()
            for (key, member) in members { cmlx_node_put(map, key, member.makeNode()) }
            return map
        }
    }
}
