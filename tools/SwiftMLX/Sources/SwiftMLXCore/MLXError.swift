import Foundation

/// What went wrong, where, and what to do about it.
///
/// ```swift
/// do {
///     _ = try await MLXModel.load("deepseek-r1:14b")
/// } catch let error as MLXError {
///     print(error.text)   // "no model server answers at http://127.0.0.1:11434"
///     print(error.hint)   // "start Ollama, or set OLLAMA_HOST to where it listens"
/// }
/// ```
public struct MLXError: Error, Sendable, Hashable {
    /// The kind of failure, for programs that react to it.
    public enum Code: String, Sendable, Hashable, CaseIterable {
        /// A request that no server could answer: a bad name, an empty prompt, an unreadable image.
        case badRequest
        /// No such model.
        case modelNotFound
        /// Nothing answers at the address, or it stopped answering.
        case unavailable
        /// The server answered with an error of its own.
        case serverFailed
        /// The reply is not what the protocol says.
        case protocolBroken
        /// The model or the back end cannot do this: no vision, no tools, no schema.
        case unsupported
        /// The download ended before the model was complete.
        case downloadFailed
        /// The work was cancelled.
        case cancelled
    }

    /// The kind of failure.
    public let code: Code
    /// What failed and where, one line.
    public let text: String
    /// What to do about it; may be empty.
    public let hint: String

    /// Makes an error.
    public init(_ code: Code, _ text: String, hint: String = "") {
        self.code = code
        self.text = text
        self.hint = hint
    }
}

extension MLXError: LocalizedError, CustomStringConvertible {
    /// What failed, for an alert's title.
    public var errorDescription: String? { text }
    /// What to do, for an alert's message.
    public var recoverySuggestion: String? { hint.isEmpty ? nil : hint }
    /// Both in one line.
    public var description: String { hint.isEmpty ? text : "\(text); \(hint)" }
}
