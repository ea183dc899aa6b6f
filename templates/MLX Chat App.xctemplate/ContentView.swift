//___FILEHEADER___

import LocalMLX
import SwiftUI

struct ContentView: View {
    @State private var model: MLXModel?
    @State private var chat: ChatModel?

    var body: some View {
        VStack(spacing: 0) {
            ModelPicker(selection: $model).padding()
            Divider()
            if let chat {
                // Another model is another conversation, and so another view.
                MLXChatView(chat: chat).id(chat.model.id)
            } else {
                ContentUnavailableView("Choose a model", systemImage: "brain",
                                       description: Text("It answers on this computer."))
            }
        }
        .onChange(of: model?.id) {
            chat = model.map { Assistant().chat(with: $0) }
        }
    }
}

#Preview {
    ContentView()
}
