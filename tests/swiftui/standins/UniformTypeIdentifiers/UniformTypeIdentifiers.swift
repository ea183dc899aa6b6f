public struct UTType: Hashable, Sendable {
    public static let image = UTType(), text = UTType(), sourceCode = UTType(), pdf = UTType(), plainText = UTType()
}
