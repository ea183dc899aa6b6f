import AppKit
import MLXBus
import MLXDashModel
import SwiftUI

/// The dropdown: readings, then quick actions. Its lines are the shared view-model's.
struct MenuView: View {
    let model: DashModel
    @Environment(\.openWindow) private var openWindow
    @Environment(\.openSettings) private var openSettings

    var body: some View {
        VStack(alignment: .leading, spacing: 6) {
            ForEach(model.menu.items) { item in
                line(item)
            }
            if model.isBenchmarking {
                ProgressView(value: progress).accessibilityLabel("Benchmark")
            }
            if !model.isBenchmarking, !model.resultLines.isEmpty {
                DisclosureGroup("Newest benchmark") {
                    ForEach(model.resultLines, id: \.self) { line in
                        Text(line).monospacedDigit().font(.caption)
                    }
                }
            }
            FactsView(model: model)
            if let cache = model.cache, cache.modelsCount ?? 0 > 0 {
                DisclosureGroup("Cached models") { CacheList(cache: cache) }
            }
            if let error = model.error {
                Text(error).font(.caption).foregroundStyle(.secondary).lineLimit(3)
            }
        }
        .padding(12)
        .frame(width: 320)
    }

    @ViewBuilder private func line(_ item: DashboardMenu.Item) -> some View {
        if item.isSeparator {
            Divider()
        } else if item.action == .none {
            Text(item.text).monospacedDigit().font(.callout)
        } else {
            Button(item.text) { perform(item.action) }
                .buttonStyle(.borderless)
                .disabled(!item.isEnabled)
        }
    }

    /// Share of the prompts that are done, or nil while it is not known.
    private var progress: Double? {
        guard let report = model.benchmark, let prompt = report.prompt, let prompts = report.prompts,
              prompts > 0
        else { return nil }
        return Double(prompt - 1) / Double(prompts)
    }

    private func perform(_ action: DashboardMenu.Action) {
        switch action {
        case .none: break
        case .benchmark: model.runBenchmark()
        case .cancelBenchmark: model.cancelBenchmark()
        case .history:
            // An app without a Dock icon has to come forward by itself.
            NSApp.activate()
            openWindow(id: WindowName.history)
        case .preferences:
            NSApp.activate()
            openSettings()
        case .quit: NSApp.terminate(nil)
        }
    }
}

/// What the shared cache holds and who uses it.
struct CacheList: View {
    let cache: CacheStatus

    var body: some View {
        Grid(alignment: .leading, horizontalSpacing: 12, verticalSpacing: 2) {
            ForEach(Array((cache.models ?? []).enumerated()), id: \.offset) { _, model in
                GridRow {
                    Text(model.name ?? "?").lineLimit(1)
                    Text(Self.size(model.size)).monospacedDigit()
                    Text((model.usedBy ?? []).joined(separator: ", ")).foregroundStyle(.secondary)
                }
                .accessibilityElement(children: .combine)
            }
        }
        .font(.caption)
        if let saved = cache.saved, saved > 0 {
            Text("Saved: \(Self.size(saved))").font(.caption).foregroundStyle(.secondary)
        }
    }

    private static func size(_ bytes: Int?) -> String {
        guard let bytes else { return "" }
        return (Double(bytes) / 1e9).formatted(.number.precision(.fractionLength(1))) + " GB"
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct MenuPreview: PreviewProvider {
    static var previews: some View {
        MenuView(model: DashModel())
    }
}
