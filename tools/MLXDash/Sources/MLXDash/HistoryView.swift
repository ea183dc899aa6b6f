import Charts
import MLXDashModel
import SwiftUI

/// Plots of the last minutes, hours or days.
struct HistoryView: View {
    let model: DashModel
    @State private var range = DashRange.live
    @State private var points: [DashSeries: [DashPoint]] = [:]

    var body: some View {
        VStack(alignment: .leading, spacing: 12) {
            Picker("Range", selection: $range) {
                ForEach(DashRange.allCases) { range in
                    Text(range.title).tag(range)
                }
            }
            .pickerStyle(.segmented)
            .labelsHidden()
            .accessibilityLabel("Range of time")
            ScrollView {
                VStack(alignment: .leading, spacing: 16) {
                    ForEach(DashSeries.allCases) { series in
                        SeriesChart(series: series, points: points[series] ?? [])
                    }
                }
            }
            if range != .live, let error = model.error {
                Text(error).font(.caption).foregroundStyle(.secondary)
            }
        }
        .padding()
        .task(id: range) { await refresh() }
    }

    /// Live plots move every second, recorded ones once a minute, which is their resolution.
    private func refresh() async {
        while !Task.isCancelled {
            points = await model.points(range)
            try? await Task.sleep(for: .seconds(range == .live ? 1 : 60))
        }
    }
}

/// One plot with its newest value.
struct SeriesChart: View {
    let series: DashSeries
    let points: [DashPoint]

    var body: some View {
        VStack(alignment: .leading, spacing: 4) {
            HStack {
                Text(series.title).font(.headline)
                Spacer()
                Text(newest).monospacedDigit().foregroundStyle(.secondary)
            }
            Chart(points) { point in
                LineMark(x: .value("Time", point.time), y: .value("Value", point.value))
                    .interpolationMethod(.monotone)
            }
            .frame(height: 90)
        }
        .accessibilityElement(children: .ignore)
        .accessibilityLabel(series.title)
        .accessibilityValue(newest)
    }

    private var newest: String {
        guard let last = points.last else { return "no data" }
        return last.value.formatted(.number.precision(.fractionLength(1))) + " " + series.unit
    }
}

// A provider, not the macro: the Command Line Tools have no plug-in for that.
struct HistoryPreview: PreviewProvider {
    static var previews: some View {
        HistoryView(model: DashModel())
    }
}
