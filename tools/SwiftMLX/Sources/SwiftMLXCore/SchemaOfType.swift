import Foundation

extension JSONValue {
    /// The JSON schema of what `type` decodes from, found by letting it decode and watching what it
    /// asks for.
    ///
    /// Properties that may be missing are optional ones. Choices are enumerations that are
    /// `CaseIterable` with texts or numbers as raw values. A type that contains itself, one that
    /// refuses every made-up value, and dates, which JSON has no form for, are errors that say so.
    public static func schema<Value: Decodable>(of type: Value.Type) throws -> JSONValue {
        let node = SchemaNode()
        _ = try SchemaDecoder.value(type, node, [], [])
        return node.json
    }
}

/// What is known of one place of a value while its type decodes.
private final class SchemaNode {
    var members: [String: JSONValue] = [:]
    var properties: [(key: String, node: SchemaNode)] = []
    var required: Set<String> = []
    var element: SchemaNode?
    var isObject = false
    var guides: [String: SchemaGuide] = [:]

    var json: JSONValue {
        var all = members
        if let element {
            all["type"] = "array"
            all["items"] = element.json
        } else if isObject {
            all["type"] = "object"
            all["properties"] = .object(Dictionary(properties.map { key, node in
                let own = node.json.objectValue ?? [:]
                return (key, .object(own.merging(guides[key]?.members ?? [:]) { $1 }))
            }) { $1 })
            all["required"] = .array(required.sorted().map(JSONValue.string))
            all["additionalProperties"] = false
        }
        return .object(all)
    }

    func property(_ key: String, isRequired: Bool) -> SchemaNode {
        if isRequired { required.insert(key) }
        if let known = properties.first(where: { $0.key == key }) { return known.node }
        let node = SchemaNode()
        properties.append((key, node))
        return node
    }
}

/// Dictionaries with texts as keys, whatever their values.
private protocol TextKeyed {
    static func describe(_ node: SchemaNode, _ path: [any CodingKey], _ open: [ObjectIdentifier]) throws
        -> Self
}

extension Dictionary: TextKeyed where Key == String, Value: Decodable {
    fileprivate static func describe(_ node: SchemaNode, _ path: [any CodingKey], _ open: [ObjectIdentifier])
        throws -> Self
    {
        let value = SchemaNode()
        _ = try SchemaDecoder.value(Value.self, value, path, open)
        node.members = ["type": "object", "additionalProperties": value.json]
        return [:]
    }
}

/// Gives every type a made-up value and notes what it asked for.
private struct SchemaDecoder: Decoder {
    let node: SchemaNode
    let codingPath: [any CodingKey]
    /// The types around this place.
    let open: [ObjectIdentifier]
    let userInfo: [CodingUserInfoKey: Any] = [:]

    static func value<Value: Decodable>(_ type: Value.Type, _ node: SchemaNode, _ path: [any CodingKey],
                                        _ open: [ObjectIdentifier]) throws -> Value {
        if let value = try known(type, node, path) as? Value { return value }
        if let keyed = type as? any TextKeyed.Type, let value = try keyed.describe(node, path, open) as? Value {
            return value
        }
        let id = ObjectIdentifier(type)
        guard !open.contains(id), path.count < JSONValue.maximumDepth else {
            throw failure(type, path, "contains itself")
        }
        node.guides = (type as? any SchemaGuided.Type)?.guides ?? [:]
        do {
            return try Value(from: SchemaDecoder(node: node, codingPath: path, open: open + [id]))
        } catch is DecodingError {
            throw failure(type, path, "refuses made-up values; give its schema yourself")
        }
    }

    /// A value of the types whose form is fixed, and of those that list their cases.
    private static func known<Value>(_ type: Value.Type, _ node: SchemaNode, _ path: [any CodingKey])
        throws -> Any?
    {
        switch type {
        case is URL.Type:
            node.members = ["type": "string", "format": "uri"]
            return URL(string: "https://example.org")
        case is UUID.Type:
            node.members = ["type": "string", "format": "uuid"]
            return UUID()
        case is Data.Type:
            node.members = ["type": "string", "contentEncoding": "base64"]
            return Data()
        case is Decimal.Type:
            node.members = ["type": "number"]
            return Decimal()
        case is JSONValue.Type:
            return JSONValue.null
        case is Date.Type:
            throw failure(type, path, "is a date, which has no one form in JSON; take a String")
        default:
            guard let listed = type as? any CaseIterable.Type else { return nil }
            return choice(listed, node)
        }
    }

    private static func choice<Listed: CaseIterable>(_ type: Listed.Type, _ node: SchemaNode) -> Any? {
        let values = Listed.allCases.map { one -> JSONValue? in
            switch (one as? any RawRepresentable)?.rawValue {
            case let text as String: .string(text)
            case let number as Int: .int(number)
            default: nil
            }
        }
        guard let first = Listed.allCases.first, !values.contains(nil) else { return nil }
        node.members = ["enum": .array(values.compactMap(\.self))]
        if case .string = values[0] { node.members["type"] = "string" } else { node.members["type"] = "integer" }
        return first
    }

    static func failure(_ type: Any.Type, _ path: [any CodingKey], _ why: String) -> MLXError {
        let place = path.isEmpty ? "" : " at " + path.map(\.stringValue).joined(separator: ".")
        return MLXError(.unsupported, "no schema of \(type)\(place): it \(why)",
                        hint: "give the schema yourself, with the format .jsonSchema")
    }

