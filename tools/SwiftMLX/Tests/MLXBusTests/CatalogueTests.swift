import Foundation
import Testing
import MLXBus
@testable import mlxbus_catalogue

/// The Swift types are what the generator makes of the catalogue: a change in C that is not in Swift
/// fails here.
@Suite struct CatalogueTests {
    private static let folder = URL(fileURLWithPath: #filePath)
        .appendingPathComponent("../../../Sources/MLXBus").standardizedFileURL

    @Test func swiftSaysWhatTheCatalogueSays() throws {
        let generator = CatalogueGenerator(catalogue: CatalogueGenerator.catalogue())
        for (name, expected) in generator.files() {
            let file = Self.folder.appendingPathComponent(name)
            let have = try String(contentsOf: file, encoding: .utf8).components(separatedBy: "\n")
            let want = expected.components(separatedBy: "\n")
            let difference = zip(have, want).first { $0 != $1 }
            #expect(difference == nil && have.count == want.count, """
                \(name) and the catalogue differ; \
                run `swift run mlxbus-catalogue tools/SwiftMLX/Sources/MLXBus`
                """)
        }
    }

    @Test func everyTopicHasAType() {
        let (topics, defined) = CatalogueGenerator(catalogue: CatalogueGenerator.catalogue()).coverage()
        #expect(topics >= 14)
        #expect(defined == topics)
    }

    @Test func aChangedCatalogueIsNoticed() {
        let catalogue = CatalogueGenerator.catalogue()
        let before = CatalogueGenerator(catalogue: catalogue).files()
        for change in ["type", "key", "help"] {
            let after = CatalogueGenerator(
                catalogue: Self.changed(catalogue, change)).files()
            #expect(before != after, "\(change)")
        }
    }

    /// The catalogue with one attribute of its first topic's first field changed.
    private static func changed(_ catalogue: BusData, _ attribute: String) -> BusData {
        guard case .map(var all) = catalogue, case .list(var topics) = all["topics"],
              case .map(var topic) = topics[0], case .list(var fields) = topic["fields"],
              case .map(var field) = fields[0]
        else { return catalogue }
        field[attribute] = .string(attribute == "type" ? "bool" : "changed")
        fields[0] = .map(field)
        topic["fields"] = .list(fields)
        topics[0] = .map(topic)
        all["topics"] = .list(topics)
        return .map(all)
    }
}
