#if canImport(SwiftUI)
import SwiftMLXCore
import SwiftUI
import UniformTypeIdentifiers

/// A whole chat: messages, input, attachments, speed.
///
/// ```swift
/// MLXChatView(model: model)
///     .frame(width: 400, height: 600)
/// ```
public struct MLXChatView: View {
    @State private var chat: ChatModel
    private let showsPerformance: Bool
    /// What the view is of, and how its chat is made where that changes.
    private let subject: String
    private let make: @MainActor () -> ChatModel

    /// A chat with `model`; another model is another chat.
    public init(model: MLXModel, system: String? = nil,
                options: GenerationOptions = GenerationOptions(), showsPerformance: Bool = true) {
        make = { ChatModel(model: model, system: system, options: options) }
        _chat = State(initialValue: make())
        subject = model.id
        self.showsPerformance = showsPerformance
    }

    /// A view of a chat that you keep.
    public init(chat: ChatModel, showsPerformance: Bool = true) {
        make = { chat }
        _chat = State(initialValue: chat)
        subject = "\(ObjectIdentifier(chat))"
        self.showsPerformance = showsPerformance
    }

    /// Messages above, input below.
    public var body: some View {
        VStack(spacing: 0) {
            MessageList(turns: chat.turns)
            Divider()
            if let error = chat.error {
                ErrorBanner(error: error)
            }
            if showsPerformance, let rate = chat.performance.tokensPerSecond {
                Text("\(rate, format: .number.precision(.fractionLength(1))) tok/s")
                    .font(.caption.monospacedDigit())
                    .foregroundStyle(.secondary)
                    .padding(.top, 6)
                    .accessibilityLabel("Speed")
                    .accessibilityValue("\(Int(rate)) tokens per second")
            }
            ChatInput(chat: chat)
        }
        .onChange(of: subject) {
            chat.stop()
            chat = make()
        }
        .dropDestination(for: URL.self) { urls, _ in
            Task { await chat.attach(reading: urls) }
            return true
        }
    }
}

/// The messages. The end stays in sight as it grows, unless the reader has scrolled away from it; what one sends
/// is always shown.
private struct MessageList: View {
    let turns: [ChatTurn]

    var body: some View {
        ScrollViewReader { proxy in
            ScrollView {
                LazyVStack(alignment: .leading, spacing: 14) {
                    ForEach(turns) { turn in
                        MessageView(turn: turn).id(turn.id)
                    }
                }
                .padding()
            }
            .defaultScrollAnchor(.bottom)
            .onChange(of: turns.count) {
                if let last = turns.last { proxy.scrollTo(last.id, anchor: .bottom) }
            }
        }
        .accessibilityLabel("Conversation")
    }
}

/// One message.
struct MessageView: View {
    let turn: ChatTurn

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            Text(turn.role == .user ? "You" : "Model")
                .font(.caption.weight(.semibold))
                .foregroundStyle(.secondary)
            AttachmentStrip(attachments: turn.attachments)
            if !turn.thinking.isEmpty {
                DisclosureGroup("Thinking") {
                    Text(turn.thinking).font(.callout).foregroundStyle(.secondary)
                }
            }
            ForEach(turn.toolCalls) { ToolCallView(call: $0) }
            if turn.isStreaming, turn.text.isEmpty {
                ProgressView().controlSize(.small).accessibilityLabel("The model is answering")
            } else if turn.role == .user {
                Text(turn.text).textSelection(.enabled)
            } else {
                MarkdownView(turn.markdown)
            }
        }
        .frame(maxWidth: .infinity, alignment: .leading)
        .contextMenu {
            Button("Copy", systemImage: "doc.on.doc") { Pasteboard.copy(turn.text) }
        }
        .accessibilityElement(children: .contain)
        .accessibilityLabel(turn.role == .user ? "Your message" : "The model's answer")
    }
}

/// A tool that the model asked for.
private struct ToolCallView: View {
    let call: ChatToolCall

    var body: some View {
        Label {
            Text(words).foregroundStyle(.secondary)
        } icon: {
            Image(systemName: "wrench").foregroundStyle(.secondary)
        }
        .font(.callout)
        .accessibilityLabel("Tool \(words)")
    }

    private var words: String {
        switch call.outcome {
        case .running: "\(call.call.name)…"
        case .done: call.call.name
        case .failed(let why): "\(call.call.name): \(why)"
        case .notRun: "\(call.call.name): not run"
        }
    }
}

