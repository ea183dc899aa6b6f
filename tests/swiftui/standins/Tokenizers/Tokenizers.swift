// The part of swift-transformers 1.3 that SwiftMLXCore uses, with a tokenizer whose tokens are letters.
import Foundation

public protocol Tokenizer: Sendable {
    func encode(text: String, addSpecialTokens: Bool) -> [Int]
    func decode(tokens: [Int], skipSpecialTokens: Bool) -> String
    func convertTokenToId(_ token: String) -> Int?
    func convertIdToToken(_ id: Int) -> String?
    var bosToken: String? { get }
    var eosToken: String? { get }
    var unknownToken: String? { get }
    func applyChatTemplate(
        messages: [[String: any Sendable]], tools: [[String: any Sendable]]?,
        additionalContext: [String: any Sendable]?
    ) throws -> [Int]
}

public enum AutoTokenizer {
    public static func from(modelFolder: URL) async throws -> any Tokenizer { Letters() }
}

private struct Letters: Tokenizer {
    let bosToken: String? = nil, eosToken: String? = nil, unknownToken: String? = nil

    func encode(text: String, addSpecialTokens: Bool) -> [Int] { text.unicodeScalars.map { Int($0.value) } }

    func decode(tokens: [Int], skipSpecialTokens: Bool) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: tokens.compactMap { Unicode.Scalar(UInt32($0)) })
        return text
    }

    func convertTokenToId(_ token: String) -> Int? { nil }
    func convertIdToToken(_ id: Int) -> String? { nil }

    /// A line for each message. With `enable_thinking` it begins the thinking itself, as some templates do.
    func applyChatTemplate(
        messages: [[String: any Sendable]], tools: [[String: any Sendable]]?,
        additionalContext: [String: any Sendable]?
    ) throws -> [Int] {
        let begun = additionalContext?["enable_thinking"] as? Bool == true ? "<think>\n" : ""
        let lines = messages.map { message in
            let call = message["call"].map { " \($0)" } ?? ""
            return "\(message["role"]!)\(call): \(message["content"]!)\n"
        }
        let told = tools.map { "tools: \($0.count)\n" } ?? ""
        return encode(text: told + lines.joined() + "assistant: " + begun, addSpecialTokens: false)
    }
}
