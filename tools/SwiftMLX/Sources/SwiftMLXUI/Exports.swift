@_exported import SwiftMLXCore
