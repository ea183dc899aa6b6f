//___FILEHEADER___

import LocalMLX
import SwiftUI

struct ContentView: View {
    @State private var model: MLXModel?
    @State private var captions: [Caption] = []

    var body: some View {
        VStack(spacing: 0) {
            ModelPicker(selection: $model).padding()
            Divider()
            if captions.isEmpty {
                ContentUnavailableView("Drop images here", systemImage: "photo",
                                       description: Text("Needs a vision model."))
                    .frame(maxWidth: .infinity, maxHeight: .infinity)
            } else {
                ScrollView {
                    LazyVStack(alignment: .leading, spacing: 12) {
                        ForEach(captions) { caption in
                            CaptionView(caption: caption)
                        }
                    }
                    .padding()
                }
            }
        }
        .dropDestination(for: URL.self) { urls, _ in
            guard let model else { return false }
            Task { await describe(urls, with: model) }
            return true
        }
    }

    private func describe(_ urls: [URL], with model: MLXModel) async {
        for await (url, caption) in ImageCaptioner(model: model).captions(urls) {
            switch caption {
            case .success(let text): captions.append(Caption(url: url, text: text))
            case .failure(let error): captions.append(Caption(url: url, text: "\(error)"))
            }
        }
    }
}

/// One image and its caption.
struct Caption: Identifiable {
    let id = UUID()
    let url: URL
    let text: String
}

struct CaptionView: View {
    let caption: Caption

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            Text(caption.url.lastPathComponent).font(.caption).foregroundStyle(.secondary)
            Text(caption.text).textSelection(.enabled)
        }
        .accessibilityElement(children: .combine)
    }
}

#Preview {
    ContentView()
}
