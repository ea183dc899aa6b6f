//___FILEHEADER___

import SwiftUI

@main
struct ___PACKAGENAME:identifier___App: App {
    var body: some Scene {
        WindowGroup {
            ContentView()
        }
        .defaultSize(width: 720, height: 640)
    }
}
