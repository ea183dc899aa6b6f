// swift-tools-version: 6.2
import PackageDescription

// A template cannot name a package by its address, so this small package does. To use another
// version of SwiftMLX, change the dependency here.
let package = Package(
    name: "LocalMLX",
    platforms: [.macOS(.v14), .iOS(.v17)],
    products: [.library(name: "LocalMLX", targets: ["LocalMLX"])],
    dependencies: [.package(name: "SwiftMLX", path: "@SWIFTMLX_PATH@")],
    targets: [
        .target(
            name: "LocalMLX", dependencies: [.product(name: "SwiftMLX", package: "SwiftMLX")]),
    ]
)
