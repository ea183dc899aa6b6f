import DemoSupport
import Foundation

/// Captions for image files.
public struct VisionProgram: Sendable {
    /// What `--help` prints.
    public static let usage = """
        usage: vision-demo [--model NAME] [--server URL] [--prompt TEXT] [--json] IMAGE...

        Describes each image in one line. Needs a vision model, such as llama3.2-vision:11b.
        """

    private let options: DemoOptions

    /// Reads a command line.
    public init(arguments: [String]) throws {
        options = try DemoOptions(arguments, valued: ["prompt"], flags: ["json"])
        guard !options.words.isEmpty else {
            throw MLXError(.badRequest, "there is no image to describe", hint: "see --help")
        }
    }

    /// Describes the images. One that cannot be described is said, and the others go on.
    public func run(write: @escaping @Sendable (String) -> Void,
                    note: @escaping @Sendable (String) -> Void) async throws {
        let model = try await options.load(note: note)
        note("\(model.name) on \(model.backend.name)")
        var failures = 0
        for path in options.words {
            do {
                write(line(path, try await caption(path, model)) + "\n")
            } catch let error as MLXError {
                note("\(path): \(error)")
                failures += 1
            }
        }
        guard failures == 0 else {
            throw MLXError(.serverFailed, "\(failures) of \(options.words.count) images have no caption",
                           hint: "see above")
        }
    }

    private func caption(_ path: String, _ model: MLXModel) async throws -> String {
        let image = try ImageInput(contentsOf: URL(fileURLWithPath: path))
        let prompt = options.others["prompt"] ?? "Describe this image in one sentence."
        let limit = GenerationOptions(maxTokens: options.maxTokens)
        let task = Task { try await model.describe(image: image, prompt: prompt, options: limit) }
        return try await Terminal.cancelling(task).text
            .trimmingCharacters(in: .whitespacesAndNewlines)
    }

    private func line(_ path: String, _ caption: String) -> String {
        if options.flags.contains("json") {
            let json: JSONValue = ["path": .string(path), "caption": .string(caption)]
            return String(decoding: json.encoded, as: UTF8.self)
        }
        return "\(path): \(caption.replacing("\n", with: " "))"
    }
}
