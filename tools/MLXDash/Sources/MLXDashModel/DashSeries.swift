import Foundation
import MLXBus

/// A quantity that MLXDash plots.
public enum DashSeries: String, CaseIterable, Sendable, Identifiable {
    /// Generation speed of all model servers, tokens per second.
    case tokens
    /// Memory in use, bytes.
    case memory
    /// Utilization of the busiest GPU, ratio.
    case gpu
    /// The hottest sensor, celsius.
    case temperature
    /// Power drawn, watts.
    case power

    /// The series is its own identity.
    public var id: Self { self }

    /// Name for people.
    public var title: String {
        switch self {
        case .tokens: "Tokens per second"
        case .memory: "Memory"
        case .gpu: "GPU usage"
        case .temperature: "Temperature"
        case .power: "Power"
        }
    }

    /// Unit of the plotted values, which ``scale`` has brought to a size that people read.
    public var unit: String {
        switch self {
        case .tokens: "tok/s"
        case .memory: "GB"
        case .gpu: "%"
        case .temperature: "°C"
        case .power: "W"
        }
    }

    /// Factor from the bus's unit to ``unit``.
    public var scale: Double {
        switch self {
        case .memory: 1e-9
        case .gpu: 100
        default: 1
        }
    }

    /// The recorder's name of a series of this machine, topic/field, when NAME (host/topic/field) is
    /// one that belongs to this quantity.
    func localName(of name: String) -> String? {
        let parts = name.split(separator: "/").suffix(2)
        guard parts.count == 2, let topic = parts.first, let field = parts.last else { return nil }
        return matches(topic, field) ? "\(topic)/\(field)" : nil
    }

    private func matches(_ topic: Substring, _ field: Substring) -> Bool {
        switch self {
        case .tokens: return topic.hasSuffix(".activity") && field == "tokens_per_second"
        case .memory: return topic == "sensor.memory" && field == "used"
        case .gpu: return topic.hasPrefix("sensor.gpu.") && field == "utilization"
        case .temperature: return topic == "sensor.temperature" && field == "max"
        case .power: return topic == "sensor.power" && field == "total"
        }
    }

    /// The live value that MESSAGE carries, in the bus's unit.
    func value(of message: BusMessage) -> Double? {
        let topic = message.topic
        switch self {
        case .tokens:
            return topic.hasSuffix(".activity") ? message.data.read("tokens_per_second") : nil
        case .memory: return topic == "sensor.memory" ? message.data.read("used") : nil
        case .gpu: return topic.hasPrefix("sensor.gpu.") ? message.data.read("utilization") : nil
        case .temperature: return topic == "sensor.temperature" ? message.data.read("max") : nil
        case .power: return topic == "sensor.power" ? message.data.read("total") : nil
        }
    }

    /// How values of several sources at one moment become one: speeds add up, else the highest.
    func join(_ values: some Sequence<Double>) -> Double? {
        switch self {
        case .tokens: values.reduce(nil) { ($0 ?? 0) + $1 }
        default: values.max()
        }
    }
}

/// One plotted point.
public struct DashPoint: Sendable, Hashable, Identifiable {
    /// When it was measured.
    public let time: Date
    /// The value in the series' unit.
    public let value: Double

    /// The time is unique within a series.
    public var id: Date { time }

    /// A point.
    public init(time: Date, value: Double) {
        self.time = time
        self.value = value
    }
}

/// A stretch of time to plot.
public enum DashRange: String, CaseIterable, Sendable, Identifiable {
    /// The last ten minutes, live from the bus.
    case live
    /// The last hour.
    case hour
    /// The last day.
    case day
    /// The last thirty days.
    case month

    /// The range is its own identity.
    public var id: Self { self }

    /// Name for people.
    public var title: String {
        switch self {
        case .live: "Live"
        case .hour: "1 hour"
        case .day: "24 hours"
        case .month: "30 days"
        }
    }

    /// Its length in seconds.
    public var length: TimeInterval {
        switch self {
        case .live: 600
        case .hour: 3600
        case .day: 86_400
        case .month: 2_592_000
        }
    }
}
