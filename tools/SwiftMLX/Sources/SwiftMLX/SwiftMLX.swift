/// Everything in one import: models, chats and, on Apple's systems, the ready-made views.
///
/// The code lies in two modules, so that a program without a window can import `SwiftMLXCore` alone.
@_exported import SwiftMLXCore
@_exported import SwiftMLXUI