/// Where the person writes.
private struct ChatInput: View {
    @Bindable var chat: ChatModel
    @State private var isChoosing = false
    @FocusState private var isFocused: Bool

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            AttachmentStrip(attachments: chat.attachments) { chat.remove($0) }
            HStack(alignment: .bottom, spacing: 8) {
                Button("Attach", systemImage: "paperclip") { isChoosing = true }
                    .labelStyle(.iconOnly)
                    .buttonStyle(.borderless)
                    .accessibilityLabel("Attach images or documents")
                TextField("Message", text: $chat.draft, axis: .vertical)
                    .textFieldStyle(.plain)
                    .lineLimit(1...8)
                    .focused($isFocused)
                    .onSubmit(chat.send)
                    .accessibilityLabel("Message to the model")
                sendOrStop
            }
        }
        .padding(10)
        .onAppear { isFocused = true }
        .fileImporter(isPresented: $isChoosing, allowedContentTypes: [.image, .pdf, .text, .sourceCode],
                      allowsMultipleSelection: true) { result in
            if case .success(let urls) = result { Task { await chat.attach(reading: urls) } }
        }
    }

    @ViewBuilder private var sendOrStop: some View {
        if chat.isAnswering {
            Button("Stop", systemImage: "stop.circle.fill") { chat.stop() }
                .labelStyle(.iconOnly)
                .buttonStyle(.borderless)
                .keyboardShortcut(.cancelAction)
                .accessibilityLabel("Stop the answer")
        } else {
            Button("Send", systemImage: "arrow.up.circle.fill") { chat.send() }
                .labelStyle(.iconOnly)
                .buttonStyle(.borderless)
                .disabled(!chat.canSend)
                .accessibilityLabel("Send the message")
        }
    }
}

/// The files that go along with a message.
struct AttachmentStrip: View {
    let attachments: [ChatAttachment]
    var remove: ((ChatAttachment) -> Void)?

    var body: some View {
        if !attachments.isEmpty {
            ScrollView(.horizontal) {
                HStack(spacing: 8) {
                    ForEach(attachments) { attachment in
                        chip(attachment)
                    }
                }
            }
        }
    }

    private func chip(_ attachment: ChatAttachment) -> some View {
        HStack(spacing: 4) {
            switch attachment.content {
            case .image(let input):
                Thumbnail(input: input)
            case .text:
                Image(systemName: "doc.text").accessibilityHidden(true)
            }
            Text(attachment.name).font(.caption).lineLimit(1)
            if let remove {
                Button("Remove", systemImage: "xmark.circle.fill") { remove(attachment) }
                    .labelStyle(.iconOnly)
                    .buttonStyle(.borderless)
                    .accessibilityLabel("Remove \(attachment.name)")
            }
        }
        .padding(4)
        .background(.quaternary, in: RoundedRectangle(cornerRadius: 6))
        .accessibilityElement(children: .contain)
        .accessibilityLabel("Attachment \(attachment.name)")
    }
}

/// A small picture, decoded once and away from the main actor.
private struct Thumbnail: View {
    let input: ImageInput
    @State private var picture: Image?

    var body: some View {
        Group {
            if let picture {
                picture.resizable().scaledToFit().clipShape(RoundedRectangle(cornerRadius: 4))
            } else {
                Image(systemName: "photo")
            }
        }
        .frame(height: 48)
        .accessibilityHidden(true)
        .task { picture = await Image.thumbnail(of: input) }
    }
}

/// What went wrong and what to do.
struct ErrorBanner: View {
    let error: MLXError

    var body: some View {
        Label {
            VStack(alignment: .leading) {
                Text(error.text)
                if !error.hint.isEmpty { Text(error.hint).foregroundStyle(.secondary) }
            }
        } icon: {
            Image(systemName: "exclamationmark.triangle.fill").foregroundStyle(.orange)
        }
        .font(.callout)
        .padding(8)
        .accessibilityElement(children: .combine)
        .accessibilityLabel("Error: \(error.description)")
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct ChatPreview: PreviewProvider {
    static var previews: some View {
        MLXChatView(model: MLXModel(name: "preview", backend: PreviewBackend()))
            .frame(width: 400, height: 600)
    }
}
#endif
