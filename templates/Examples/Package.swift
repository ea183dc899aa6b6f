// swift-tools-version: 6.2
import PackageDescription

// Two demos: for each a core without views, a command-line program that runs everywhere, and on the
// Mac an app. Outside this repository, name SwiftMLX by its address instead of its path.
let strict: [SwiftSetting] = [.enableUpcomingFeature("ExistentialAny")]
let swiftMLX: [Target.Dependency] = [.product(name: "SwiftMLX", package: "SwiftMLX")]

let package = Package(
    name: "Examples",
    platforms: [.macOS(.v14)],
    dependencies: [.package(name: "SwiftMLX", path: "../..")],
    targets: [
        .target(
            name: "DemoSupport", dependencies: swiftMLX, path: "DemoSupport",
            swiftSettings: strict),
        .target(
            name: "ChatDemoCore", dependencies: ["DemoSupport"], path: "ChatDemo/Core",
            swiftSettings: strict),
        .executableTarget(
            name: "chat-demo", dependencies: ["ChatDemoCore"], path: "ChatDemo/Tool",
            swiftSettings: strict),
        .target(
            name: "VisionDemoCore", dependencies: ["DemoSupport"], path: "VisionDemo/Core",
            swiftSettings: strict),
        .executableTarget(
            name: "vision-demo", dependencies: ["VisionDemoCore"], path: "VisionDemo/Tool",
            swiftSettings: strict),
    ]
)

#if os(macOS)
package.targets += [
    .executableTarget(
        name: "ChatDemo", dependencies: ["ChatDemoCore"], path: "ChatDemo/App",
        swiftSettings: strict),
    .executableTarget(
        name: "VisionDemo", dependencies: ["VisionDemoCore"], path: "VisionDemo/App",
        swiftSettings: strict),
]
#endif
