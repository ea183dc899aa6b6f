// A model of this package in Apple's session, and Apple's model in this package.
import FoundationModels
import SwiftMLX

if #available(iOS 27.0, macOS 27.0, visionOS 27.0, *) {
    let mlx = try await MLXModel.load("mlx-community/Qwen3-4B-4bit")
    let session = LanguageModelSession(model: mlx)
    print(try await session.respond(to: "Explain quantum computing").content)
}

if #available(iOS 26.0, macOS 26.0, visionOS 26.0, *) {
    let model = try await MLXModel.load(AppleBackend.modelName, using: AppleBackend())
    let chat = MLXChat(model: model, system: "You are terse.")
    print(try await chat.send("Explain quantum computing"))
}
