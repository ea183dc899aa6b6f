#if canImport(SwiftUI)
import SwiftMLXCore

/// Answers without any model, for previews.
struct PreviewBackend: ModelBackend {
    let name = "Preview"

    func models() async throws -> [ModelInfo] {
        [ModelInfo(name: "deepseek-r1:14b", parameters: "14B", quantization: "Q4_K_M")]
    }

    func capabilities(of model: String) async throws -> ModelCapabilities? { [.text, .vision] }
    func load(_ model: String) async throws {}

    func generate(_ request: GenerationRequest) -> AsyncThrowingStream<BackendEvent, any Error> {
        AsyncThrowingStream { continuation in
            for word in "A **preview** answers\n\n- at once\n- with no model".split(separator: " ") {
                continuation.yield(.text(word + " "))
            }
            continuation.yield(.finished(GenerationStatistics()))
            continuation.finish()
        }
    }
}
#endif
