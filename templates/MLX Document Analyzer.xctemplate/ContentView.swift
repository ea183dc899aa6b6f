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
                            DocumentView(document: document)
                        }
                    }
                    .padding()
                }
            }
        }
        .dropDestination(for: URL.self) { urls, _ in
            guard let model else { return false }
            for url in urls { analyze(url, with: model) }
            return true
        }
    }

    private func analyze(_ url: URL, with model: MLXModel) {
        let document = Document(name: url.lastPathComponent)
        documents.insert(document, at: 0)
        Task { await document.analyze(url, with: model) }
    }
}

/// One document and what is known of it.
@MainActor @Observable final class Document: Identifiable {
    let name: String
    private(set) var progress = 0.0
    private(set) var analysis: Analysis?
    private(set) var problem: String?

    init(name: String) {
        self.name = name
    }

    func analyze(_ url: URL, with model: MLXModel) async {
        do {
            guard case .text(let text) = try ChatAttachment(contentsOf: url).content else {
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

    var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            Text(document.name).font(.headline)
            if let analysis = document.analysis {
                Text(analysis.summary).textSelection(.enabled)
                list("Key points", analysis.keyPoints)
                list("Open questions", analysis.questions)
            } else if let problem = document.problem {
                Text(problem).foregroundStyle(.secondary)
            } else {
                ProgressView(value: document.progress).accessibilityLabel("Reading \(document.name)")
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
