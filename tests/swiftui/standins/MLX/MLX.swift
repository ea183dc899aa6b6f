// The part of mlx-swift 0.31 that SwiftMLXCore uses, declared only.
public enum Memory {
    public static var cacheLimit: Int {
        get { 0 }
        set {}
    }
    public static func clearCache() {}
}
