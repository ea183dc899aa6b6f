import Foundation

extension MLXModel {
    /// Generates an answer of this type.
    ///
    /// ```swift
    /// struct Recipe: Codable { let title: String; let minutes: Int; let steps: [String] }
    /// let recipe = try await model.generate(prompt: "An omelette", as: Recipe.self)
    /// ```
    ///
    /// The type's schema is made from how it decodes. A server that can is held to it; from others the
    /// answer is checked, and the model is told what is wrong with it and asked again.
    ///
    /// - Parameters:
    ///   - prompt: What is asked.
    ///   - type: What the answer is decoded as; the schema is made from it.
    ///   - options: As for any other answer.
    ///   - attempts: Answers that are tried before it is an error.
    public func generate<Value: Decodable>(
        prompt: String, as type: Value.Type, options: GenerationOptions = GenerationOptions(),
        attempts: Int = 3
    ) async throws -> Value {
        try await generate(messages: [.user(prompt)], as: type, options: options, attempts: attempts)
    }

    /// Generates an answer of this type to a conversation.
    public func generate<Value: Decodable>(
        messages: [ChatMessage], as type: Value.Type,
        options: GenerationOptions = GenerationOptions(), attempts: Int = 3
    ) async throws -> Value {
        let schema = try JSONValue.schema(of: type)
        let answer = try await generate(messages: messages, fitting: schema, options: options,
                                        attempts: attempts)
        return try JSONDecoder().decode(type, from: answer.encoded)
    }

    /// Generates JSON that fits `schema`, as checked here.
    public func generate(
        messages: [ChatMessage], fitting schema: JSONValue,
        options: GenerationOptions = GenerationOptions(), attempts: Int = 3
    ) async throws -> JSONValue {
        var options = options
        options.format = .jsonSchema(schema)
        var conversation = messages
        var problem = "nothing was asked"
        for _ in 0..<max(1, attempts) {
            let result = try await generate(messages: conversation, options: options)
            switch Self.answer(result, schema) {
            case .success(let value): return value
            case .failure(let misfit): problem = misfit.why
            }
            if result.statistics.finishReason == .length {
                throw MLXError(.protocolBroken, "the answer was cut off: \(problem)", hint: "raise maxTokens")
            }
            if !result.text.allSatisfy(\.isWhitespace) { conversation.append(.assistant(result.text)) }
            conversation.append(.user("That does not fit: \(problem). Answer again with JSON only, without "
                + "any other words. It fits this JSON schema:\n"
                + String(decoding: schema.encoded, as: UTF8.self)))
        }
        throw MLXError(.protocolBroken, "\(name) gave no answer that fits in \(max(1, attempts)) attempts: "
            + problem, hint: "use a larger model, or one whose server holds answers to a schema")
    }

    private struct Misfit: Error {
        let why: String
    }

    private static func answer(_ result: GenerationResult, _ schema: JSONValue) -> Result<JSONValue, Misfit> {
        var first: String?
        for candidate in LenientJSON.candidates(in: result.text) {
            guard let value = try? JSONValue(parsing: candidate) else { continue }
            guard let problem = value.problem(with: schema) else { return .success(value) }
            first = first ?? problem
        }
        return .failure(Misfit(why: first ?? "the answer is no JSON"))
    }
}
