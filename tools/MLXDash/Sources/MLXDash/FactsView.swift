import MLXDashModel
import SwiftUI

/// Findings, loaded models with what can be done to them, and the last requests.
struct FactsView: View {
    let model: DashModel

    var body: some View {
        ForEach(model.facts.findings) { finding in
            VStack(alignment: .leading, spacing: 2) {
                Label(finding.text, systemImage: "exclamationmark.triangle.fill").font(.callout)
                if let remedy = finding.remedy {
                    Text(remedy).font(.caption).foregroundStyle(.secondary).textSelection(.enabled)
                }
            }
            .accessibilityElement(children: .combine)
        }
        if !model.facts.models.isEmpty {
            DisclosureGroup("Loaded models") {
                ForEach(model.facts.models) { ModelRow(model: model, line: $0) }
            }
        }
        if !model.facts.requests.isEmpty {
            DisclosureGroup("Last requests") {
                ForEach(model.facts.requests) { request in
                    Text(request.text).font(.caption).monospacedDigit().lineLimit(1)
                }
            }
        }
    }
}

/// A loaded model. Freeing it takes a second click: somebody may be using it.
private struct ModelRow: View {
    let model: DashModel
    let line: DashFacts.ModelLine
    @State private var isAsking = false

    var body: some View {
        HStack {
            Text(line.text).font(.caption).monospacedDigit().lineLimit(1)
            Spacer()
            if line.canPin {
                Button("Keep") { Task { await model.pin(line) } }
                    .accessibilityLabel("Keep \(line.name) in memory")
            }
            if line.canUnload {
                Button(isAsking ? "Unload now?" : "Unload") {
                    if isAsking { Task { await model.unload(line) } }
                    isAsking.toggle()
                }
                .accessibilityLabel("Free the memory of \(line.name)")
            }
        }
        .buttonStyle(.borderless)
    }
}
