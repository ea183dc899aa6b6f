import Foundation

/// Runs models on an Ollama server, over its own API.
///
/// ```swift
/// let ollama = OllamaBackend()            // OLLAMA_HOST, else 127.0.0.1:11434
/// let model = try await MLXModel.load("llama3.2:3b", using: ollama)
/// ```
public struct OllamaBackend: LinkableBackend {
    /// Where the server listens.
    public let url: URL
    /// How long the server keeps the model in memory afterwards; nil is the server's own setting.
    public let keepAlive: Duration?

    private let client: HTTPClient

    /// A server at `url`; nil reads `OLLAMA_HOST`, else takes Ollama's default address.
    public init(url: URL? = nil, keepAlive: Duration? = nil) {
        self.url = url ?? Self.url(fromHost: ProcessInfo.processInfo.environment["OLLAMA_HOST"])
        self.keepAlive = keepAlive
        client = HTTPClient()
    }

    /// Name and place of the server.
    public var name: String { "Ollama at \(url.origin)" }

    var cacheApp: String? { url.isLocal ? "ollama" : nil }

    /// The models in the server's store.
    public func models() async throws -> [ModelInfo] {
        let reply = try await within(questionLimit, asking: name) { try await get("api/tags") }
        return (reply["models"]?.arrayValue ?? []).compactMap { model in
            model["name"]?.stringValue.map { name in
                ModelInfo(name: name, size: model["size"]?.countValue,
                          parameters: model["details"]?["parameter_size"]?.stringValue,
                          quantization: model["details"]?["quantization_level"]?.stringValue)
            }
        }
    }

    /// What the server says the model can do.
    public func capabilities(of model: String) async throws -> ModelCapabilities? {
        let reply = try await within(questionLimit, asking: name) {
            try await post("api/show", ["model": .string(model)], model: model)
        }
        let known: [String: ModelCapabilities] = [
            "completion": .text, "vision": .vision, "tools": .tools, "thinking": .thinking,
        ]
        guard let words = reply["capabilities"]?.arrayValue?.compactMap(\.stringValue) else {
            return nil
        }
        return words.reduce(into: .text) { $0.formUnion(known[$1] ?? []) }
    }

    /// Loads the model into the server's memory.
    public func load(_ model: String) async throws {
        _ = try await post("api/generate", request(model, [:]), model: model)
    }

    /// Frees the server's memory of the model.
    public func unload(_ model: String) async throws {
        _ = try await post("api/generate", ["model": .string(model), "keep_alive": 0], model: model)
    }

    /// Has the server download `model` and reports how far it is.
    public func pull(_ model: String) -> AsyncThrowingStream<DownloadProgress, any Error> {
        AsyncThrowingStream.running { continuation in
            let body: JSONValue = ["model": .string(model), "stream": true]
            try await lines("api/pull", body, model: model) { line in
                continuation.yield(DownloadProgress(
                    phase: line["status"]?.stringValue ?? "downloading",
                    completed: line["completed"]?.countValue, total: line["total"]?.countValue))
                return line["status"]?.stringValue != "success"
            }
        }
    }

    /// Generates with `/api/chat`.
    public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream.running { continuation in
            var hasCalled = false
            try await lines("api/chat", chatBody(request), model: request.model) { line in
                for event in Self.events(of: line, &hasCalled) {
                    continuation.yield(event)
                }
                return line["done"]?.boolValue != true
            }
        }
    }
}

extension OllamaBackend {
    /// The address that an `OLLAMA_HOST` value means: `[scheme://]host[:port][/path]`. A server that
    /// listens everywhere is reached on the loopback address.
    static func url(fromHost text: String?) -> URL {
        let fallback = URL(string: "http://127.0.0.1:11434")!
        let text = (text ?? "").trimmingCharacters(in: .whitespaces)
        guard !text.isEmpty,
              var parts = URLComponents(string: text.contains("://") ? text : "http://" + text),
              let scheme = parts.scheme, ["http", "https"].contains(scheme)
        else { return fallback }
        if parts.host == nil || ["", "0.0.0.0", "[::]"].contains(parts.host) {
            parts.host = "127.0.0.1"
        }
        if parts.port == nil, !text.contains("://") { parts.port = 11434 }
        return parts.url ?? fallback
    }

    private func get(_ path: String) async throws -> JSONValue {
        let reply = try await client.send(HTTPRequest(url: url.appendingPathComponent(path)))
        return try check(reply, model: "")
    }

    private func post(_ path: String, _ body: JSONValue, model: String) async throws -> JSONValue {
        let request = HTTPRequest.post(url.appendingPathComponent(path), body.adding("stream", false))
        return try check(try await client.send(request), model: model)
    }

    /// Posts and hands each line of the reply to `take` until that returns false.
    private func lines(_ path: String, _ body: JSONValue, model: String,
                       _ take: (JSONValue) throws -> Bool) async throws {
        let reply = try await client.open(.post(url.appendingPathComponent(path), body))
        guard reply.status == 200 else {
            throw failure(reply.status, try await HTTPClient.collect(reply.body), model: model)
        }
        var parser = NDJSONParser()
        func consume(_ lines: [JSONValue]) throws -> Bool {
            for line in lines {
                if let text = line["error"]?.stringValue { throw serverError(text, model: model) }
                if try !take(line) { return false }
            }
            return true
        }
        for try await piece in reply.body {
            guard try consume(parser.take(piece)) else { return }
        }
        try Task.checkCancellation()
        guard try consume(parser.finish()) else { return }
        throw MLXError(.serverFailed, "\(name) ended the answer early",
                       hint: "see the server's log, then try again")
    }

