import Foundation

/// Runs models on any server with OpenAI's chat API: mlx_lm.server, LM Studio, llama-server, vLLM.
///
/// ```swift
/// let studio = OpenAIBackend.lmStudio
/// let model = try await MLXModel.load("qwen2.5-7b-instruct", using: studio)
/// ```
public struct OpenAIBackend: LinkableBackend {
    /// Address of the API, with its `/v1`.
    public let url: URL
    /// Sent as bearer token; nil sends none. Only over https, or to this computer.
    private let apiKey: String?
    private let client: HTTPClient

    /// A server whose API is at `url`, such as `http://127.0.0.1:8080/v1`.
    public init(url: URL, apiKey: String? = nil) {
        self.url = url
        self.apiKey = apiKey
        client = HTTPClient()
    }

    /// LM Studio's server at its default address.
    public static var lmStudio: OpenAIBackend { local(port: lmStudioPort) }
    /// llama-server or mlx_lm.server at their common default address.
    public static var llamaServer: OpenAIBackend { local(port: 8080) }

    private static let lmStudioPort = 1234

    /// A server on this computer.
    public static func local(port: Int) -> OpenAIBackend {
        OpenAIBackend(url: URL(string: "http://127.0.0.1:\(port)/v1")!)
    }

    /// Name and place of the server.
    public var name: String { "the server at \(url.origin)" }

    /// LM Studio reads a store; the others run what they were started with.
    var cacheApp: String? { url.isLocal && url.port == Self.lmStudioPort ? "lmstudio" : nil }

    /// The models that the server lists.
    public func models() async throws -> [ModelInfo] {
        let request = try request("models")
        let reply = try await within(questionLimit, asking: name) { try await client.send(request) }
        guard reply.status == 200 else { throw failure(reply.status, reply.body, model: "") }
        let list = try JSONValue(parsing: reply.body)["data"]?.arrayValue ?? []
        return list.compactMap { $0["id"]?.stringValue }.map { ModelInfo(name: $0) }
    }

    /// Always nil: the API has no question for this.
    public func capabilities(of model: String) async throws -> ModelCapabilities? { nil }

    /// Checks that the server lists the model; these servers load at the first request.
    public func load(_ model: String) async throws {
        let names = try await models().map(\.name)
        guard names.contains(model) else {
            throw MLXError(.modelNotFound, "\(name) has no model \"\(model)\"",
                           hint: names.isEmpty ? "load one in the server"
                               : "it has \(names.prefix(8).joined(separator: ", "))")
        }
    }

    /// Generates with `/chat/completions`.
    public func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream.running { continuation in
            if request.options.contextLength != nil {
                throw MLXError(.unsupported, "\(name) takes no contextLength with a question",
                               hint: "leave it out, and start the server with the size that you need")
            }
            try await stream(request) { continuation.yield($0) }
        }
    }
}

extension OpenAIBackend {
    private func request(_ path: String, _ body: JSONValue? = nil) throws -> HTTPRequest {
        let target = url.appendingPathComponent(path)
        var request = body.map { HTTPRequest.post(target, $0) } ?? HTTPRequest(url: target)
        if let apiKey {
            guard url.scheme == "https" || url.isLocal else {
                throw MLXError(.badRequest, "the key would travel to \(url.origin) unencrypted",
                               hint: "use an https address")
            }
            request.headers["Authorization"] = "Bearer \(apiKey)"
        }
        return request
    }

    private func stream(_ request: GenerationRequest, _ emit: (BackendEvent) -> Void) async throws {
        let reply = try await client.open(try self.request("chat/completions", Self.body(request)))
        guard reply.status == 200 else {
            throw failure(reply.status, try await HTTPClient.collect(reply.body), model: request.model)
        }
        var parser = EventStreamParser()
        var answer = OpenAIAnswer()
        for try await piece in reply.body {
            for event in try parser.take(piece) {
                if event == "[DONE]" {
                    return answer.finish().forEach(emit)
                }
                let chunk = try JSONValue(parsing: Data(event.utf8))
                if let error = chunk["error"] { throw serverError(error) }
                answer.take(chunk).forEach(emit)
            }
        }
        try Task.checkCancellation()
        // Some servers close without [DONE]; a finish reason is as good an end.
        guard answer.isComplete else {
            throw MLXError(.serverFailed, "\(name) ended the answer early",
                           hint: "see the server's log, then try again")
        }
        answer.finish().forEach(emit)
    }

    private func failure(_ status: Int, _ body: Data, model: String) -> MLXError {
        let error = (try? JSONValue(parsing: body)).map { $0["error"] ?? $0 } ?? .null
        switch status {
        case 401, 403:
            return MLXError(.badRequest, "\(name) refuses the key (status \(status))",
                            hint: "give the server's API key")
        case 404 where !model.isEmpty:
            return MLXError(.modelNotFound, "\(name) has no model \"\(model)\"",
                            hint: "ask it for models(), or correct the address: it ends in /v1")
        default:
            return error == .null
                ? MLXError(.serverFailed, "\(name) answered with status \(status)",
                           hint: "see the server's log")
                : serverError(error)
        }
    }

    private func serverError(_ error: JSONValue) -> MLXError {
        let text = error["message"]?.stringValue ?? error.stringValue
            ?? String(decoding: error.encoded, as: UTF8.self)
        return MLXError(.serverFailed, "\(name): \(text.utf8.prefix(300).printable)",
                        hint: "see the server's log")
    }

