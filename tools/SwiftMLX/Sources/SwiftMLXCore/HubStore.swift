import Foundation

/// One repository in the Hugging Face cache, in the layout of the hub's own client: `blobs` by the hash
/// of their content, `snapshots` with links to them, `refs`, the list of a commit's files in `trees`, and
/// locks beside the repositories.
struct HubStore: Sendable {
    let root: URL
    let repository: String
    let folder: URL

    private static let tag = "CACHEDIR.TAG"
    /// What the standard for such files begins with.
    private static let tagText = """
        Signature: 8a477f597d28d172789f06886806bc55
        # This file is a cache directory tag: what lies here can be downloaded again.
        # See https://bford.info/cachedir/
        
        """

    init(root: URL, repository: String) {
        self.root = root
        self.repository = repository
        folder = root.appendingPathComponent("models--" + repository.replacingOccurrences(of: "/", with: "--"))
    }

    func blob(_ file: HubFile) -> URL { folder.appendingPathComponent("blobs/" + file.etag) }

    /// Where a download is kept until its hash is known to be right.
    func partial(_ file: HubFile) -> URL { folder.appendingPathComponent("blobs/\(file.etag).incomplete") }

    func lock(_ file: HubFile) -> URL {
        root.appendingPathComponent(".locks/\(folder.lastPathComponent)/\(file.etag).lock")
    }

    func snapshot(_ commit: String) -> URL { folder.appendingPathComponent("snapshots/" + commit) }

    /// Makes the folders.
    func prepare() throws {
        try explaining(folder) {
            try FileManager.default.createDirectory(at: folder.appendingPathComponent("blobs"),
                                                    withIntermediateDirectories: true)
            let tag = root.appendingPathComponent(Self.tag)
            if !FileManager.default.fileExists(atPath: tag.path) {
                try? Data(Self.tagText.utf8).write(to: tag)
            }
        }
    }

    /// Whether the content of `file` is there. What stands under its hash was verified before it got there.
    func has(_ file: HubFile) -> Bool { Self.size(blob(file)) == file.size }

    /// Bytes of `file` that a download brought and nothing has verified yet.
    func partialSize(_ file: HubFile) -> Int { Self.size(partial(file)) ?? 0 }

    private static func size(_ file: URL) -> Int? {
        let place = file.resolvingSymlinksInPath().path
        return ((try? FileManager.default.attributesOfItem(atPath: place))?[.size] as? NSNumber)?.intValue
    }

    /// Bytes that the volume has left, where it tells.
    var freeBytes: Int? {
        let facts = try? FileManager.default.attributesOfFileSystem(forPath: folder.path)
        return (facts?[.systemFreeSize] as? NSNumber)?.intValue
    }

    // MARK: making visible

    /// Gives `file` its name in the snapshot of `commit`.
    func link(_ file: HubFile, _ commit: String) throws {
        let place = snapshot(commit).appendingPathComponent(file.path)
        let up = String(repeating: "../", count: file.path.split(separator: "/").count + 1)
        let target = up + "blobs/" + file.etag
        try explaining(place) {
            let files = FileManager.default
            if (try? files.destinationOfSymbolicLink(atPath: place.path)) == target { return }
            let kind = (try? files.attributesOfItem(atPath: place.path))?[.type] as? FileAttributeType
            if kind != nil, kind != .typeSymbolicLink {
                // A client on a system without links puts the file itself there.
                guard Self.size(place) != file.size else { return }
                throw MLXError(.downloadFailed, "\(place.path) already exists and is a different file",
                               hint: "move it away, then try again")
            }
            try files.createDirectory(at: place.deletingLastPathComponent(), withIntermediateDirectories: true)
            try replace(place) { try files.createSymbolicLink(atPath: $0.path, withDestinationPath: target) }
        }
    }

    /// Has `revision` mean `commit`: last, so that a name never means half a model.
    func point(_ revision: String, to commit: String) throws {
        guard revision != commit, self.commit(of: revision) != commit else { return }
        let place = folder.appendingPathComponent("refs/" + revision)
        try explaining(place) {
            try FileManager.default.createDirectory(at: place.deletingLastPathComponent(),
                                                    withIntermediateDirectories: true)
            try replace(place) { try Data(commit.utf8).write(to: $0) }
        }
    }

    /// The commit that `revision` meant when it was asked last.
    func commit(of revision: String) -> String? {
        if HubFile.isHex(revision, 40) { return revision }
        let text = try? String(contentsOf: folder.appendingPathComponent("refs/" + revision), encoding: .utf8)
        return text.flatMap { HubFile.isHex($0, 40) ? $0 : nil }
    }

    private func replace(_ place: URL, _ make: (URL) throws -> Void) throws {
        let new = place.deletingLastPathComponent()
            .appendingPathComponent("\(place.lastPathComponent).\(UUID().uuidString.prefix(8).lowercased()).tmp")
        do {
            try make(new)
            guard rename(new.path, place.path) == 0 else { throw POSIXError(.init(rawValue: errno) ?? .EIO) }
        } catch {
            try? FileManager.default.removeItem(at: new)
            throw error
        }
    }

    func explaining<Result>(_ place: URL, _ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as MLXError {
            throw error
        } catch {
            throw MLXError(.downloadFailed, "\(place.path) cannot be written: \(error.localizedDescription)",
                           hint: "check the owner and the free space of \(root.path)")
        }
    }

    // MARK: what a commit holds

    private func list(_ commit: String) -> URL { folder.appendingPathComponent("trees/\(commit).json") }

    /// Keeps the list of a commit's files: by it other programs see what is missing.
    func write(_ files: [HubFile], of commit: String) throws {
        let members = files.map { file -> (String, JSONValue) in
            var facts: [String: JSONValue] = ["size": .int(file.size), "blob_id": .string(file.gitHash)]
            facts["lfs_sha256"] = file.sha256.map(JSONValue.string)
            facts["lfs_size"] = file.sha256.map { _ in .int(file.size) }
            facts["xet_hash"] = file.xetHash.map(JSONValue.string)
            return (file.path, .object(facts))
        }
        let json: JSONValue = ["format_version": 1, "files": .object(Dictionary(members) { $1 })]
        let place = list(commit)
        try explaining(place) {
            try FileManager.default.createDirectory(at: place.deletingLastPathComponent(),
                                                    withIntermediateDirectories: true)
            try replace(place) { try json.encoded.write(to: $0) }
        }
    }

    /// The list that was kept, or nil where there is none.
    func files(of commit: String) -> [HubFile]? {
        guard let data = try? Data(contentsOf: list(commit)), let json = try? JSONValue(parsing: data),
              json["format_version"]?.intValue == 1, let files = json["files"]?.objectValue
        else { return nil }
        return try? files.sorted { $0.key < $1.key }.compactMap { path, facts in
            var entry: [String: JSONValue] = ["type": "file", "path": .string(path)]
            entry["size"] = facts["size"]
            entry["oid"] = facts["blob_id"]
            entry["lfs"] = facts["lfs_sha256"].map { ["oid": $0, "size": facts["lfs_size"] ?? .null] }
            entry["xetHash"] = facts["xet_hash"]
            return try HubFile(.object(entry), of: repository)
        }
    }

    /// Whether each of `files` has its name in the snapshot and its content behind it.
    func isWhole(_ files: [HubFile], _ commit: String) -> Bool {
        !files.isEmpty && files.allSatisfy { Self.size(snapshot(commit).appendingPathComponent($0.path)) == $0.size }
    }
}
