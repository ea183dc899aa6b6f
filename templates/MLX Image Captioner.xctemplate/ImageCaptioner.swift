//___FILEHEADER___

import Foundation
import LocalMLX

/// Captions images with a vision model.
struct ImageCaptioner: Sendable {
    var model: MLXModel
    var prompt = "Write one sentence that describes this image for someone who cannot see it."

    /// The caption of one image file.
    func caption(_ url: URL) async throws -> String {
        let options = GenerationOptions(maxTokens: 120, sampling: SamplingOptions(temperature: 0.2))
        let text = try await model.describe(image: url, prompt: prompt, options: options).text
        return text.trimmingCharacters(in: .whitespacesAndNewlines)
    }

    /// The captions of several files, each as soon as it is there. Files that fail deliver their error.
    func captions(_ urls: [URL]) -> AsyncStream<(url: URL, caption: Result<String, any Error>)> {
        AsyncStream { continuation in
            let task = Task {
                // One after the other: a local model does not get faster by asking twice at once.
                for url in urls where !Task.isCancelled {
                    do {
                        continuation.yield((url, .success(try await caption(url))))
                    } catch {
                        continuation.yield((url, .failure(error)))
                    }
                }
                continuation.finish()
            }
            continuation.onTermination = { _ in task.cancel() }
        }
    }
}
