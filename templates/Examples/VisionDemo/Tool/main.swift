import VisionDemoCore
import DemoSupport
import Foundation

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(VisionProgram.usage)
    exit(0)
}
exit(await Terminal.run {
    try await VisionProgram(arguments: arguments)
        .run(write: Terminal.write, note: Terminal.note)
})
