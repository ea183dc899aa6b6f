/// What a schema says about one property beyond its type. See ``SchemaGuided``.
public struct SchemaGuide: Sendable, Hashable {
    let members: [String: JSONValue]

    /// What the property means, for the model to read.
    public static func description(_ text: String) -> SchemaGuide { SchemaGuide(["description": .string(text)]) }
    /// The least and the greatest number.
    public static func range(_ range: ClosedRange<Double>) -> SchemaGuide {
        SchemaGuide(["minimum": .double(range.lowerBound), "maximum": .double(range.upperBound)])
    }
    /// The only texts that count.
    public static func anyOf(_ choices: [String]) -> SchemaGuide {
        SchemaGuide(["enum": .array(choices.map(JSONValue.string))])
    }
    /// How many elements an array may have.
    public static func count(_ range: ClosedRange<Int>) -> SchemaGuide {
        SchemaGuide(["minItems": .int(range.lowerBound), "maxItems": .int(range.upperBound)])
    }
    /// This guide and `other`.
    public func and(_ other: SchemaGuide) -> SchemaGuide {
        SchemaGuide(members.merging(other.members) { $1 })
    }

    private init(_ members: [String: JSONValue]) { self.members = members }
}

/// A type that says more about its properties than their types do.
///
/// ```swift
/// struct Weather: Codable, SchemaGuided {
///     let city: String
///     let celsius: Double
///     static let guides: [String: SchemaGuide] = ["celsius": .range(-90...60)]
/// }
/// ```
public protocol SchemaGuided {
    /// Guides by the names of the properties in JSON.
    static var guides: [String: SchemaGuide] { get }
}

extension JSONValue {
    /// Most nested values that a schema or a value is followed into.
    static let maximumDepth = 64

    /// What keeps this value from fitting `schema`, one line with its place; nil where it fits.
    ///
    /// It knows `type`, `enum`, `const`, `properties`, `required`, `additionalProperties`, `items`,
    /// `anyOf`, and the limits of numbers, texts and arrays; other words of a schema are ignored.
    public func problem(with schema: JSONValue) -> String? { problem(schema, "the answer", 0) }

    private func problem(_ schema: JSONValue, _ place: String, _ depth: Int) -> String? {
        guard depth < Self.maximumDepth else { return "\(place) is nested too deeply" }
        if let options = schema["anyOf"]?.arrayValue {
            let problems = options.map { problem($0, place, depth + 1) }
            if !problems.contains(nil) { return problems.first ?? nil }
        }
        if let type = schema["type"]?.stringValue, !isOf(type) { return "\(place) is not of type \(type)" }
        if let choices = schema["enum"]?.arrayValue ?? schema["const"].map({ [$0] }),
           !choices.contains(where: isSame) {
            let words = choices.prefix(20).map { String(decoding: $0.encoded, as: UTF8.self) }
            return "\(place) is none of \(words.joined(separator: ", "))"
        }
        switch self {
        case .object(let members): return problem(members, schema, place, depth)
        case .array(let items): return problem(items, schema, place, depth)
        case .string(let text): return Self.problem(text.unicodeScalars.count, schema, ["minLength", "maxLength"],
                                                    "\(place)'s length")
        default: return doubleValue.flatMap { Self.problem($0, schema, ["minimum", "maximum"], place) }
        }
    }

    private func problem(_ members: [String: JSONValue], _ schema: JSONValue, _ place: String, _ depth: Int)
        -> String?
    {
        for key in schema["required"]?.arrayValue?.compactMap(\.stringValue) ?? [] where members[key] == nil {
            return "\(place) lacks \"\(key)\""
        }
        for (key, value) in members.sorted(by: { $0.key < $1.key }) {
            if let known = schema["properties"]?[key] {
                if let problem = value.problem(known, "\"\(key)\"", depth + 1) { return problem }
            } else if schema["additionalProperties"] == .bool(false) {
                return "\(place) has \"\(key)\", which the schema does not know"
            } else if let other = schema["additionalProperties"], other.objectValue != nil,
                      let problem = value.problem(other, "\"\(key)\"", depth + 1) {
                return problem
            }
        }
        return nil
    }

    private func problem(_ items: [JSONValue], _ schema: JSONValue, _ place: String, _ depth: Int) -> String? {
        if let problem = Self.problem(items.count, schema, ["minItems", "maxItems"], "\(place)'s count") {
            return problem
        }
        guard let element = schema["items"] else { return nil }
        for (index, item) in items.enumerated() {
            if let problem = item.problem(element, "\(place)[\(index)]", depth + 1) { return problem }
        }
        return nil
    }

    private static func problem(_ number: Int, _ schema: JSONValue, _ words: [String], _ place: String)
        -> String?
    {
        problem(Double(number), schema, words, place)
    }

    private static func problem(_ number: Double, _ schema: JSONValue, _ words: [String], _ place: String)
        -> String?
    {
        if let least = schema[words[0]]?.doubleValue, number < least { return "\(place) is less than \(least)" }
        if let most = schema[words[1]]?.doubleValue, number > most { return "\(place) is greater than \(most)" }
        return nil
    }

    private func isOf(_ type: String) -> Bool {
        switch type {
        case "null": self == .null
        case "boolean": boolValue != nil
        case "integer": intValue != nil
        case "number": doubleValue != nil
        case "string": stringValue != nil
        case "array": arrayValue != nil
        case "object": objectValue != nil
        default: true
        }
    }

    /// Equal as JSON has it: 1 is 1.0.
    private func isSame(_ other: JSONValue) -> Bool {
        if let number = doubleValue, let other = other.doubleValue { return number == other }
        return self == other
    }
}
