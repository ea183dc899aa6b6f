import MLXBus
import SwiftMLXCore

/// Asks the suite's cache service whether models fit in memory: it knows their layers and what is free now.
///
/// ```swift
/// ModelPicker(selection: $model, fitter: BusFitter())
/// ```
public struct BusFitter: ModelFitter {
    private let bus: MetricsBus

    /// Asks the service on `bus`.
    public init(bus: MetricsBus = MetricsBus()) {
        self.bus = bus
    }

    /// What the service says; nil where it does not run or does not know the model.
    public func fit(of model: ModelInfo) async -> ModelFit? {
        guard let outcome = try? await bus.call(CacheFits(model: model.name)), let fits = outcome.fits else {
            return nil
        }
        if fits { return .fits }
        let others = outcome.fitsWithout ?? []
        return others.isEmpty ? .tooLarge : .fitsWithout(others)
    }
}
