import Foundation

/// Whether a model fits in memory.
public enum ModelFit: Sendable, Hashable {
    /// It does now.
    case fits
    /// It would without these loaded models.
    case fitsWithout([String])
    /// It does not.
    case tooLarge
}

/// Tells whether models fit in memory, for pickers.
public protocol ModelFitter: Sendable {
    /// Whether `model` fits, or nil where that cannot be told.
    func fit(of model: ModelInfo) async -> ModelFit?
}

/// Tells what is certain without asking anyone: weights larger than all memory of this computer do not fit.
/// `SwiftMLXBus` has one that asks the suite, which knows what is free.
public struct PhysicalMemoryFitter: ModelFitter {
    private let memory: UInt64

    /// Of this computer, or of one with `memory` bytes.
    public init(memory: UInt64 = ProcessInfo.processInfo.physicalMemory) {
        self.memory = memory
    }

    /// Too large, or nil: a model may need more than its weights.
    public func fit(of model: ModelInfo) async -> ModelFit? {
        guard let size = model.size, size > 0, UInt64(size) > memory else { return nil }
        return .tooLarge
    }
}
