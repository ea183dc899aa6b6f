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
                            CaptionView(caption: caption) { again(caption.url) }
                        }
                    }
                    .padding()
                }
            }
        }
        .dropDestination(for: URL.self) { urls, _ in
            captions += urls.map { Caption(url: $0) }
            Task { await describeAll() }
            return true
        }
        // What was dropped before a model was there waits for it.
        .task(id: model?.id) { await describeAll() }
    }

    private func describeAll() async {
        guard let model else { return }
        let waiting = captions.filter { $0.state == .waiting }.map(\.url)
        for url in waiting { set(.reading, for: url) }
        for await (url, caption) in ImageCaptioner(model: model).captions(waiting) {
            switch caption {
            case .success(let text): set(.done(text), for: url)
            case .failure(let error): set(.failed("\(error)"), for: url)
            }
        }
        // Whatever was not read, because another model was chosen, waits again.
        for url in waiting where captions.contains(where: { $0.url == url && $0.state == .reading }) {
            set(.waiting, for: url)
        }
    }

    private func set(_ state: Caption.State, for url: URL) {
        for index in captions.indices where captions[index].url == url { captions[index].state = state }
    }

    private func again(_ url: URL) {
        set(.waiting, for: url)
        Task { await describeAll() }
    }
}

/// One image and its caption.
struct Caption: Identifiable {
    enum State: Equatable {
        case waiting, reading
        case done(String)
        case failed(String)
    }

    let id = UUID()
    let url: URL
    var state = State.waiting
}

struct CaptionView: View {
    let caption: Caption
    let again: () -> Void

    var body: some View {
        HStack(alignment: .top, spacing: 12) {
            AsyncImage(url: caption.url) { picture in
                picture.resizable().scaledToFit()
            } placeholder: {
                Image(systemName: "photo")
            }
            .frame(width: 96, height: 96)
            .accessibilityHidden(true)
            VStack(alignment: .leading, spacing: 4) {
                Text(caption.url.lastPathComponent).font(.caption).foregroundStyle(.secondary)
                words
            }
        }
        .accessibilityElement(children: .contain)
    }

    @ViewBuilder private var words: some View {
        switch caption.state {
        case .waiting: Text("Waits for a vision model: choose one above.").foregroundStyle(.secondary)
        case .reading: ProgressView().controlSize(.small)
        case .done(let text): Text(text).textSelection(.enabled)
        case .failed(let problem):
            Text(problem).foregroundStyle(.secondary)
            Button("Try Again") { again() }
        }
    }
}

#Preview {
    ContentView()
}
