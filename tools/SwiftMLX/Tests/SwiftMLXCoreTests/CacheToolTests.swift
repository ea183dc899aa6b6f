import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct CacheToolTests {
    private static func tool(_ folder: TemporaryDirectory, _ script: String) throws
        -> CacheToolDownloader
    {
        try folder.write("mlx-cache", "#!/bin/sh\n" + script, mode: 0o755)
        return try #require(CacheToolDownloader.installed(environment: ["PATH": folder.url.path]))
    }

    @Test func runsTheTool() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            echo "$@" > \(folder.url.path)/arguments
            echo '{"results":[]}'
            """)
        var reports: [DownloadProgress] = []
        for try await report in tool.download("o/m") { reports.append(report) }
        #expect(reports == [DownloadProgress(phase: "downloading")])
        #expect(try String(contentsOf: folder.url.appendingPathComponent("arguments"),
                           encoding: .utf8) == "add --json o/m\n")
    }

    @Test func passesTheToolsOwnWordsOn() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            echo 'config.json  23 B  verified  (downloaded)' >&2
            echo 'mlx-cache: no space left' >&2
            exit 1
            """)
        let error = await failure { for try await _ in tool.download("o/m") {} }
        #expect(error?.code == .downloadFailed)
        #expect(error?.text.contains("no space left") == true)
        #expect(error?.text.contains("verified") == false)
    }

    @Test func neverRunsAHostileName() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, "touch \(folder.url.path)/ran")
        #expect(await failure { for try await _ in tool.download("--help") {} }?.code == .badRequest)
        #expect(!FileManager.default.fileExists(atPath: folder.url.path + "/ran"))
    }

    @Test func cancellingInterruptsTheTool() async throws {
        let folder = try TemporaryDirectory()
        let tool = try Self.tool(folder, """
            trap 'echo interrupted > \(folder.url.path)/end; exit 130' INT
            touch \(folder.url.path)/begin
            while :; do sleep 0.05; done
            """)
        try await withDeadline {
            let task = Task { for try await _ in tool.download("o/m") {} }
            let begin = folder.url.path + "/begin"
            while !FileManager.default.fileExists(atPath: begin) { await Task.yield() }
            task.cancel()
            let end = folder.url.path + "/end"
            while !FileManager.default.fileExists(atPath: end) { await Task.yield() }
        }
    }

    /// What may lie on a person's path under the name of the program.
    enum Broken: String, CaseIterable {
        case noInterpreter, otherProcessor, empty, fails, isKilled, hasGone, wasMadeAFolder, denied

        func write(_ folder: TemporaryDirectory) throws {
            switch self {
            case .noInterpreter: try folder.write("mlx-cache", "#!/no/such/python3\n", mode: 0o755)
            case .otherProcessor:
                // An ELF file of a processor that nobody has: only its head is looked at.
                try folder.write("mlx-cache", Data([0x7F, 0x45, 0x4C, 0x46, 2, 1, 1, 0]) + Data(count: 8)
                    + Data([2, 0, 0xF7, 0xFF, 1, 0, 0, 0]) + Data(count: 40), mode: 0o755)
            case .empty: try folder.write("mlx-cache", "", mode: 0o755)
            case .fails:
                try folder.write("mlx-cache", "#!/bin/sh\necho 'no space left' >&2; exit 1", mode: 0o755)
            case .isKilled: try folder.write("mlx-cache", "#!/bin/sh\nkill -9 $$", mode: 0o755)
            case .hasGone: break
            case .wasMadeAFolder: try folder.write("mlx-cache/x")
            case .denied: try folder.write("mlx-cache", "#!/bin/sh\n", mode: 0o000)
            }
        }
    }

    @Test(arguments: Broken.allCases)
    func aProgramThatCannotRunIsAnErrorThatTheNextDownloaderMends(broken: Broken) async throws {
        let folder = try TemporaryDirectory()
        try broken.write(folder)
        let tool = CacheToolDownloader(tool: folder.url.appendingPathComponent("mlx-cache"))
        // An empty program is a script that does nothing where the shell's rules hold: no error then,
        // and no model either.
        if broken != .empty {
            let error = await failure { for try await _ in tool.download("o/m") {} }
            #expect(error?.code == .downloadFailed)
            #expect(error?.text.contains("mlx-cache") == true)
            if broken == .fails { #expect(error?.text.contains("no space left") == true) }
            if broken == .isKilled { #expect(error?.text.contains("signal 9") == true) }
            let link = await failure { try await tool.link("o/m", to: "ollama") }
            #expect(link?.code == .downloadFailed)
        }

        let ollama = try OllamaDouble(folder)
        let resolver = ollama.resolver(downloaders: [tool, ollama.backend])
        let model = try await MLXModel.load("new:1b", resolver: resolver)
        #expect(model.name == "new:1b")
        #expect(ollama.pulls == ["new:1b"])
    }

    @Test func isFoundWhereTheSuiteInstallsIt() throws {
        let folder = try TemporaryDirectory()
        let home = folder.url.path
        let own = try folder.write(".local/bin/mlx-cache", "#!/bin/sh\n", mode: 0o755)
        for environment in [["HOME": home, "PATH": "/usr/bin:/bin"], ["HOME": home]] {
            #expect(CacheToolDownloader.installed(environment: environment)?.tool.path == own.path)
        }
        let first = try folder.write("bin/mlx-cache", "#!/bin/sh\n", mode: 0o755)
        let both = ["HOME": home, "PATH": "\(home)/folder:\(home)/bin"]
        #expect(CacheToolDownloader.installed(environment: both)?.tool.path == first.path)
        // A folder of that name is not a program, nor is a file that may not be run.
        try folder.write("folder/mlx-cache/x")
        #expect(CacheToolDownloader.installed(environment: both)?.tool.path == first.path)
        try folder.write("denied/mlx-cache", mode: 0o644)
        let denied = ["HOME": home, "PATH": "\(home)/denied"]
        #expect(CacheToolDownloader.installed(environment: denied)?.tool.path == own.path)
    }
}
