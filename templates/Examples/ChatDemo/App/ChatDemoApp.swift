import SwiftMLX
import SwiftUI

/// The smallest app with a chat: choose a model, talk to it.
@main
struct ChatDemoApp: App {
    @State private var model: MLXModel?

    var body: some Scene {
        WindowGroup("Chat") {
            VStack {
                ModelPicker(selection: $model).padding()
                if let model {
                    MLXChatView(model: model).id(model.id)
                }
            }
            .frame(minWidth: 420, minHeight: 560)
        }
    }
}
