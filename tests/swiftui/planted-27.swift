// Needs version 27 where 26 is said to be enough.
#if canImport(FoundationModels)
import FoundationModels

@available(iOS 26.0, macOS 26.0, visionOS 26.0, *)
func planted(_ options: FoundationModels.GenerationOptions) { _ = options.samplingMode }
#endif
