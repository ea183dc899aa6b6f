#if canImport(MLXLLM) && canImport(MLXVLM) && canImport(Tokenizers)
import Foundation
import MLXLMCommon

/// Runs a model with MLX in this process, on the GPU of an Apple computer.
///
/// ```swift
/// let model = try await MLXModel.load("mlx-community/Qwen3-4B-4bit")   // takes this when it can
/// ```
///
/// The weights come from a directory that a cache of this computer holds; nothing is downloaded
/// here. Back ends of one directory share one copy of the weights in memory. All sampling options
/// count; `contextLength` bounds what is kept of a long conversation. The next question of a
/// conversation costs only what is new in it, until the system runs short of memory.
public actor MLXBackend: ModelBackend {
    /// The directory with the weights.
    public nonisolated let directory: URL

    private var isHeld = false

    /// A back end for the model in `directory`.
    public init(directory: URL) {
        self.directory = directory
    }

    /// Name and place for people.
    public nonisolated var name: String { "MLX with \(directory.lastPathComponent)" }

    /// The one model of the directory.
    public func models() async throws -> [ModelInfo] {
        [ModelInfo(name: directory.lastPathComponent)]
    }

    /// Text and tools; vision where the directory has an image processor.
    public func capabilities(of model: String) async throws -> ModelCapabilities? {
        let reads = ["preprocessor_config.json", "processor_config.json"].contains { file in
            FileManager.default.fileExists(atPath: directory.appendingPathComponent(file).path)
        }
        return reads ? [.text, .tools, .vision] : [.text, .tools]
    }

    /// Reads the weights into memory, once for all back ends of the directory.
    public func load(_ model: String) async throws {
        _ = try await loaded()
    }

    /// Gives the memory back, once no other back end of the directory holds the weights.
    public func unload() async {
        guard isHeld else { return }
        isHeld = false
        await MLXWeights.shared.release(directory)
    }

    deinit {
        guard isHeld else { return }
        let directory = directory
        Task { await MLXWeights.shared.release(directory) }
    }

    /// Generates in this process.
    public nonisolated func generate(_ request: GenerationRequest)
        -> AsyncThrowingStream<BackendEvent, any Error>
    {
        AsyncThrowingStream.running { continuation in
            let parameters = try MLXRequest.parameters(request.options)
            let model = try await self.loaded()
            let prompt = PromptEnd()
            let input = try await PromptEnd.$current.withValue(prompt) {
                try await model.container.prepare(input: try MLXRequest.input(request))
            }
            // A template that begins the thinking itself leaves the text without its first tag.
            if let tag = prompt.tag { continuation.yield(.text(tag)) }
            let answer = try await MLXAnswer.begin(input, parameters, tools: MLXRequest.tools(request), model)
            do {
                for await part in answer.events {
                    try Task.checkCancellation()
                    if let event = try MLXRequest.event(part, savedTokens: answer.savedTokens) {
                        continuation.yield(event)
                    }
                }
            } catch {
                await answer.end()
                throw error
            }
            await answer.end()
        }
    }

    private func loaded() async throws -> MLXWeights.Loaded {
        // Said before the weights are read: callers that come meanwhile hold them with this one.
        let again = isHeld
        isHeld = true
        do {
            return try await MLXWeights.shared.take(directory, again: again)
        } catch {
            isHeld = false
            throw error
        }
    }
}
#endif
