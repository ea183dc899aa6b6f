//___FILEHEADER___

import LocalMLX
import SwiftUI

struct ContentView: View {
    @State private var model: MLXModel?
    @State private var documents: [Document] = []

    var body: some View {
        VStack(spacing: 0) {
            ModelPicker(selection: $model).padding()
            Divider()
            if documents.isEmpty {
                ContentUnavailableView("Drop documents here", systemImage: "doc.text",
                                       description: Text("Any text: Markdown, code, notes."))
                    .frame(maxWidth: .infinity, maxHeight: .infinity)
            } else {
                ScrollView {
                    VStack(alignment: .leading, spacing: 16) {
                        ForEach(documents) { document in
                            DocumentView(document: document) { analyzeAll() }
                        }
                    }
                    .padding()
                }
            }
        }
        .dropDestination(for: URL.self) { urls, _ in
            documents.insert(contentsOf: urls.map(Document.init), at: 0)
            analyzeAll()
            return true
        }
        // What was dropped before a model was there waits for it.
        .onChange(of: model?.id) { analyzeAll() }
    }

    private func analyzeAll() {
        guard let model else { return }
        for document in documents where document.isWaiting {
            Task { await document.analyze(with: model) }
        }
    }
}

/// One document and what is known of it.
@MainActor @Observable final class Document: Identifiable {
    let url: URL
    /// Nobody has read it yet.
    private(set) var isWaiting = true
    private(set) var progress = 0.0
    private(set) var analysis: Analysis?
    private(set) var problem: String?

    init(_ url: URL) {
        self.url = url
    }

    /// Forgets what went wrong, to be read again.
    func reset() {
        (isWaiting, problem, progress) = (true, nil, 0)
    }

    func analyze(with model: MLXModel) async {
        isWaiting = false
        do {
            guard case .text(let text) = try await ChatAttachment.reading(url).content else {
                problem = "This is an image; drop a text."
                return
            }
            analysis = try await DocumentAnalyzer(model: model).analyze(text) { ratio in
                await self.show(ratio)
            }
        } catch {
            problem = "\(error)"
        }
    }

    private func show(_ ratio: Double) {
        progress = ratio
    }
}

struct DocumentView: View {
    let document: Document
    /// Has all be read that waits.
    let again: () -> Void

    var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            Text(document.url.lastPathComponent).font(.headline)
            if let analysis = document.analysis {
                Text(analysis.summary).textSelection(.enabled)
                list("Key points", analysis.keyPoints)
                list("Open questions", analysis.questions)
            } else if let problem = document.problem {
                Text(problem).foregroundStyle(.secondary)
                Button("Try Again") {
                    document.reset()
                    again()
                }
            } else if document.isWaiting {
                Text("Waits for a model: choose one above.").foregroundStyle(.secondary)
            } else {
                ProgressView(value: document.progress)
                    .accessibilityLabel("Reading \(document.url.lastPathComponent)")
            }
        }
    }

    @ViewBuilder private func list(_ title: String, _ items: [String]) -> some View {
        if !items.isEmpty {
            Text(title).font(.subheadline).bold()
            ForEach(items, id: \.self) { item in
                Text("• " + item).textSelection(.enabled)
            }
        }
    }
}

#Preview {
    ContentView()
}
