import Foundation

/// Tells a whole model from half a download: only what can be loaded counts as there.
struct WholeModel {
    let format: CachedModel.Format
    /// The file to give to a program that takes one; nil where the folder is what is loaded.
    let file: URL?
    /// `model_type` of its configuration.
    let type: String?
    /// Bytes of the weights.
    let size: Int

    /// The model in `folder`, or nil when there is none or not all of it.
    init?(folder: URL) {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        if let configuration = Self.configuration(folder), Self.hasWholeWeights(folder, files) {
            format = .safetensors
            file = nil
            type = configuration["model_type"]?.stringValue
        } else if let gguf = Self.wholeGGUF(folder, files) {
            format = .gguf
            file = gguf
            type = nil
        } else {
            return nil
        }
        let ending = format == .gguf ? ".gguf" : ".safetensors"
        size = files.filter { $0.lowercased().hasSuffix(ending) }.reduce(0) { sum, name in
            let file = folder.appendingPathComponent(name).resolvingSymlinksInPath()
            let size = (try? FileManager.default.attributesOfItem(atPath: file.path))?[.size]
            return sum + ((size as? NSNumber)?.intValue ?? 0)
        }
    }

    private static func configuration(_ folder: URL) -> JSONValue? {
        let file = folder.appendingPathComponent("config.json")
        guard let data = try? Data(contentsOf: file), let json = try? JSONValue(parsing: data),
              case .object = json
        else { return nil }
        return json
    }

    // MARK: safetensors

    /// Every safetensors file of the folder is loaded together, so each must be whole, and no series
    /// may have a gap. An index counts when it describes the files that are there: some repositories
    /// have one of another build.
    private static func hasWholeWeights(_ folder: URL, _ files: [String]) -> Bool {
        let weights = files.filter { $0.hasSuffix(".safetensors") }
        guard weights.contains(where: { !$0.hasPrefix("adapter") }), !hasGap(weights),
              weights.allSatisfy({ isWholeSafetensors(folder.appendingPathComponent($0)) })
        else { return false }
        let named = indexed(folder)
        let present = named.intersection(weights)
        return present.isEmpty || present == named
    }

    private static func indexed(_ folder: URL) -> Set<String> {
        let file = folder.appendingPathComponent("model.safetensors.index.json")
        guard let data = try? Data(contentsOf: file), let json = try? JSONValue(parsing: data),
              case .object(let map) = json["weight_map"] ?? .null
        else { return [] }
        return Set(map.values.compactMap(\.stringValue))
    }

    /// Whether a series `name-00001-of-00003` lacks one of its files.
    private static func hasGap(_ files: [String]) -> Bool {
        var series: [String: Set<Int>] = [:]
        for file in files {
            guard let part = SeriesPart(file) else { continue }
            series["\(part.stem) \(part.count)", default: []].insert(part.number)
        }
        return series.contains { key, numbers in
            let count = Int(key.split(separator: " ").last ?? "") ?? 0
            return !(1...max(1, count)).allSatisfy(numbers.contains)
        }
    }

    /// A safetensors file says in its head how long it is.
    private static func isWholeSafetensors(_ file: URL) -> Bool {
        guard let handle = FileHandle(forReadingAtPath: file.path) else { return false }
        defer { try? handle.close() }
        guard let size = try? handle.seekToEnd(), (try? handle.seek(toOffset: 0)) != nil,
              let head = try? handle.read(upToCount: 8), head.count == 8
        else { return false }
        let length = head.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length >= 2, length <= 100 << 20, length <= size - 8,
              let text = try? handle.read(upToCount: Int(length)), text.count == Int(length),
              let header = try? JSONValue(parsing: text), case .object(let tensors) = header
        else { return false }
        let end = tensors.values.compactMap { $0["data_offsets"]?[1]?.intValue }.max() ?? 0
        return end >= 0 && UInt64(end) <= size - 8 - length
    }

    // MARK: GGUF

    /// The model's GGUF: of a series, the first. A projector alone is not a model.
    private static func wholeGGUF(_ folder: URL, _ files: [String]) -> URL? {
        let weights = files.filter { $0.lowercased().hasSuffix(".gguf") && !isProjector($0) }.sorted()
        guard !hasGap(weights) else { return nil }
        let all = weights.map(folder.appendingPathComponent)
        return all.allSatisfy(isWholeGGUF) ? all.first : nil
    }

    private static func isProjector(_ name: String) -> Bool {
        name.lowercased().contains("mmproj")
    }

    /// Whether `file` is a GGUF of a model: a page of HTML, an empty file or a projector is none.
    static func isWholeGGUF(_ file: URL) -> Bool {
        guard let data = try? Data(contentsOf: file, options: .alwaysMapped),
              let head = GGUFHead(data)
        else { return false }
        return head.architecture != "clip" && head.minimumSize <= data.count
    }
}

/// One file of a series: `model-00001-of-00003.safetensors`.
private struct SeriesPart {
    let stem: String
    let number: Int
    let count: Int

    init?(_ file: String) {
        let name = file.prefix(upTo: file.lastIndex(of: ".") ?? file.endIndex)
        let words = name.split(separator: "-", omittingEmptySubsequences: false)
        guard words.count >= 4, words[words.count - 2] == "of",
              let count = Int(words[words.count - 1]), let number = Int(words[words.count - 3]),
              (1...99999).contains(count), number >= 1
        else { return nil }
        stem = words.dropLast(3).joined(separator: "-")
        (self.number, self.count) = (number, count)
    }
}

/// The beginning of a GGUF file, as far as it tells what the file is.
private struct GGUFHead {
    private(set) var architecture: String?
    /// Bytes that the file has at least: those of its tables.
    private(set) var minimumSize: Int

    private static let scalarSizes = [0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8]
    private static let (string, array) = (8, 9)

    init?(_ data: Data) {
        guard data.count >= 24, data.prefix(4) == Data("GGUF".utf8) else { return nil }
        var at = data.startIndex + 4
        func number(_ bytes: Int) -> Int? {
            guard bytes <= data.endIndex - at else { return nil }
            defer { at += bytes }
            let value = data[at..<at + bytes].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
            return Int(exactly: value)
        }
        func text() -> String? {
            guard let length = number(8), length >= 0, length <= data.endIndex - at else { return nil }
            defer { at += length }
            return String(decoding: data[at..<at + length].prefix(256), as: UTF8.self)
        }
        guard let version = number(4), (2...16).contains(version), number(8) != nil,
              let pairs = number(8)
        else { return nil }
        minimumSize = 24
        // The architecture is among the first pairs; what comes behind a long list is not needed.
        for _ in 0..<min(pairs, 64) {
            guard let key = text(), let type = number(4) else { return nil }
            if type == Self.string {
                guard let value = text() else { return nil }
                if key == "general.architecture" { architecture = value }
            } else if let size = Self.scalarSizes[type] {
                guard number(size) != nil else { return nil }
            } else {
                break
            }
            minimumSize = at - data.startIndex
        }
    }
}
