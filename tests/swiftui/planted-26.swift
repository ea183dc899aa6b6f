// Needs version 26, which the package's floor is below.
#if canImport(FoundationModels)
import FoundationModels

func planted() { _ = SystemLanguageModel.default }
#endif