    private func check(_ reply: (status: Int, body: Data), model: String) throws -> JSONValue {
        guard reply.status == 200 else { throw failure(reply.status, reply.body, model: model) }
        return try JSONValue(parsing: reply.body)
    }

    private func failure(_ status: Int, _ body: Data, model: String) -> MLXError {
        let said = (try? JSONValue(parsing: body))?["error"]?.stringValue
        if status == 404, !model.isEmpty {
            return MLXError(.modelNotFound, "\(name) has no model \"\(model)\"",
                            hint: "get it with `mlx-cache add \(model)` or `ollama pull \(model)`")
        }
        return serverError(said ?? "status \(status)", model: model)
    }

    private func serverError(_ text: String, model: String) -> MLXError {
        let hints: [(word: String, code: MLXError.Code, hint: String)] = [
            ("does not support tools", .unsupported, "use a model with tools, or ask without them"),
            ("does not support", .unsupported, "choose a model that can do this"),
            ("memory", .serverFailed, "use a smaller model or a shorter context"),
            ("not found", .modelNotFound, "check the name; `mlx-cache add \(model)` gets a model"),
        ]
        let hint = hints.first { text.contains($0.word) }
        return MLXError(hint?.code ?? .serverFailed, "\(name): \(text.utf8.prefix(300).printable)",
                        hint: hint?.hint ?? "see the server's log")
    }

    private func request(_ model: String, _ members: [String: JSONValue]) -> JSONValue {
        var all = members
        all["model"] = .string(model)
        all["keep_alive"] = keepAlive.map { .int(Int($0.components.seconds)) }
        return .object(all)
    }

    private func chatBody(_ request: GenerationRequest) -> JSONValue {
        let options = request.options
        var body: [String: JSONValue] = [
            "messages": .array(request.messages.map(Self.json)),
            "stream": true,
        ]
        body["options"] = .object(Self.options(options))
        switch options.format {
        case .text: break
        case .json: body["format"] = "json"
        case .jsonSchema(let schema): body["format"] = schema
        }
        if !options.tools.isEmpty { body["tools"] = .array(options.tools.map(\.json)) }
        body["think"] = options.thinking.map(JSONValue.bool)
        return self.request(request.model, body)
    }

    private static func options(_ options: GenerationOptions) -> [String: JSONValue] {
        var json: [String: JSONValue] = [:]
        json["num_predict"] = options.maxTokens.map(JSONValue.int)
        json["num_ctx"] = options.contextLength.map(JSONValue.int)
        json["temperature"] = options.sampling.temperature.map(JSONValue.double)
        json["top_p"] = options.sampling.topP.map(JSONValue.double)
        json["top_k"] = options.sampling.topK.map(JSONValue.int)
        json["min_p"] = options.sampling.minP.map(JSONValue.double)
        json["repeat_penalty"] = options.sampling.repeatPenalty.map(JSONValue.double)
        json["seed"] = options.sampling.seed.map(JSONValue.int)
        if !options.stop.isEmpty { json["stop"] = .array(options.stop.map(JSONValue.string)) }
        return json
    }

    private static func json(_ message: ChatMessage) -> JSONValue {
        var json: [String: JSONValue] = [
            "role": .string(message.role.rawValue), "content": .string(message.text),
        ]
        if !message.images.isEmpty {
            json["images"] = .array(message.images.map { .string($0.data.base64EncodedString()) })
        }
        if !message.toolCalls.isEmpty {
            json["tool_calls"] = .array(message.toolCalls.map {
                ["id": .string($0.id), "function": ["name": .string($0.name), "arguments": $0.arguments]]
            })
        }
        // Servers that give calls no ids go by the name.
        json["tool_name"] = message.answeredCall.map { .string($0.name) }
        json["tool_call_id"] = message.answeredCall.map { .string($0.id) }
        return .object(json)
    }

    /// What one line of the stream says, and whether the model has asked for a tool by then.
    private static func events(of line: JSONValue, _ hasCalled: inout Bool) -> [BackendEvent] {
        var events: [BackendEvent] = []
        let message = line["message"]
        if let text = message?["thinking"]?.stringValue, !text.isEmpty {
            events.append(.thinking(text))
        }
        if let text = message?["content"]?.stringValue, !text.isEmpty { events.append(.text(text)) }
        for call in message?["tool_calls"]?.arrayValue ?? [] {
            guard let name = call["function"]?["name"]?.stringValue else { continue }
            hasCalled = true
            events.append(.toolCall(ToolCall(id: ToolCall.id(call["id"]?.stringValue), name: name,
                                             arguments: call["function"]?["arguments"] ?? [:])))
        }
        if line["done"]?.boolValue == true {
            var figures = statistics(line)
            if hasCalled, figures.finishReason == .stop { figures.finishReason = .toolCalls }
            events.append(.finished(figures))
        }
        return events
    }

    private static func statistics(_ line: JSONValue) -> GenerationStatistics {
        func duration(_ key: String) -> Duration? {
            line[key]?.duration(unit: 1e-9)
        }
        var figures = GenerationStatistics()
        figures.finishReason = FinishReason(serverWord: line["done_reason"]?.stringValue)
        figures.promptTokens = line["prompt_eval_count"]?.countValue
        figures.promptDuration = duration("prompt_eval_duration")
        figures.generationDuration = duration("eval_duration")
        figures.loadDuration = duration("load_duration")
        if let count = line["eval_count"]?.countValue {
            figures.generatedTokens = count
            figures.isServerCount = true
        }
        return figures
    }
}
