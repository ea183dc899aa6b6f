// swift-tools-version: 6.2
import Foundation
import PackageDescription

// What every target of this package is held to. Swift 6 language mode comes with the tools version.
// Warnings are errors where the package itself is tested, not where others build it with newer tools.
let strict: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]
    + (Context.environment["MLX_STRICT"] == nil ? [] : [.treatAllWarnings(as: .error)])

// MLX runs on Apple's GPUs only; everywhere else the package resolves without any network.
#if os(macOS)
let mlxPackages: [Package.Dependency] = [
    .package(url: "https://github.com/ml-explore/mlx-swift-lm", .upToNextMajor(from: "3.31.4")),
    .package(url: "https://github.com/ml-explore/mlx-swift", from: "0.31.4"),
    .package(url: "https://github.com/huggingface/swift-transformers", from: "1.3.0"),
]
let mlxProducts: [Target.Dependency] = [
    .product(name: "MLXLLM", package: "mlx-swift-lm"),
    .product(name: "MLXVLM", package: "mlx-swift-lm"),
    .product(name: "MLXLMCommon", package: "mlx-swift-lm"),
    .product(name: "MLX", package: "mlx-swift"),
    .product(name: "Tokenizers", package: "swift-transformers"),
]
#else
let mlxPackages: [Package.Dependency] = []
let mlxProducts: [Target.Dependency] = []
#endif

let sources = "tools/SwiftMLX/Sources/"
let tests = "tools/SwiftMLX/Tests/"

// The suite's own C, compiled from where it lies: headers are named from the root.
#if os(Linux)
// Debian's pkg-config file names folders that SwiftPM refuses; its headers lie in /usr/include anyway.
let czmqPackage: String? = nil
let msgpackPackage: String? = nil
// msgpack's C library was called msgpackc before version 5.
let msgpackLibrary = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64", "/usr/lib"]
    .contains { FileManager.default.fileExists(atPath: $0 + "/libmsgpack-c.so") } ? "msgpack-c" : "msgpackc"
let systemSource = "os_linux.c"
let door = "door_linux.c"
#else
let systemSource = "os_darwin.c"
let door = "door_darwin.c"
let czmqPackage: String? = "libczmq"
let msgpackPackage: String? = "msgpack-c"
let msgpackLibrary = "msgpack-c"
#endif

let cSettings: [CSetting] = [
    .headerSearchPath("."),
    .define("_GNU_SOURCE", .when(platforms: [.linux])),
    .define("_DARWIN_C_SOURCE", .when(platforms: [.macOS])),
]
let protocolSources = [
    "base.c", "buf.c", "catalogue.c", "catalogue_commands.c", "catalogue_energy.c", "catalogue_topics.c", "error.c",
    "message.c", "pack.c", "utf8.c", "value.c",
].map { "proto/" + $0 }
let clientSources = [
    "base/clock.c", "base/env.c", "base/held.c", "base/paths.c", "base/random.c", "base/units.c", "bus/bus.c",
    "bus/calls.c", "bus/keys.c", "bus/last_values.c", "bus/loop.c", "bus/seen.c", "view/bench_words.c",
    "view/details.c", "view/figures.c", "view/menu_items.c", "view/menu_preferences.c", "view/menu_view.c",
    "view/overview.c", "view/overview_state.c", "view/prompt_words.c", "view/room.c",
].map { "common/" + $0 }

let package = Package(
    name: "SwiftMLX",
    platforms: [.macOS(.v14), .iOS(.v17), .visionOS(.v1)],
    products: [
        .library(name: "SwiftMLX", targets: ["SwiftMLX"]),
        .library(name: "SwiftMLXUI", targets: ["SwiftMLXUI"]),
        .library(name: "MLXBus", targets: ["MLXBus"]),
        .library(name: "SwiftMLXBus", targets: ["SwiftMLXBus"]),
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
        .target(
            name: "MLXBus", dependencies: ["CMLXBus"],
            path: sources + "MLXBus", swiftSettings: strict),
        .target(
            name: "SwiftMLXBus", dependencies: ["SwiftMLXCore", "MLXBus"],
            path: sources + "SwiftMLXBus", swiftSettings: strict),
        .target(
            name: "CMLXBus", dependencies: ["CZMQ", "CMsgpack"], path: sources + "CMLXBus",
            sources: ["feed.c", "menu.c", "message.c"] + protocolSources + clientSources,
            cSettings: cSettings,
            linkerSettings: ["czmq", "zmq", msgpackLibrary, "m"].map { .linkedLibrary($0) }),
        .executableTarget(
            name: "mlxbus-catalogue", dependencies: ["MLXBus", "CMLXBus"],
            path: sources + "mlxbus-catalogue", swiftSettings: strict),
        .target(
            name: "MLXDashModel", dependencies: ["MLXBus"],
            path: "tools/MLXDash/Sources/MLXDashModel", swiftSettings: strict),
        .testTarget(
            name: "MLXDashModelTests", dependencies: ["MLXDashModel", "CMLXBusTestSupport"],
            path: "tools/MLXDash/Tests/MLXDashModelTests", swiftSettings: strict),
        .systemLibrary(
            name: "CZMQ", path: sources + "CZMQ", pkgConfig: czmqPackage,
            providers: [.apt(["libczmq-dev", "libzmq3-dev"]), .brew(["czmq", "zeromq"])]),
        .systemLibrary(
            name: "CMsgpack", path: sources + "CMsgpack", pkgConfig: msgpackPackage,
            providers: [.apt(["libmsgpack-dev"]), .brew(["msgpack"])]),
        .testTarget(
            name: "SwiftMLXCoreTests", dependencies: ["SwiftMLXCore"],
            path: tests + "SwiftMLXCoreTests", swiftSettings: strict),
        .testTarget(
            name: "MLXBusTests", dependencies: ["MLXBus", "SwiftMLXBus", "CMLXBusTestSupport", "mlxbus-catalogue"],
            path: tests + "MLXBusTests", swiftSettings: strict),
        .target(
            name: "CMLXBusTestSupport", dependencies: ["CMLXBus"],
            path: "tests/swift/CMLXBusTestSupport",
            sources: ["cmlxtest.c", "common/os/" + systemSource]
                + ["broker.c", door, "newcomers.c", "peer.c", "peer_link.c", "pressure.c", "readers.c", "remote.c",
                    "retained.c", "router.c", "snapshot.c", "weight.c"].map { "services/bus/" + $0 },
            cSettings: cSettings + [.headerSearchPath("../../../" + sources + "CMLXBus")]),
        .testTarget(
            name: "TemplateTests", dependencies: ["TemplateCores"],
            path: tests + "TemplateTests", swiftSettings: strict),
        // The Xcode templates' sources without views, with the package that the templates carry.
        .target(
            name: "TemplateCores", dependencies: ["LocalMLX"], path: "tests/swift/TemplateCores",
            swiftSettings: strict),
        .target(
            name: "LocalMLX", dependencies: ["SwiftMLX"], path: "tests/swift/LocalMLX",
            swiftSettings: strict),
        .testTarget(
            name: "SwiftMLXUITests", dependencies: ["SwiftMLXUI"],
            path: tests + "SwiftMLXUITests", swiftSettings: strict),
    ]
)

// The app itself has no use for other systems; its model is built and tested everywhere.
#if os(macOS)
package.targets.append(
    .executableTarget(
        name: "MLXDash", dependencies: ["MLXDashModel", "MLXBus"],
        path: "tools/MLXDash/Sources/MLXDash", swiftSettings: strict))
#endif
