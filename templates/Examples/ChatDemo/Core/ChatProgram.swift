import DemoSupport
import Foundation

/// A chat in the terminal.
public struct ChatProgram: Sendable {
    /// What `--help` prints.
    public static let usage = """
        usage: chat-demo [--model NAME] [--server URL] [--system TEXT] [--max-tokens N] [PROMPT]

        Answers PROMPT, or each line of the standard input, as one conversation.
        """

    private let options: DemoOptions

    /// Reads a command line.
    public init(arguments: [String]) throws {
        options = try DemoOptions(arguments, valued: ["system"])
    }

    /// Runs the chat. `lines` gives what the person says, `write` shows what the model says.
    public func run(lines: @Sendable () -> String?, write: @escaping @Sendable (String) -> Void,
                    note: @escaping @Sendable (String) -> Void) async throws {
        let model = try await options.load(note: note)
        note("\(model.name) on \(model.backend.name)")
        let chat = MLXChat(
            model: model, system: options.others["system"],
            options: GenerationOptions(maxTokens: options.maxTokens))
        guard options.words.isEmpty else {
            return try await answer(options.words.joined(separator: " "), chat, write, note)
        }
        while let line = lines() {
            guard !line.allSatisfy(\.isWhitespace) else { continue }
            do {
                try await answer(line, chat, write, note)
            } catch is CancellationError {
                // Ctrl-C ends the answer, not the conversation.
                note("stopped")
            }
        }
    }

    private func answer(_ text: String, _ chat: MLXChat, _ write: @escaping @Sendable (String) -> Void,
                        _ note: @escaping @Sendable (String) -> Void) async throws {
        let task = Task {
            for try await event in chat.stream(text) {
                switch event {
                case .token(let token) where token.kind == .answer: write(token.text)
                case .token, .toolCall: break
                case .finished(let figures):
                    write("\n")
                    note(Self.summary(figures))
                }
            }
            try Task.checkCancellation()
        }
        try await Terminal.cancelling(task)
    }

    private static func summary(_ figures: GenerationStatistics) -> String {
        func number(_ value: Double, _ digits: Int) -> String {
            String(format: "%.\(digits)f", value)
        }
        var parts = ["\(figures.generatedTokens) tokens"]
        if let rate = figures.tokensPerSecond { parts.append(number(rate, 1) + " tok/s") }
        if let first = figures.timeToFirstToken {
            parts.append("first after " + number(first.inSeconds, 2) + " s")
        }
        return "[" + parts.joined(separator: ", ") + "]"
    }
}
