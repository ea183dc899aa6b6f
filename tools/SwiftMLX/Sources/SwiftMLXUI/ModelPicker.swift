#if canImport(SwiftUI)
import SwiftMLXCore
import SwiftUI

/// Lets a person choose a model of this computer, or name one to download.
///
/// ```swift
/// @State private var model: MLXModel?
/// ModelPicker(selection: $model)
/// ```
public struct ModelPicker: View {
    @Binding private var selection: MLXModel?
    @State private var list: ModelList
    @State private var name = ""

    /// A picker of what `resolver` finds, with what `fitter` says of its memory.
    public init(selection: Binding<MLXModel?>, resolver: ModelResolver = .standard,
                fitter: any ModelFitter = PhysicalMemoryFitter()) {
        _selection = selection
        _list = State(initialValue: ModelList(resolver: resolver, fitter: fitter))
    }

    /// A menu of the models, and what is going on below it.
    public var body: some View {
        VStack(alignment: .leading, spacing: 8) {
            HStack {
                menu
                Button("Refresh", systemImage: "arrow.clockwise") { Task { await list.refresh() } }
                    .labelStyle(.iconOnly)
                    .disabled(list.isRefreshing)
                    .accessibilityLabel("Look for models again")
            }
            HStack {
                TextField("deepseek-r1:14b", text: $name)
                    .textFieldStyle(.roundedBorder)
                    .onSubmit(loadNamed)
                    .accessibilityLabel("Name of another model")
                Button("Get", action: loadNamed).disabled(name.isEmpty || list.loading != nil)
            }
            status
        }
        .task { await list.refresh() }
    }

    private var menu: some View {
        Menu(selection?.name ?? "Choose a model") {
            ForEach(list.groups) { group in
                Section(group.id) {
                    ForEach(group.models) { model in
                        Button(list.title(of: model)) {
                            Task { selection = await list.load(model, of: group) ?? selection }
                        }
                    }
                }
            }
        }
        .disabled(list.loading != nil || list.groups.isEmpty)
        .accessibilityLabel("Model")
        .accessibilityValue(selection?.name ?? "none")
    }

    @ViewBuilder private var status: some View {
        if let loading = list.loading {
            if let fraction = list.progress?.fraction {
                ProgressView(value: fraction) { Text(list.progress?.phase ?? "") }
                    .accessibilityLabel("Downloading \(loading)")
            } else {
                ProgressView("Loading \(loading)…").controlSize(.small)
            }
        } else if let error = list.error {
            ErrorBanner(error: error)
        }
    }

    private func loadNamed() {
        guard !name.isEmpty, list.loading == nil else { return }
        Task { selection = await list.load(named: name) ?? selection }
    }
}

struct PickerPreview: PreviewProvider {
    static var previews: some View {
        ModelPicker(selection: .constant(nil), resolver: ModelResolver(servers: [PreviewBackend()]))
            .padding()
    }
}
#endif
