/// Cuts a stream of text before the first stop sequence.
///
/// Servers do this themselves where they can; this is the same promise for those that cannot, and
/// it holds back only what may still become a stop sequence. It compares Unicode scalars, because a
/// piece may end inside what becomes one character.
struct StopSequences {
    private let stops: [[Unicode.Scalar]]
    private var held: [Unicode.Scalar] = []
    private(set) var isStopped = false

    init(_ stops: [String]) {
        self.stops = stops.map { Array($0.unicodeScalars) }
    }

    /// Takes the next piece and returns what is safe to show.
    mutating func take(_ piece: String) -> String {
        guard !isStopped else { return "" }
        guard !stops.isEmpty else { return piece }
        held += piece.unicodeScalars
        if let end = firstStop() {
            isStopped = true
            let shown = Self.text(held[..<end])
            held = []
            return shown
        }
        let keep = longestPartialStop()
        let shown = Self.text(held.dropLast(keep))
        held.removeFirst(held.count - keep)
        return shown
    }

    /// What is left when the stream ends without a stop sequence.
    mutating func flush() -> String {
        defer { held = [] }
        return isStopped ? "" : Self.text(held[...])
    }

    private static func text(_ scalars: ArraySlice<Unicode.Scalar>) -> String {
        var text = ""
        text.unicodeScalars.append(contentsOf: scalars)
        return text
    }

    /// Start of the stop sequence that is complete first, so that the cut does not depend on how the
    /// text was cut into pieces; of several that end together, the longest.
    private func firstStop() -> Int? {
        for end in held.indices.map({ $0 + 1 }) {
            let complete = stops.filter { held[..<end].suffix($0.count) == $0[...] }
            if let longest = complete.map(\.count).max() { return end - longest }
        }
        return nil
    }

    private func longestPartialStop() -> Int {
        let longest = (stops.map(\.count).max() ?? 1) - 1
        return (0...min(longest, held.count)).reversed().first { count in
            stops.contains { $0.starts(with: held.suffix(count)) }
        } ?? 0
    }
}
