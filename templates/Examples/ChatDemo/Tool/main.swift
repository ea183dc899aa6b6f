import ChatDemoCore
import DemoSupport
import Foundation

let arguments = Array(CommandLine.arguments.dropFirst())
if arguments.contains("--help") {
    print(ChatProgram.usage)
    exit(0)
}
exit(await Terminal.run {
    try await ChatProgram(arguments: arguments)
        .run(lines: { readLine() }, write: Terminal.write, note: Terminal.note)
})
