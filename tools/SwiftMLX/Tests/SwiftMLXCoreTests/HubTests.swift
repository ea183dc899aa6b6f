import Foundation
import Testing
@testable import SwiftMLXCore

@Suite struct HubTests {
    private static let weights = Weights.safetensors(20_000)
    private static let entries: [HubDouble.Entry] = [
        .init(path: "config.json", data: Data(#"{"model_type":"llama"}"#.utf8)),
        .init(path: "tokenizer.json", data: Data("{}".utf8)),
        .init(path: "sub dir/chat_template.jinja", data: Data("{{ x }}".utf8)),
        .init(path: "modeling.py", data: Data("import os".utf8)),
        .init(path: "empty.txt", data: Data()),
        .init(path: "onnx/model.safetensors", data: Weights.safetensors(10)),
        .init(path: "model.safetensors", data: weights),
    ]

    /// A downloader into an empty folder, with a hub of its own, that never waits.
    private struct World {
        let folder: TemporaryDirectory
        let double: HubDouble
        let waits = Locked<[Duration]>([])

        init(_ entries: [HubDouble.Entry] = HubTests.entries, list: JSONValue? = nil) throws {
            folder = try TemporaryDirectory()
            double = try HubDouble(entries, list: list)
        }

        func downloader(_ more: [String: String] = [:]) -> HubDownloader {
            var hub = HubDownloader(environment: double.environment.merging(more) { $1 }, store: nil,
                                    home: folder.url)
            hub.pause = { [waits] wait in waits.withLock { $0.append(wait) } }
            return hub
        }

        var repository: URL { folder.url.appendingPathComponent(".cache/huggingface/hub/models--acme--tiny") }

        func content(_ path: String) -> Data? {
            try? Data(contentsOf: repository.appendingPathComponent("snapshots/\(HubDouble.commit)/\(path)"))
        }

        var isVisible: Bool { content("model.safetensors") != nil }

        var located: CachedModel? {
            try? ModelCache(environment: [:], home: folder.url).locate("acme/tiny")
        }

        @discardableResult
        func get(_ more: [String: String] = [:]) async throws -> URL {
            try await withDeadline { [hub = downloader(more)] in try await hub.snapshot(of: "acme/tiny") }
        }
    }

    @Test func hashesAreThoseOfTheStandard() {
        func hash(_ kind: ContentHash.Kind, _ pieces: [Data]) -> String {
            var hash = ContentHash(kind)
            pieces.forEach { hash.update($0) }
            return hash.hex
        }
        #expect(hash(.sha256, []) == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
        #expect(hash(.sha256, [Data("a".utf8), Data("bc".utf8)])
            == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
        #expect(hash(.gitBlob(0), []) == "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391")
        #expect(hash(.gitBlob(12), [Data("hello world\n".utf8)]) == "3b18e512dba79e4c8300dd08aeb37f8e728b8dad")
        var random = SeededRandom(seed: 7)
        for length in 50...130 {
            let data = Data((0..<length).map { UInt8(truncatingIfNeeded: $0 &* 31) })
            #expect(hash(.sha256, data.cut(&random, pieces: 3)) == hash(.sha256, [data]), "length \(length)")
        }
    }

    @Test func theLayoutIsThatOfTheHubsOwnClient() async throws {
        let world = try World()
        let reports = Locked<[DownloadProgress]>([])
        for try await report in world.downloader().download("acme/tiny") { reports.withLock { $0.append(report) } }
        let files = FileManager.default
        let weights = Self.entries[6]
        let link = world.repository.appendingPathComponent("snapshots/\(HubDouble.commit)/model.safetensors")
        #expect(try files.destinationOfSymbolicLink(atPath: link.path) == "../../blobs/\(weights.sha256)")
        let deep = link.deletingLastPathComponent().appendingPathComponent("sub dir/chat_template.jinja")
        #expect(try files.destinationOfSymbolicLink(atPath: deep.path) == "../../../blobs/\(Self.entries[2].gitHash)")
        #expect(try String(contentsOf: world.repository.appendingPathComponent("refs/main"), encoding: .utf8)
            == HubDouble.commit)
        let root = world.repository.deletingLastPathComponent()
        #expect(files.fileExists(atPath: root.path + "/CACHEDIR.TAG"))
        #expect(files.fileExists(atPath: root.path + "/.locks/models--acme--tiny/\(weights.sha256).lock"))
        #expect(world.content("model.safetensors") == Self.weights)
        #expect(world.content("empty.txt") == Data())
        #expect(world.content("modeling.py") == nil)
        #expect(world.content("onnx/model.safetensors") == nil)
        #expect(world.located?.format == .safetensors)
        let total = [0, 1, 2, 6].reduce(0) { $0 + Self.entries[$1].data.count }
        #expect(reports.withLock { $0.last } == DownloadProgress(phase: "downloaded", completed: total, total: total))
        let blobs = try files.contentsOfDirectory(atPath: world.repository.path + "/blobs")
        #expect(blobs.count == 5 && !blobs.contains { $0.hasSuffix(".incomplete") })

        world.double.log.withLock { $0 = [] }
        try await world.get()
        #expect(world.double.log.withLock { $0 } == ["hub /api/models/acme/tiny/revision/main - token"])
    }

    @Test func theTokenStaysWithTheHub() async throws {
        let world = try World()
        try await world.get()
        let log = world.double.log.withLock { $0 }
        #expect(log.contains { $0.hasPrefix("files") })
        #expect(log.allSatisfy { $0.hasSuffix("token") == $0.hasPrefix("hub") }, "\(log)")
        for text in ["two\nlines", "", "ümlaut"] {
            world.double.log.withLock { $0 = [] }
            try await world.get(["HF_TOKEN": text])
            #expect(world.double.log.withLock { $0 }.allSatisfy { $0.hasSuffix("open") }, "\(text)")
        }
        try world.folder.write(".cache/huggingface/token", "hf_kept\n")
        world.double.log.withLock { $0 = [] }
        try await world.get(["HF_TOKEN": ""])
        #expect(world.double.log.withLock { $0 }.allSatisfy { $0.hasSuffix("token") })
    }

    @Test(arguments: [1000, 19_999]) func aTornDownloadGoesOn(at count: Int) async throws {
        let world = try World()
        world.double.faults.withLock { $0 = [.cut(count)] }
        try await world.get()
        #expect(world.content("model.safetensors") == Self.weights)
        #expect(world.double.ranges == ["-", "bytes=\(count)-\(Self.weights.count - 1)"])
    }

    @Test func aServerWithoutRangesIsTakenFromTheStart() async throws {
        let world = try World()
        world.double.faults.withLock { $0 = [.cut(1000), .whole] }
        try await world.get()
        #expect(world.content("model.safetensors") == Self.weights)
    }

    @Test func aPartialFileOfAnotherContentIsThrownAway() async throws {
        let world = try World()
        let partial = "blobs/\(Self.entries[6].sha256).incomplete"
        let place = world.repository.appendingPathComponent(partial)
        try FileManager.default.createDirectory(at: place.deletingLastPathComponent(),
                                                withIntermediateDirectories: true)
        for (size, ranges) in [(5000, ["bytes=5000-\(Self.weights.count - 1)", "-"]),
                               (Self.weights.count, ["-"]), (Self.weights.count + 5, ["-"])] {
            try? FileManager.default.removeItem(at: world.repository.appendingPathComponent("blobs/\(Self.entries[6].sha256)"))
            world.double.log.withLock { $0 = [] }
            try Data(repeating: 9, count: size).write(to: place)
            try await world.get()
            #expect(world.content("model.safetensors") == Self.weights)
            #expect(world.double.ranges == ranges, "\(size)")
        }
    }

    @Test func a416BeginsAgain() async throws {
        let world = try World()
        world.double.faults.withLock { $0 = [.cut(1000), .status(416, [:])] }
        try await world.get()
        #expect(world.content("model.safetensors") == Self.weights)
        #expect(world.double.ranges.last == "-")
    }

    @Test func whatPassesIsTriedAgain() async throws {
        let world = try World()
        world.double.faults.withLock {
            $0 = [.status(503, [:]), .status(429, ["Retry-After": "7"]), .status(403, [:]), .cut(10), .cut(10)]
        }
        try await world.get()
        #expect(world.content("model.safetensors") == Self.weights)
        #expect(world.waits.withLock { $0 }.contains(.seconds(7)))
        #expect(world.waits.withLock { $0 }.count == 5)
    }

    @Test func whatDoesNotPassIsAnErrorThatSaysWhy() async throws {
        for (fault, words) in [
            (HubDouble.Fault.wrong, "SHA-256"), (.longer, "the hub sends"), (.status(503, [:]), "503"),
            (.status(429, ["Retry-After": "3600"]), "too many requests"), (.status(404, [:]), "no acme/tiny"),
            (.cut(0), "0 of \(Self.weights.count) bytes"),
        ] {
            let world = try World()
            world.double.faults.withLock { $0 = Array(repeating: fault, count: 9) }
            let error = await failure { try await world.get() }
            #expect(error?.text.contains(words) == true, "\(fault): \(error?.text ?? "")")
            #expect(error?.hint.isEmpty == false)
            #expect(!world.isVisible && world.located == nil)
        }
    }

    @Test func liesAboutRangesAreNoticed() async throws {
        for fault in [HubDouble.Fault.otherPart, .otherTotal] {
            let world = try World()
            world.double.faults.withLock { $0 = [.cut(1000), fault] }
            let error = await failure { try await world.get() }
            #expect(error?.text.contains("another part") == true)
            #expect(!world.isVisible)
            try await world.get() // and the next attempt is none the worse
            #expect(world.content("model.safetensors") == Self.weights)
        }
    }

    @Test func aHubThatServesOtherContentThanItListsIsRefused() async throws {
        let other = Self.entries.map { $0.isLarge ? HubDouble.Entry(path: $0.path, data: Weights.safetensors(19_999)) : $0 }
        let world = try World(list: HubDouble.list(other))
        let error = await failure { try await world.get() }
        #expect(error?.text.contains("other content than it lists") == true)
        #expect(!world.isVisible)
    }

    @Test func cancellingKeepsWhatIsThere() async throws {
        let world = try World()
        world.double.faults.withLock { $0 = [.hold(12_000)] }
        let task = Task { [hub = world.downloader()] in try await hub.snapshot(of: "acme/tiny") }
        let partial = world.repository.appendingPathComponent("blobs/\(Self.entries[6].sha256).incomplete")
        func size() -> Int {
            ((try? FileManager.default.attributesOfItem(atPath: partial.path))?[.size] as? NSNumber)?.intValue ?? 0
        }
        while size() < 12_000 { try await Task.sleep(for: .milliseconds(5)) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(size() == 12_000 && !world.isVisible)
        try await world.get()
        #expect(world.double.ranges.last == "bytes=12000-\(Self.weights.count - 1)")
        #expect(world.content("model.safetensors") == Self.weights)
    }

    @Test func refusalsSayWhatToDo() async throws {
        for (status, code, words, hint) in [
            (403, "GatedRepo", "accepted its terms", "accept them"), (401, "RepoNotFound", "no repository", "check"),
            (401, "", "refuses access", "HF_TOKEN"), (404, "RevisionNotFound", "revision", "look"),
            (429, "", "too many", "HF_TOKEN"), (500, "", "500", "later"),
        ] {
            let world = try World()
            world.double.refusal.withLock { $0 = .init(status: status, headers: code.isEmpty ? [:] : ["X-Error-Code": code]) }
            let error = await failure { try await world.get() }
            #expect(error?.text.contains(words) == true, "\(status): \(error?.text ?? "")")
            #expect(error?.hint.contains(hint) == true, "\(status): \(error?.hint ?? "")")
        }
    }

    @Test func offlineNothingIsAsked() async throws {
        let world = try World()
        for (variable, value) in [("HF_HUB_OFFLINE", "1"), ("TRANSFORMERS_OFFLINE", "ON")] {
            let error = await failure { try await world.get([variable: value]) }
            #expect(error?.code == .unavailable && error?.text.contains("offline") == false)
            #expect(error?.hint.contains("HF_HUB_OFFLINE") == true)
        }
        #expect(world.double.log.withLock { $0 }.isEmpty)
        let folder = try await world.get()
        world.double.log.withLock { $0 = [] }
        #expect(try await world.get(["HF_HUB_OFFLINE": "yes"]) == folder)
        #expect(world.double.log.withLock { $0 }.isEmpty)
    }

    @Test func hostileListsAreRefusedAtTheDoor() async throws {
        let good = HubDouble.list(Self.entries).arrayValue!
        let hash: JSONValue = .string(String(repeating: "a", count: 40))
        for entry: JSONValue in [
            ["type": "file", "path": "../../evil", "size": 1, "oid": hash],
            ["type": "file", "path": "/etc/x", "size": 1, "oid": hash],
            ["type": "file", "path": "a//b", "size": 1, "oid": hash],
            ["type": "file", "path": "a\u{1b}[2J", "size": 1, "oid": hash],
            ["type": "file", "path": "x.json", "size": -1, "oid": hash],
            ["type": "file", "path": "x.json", "size": 1, "oid": "../../../x"],
            ["type": "file", "path": "x.safetensors", "size": 1, "oid": hash, "lfs": ["oid": "short", "size": 1]],
            ["type": "file", "size": 1, "oid": hash],
        ] {
            let world = try World(list: .array(good + [entry]))
            let error = await failure { try await world.get() }
            #expect(error?.code == .protocolBroken)
            #expect(error?.text.unicodeScalars.allSatisfy { $0.value >= 32 } == true)
            #expect(!FileManager.default.fileExists(atPath: world.repository.path))
        }
    }

    @Test func onlyWhatIsAskedForIsDownloaded() async throws {
        let world = try World()
        let hub = world.downloader()
        let folder = try await withDeadline { try await hub.snapshot(of: "acme/tiny", matching: ["*.json"]) }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
            == ["config.json", "tokenizer.json"])
        #expect(HubPatterns.matches("a/b/c.json", "*.json") && HubPatterns.matches("x1", "x?"))
        #expect(!HubPatterns.matches("x", "x?") && !HubPatterns.matches("a.jsonl", "*.json"))
        #expect(HubPatterns.matches(Substring(String(repeating: "a", count: 2000) + "b"), "*a*a*a*a*b"))
        let none = await failure { _ = try await hub.snapshot(of: "acme/tiny", matching: ["*.onnx"]) }
        #expect(none?.code == .modelNotFound)
    }

    @Test func namesThatAreNoRepositoryAreErrors() async throws {
        let world = try World([.init(path: "tiny-Q4_K_M.gguf", data: Weights.gguf())])
        for name in ["qwen3:4b", "qwen3", "../x", "a/b:Q4_K_M"] {
            _ = await failure { for try await _ in world.downloader().download(name) {} }
        }
        #expect(world.double.log.withLock { $0 }.isEmpty)
        let error = await failure { for try await _ in world.downloader().download("acme/tiny") {} }
        #expect(error?.code == .unsupported && error?.hint.contains("Ollama") == true)
    }

    @Test func twoDownloadsOfOneModelShareTheWork() async throws {
        let world = try World()
        try await withDeadline { [one = world.downloader(), other = world.downloader()] in
            async let first = one.snapshot(of: "acme/tiny")
            async let second = other.snapshot(of: "acme/tiny")
            let folders = try await (first, second)
            #expect(folders.0 == folders.1)
        }
        #expect(world.double.ranges.count == 1)
        #expect(world.content("model.safetensors") == Self.weights)
    }

    @Test func itFallsInWhereTheCachesProgramIsOutOfReach() throws {
        let folder = try TemporaryDirectory()
        try folder.write("bin/mlx-cache", "#!/bin/sh", mode: 0o755)
        let path = folder.url.appendingPathComponent("bin").path
        let found = ["PATH": path, "HOME": folder.url.path]
        let missing = ["PATH": "/nowhere", "HOME": folder.url.path]
        let boxed = found.merging(["APP_SANDBOX_CONTAINER_ID": "x"]) { $1 }
        func chosen(_ environment: [String: String], _ runsInProcess: Bool) -> (any ModelDownloader)? {
            ModelResolver.cacheDownloader(environment, runsInProcess: runsInProcess)
        }
        #expect(chosen(found, true) is CacheToolDownloader)
        if CacheToolDownloader.installed(environment: missing) == nil {
            #expect(chosen(missing, true) is HubDownloader)
            #expect(chosen(missing, false) == nil)
        }
        let hub = try #require(chosen(boxed, true) as? HubDownloader)
        #expect(hub.store.path == folder.url.path + "/Library/Caches/huggingface/hub")
        #expect(chosen(boxed, false) == nil)
    }

    private static let real = ProcessInfo.processInfo.environment["MLX_TEST_HUB_MODEL"]

    /// What `tests/swift/hub.py` has another process do, and kills.
    @Test(.enabled(if: real != nil)) func theRealEnvironmentsHub() async throws {
        let name = try #require(Self.real)
        for try await _ in HubDownloader().download(name) {}
        #expect(try ModelCache().locate(name)?.store == .huggingFace)
    }
}
