import SwiftMLX
import SwiftUI

/// Drop an image, get its description.
@main
struct VisionDemoApp: App {
    @State private var model: MLXModel?
    @State private var caption = "Drop an image here."

    var body: some Scene {
        WindowGroup("Vision") {
            VStack(spacing: 16) {
                ModelPicker(selection: $model)
                Text(caption)
                    .textSelection(.enabled)
                    .frame(maxWidth: .infinity, maxHeight: .infinity)
            }
            .padding()
            .frame(minWidth: 420, minHeight: 420)
            .dropDestination(for: URL.self) { urls, _ in
                guard let model, let url = urls.first else { return false }
                Task { await describe(url, with: model) }
                return true
            }
        }
    }

    private func describe(_ url: URL, with model: MLXModel) async {
        caption = "Looking…"
        do {
            caption = try await model.describe(image: url).text
        } catch {
            caption = "\(error)"
        }
    }
}
