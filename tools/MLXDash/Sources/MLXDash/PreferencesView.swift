import MLXDashModel
import ServiceManagement
import SwiftUI

/// Preferences: the title, launch at login, and where things are.
struct PreferencesView: View {
    let model: DashModel
    @AppStorage("title") private var title = TitleChoice.tokens
    @State private var launch = LaunchAtLogin()

    var body: some View {
        Form {
            Picker("Menu bar shows", selection: $title) {
                ForEach(TitleChoice.allCases) { choice in
                    Text(choice.name).tag(choice)
                }
            }
            Toggle("Launch at login", isOn: $launch.isOn)
            if let problem = launch.problem {
                Text(problem).font(.caption).foregroundStyle(.secondary)
            }
            Text("If the menu bar does not show MLXDash, allow it in System Settings, Menu Bar.")
                .font(.caption).foregroundStyle(.secondary)
            LabeledContent("Cache", value: model.cache?.dir ?? "not available")
        }
        .formStyle(.grouped)
        .frame(width: 380)
    }
}

/// Whether the app is among the login items. The system keeps the answer; this only asks and tells.
@MainActor @Observable final class LaunchAtLogin {
    private(set) var problem: String?
    private var isRegistered = SMAppService.mainApp.status == .enabled

    var isOn: Bool {
        get { isRegistered }
        set { register(newValue) }
    }

    private func register(_ wanted: Bool) {
        do {
            if wanted {
                try SMAppService.mainApp.register()
            } else {
                try SMAppService.mainApp.unregister()
            }
            problem = nil
        } catch {
            problem = "Could not change it: \(error.localizedDescription)"
        }
        let status = SMAppService.mainApp.status
        isRegistered = status == .enabled
        if status == .requiresApproval {
            problem = "Allow MLXDash in System Settings, General, Login Items."
        }
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct PreferencesPreview: PreviewProvider {
    static var previews: some View {
        PreferencesView(model: DashModel())
    }
}
