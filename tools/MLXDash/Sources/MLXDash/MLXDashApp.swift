import MLXBus
import MLXDashModel
import SwiftUI

/// The menu bar app: the live title, and below it what the suite knows.
@main
struct MLXDashApp: App {
    @State private var model = DashModel()
    @AppStorage("title") private var title = TitleChoice.tokens

    var body: some Scene {
        MenuBarExtra {
            MenuView(model: model)
        } label: {
            MenuBarLabel(menu: model.menu)
                .task {
                    model.title = title.menuTitle
                    await model.follow()
                }
                .onChange(of: title) { model.title = title.menuTitle }
        }
        .menuBarExtraStyle(.window)
        Window("History", id: WindowName.history) {
            HistoryView(model: model)
        }
        .defaultSize(width: 720, height: 560)
        Settings {
            PreferencesView(model: model)
        }
    }
}

/// Windows by name.
enum WindowName {
    static let history = "history"
}

/// What the title may show, as the preferences keep it.
enum TitleChoice: String, CaseIterable, Identifiable {
    case tokens, memory, gpu

    var id: Self { self }

    var name: String {
        switch self {
        case .tokens: "Tokens per second"
        case .memory: "Memory in use"
        case .gpu: "GPU usage"
        }
    }

    var menuTitle: DashboardMenu.Title {
        switch self {
        case .tokens: .tokens
        case .memory: .memory
        case .gpu: .gpu
        }
    }
}

/// The title in the menu bar. Digits of equal width keep its neighbours in place.
struct MenuBarLabel: View {
    let menu: DashboardMenu

    var body: some View {
        HStack(spacing: 4) {
            Image(systemName: symbol)
            Text(menu.title).monospacedDigit()
        }
        .accessibilityElement(children: .ignore)
        .accessibilityLabel("MLXDash")
        .accessibilityValue(menu.title)
    }

    private var symbol: String {
        switch menu.level {
        case .offline: "bolt.slash"
        case .idle: "bolt"
        case .busy: "bolt.fill"
        case .warning: "exclamationmark.triangle.fill"
        }
    }
}
