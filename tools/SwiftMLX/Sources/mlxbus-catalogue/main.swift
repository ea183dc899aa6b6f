// Writes the Swift types of the message catalogue:
//
//     swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus
import Foundation

guard CommandLine.arguments.count == 2 else {
    FileHandle.standardError.write(Data("usage: mlxbus-catalogue DIRECTORY\n".utf8))
    exit(2)
}
let folder = URL(fileURLWithPath: CommandLine.arguments[1])
for (name, text) in CatalogueGenerator(catalogue: CatalogueGenerator.catalogue()).files() {
    try Data(text.utf8).write(to: folder.appendingPathComponent(name))
}