    func container<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        node.isObject = true
        return KeyedDecodingContainer(SchemaMembers<Key>(decoder: self))
    }

    func unkeyedContainer() -> any UnkeyedDecodingContainer { SchemaElements(decoder: self) }
    func singleValueContainer() -> any SingleValueDecodingContainer { self }
}

extension SchemaDecoder: SingleValueDecodingContainer {
    func decodeNil() -> Bool { false }
    func decode(_ type: Bool.Type) -> Bool { noted("boolean", false) }
    func decode(_ type: String.Type) -> String { noted("string", "") }
    func decode(_ type: Double.Type) -> Double { noted("number", 0) }
    func decode(_ type: Float.Type) -> Float { noted("number", 0) }
    func decode(_ type: Int.Type) -> Int { noted("integer", 0) }
    func decode(_ type: Int8.Type) -> Int8 { noted("integer", 0) }
    func decode(_ type: Int16.Type) -> Int16 { noted("integer", 0) }
    func decode(_ type: Int32.Type) -> Int32 { noted("integer", 0) }
    func decode(_ type: Int64.Type) -> Int64 { noted("integer", 0) }
    func decode(_ type: UInt.Type) -> UInt { noted("integer", 0) }
    func decode(_ type: UInt8.Type) -> UInt8 { noted("integer", 0) }
    func decode(_ type: UInt16.Type) -> UInt16 { noted("integer", 0) }
    func decode(_ type: UInt32.Type) -> UInt32 { noted("integer", 0) }
    func decode(_ type: UInt64.Type) -> UInt64 { noted("integer", 0) }

    func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        try Self.value(type, node, codingPath, open)
    }

    private func noted<Value>(_ type: String, _ value: Value) -> Value {
        node.members["type"] = .string(type)
        return value
    }
}

/// The members of an object.
private struct SchemaMembers<Key: CodingKey>: KeyedDecodingContainerProtocol {
    let decoder: SchemaDecoder
    var codingPath: [any CodingKey] { decoder.codingPath }
    let allKeys: [Key] = []

    func contains(_ key: Key) -> Bool { true }

    func decodeNil(forKey key: Key) -> Bool { false }

    func decode<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value {
        try value(type, key, isRequired: true)
    }

    func decodeIfPresent<Value: Decodable>(_ type: Value.Type, forKey key: Key) throws -> Value? {
        try value(type, key, isRequired: false)
    }

    func decodeIfPresent(_ type: Bool.Type, forKey key: Key) throws -> Bool? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: String.Type, forKey key: Key) throws -> String? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: Double.Type, forKey key: Key) throws -> Double? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: Float.Type, forKey key: Key) throws -> Float? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: Int.Type, forKey key: Key) throws -> Int? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: Int32.Type, forKey key: Key) throws -> Int32? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: Int64.Type, forKey key: Key) throws -> Int64? { try value(type, key, isRequired: false) }
    func decodeIfPresent(_ type: UInt.Type, forKey key: Key) throws -> UInt? { try value(type, key, isRequired: false) }

    private func value<Value: Decodable>(_ type: Value.Type, _ key: Key, isRequired: Bool) throws -> Value {
        let node = decoder.node.property(key.stringValue, isRequired: isRequired)
        return try SchemaDecoder.value(type, node, codingPath + [key], decoder.open)
    }

    func nestedContainer<Nested: CodingKey>(keyedBy type: Nested.Type, forKey key: Key)
        -> KeyedDecodingContainer<Nested>
    {
        nested(key).container(keyedBy: type)
    }

    func nestedUnkeyedContainer(forKey key: Key) -> any UnkeyedDecodingContainer {
        nested(key).unkeyedContainer()
    }

    func superDecoder() -> any Decoder { decoder }
    func superDecoder(forKey key: Key) -> any Decoder { nested(key) }

    private func nested(_ key: Key) -> SchemaDecoder {
        SchemaDecoder(node: decoder.node.property(key.stringValue, isRequired: true),
                      codingPath: codingPath + [key], open: decoder.open)
    }
}

/// The elements of an array: one is looked at.
private struct SchemaElements: UnkeyedDecodingContainer {
    let decoder: SchemaDecoder
    private let element = SchemaNode()
    private(set) var currentIndex = 0

    init(decoder: SchemaDecoder) {
        self.decoder = decoder
        decoder.node.element = element
    }

    var codingPath: [any CodingKey] { decoder.codingPath }
    let count: Int? = 1
    var isAtEnd: Bool { currentIndex > 0 }

    mutating func decodeNil() -> Bool { false }

    mutating func decode<Value: Decodable>(_ type: Value.Type) throws -> Value {
        currentIndex += 1
        return try SchemaDecoder.value(type, element, codingPath, decoder.open)
    }

    private mutating func next() -> SchemaDecoder {
        currentIndex += 1
        return SchemaDecoder(node: element, codingPath: codingPath, open: decoder.open)
    }

    mutating func nestedContainer<Key: CodingKey>(keyedBy type: Key.Type) -> KeyedDecodingContainer<Key> {
        next().container(keyedBy: type)
    }

    mutating func nestedUnkeyedContainer() -> any UnkeyedDecodingContainer { next().unkeyedContainer() }
    mutating func superDecoder() -> any Decoder { next() }
}
