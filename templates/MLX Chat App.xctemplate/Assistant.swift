//___FILEHEADER___

import LocalMLX

/// How the assistant behaves. Change it here.
struct Assistant {
    var system = "You are a helpful assistant. Answer briefly and in Markdown."
    var options = GenerationOptions(maxTokens: 2000, sampling: SamplingOptions(temperature: 0.7))

    /// A new conversation with `model`.
    @MainActor func chat(with model: MLXModel) -> ChatModel {
        ChatModel(model: model, system: system, options: options)
    }
}
