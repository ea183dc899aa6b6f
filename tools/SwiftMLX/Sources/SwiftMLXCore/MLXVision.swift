import Foundation

extension MLXModel {
    /// Answers a question about an image. Needs a vision model.
    ///
    /// ```swift
    /// let model = try await MLXModel.load("llama3.2-vision:11b")
    /// print(try await model.describe(image: URL(fileURLWithPath: "cat.jpg")))
    /// ```
    public func describe(image: ImageInput, prompt: String = "Describe this image.",
                         options: GenerationOptions = GenerationOptions()) async throws
        -> GenerationResult
    {
        // A back end that cannot tell is asked by trying.
        guard capabilities?.contains(.vision) ?? true else {
            throw MLXError(.unsupported, "\(name) does not read images",
                           hint: "load a vision model, such as llama3.2-vision:11b")
        }
        return try await generate(messages: [.user(prompt, images: [image])], options: options)
    }

    /// Answers a question about an image file.
    public func describe(image url: URL, prompt: String = "Describe this image.",
                         options: GenerationOptions = GenerationOptions()) async throws
        -> GenerationResult
    {
        try await describe(image: ImageInput(contentsOf: url), prompt: prompt, options: options)
    }
}
