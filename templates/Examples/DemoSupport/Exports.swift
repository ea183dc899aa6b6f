@_exported import SwiftMLX
