import Foundation
internal import CMLXBus

/// What a menu bar shows: the same title, items and icon as on every front end of the suite.
public struct DashboardMenu: Sendable, Hashable {
    /// How the icon looks.
    public enum Level: Int, Sendable, Hashable {
        /// No bus, or nothing heard.
        case offline
        /// Nothing is being generated.
        case idle
        /// A model is at work.
        case busy
        /// An alert, a full memory, a service that is down.
        case warning
    }

    /// What the title shows.
    public enum Title: Int, Sendable, Hashable, CaseIterable {
        /// Tokens per second.
        case tokens
        /// The share of memory in use.
        case memory
        /// The share of time that the GPU is busy.
        case gpu
    }

    /// What a click does.
    public enum Action: Int, Sendable, Hashable {
        /// Nothing.
        case none
        /// Runs a benchmark.
        case benchmark
        /// Stops the running benchmark.
        case cancelBenchmark
        /// Shows the history.
        case history
        /// Opens the preferences.
        case preferences
        /// Ends the app.
        case quit
    }

    /// One line of the menu.
    public struct Item: Sendable, Hashable, Identifiable {
        /// A stable name: `model`, `performance`, `memory`, …
        public let id: String
        /// The text; empty for a separator.
        public let text: String
        /// Whether it is a line across.
        public let isSeparator: Bool
        /// Whether it can be clicked.
        public let isEnabled: Bool
        /// What a click does.
        public let action: Action
    }

    /// "42 tok/s", "idle", "offline".
    public let title: String
    /// A few lines that say what the menu says.
    public let tooltip: String
    /// How the icon looks.
    public let level: Level
    /// The lines.
    public let items: [Item]
}

/// Makes a ``DashboardMenu`` of the messages it is given.
///
/// ```swift
/// let builder = DashboardMenuBuilder()
/// builder.put(message)
/// show(builder.menu(now: Date()))
/// ```
public final class DashboardMenuBuilder {
    private let menu = cmlx_menu_new()

    /// A menu that has heard nothing.
    public init() {}

    deinit {
        cmlx_menu_free(menu)
    }

    /// Takes the newest message of a topic.
    public func put(_ message: BusMessage) {
        cmlx_menu_put(menu, message.pointer)
    }

    /// The menu at `now`: values that are too old by then count as absent.
    ///
    /// - Parameters:
    ///   - title: What the title shows.
    ///   - benchmark: How far a running benchmark is; nil when none runs.
    ///   - now: The time.
    public func menu(title: DashboardMenu.Title = .tokens, benchmark: String? = nil, now: Date)
        -> DashboardMenu
    {
        let time = Int64(now.timeIntervalSince1970 * 1e6)
        cmlx_menu_refresh(menu, Int32(title.rawValue), benchmark != nil, benchmark, time)
        return DashboardMenu(
            title: String(cString: cmlx_menu_title(menu)),
            tooltip: String(cString: cmlx_menu_tooltip(menu)),
            level: DashboardMenu.Level(rawValue: Int(cmlx_menu_level(menu))) ?? .offline,
            items: (0..<cmlx_menu_count(menu)).map { item(cmlx_menu_at(menu, $0), $0) })
    }

    private func item(_ item: cmlx_menu_item_t, _ index: Int) -> DashboardMenu.Item {
        let id = item.id.map { String(cString: $0) } ?? ""
        return DashboardMenu.Item(
            id: id.isEmpty ? "line-\(index)" : id,
            text: item.text.map { String(cString: $0) } ?? "", isSeparator: item.kind == 1,
            isEnabled: item.enabled,
            action: DashboardMenu.Action(rawValue: Int(item.action)) ?? .none)
    }
}
