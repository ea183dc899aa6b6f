#if canImport(SwiftUI) && canImport(Charts)
import Charts
import SwiftMLXCore
import SwiftUI

/// Shows how fast a model answers: the rate now, a plot of the last answers, and the final figures.
///
/// ```swift
/// PerformanceView(chat.performance)
/// ```
public struct PerformanceView: View {
    private let history: PerformanceHistory

    /// A view of `history`.
    public init(_ history: PerformanceHistory) {
        self.history = history
    }

    /// Figures above, plot below.
    public var body: some View {
        VStack(alignment: .leading, spacing: 10) {
            HStack(alignment: .firstTextBaseline) {
                Text(Self.number(history.tokensPerSecond))
                    .font(.system(.largeTitle, design: .rounded).monospacedDigit())
                Text("tok/s").foregroundStyle(.secondary)
            }
            .accessibilityElement(children: .ignore)
            .accessibilityLabel("Speed")
            .accessibilityValue("\(Self.number(history.tokensPerSecond)) tokens per second")
            plot
            Grid(alignment: .leading, horizontalSpacing: 16, verticalSpacing: 4) {
                row("First token", Self.seconds(history.timeToFirstToken))
                row("Prompt", Self.rate(history.last?.promptTokensPerSecond))
                row("Generated", history.last.map { "\($0.generatedTokens) tokens" })
                row("Load", Self.seconds(history.last?.loadDuration))
            }
            .font(.callout)
        }
    }

    private var plot: some View {
        Chart(history.samples) { sample in
            LineMark(x: .value("Sample", sample.id), y: .value("Tokens per second", sample.rate))
                .interpolationMethod(.monotone)
        }
        .chartXAxis(.hidden)
        .frame(minHeight: 80)
        .accessibilityLabel("Tokens per second of the last answers")
    }

    private func row(_ title: String, _ value: String?) -> some View {
        GridRow {
            Text(title).foregroundStyle(.secondary)
            Text(value ?? "not available").monospacedDigit()
        }
        .accessibilityElement(children: .combine)
    }

    private static func number(_ value: Double?) -> String {
        value.map { $0.formatted(.number.precision(.fractionLength(1))) } ?? "–"
    }

    private static func rate(_ value: Double?) -> String? {
        value.map { number($0) + " tok/s" }
    }

    private static func seconds(_ duration: Duration?) -> String? {
        duration.map { $0.inSeconds.formatted(.number.precision(.fractionLength(2))) + " s" }
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct PerformancePreview: PreviewProvider {
    static var previews: some View {
        PerformanceView(PerformanceHistory()).padding()
    }
}
#endif