    private static func body(_ request: GenerationRequest) -> JSONValue {
        let options = request.options
        var body: [String: JSONValue] = [
            "model": .string(request.model),
            "messages": .array(request.messages.map(json)),
            "stream": true,
            "stream_options": ["include_usage": true],
        ]
        body["max_tokens"] = options.maxTokens.map(JSONValue.int)
        body["temperature"] = options.sampling.temperature.map(JSONValue.double)
        body["top_p"] = options.sampling.topP.map(JSONValue.double)
        body["top_k"] = options.sampling.topK.map(JSONValue.int)
        body["min_p"] = options.sampling.minP.map(JSONValue.double)
        // llama-server and LM Studio read the first name, mlx_lm.server and vLLM the second.
        body["repeat_penalty"] = options.sampling.repeatPenalty.map(JSONValue.double)
        body["repetition_penalty"] = options.sampling.repeatPenalty.map(JSONValue.double)
        body["seed"] = options.sampling.seed.map(JSONValue.int)
        if !options.stop.isEmpty { body["stop"] = .array(options.stop.map(JSONValue.string)) }
        if !options.tools.isEmpty { body["tools"] = .array(options.tools.map(\.json)) }
        switch options.format {
        case .text: break
        case .json: body["response_format"] = ["type": "json_object"]
        case .jsonSchema(let schema):
            body["response_format"] = [
                "type": "json_schema",
                "json_schema": ["name": "answer", "schema": schema, "strict": true],
            ]
        }
        if let thinking = options.thinking {
            body["chat_template_kwargs"] = ["enable_thinking": .bool(thinking)]
        }
        return .object(body)
    }

    private static func json(_ message: ChatMessage) -> JSONValue {
        var json: [String: JSONValue] = ["role": .string(message.role.rawValue)]
        if message.images.isEmpty {
            json["content"] = .string(message.text)
        } else {
            let images = message.images.map { image -> JSONValue in
                ["type": "image_url", "image_url": ["url": .string(image.dataURL)]]
            }
            json["content"] = .array(images + [["type": "text", "text": .string(message.text)]])
        }
        if !message.toolCalls.isEmpty {
            json["tool_calls"] = .array(message.toolCalls.map {
                [
                    "id": .string($0.id), "type": "function",
                    "function": [
                        "name": .string($0.name),
                        "arguments": .string(String(decoding: $0.arguments.encoded, as: UTF8.self)),
                    ],
                ]
            })
        }
        json["tool_call_id"] = message.answeredCall.map { .string($0.id) }
        return .object(json)
    }
}

/// Puts the chunks of one answer together.
struct OpenAIAnswer {
    private struct PartialCall {
        var id = ""
        var name = ""
        var arguments = ""
    }

    private static let maximumCalls = 128
    private var calls: [Int: PartialCall] = [:]
    private var reason: String?
    private var figures = GenerationStatistics()

    /// Whether the server has said why it ended.
    var isComplete: Bool { reason != nil }

    mutating func take(_ chunk: JSONValue) -> [BackendEvent] {
        addUsage(chunk)
        guard let choice = chunk["choices"]?[0] else { return [] }
        reason = choice["finish_reason"]?.stringValue ?? reason
        let delta = choice["delta"]
        for call in delta?["tool_calls"]?.arrayValue ?? [] { add(call) }
        var events: [BackendEvent] = []
        let thinking = delta?["reasoning_content"] ?? delta?["reasoning"]
        if let text = thinking?.stringValue, !text.isEmpty { events.append(.thinking(text)) }
        if let text = delta?["content"]?.stringValue, !text.isEmpty { events.append(.text(text)) }
        return events
    }

    /// The tool calls, now whole, and the end.
    mutating func finish() -> [BackendEvent] {
        figures.finishReason = FinishReason(serverWord: reason)
        let whole = calls.sorted { $0.key < $1.key }.map { _, call in
            let arguments = try? JSONValue(parsing: Data(call.arguments.utf8))
            return BackendEvent.toolCall(ToolCall(
                id: ToolCall.id(call.id), name: call.name,
                arguments: arguments ?? .string(call.arguments)))
        }
        return whole + [.finished(figures)]
    }

    private mutating func add(_ delta: JSONValue) {
        let index = delta["index"]?.intValue ?? calls.count
        guard calls.count < Self.maximumCalls || calls[index] != nil else { return }
        var call = calls[index] ?? PartialCall()
        if let id = delta["id"]?.stringValue, !id.isEmpty { call.id = id }
        call.name += delta["function"]?["name"]?.stringValue ?? ""
        switch delta["function"]?["arguments"] {
        case .string(let part): call.arguments += part
        case .some(let whole): call.arguments = String(decoding: whole.encoded, as: UTF8.self)
        case nil: break
        }
        calls[index] = call
    }

    /// `usage` is the standard's; `timings` is llama-server's and has the server's own clock.
    private mutating func addUsage(_ chunk: JSONValue) {
        let usage = chunk["usage"]
        let timings = chunk["timings"]
        figures.promptTokens = usage?["prompt_tokens"]?.countValue ?? figures.promptTokens
        figures.cachedPromptTokens = usage?["prompt_tokens_details"]?["cached_tokens"]?.countValue
            ?? timings?["cache_n"]?.countValue ?? figures.cachedPromptTokens
        if let count = usage?["completion_tokens"]?.countValue
            ?? timings?["predicted_n"]?.countValue {
            figures.generatedTokens = count
            figures.isServerCount = true
        }
        func milliseconds(_ key: String) -> Duration? {
            timings?[key]?.duration(unit: 1e-3)
        }
        figures.promptDuration = milliseconds("prompt_ms") ?? figures.promptDuration
        figures.generationDuration = milliseconds("predicted_ms") ?? figures.generationDuration
    }
}
