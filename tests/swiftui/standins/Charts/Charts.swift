// The part of Swift Charts that this repository uses, declared only.
import SwiftUI

public protocol Plottable {}
extension Int: Plottable {}
extension Double: Plottable {}
extension String: Plottable {}
extension Date: Plottable {}

public struct PlottableValue<Value: Plottable> {
    public static func value(_ label: LocalizedStringKey, _ value: Value) -> Self { fatalError() }
}

@MainActor @preconcurrency public protocol ChartContent {}
public struct ModifiedChartContent: ChartContent {}
public enum InterpolationMethod { case linear, monotone, stepEnd }

public struct LineMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) {}
    public init<X: Plottable, Y: Plottable, S: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>, series: PlottableValue<S>) {}
}
public struct AreaMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) {}
}
public struct BarMark: ChartContent {
    public init<X: Plottable, Y: Plottable>(x: PlottableValue<X>, y: PlottableValue<Y>) {}
}
extension ChartContent {
    public func interpolationMethod(_ method: InterpolationMethod) -> some ChartContent { ModifiedChartContent() }
    public func foregroundStyle<S: ShapeStyle>(_ style: S) -> some ChartContent { ModifiedChartContent() }
    public func foregroundStyle<D: Plottable>(by value: PlottableValue<D>) -> some ChartContent { ModifiedChartContent() }
}

@resultBuilder public struct ChartContentBuilder {
    public static func buildBlock<C: ChartContent>(_ content: C) -> C { content }
}

public struct Chart<Data: RandomAccessCollection, Content: ChartContent>: PrimitiveView where Data.Element: Identifiable {
    public init(_ data: Data, @ChartContentBuilder content: @escaping (Data.Element) -> Content) {}
}
extension View {
    public func chartXAxis(_ visibility: Visibility) -> some View { ModifiedView<Self>() }
    public func chartYAxis(_ visibility: Visibility) -> some View { ModifiedView<Self>() }
    public func chartYScale(domain: ClosedRange<Double>) -> some View { ModifiedView<Self>() }
    public func chartXAxisLabel(_ label: LocalizedStringKey) -> some View { ModifiedView<Self>() }
    public func chartYAxisLabel(_ label: LocalizedStringKey) -> some View { ModifiedView<Self>() }
}
