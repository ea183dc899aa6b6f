// swift-tools-version: 6.2
import PackageDescription

// What every target of this package is held to. Swift 6 language mode comes with the tools version.
let strict: [SwiftSetting] = [
    .treatAllWarnings(as: .error),
    .enableUpcomingFeature("ExistentialAny"),
]

// MLX runs on Apple's GPUs only; everywhere else the package resolves without any network.
#if os(macOS)
let mlxPackages: [Package.Dependency] = [
    .package(url: "https://github.com/ml-explore/mlx-swift-lm", .upToNextMajor(from: "3.31.3")),
    .package(url: "https://github.com/huggingface/swift-transformers", from: "1.3.0"),
]
let mlxProducts: [Target.Dependency] = [
    .product(name: "MLXLLM", package: "mlx-swift-lm"),
    .product(name: "MLXVLM", package: "mlx-swift-lm"),
    .product(name: "MLXLMCommon", package: "mlx-swift-lm"),
    .product(name: "Tokenizers", package: "swift-transformers"),
]
#else
let mlxPackages: [Package.Dependency] = []
let mlxProducts: [Target.Dependency] = []
#endif

let sources = "tools/SwiftMLX/Sources/"
let tests = "tools/SwiftMLX/Tests/"

let package = Package(
    name: "SwiftMLX",
    platforms: [.macOS(.v14), .iOS(.v17), .visionOS(.v1)],
    products: [
        .library(name: "SwiftMLX", targets: ["SwiftMLX"]),
        .library(name: "SwiftMLXUI", targets: ["SwiftMLXUI"]),
    ],
    dependencies: mlxPackages,
    targets: [
        .target(
            name: "SwiftMLX", dependencies: ["SwiftMLXCore", "SwiftMLXUI"],
            path: sources + "SwiftMLX", swiftSettings: strict),
        .target(
            name: "SwiftMLXCore", dependencies: mlxProducts,
            path: sources + "SwiftMLXCore", swiftSettings: strict),
        .target(
            name: "SwiftMLXUI", dependencies: ["SwiftMLXCore"],
            path: sources + "SwiftMLXUI", swiftSettings: strict),
        .testTarget(
            name: "SwiftMLXCoreTests", dependencies: ["SwiftMLXCore"],
            path: tests + "SwiftMLXCoreTests", swiftSettings: strict),
        .testTarget(
            name: "SwiftMLXUITests", dependencies: ["SwiftMLXUI"],
            path: tests + "SwiftMLXUITests", swiftSettings: strict),
    ]
)
