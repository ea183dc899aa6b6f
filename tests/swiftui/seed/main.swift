import SwiftMLX

// Load model (uses MLXCache automatically)
let model = try await MLXModel.load("deepseek-r1:14b")

// Generate text
let response = try await model.generate(
    prompt: "Explain quantum computing",
    maxTokens: 500
)

// Or use pre-built UI
MLXChatView(model: model)
    .frame(width: 400, height: 600)
